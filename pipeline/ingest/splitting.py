"""Cuts long texts on meaning: headings, paragraphs, code fences, sentences, words, in that order.

semantic-text-splitter does it, and carries OpenAI's token tables, so nothing is downloaded. Its time grows with the square of a text
that offers it no place to cut (digits, hex, one character repeated): 390 KB of numbers take it 70 seconds. So a text is first cut into blocks
of bounded length, at the best place near a block's end, and each block is split by itself: twice the text, twice the time.
"""

import re
import unicodedata
from collections.abc import Iterator, Sequence
from functools import cache, lru_cache
from typing import Protocol

TOKENIZER = "text-embedding-3-small"
MAX_MARKS = 4
"""Longest run of combining marks that is kept with its letter; more is decoration."""
BLOCK_TOKENS = 8
"""Characters of a block, for each token of a piece: a block is at least two pieces of English, eight of Japanese."""
MIN_BLOCK_CHARACTERS = 4_096
KEPT_BLOCKS = 256
"""Blocks whose pieces a process remembers: a session is read whole at every save, and most of it was split at the one before."""
MAX_CLUSTER_CHARACTERS = 64
"""How far back a cut moves to find the beginning of a character; what is longer is no character that anybody reads."""

_PLACES = (
    re.compile(r"\n\s*\n"),
    re.compile(r"\n"),
    re.compile(r"[。！？]|[.!?]\s"),
    re.compile(r"\s|[、，]|,(?!\d{3}\b)"),
)
"""Where a block may end, best first."""
_JOINER = "\u200d"
_REGIONAL = range(0x1F1E6, 0x1F200)
_SKIN = range(0x1F3FB, 0x1F400)


class _Splits(Protocol):
    def chunks(self, text: str) -> Sequence[str]: ...


def split_markdown(text: str, max_tokens: int) -> Sequence[str]:
    """Return pieces of at most ``max_tokens`` tokens (and a few marks more); joined, they are ``text``.

    Time grows linearly with ``text``. What is appended to a text changes nothing before its last block.
    """
    pieces = [piece for block in blocks(text, max_tokens) for piece in _pieces(block, max_tokens)]
    return _with_marks(pieces)


@lru_cache(maxsize=KEPT_BLOCKS)
def _pieces(block: str, max_tokens: int) -> Sequence[str]:
    return tuple(_splitter(max_tokens).chunks(block))


def blocks(text: str, max_tokens: int) -> Iterator[str]:
    """Yield consecutive slices of ``text`` whose length has a bound; joined, they are ``text``."""
    longest = max(MIN_BLOCK_CHARACTERS, BLOCK_TOKENS * max_tokens)
    start = 0
    while len(text) - start > longest:
        end = _end(text, start, start + longest)
        yield text[start:end]
        start = end
    if start < len(text):
        yield text[start:]


def _end(text: str, start: int, limit: int) -> int:
    """Return where a block that begins at ``start`` ends: in its last half, at the best place, and last there."""
    earliest = (start + limit) // 2
    for place in _PLACES:
        found = [match.end() for match in place.finditer(text, earliest, limit)]
        if found:
            return _whole(text, found[-1])
    return _whole(text, limit)


def _whole(text: str, end: int) -> int:
    """Return ``end``, or the beginning of the character that it would cut through."""
    for place in range(end, max(0, end - MAX_CLUSTER_CHARACTERS), -1):
        if not _inside_a_character(text, place):
            return place
    return end


def _inside_a_character(text: str, place: int) -> bool:
    before, after = text[place - 1], text[place]
    if _JOINER in {before, after} or unicodedata.category(after)[0] == "M" or ord(after) in _SKIN:
        return True
    if before == "\r" and after == "\n":
        return True
    return ord(after) in _REGIONAL and _regional_before(text, place) % 2 == 1


def _regional_before(text: str, place: int) -> int:
    """Return how many flag letters stand directly before ``place``: two make a flag."""
    count = 0
    while count < place and ord(text[place - count - 1]) in _REGIONAL:
        count += 1
    return count


def _with_marks(pieces: Sequence[str]) -> Sequence[str]:
    """Give marks at a piece's beginning back to their letter.

    The splitter's dictionary of Japanese words parts か from its voiced sound mark, and 葛 from its variation selector.
    """
    joined: list[str] = []
    for piece in pieces:
        marks = _leading_marks(piece) if joined else 0
        if marks:
            joined[-1] += piece[:marks]
        if piece[marks:]:
            joined.append(piece[marks:])
    return joined


def _leading_marks(piece: str) -> int:
    letters = (
        index for index, letter in enumerate(piece[:MAX_MARKS]) if unicodedata.category(letter)[0] != "M"
    )
    return next(letters, len(piece[:MAX_MARKS]))


@cache
def _splitter(max_tokens: int) -> _Splits:
    from semantic_text_splitter import MarkdownSplitter  # noqa: PLC0415  # most documents need no splitting

    return MarkdownSplitter.from_tiktoken_model(TOKENIZER, max_tokens, trim=False)
