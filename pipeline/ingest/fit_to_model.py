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


def fitting(split: Splitter) -> Splitter:
    """Return ``split``, with pieces whose estimate is within the budget too, but for a tenth."""

    def split_to_fit(text: str, max_tokens: int) -> Sequence[str]:
        room = max_tokens
        for _ in range(MAX_TRIES):
            pieces = split(text, room)
            largest = max(map(token_share, pieces), default=0.0)
            if largest <= SLACK * max_tokens or room <= MIN_TOKENS:
                break
            room = max(MIN_TOKENS, int(room * max_tokens / largest))
        return pieces

    return split_to_fit
