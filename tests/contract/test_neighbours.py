"""What stands beside a candidate in its item comes along with it."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

from support.chunks import OTHER, TIME, axis, chunk, put, uid

from pipeline.stores.chunks import Chunk
from pipeline.stores.protocol import Store
from pipeline.stores.search_requests import Filters, SearchRequest


def placed(number: int, minutes: int, key: str = "chat:1") -> Chunk:
    metadata = {"key": key, "kind": "session", "roles": ["user"], "place": number, "part": 0}
    return replace(chunk(number), created_at=TIME + timedelta(minutes=minutes), metadata=metadata)


def along(store: Store, around: int, **fields: Any) -> list[str]:
    request = SearchRequest("acme", "mika", axis(0), 1, around=around, **fields)
    return [hit.id for hit in store.search(request).hits]


def test_neighbours_of_a_candidate_come_along(store: Store) -> None:
    rows = [(placed(number, number), axis(0 if number == 5 else 1)) for number in range(1, 10)]
    put(store, *rows)
    put(store, (placed(20, 5, "chat:2"), axis(1)), source=OTHER)

    assert along(store, 0) == [uid(5)]
    assert along(store, 1) == [uid(5), uid(4), uid(6)]
    assert along(store, 2) == [uid(5), uid(3), uid(4), uid(6), uid(7)]
    late = Filters(since=TIME + timedelta(minutes=5))
    assert along(store, 2, filters=late) == [uid(5), uid(6), uid(7)]


def test_of_chunks_of_one_moment_the_nearest_places_come_along(store: Store) -> None:
    put(store, *((placed(number, 0), axis(0 if number == 5 else 1)) for number in (9, 1, 5, 4, 6, 2)))

    assert {uid(4), uid(5), uid(6)} <= set(along(store, 2))
    assert uid(1) not in along(store, 1)
