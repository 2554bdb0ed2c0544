"""Chunks → windows: what stands together in a conversation is found and told together. Pure.

A chunk is small, so that growing conversations are embedded once; a window is as much of a conversation as a reader
wants to see. Windows overlap: each chunk ends one.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from functools import lru_cache
from itertools import count, repeat
from typing import Any, NamedTuple

from pipeline.lexical.terms import MOST_COUNTED, counts
from pipeline.stores.chunk_text import body, said_tokens
from pipeline.stores.hit_columns import HitColumns, columns_of
from pipeline.stores.search_requests import Hit

WINDOW_TOKENS = 350
"""Of a window of several chunks; a chunk may be longer by itself."""


class Part(NamedTuple):
    """A chunk as windows need it.

    Args:
        hits: of the question, among which it is at ``at``.
        words: how often each of the question's terms occurs in it, up to
            :data:`pipeline.lexical.terms.MOST_COUNTED`.
        tokens: its size, estimated.
        weight: its similarity, as often as it has tokens, in units of 1 / :data:`UNITS`.
    """

    hits: Sequence[Hit]
    at: int
    id: str
    similarity: float
    metadata: Mapping[str, Any]
    words: Mapping[str, int]
    tokens: int
    weight: int

    def __repr__(self) -> str:
        """Name it without a word of it."""
        return f"Part({self.hit!r})"

    @property
    def hit(self) -> Hit:
        """The chunk. Ranking asks only for that of what it may tell."""
        return self.hits[self.at]

    @property
    def parts(self) -> "Chain":
        """Itself: a part is the smallest window."""
        return (self,)

    @property
    def chunk_tokens(self) -> float:
        """Its size."""
        return self.tokens

    @property
    def said(self) -> str:
        """Its text without header. Ranking asks only of what it may tell."""
        return body(self.hit.content)


Chain = Sequence[Part]


class Window(NamedTuple):
    """Some parts of a chain that follow each other.

    Args:
        start: the first one's place in the chain.
        end: the place behind the last one's.
        words: of all of them together.
        tokens: the same.
        similarity: the mean over its parts, each as heavy as it is long.
    """

    chain: Chain
    start: int
    end: int
    words: Mapping[str, int]
    tokens: int
    similarity: float

    def __repr__(self) -> str:
        """Name it without a word of it."""
        return f"Window({self.start}, {self.end}, {self.chain!r})"

    @property
    def parts(self) -> Chain:
        """The parts, in order."""
        return self.chain[self.start : self.end]

    @property
    def chunk_tokens(self) -> float:
        """The mean size of its parts."""
        return self.tokens / (self.end - self.start)

    @property
    def last(self) -> Part:
        """The part it ends in."""
        return self.chain[self.end - 1]


UNITS = 10**15
"""Whole numbers come to the same whatever is added and taken away on the way, so that equal windows are equal."""


def parts_of(hits: Sequence[Hit], query_terms: AbstractSet[str]) -> list[Part]:
    """Return what windows are made of."""
    columns = columns_of(hits)
    tokens = [known or said_tokens(columns[at].content) for at, known in enumerate(columns.tokens)]
    similarities = columns.similarities
    weights = [round(one * UNITS) * size for one, size in zip(similarities, tokens, strict=True)]
    words = words_in(columns, query_terms)
    return [
        *map(
            Part,
            repeat(columns),
            count(),
            columns.ids,
            similarities,
            columns.metadatas,
            words,
            tokens,
            weights,
        )
    ]


def windows_of(chains: Iterable[Chain], tokens: int = WINDOW_TOKENS) -> Iterator[Window]:
    """Yield the windows that end in each chunk and reach back as far as there is room; a beginning is filled up.

    Args:
        chains: as :func:`chains` finds them.
        tokens: of a window of several chunks.
    """
    for chain in chains:
        yield from _along(chain, tokens)


def _along(chain: Chain, tokens: int) -> Iterator[Window]:
    start = size = weight = 0
    words: dict[str, int] = {}
    last = len(chain)
    for end, part in enumerate(chain, 1):
        size += part.tokens
        weight += part.weight
        for term, many in part.words.items():
            words[term] = words.get(term, 0) + many
        while size > tokens and start < end - 1:
            first, start = chain[start], start + 1
            size -= first.tokens
            weight -= first.weight
            for term, many in first.words.items():
                if words[term] == many:
                    del words[term]
                else:
                    words[term] -= many
        if end == last or size + chain[end].tokens > tokens:
            yield Window(chain, start, end, words.copy(), size, weight / (UNITS * size))


def chains(parts: Sequence[Part]) -> list[Chain]:
    """Return runs of chunks that follow each other in their item without a gap."""
    ends = [_end(part) for part in parts]
    before = dict(zip(ends, parts, strict=True))
    follower = {
        earlier.id: part
        for part, end in zip(parts, ends, strict=True)
        if (earlier := _predecessor(part, end, before)) is not None and earlier is not part
    }
    followers = {part.id for part in follower.values()}
    return [list(_run(part, follower)) for part in parts if part.id not in followers]


def _run(part: Part, follower: Mapping[str, Part]) -> Iterator[Part]:
    seen: set[str] = set()
    current: Part | None = part
    while current is not None and current.id not in seen:
        yield current
        seen.add(current.id)
        current = follower.get(current.id)


_End = tuple[object, object, int]


def _end(part: Part) -> _End:
    metadata = part.metadata
    return metadata.get("key"), metadata.get("last", part.id), int(metadata.get("part", 0))


def _predecessor(part: Part, end: _End, before: Mapping[_End, Part]) -> Part | None:
    """Return the chunk that ``part`` goes on from: of a message cut in pieces the last one ends it."""
    key, last, number = end
    if number:
        return before.get((key, last, number - 1))
    after = part.metadata.get("after")
    earlier, piece = before.get((key, after, 0)) if after else None, 0
    while earlier is not None and (longer := before.get((key, after, piece + 1))) is not None:
        earlier, piece = longer, piece + 1
    return earlier


def words_in(hits: HitColumns, query_terms: AbstractSet[str]) -> list[Mapping[str, int]]:
    """Return :func:`words_of` each of ``hits``."""
    return [words_of(hits[at], query_terms) if one is None else one for at, one in enumerate(hits.counts)]


def words_of(hit: Hit, query_terms: AbstractSet[str]) -> Mapping[str, int]:
    """Return how often each of the terms ``query_terms``, which are those that the store was asked for, occurs in ``hit``."""
    if hit.counts is not None:
        return hit.counts
    found = _counts(hit.content)
    return {term: min(found[term], MOST_COUNTED) for term in found.keys() & query_terms}


_counts = lru_cache(maxsize=4096)(counts)
"""Does not depend on the question: a conversation asks of the same chunks again and again."""
