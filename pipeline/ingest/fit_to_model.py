"""Makes a splitter keep to the estimate of tokens. Pure.

A splitter counts in one model's tokens. Numbers, dumps and rare characters are more tokens elsewhere, so a piece that is within the budget
for one model is half as much again for another. Where a text's pieces turn out too large, all of it is split again, smaller.
"""

from collections.abc import Callable, Sequence

from pipeline.embedding.tokens import token_share

Splitter = Callable[[str, int], Sequence[str]]

SLACK = 1.1
"""A piece may be so much larger than the budget."""
MIN_TOKENS = 8
MAX_TRIES = 4
SAMPLE_CHARACTERS = 8_192
"""A text of numbers is one from its beginning: that much of it is fitted first, so that the whole is rarely split twice."""


def fitting(split: Splitter) -> Splitter:
    """Return ``split``, with pieces whose estimate is within the budget too, but for a tenth."""

    def split_to_fit(text: str, max_tokens: int) -> Sequence[str]:
        pieces: Sequence[str] = ()
        room = max_tokens
        for part in dict.fromkeys((text[:SAMPLE_CHARACTERS], text)):
            pieces, room = _fitted(split, part, room, max_tokens)
        return pieces

    return split_to_fit


def _fitted(split: Splitter, text: str, room: int, max_tokens: int) -> tuple[Sequence[str], int]:
    """Return pieces that fit, and the budget that they were split by: ``room`` or less."""
    for _ in range(MAX_TRIES):
        pieces = split(text, room)
        largest = max(map(token_share, pieces), default=0.0)
        if largest <= SLACK * max_tokens or room <= MIN_TOKENS:
            break
        room = max(MIN_TOKENS, int(room * max_tokens / largest))
    return pieces, room
