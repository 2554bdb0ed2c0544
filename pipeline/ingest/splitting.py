"""Cuts long texts on meaning: headings, paragraphs, code fences, sentences, words, in that order.

semantic-text-splitter does it, and carries OpenAI's token tables, so nothing is downloaded.
"""

from collections.abc import Sequence
from functools import cache
from typing import Protocol

TOKENIZER = "text-embedding-3-small"


class _Splits(Protocol):
    def chunks(self, text: str) -> Sequence[str]: ...


def split_markdown(text: str, max_tokens: int) -> Sequence[str]:
    """Return pieces of at most ``max_tokens`` tokens; joined, they are ``text``."""
    return _splitter(max_tokens).chunks(text)


@cache
def _splitter(max_tokens: int) -> _Splits:
    from semantic_text_splitter import MarkdownSplitter  # noqa: PLC0415  # most documents need no splitting

    return MarkdownSplitter.from_tiktoken_model(TOKENIZER, max_tokens, trim=False)
