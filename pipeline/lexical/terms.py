"""Text → terms. The same for documents and queries, in every store. Pure."""

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping

_RUN = re.compile(
    r"[\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff々〆ー]+|[^\W_\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff々〆ー]+"
)
_CJK = re.compile(r"[\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff々〆ー]")
_HIRAGANA_ONLY = re.compile(r"[\u3040-\u309fー]+")


def terms(text: str) -> tuple[str, ...]:
    """Return the terms of ``text`` in order, repetitions included."""
    normal = unicodedata.normalize("NFKC", text).casefold()
    return tuple(term for run in _RUN.findall(normal) for term in _of_run(run))


def counts(text: str) -> Mapping[str, int]:
    """Return how often each term occurs in ``text``."""
    return Counter(terms(text))


def _of_run(run: str) -> Iterable[str]:
    if not _CJK.match(run):
        return [run]
    singles = [character for character in run if not _HIRAGANA_ONLY.fullmatch(character)]
    pairs = [run[start : start + 2] for start in range(len(run) - 1)]
    return [*singles, *(pair for pair in pairs if not _HIRAGANA_ONLY.fullmatch(pair))]
