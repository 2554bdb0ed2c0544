"""Cuts long texts on meaning: headings, paragraphs, code fences, sentences, words, in that order.

semantic-text-splitter does it, and carries OpenAI's token tables, so nothing is downloaded.
"""

import unicodedata
from collections.abc import Sequence
from functools import cache
from typing import Protocol

TOKENIZER = "text-embedding-3-small"
MAX_MARKS = 4
"""Longest run of combining marks that is kept with its letter; more is decoration."""


class _Splits(Protocol):
    def chunks(self, text: str) -> Sequence[str]: ...


def split_markdown(text: str, max_tokens: int) -> Sequence[str]:
    """Return pieces of at most ``max_tokens`` tokens (and a few marks more); joined, they are ``text``."""
    return _with_marks(_splitter(max_tokens).chunks(text))


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
