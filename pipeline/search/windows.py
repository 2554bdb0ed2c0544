"""Chunks → windows: what stands together in a conversation is found and told together. Pure.

A chunk is small, so that growing conversations are embedded once; a window is as much of a conversation as a reader
wants to see. Windows overlap: each chunk ends one.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from functools import lru_cache

from pipeline.embedding.tokens import estimate_tokens
from pipeline.lexical.terms import terms
from pipeline.search.passages import body
from pipeline.stores.protocol import Hit

WINDOW_TOKENS = 350
"""Of a window of several chunks; a chunk may be longer by itself."""


@dataclass(frozen=True, slots=True)
class Part:
    """A chunk as windows need it.

    Args:
        words: how often each of the question's terms occurs in it.
        length: how many terms it has.
        tokens: its size, estimated.
        said: its text without header.
    """

    hit: Hit
    words: Mapping[str, int] = field(repr=False)
    length: int
    tokens: int
    said: str = field(repr=False)


Window = tuple[Part, ...]


def parts_of(hits: Sequence[Hit], asked: AbstractSet[str]) -> list[Part]:
    """Return what windows are made of."""
    return [_part(hit, asked) for hit in hits]


def windows_of(parts: Sequence[Part], tokens: int = WINDOW_TOKENS) -> Iterator[Window]:
    """Yield the windows that end in each chunk and reach back as far as there is room; a beginning is filled up.

    Args:
        tokens: of a window of several chunks; with 1 each chunk is one by itself.
    """
    for chain in chains(parts):
        start, room = 0, tokens
        for end, part in enumerate(chain):
            room -= part.tokens
            while room < 0 and start < end:
                room += chain[start].tokens
                start += 1
            full = end + 1 == len(chain) or chain[end + 1].tokens > room
            if full:
                yield tuple(chain[start : end + 1])


def chains(parts: Sequence[Part]) -> list[list[Part]]:
    """Return runs of chunks that follow each other in their item without a gap."""
    ends = [_end(part) for part in parts]
    before = dict(zip(ends, parts, strict=True))
    follower = {
        earlier.hit.id: part
        for part, end in zip(parts, ends, strict=True)
        if (earlier := _predecessor(part, end, before)) is not None and earlier is not part
    }
    followers = {part.hit.id for part in follower.values()}
    return [list(_run(part, follower)) for part in parts if part.hit.id not in followers]


def _run(part: Part, follower: Mapping[str, Part]) -> Iterator[Part]:
    seen: set[str] = set()
    current: Part | None = part
    while current is not None and current.hit.id not in seen:
        yield current
        seen.add(current.hit.id)
        current = follower.get(current.hit.id)


_End = tuple[object, object, int]


def _end(part: Part) -> _End:
    metadata = part.hit.metadata
    return metadata.get("key"), metadata.get("last", part.hit.id), int(metadata.get("part", 0))


def _predecessor(part: Part, end: _End, before: Mapping[_End, Part]) -> Part | None:
    """Return the chunk that ``part`` goes on from: of a message cut in pieces the last one ends it."""
    key, last, number = end
    if number:
        return before.get((key, last, number - 1))
    after = part.hit.metadata.get("after")
    earlier, piece = before.get((key, after, 0)) if after else None, 0
    while earlier is not None and (longer := before.get((key, after, piece + 1))) is not None:
        earlier, piece = longer, piece + 1
    return earlier


def _part(hit: Hit, asked: AbstractSet[str]) -> Part:
    found = _measured(hit.content)
    words = {term: found.counts[term] for term in found.counts.keys() & asked}
    return Part(hit, words, found.length, found.tokens, found.said)


@dataclass(frozen=True, slots=True)
class _Measured:
    counts: Mapping[str, int] = field(repr=False)
    length: int
    tokens: int
    said: str = field(repr=False)


@lru_cache(maxsize=4096)
def _measured(content: str) -> _Measured:
    """Return what does not depend on the question: a conversation asks of the same chunks again and again."""
    found, said = terms(content), body(content)
    return _Measured(Counter(found), len(found), estimate_tokens(said) + 1, said)
