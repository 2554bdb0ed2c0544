"""A chunk's neighbours in its item. Pure."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import datetime
from typing import Any


@dataclass(frozen=True, slots=True)
class ChunkPosition:
    """Where a chunk stands."""

    id: str
    source: str
    said_at: datetime
    place: int = 0
    part: int = 0


def chunk_position(id_: str, source: str, said_at: datetime, metadata: Mapping[str, Any]) -> ChunkPosition:
    """Return where a chunk stands, as its metadata say it."""
    return ChunkPosition(id_, source, said_at, int(metadata.get("place", 0)), int(metadata.get("part", 0)))


def neighbours_of(rows: Iterable[ChunkPosition], seeds: AbstractSet[str], around: int) -> Iterator[str]:
    """Yield the ids of what is at most ``around`` places away from one of ``seeds`` in the same item."""
    items: defaultdict[str, list[ChunkPosition]] = defaultdict(list)
    for row in sorted(rows, key=lambda row: (row.said_at, row.place, row.part)):
        items[row.source].append(row)
    for item in items.values():
        for spot, row in enumerate(item):
            if row.id in seeds:
                yield from (near.id for near in item[max(0, spot - around) : spot + around + 1])
