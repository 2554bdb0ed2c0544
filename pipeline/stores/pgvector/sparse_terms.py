"""Terms as sparse vectors, so that one inner product says how well words fit. Pure.

A term's coordinate is a hash of it. A document's value is 1 for a term that occurs once and grows towards 1.64, as
ts_rank's does; a question's is 1. A document of very many terms is several rows, as an index entry has a third of a page.
"""

import zlib
from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from itertools import repeat

from pipeline.lexical.terms import MOST_COUNTED

WORD_DIMENSIONS = 1_000_000_000
MAX_PART_BYTES = 2_400
"""Of an index entry: ids, head and terms."""
RESERVED_USER_BYTES = 200
"""What is left of an entry's 2,704 bytes next to those and the head lets a row move to any user id of so many bytes."""
MIN_PART_TERMS = 32
_BYTES_A_TERM = 8
_VALUES = tuple(sum(1 / binding**2 for binding in range(1, count + 1)) for count in range(MOST_COUNTED + 1))

Sparse = Mapping[int, float]


def document(counts: Mapping[str, int]) -> Sparse:
    """Return how much of what is in a text."""
    values = [_VALUES[count] for count in map(min, counts.values(), repeat(MOST_COUNTED))]
    coordinates = list(map(_coordinate, counts))
    found = dict(zip(coordinates, values, strict=True))
    if len(found) < len(values):  # two terms of one coordinate
        found = dict.fromkeys(coordinates, 0.0)
        for coordinate, value in zip(coordinates, values, strict=True):
            found[coordinate] += value
    return {coordinate: found[coordinate] for coordinate in sorted(found)}


def question(terms: Iterable[str]) -> Sparse:
    """Return what is asked for, each term once."""
    return dict.fromkeys(sorted(set(map(_coordinate, terms))), 1.0)


def parts(words: Sparse, tenant_id: str, user_id: str) -> Sequence[Sparse]:
    """Return ``words`` in pieces that fit an index entry; none if there are none."""
    ids = len(tenant_id.encode()) + len(user_id.encode())
    size = max(MIN_PART_TERMS, (MAX_PART_BYTES - ids) // _BYTES_A_TERM)
    if len(words) <= size:
        return [words] if words else []
    items = list(words.items())
    return [dict(items[start : start + size]) for start in range(0, len(items), size)]


class QueryTerms:
    """The terms of a question, looked for in documents.

    Args:
        terms: the question's.
    """

    def __init__(self, terms: Iterable[str]) -> None:
        self._terms = {_coordinate(term): term for term in terms}

    @property
    def coordinates(self) -> frozenset[int]:
        """Where the question's terms lie."""
        return frozenset(self._terms)

    def counts(self, values: Iterable[tuple[int, float]]) -> Mapping[str, int]:
        """Return how often each of them occurs in a document, given what it has at their coordinates.

        Scores are sums of floats, so the order stays the one in which the values come.
        """
        return {self._terms[at]: bisect_right(_VALUES, value + _ROUNDING) - 1 for at, value in values}


_ROUNDING = 1e-6
"""Values are sent as 32 bits, and lie further apart than this."""


@lru_cache(maxsize=65_536)
def _coordinate(term: str) -> int:
    return zlib.crc32(term.encode()) % WORD_DIMENSIONS
