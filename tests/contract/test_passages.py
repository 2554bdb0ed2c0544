"""Reading back in order, without a question."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

from support.chunks import TIME, axis, chunk, put, uid

from pipeline.stores.chunks import Chunk, ChunkMove, ChunkStatus
from pipeline.stores.protocol import Store
from pipeline.stores.search_requests import Filters


def read_back(store: Store, filters: Filters | None = None, **options: Any) -> list[str]:
    passages = store.passages("acme", "mika", filters or Filters(), options.pop("limit", 10), **options)
    return [passage.id for passage in passages]


def dated(number: int, days: int, key: str = "chat:1", kind: str = "session") -> Chunk:
    metadata = {"key": key, "kind": kind, "roles": ["user"]}
    return replace(chunk(number), created_at=TIME + timedelta(days=days), metadata=metadata)


def test_passages_come_newest_first_or_oldest_first_and_ties_by_id(store: Store) -> None:
    put(store, *((dated(number, days), axis(0)) for number, days in ((1, 0), (3, 5), (2, 5))))
    put(store, (chunk(9, user_id="ken"), axis(0)))
    put(store, (chunk(8), axis(0)), tenant="zenith")

    assert read_back(store) == [uid(2), uid(3), uid(1)]
    assert read_back(store, oldest_first=True) == [uid(1), uid(2), uid(3)]
    assert read_back(store, limit=1) == [uid(2)]


def test_passages_honour_the_filters(store: Store) -> None:
    put(store, (dated(1, 0), axis(0)), (dated(2, 1, "memory:long_term", "long_term"), axis(0)))

    assert read_back(store, Filters(kinds=frozenset({"long_term"}))) == [uid(2)]
    assert read_back(store, Filters(keys=frozenset({"chat:1"}))) == [uid(1)]
    assert read_back(store, Filters(excluded_keys=frozenset({"chat:1"}))) == [uid(2)]
    assert read_back(store, Filters(since=TIME + timedelta(hours=1))) == [uid(2)]


def test_a_passage_says_whether_only_memory_has_it(store: Store) -> None:
    statuses: tuple[ChunkStatus, ...] = ("mixed", "kept")
    held = [replace(chunk(number), status=status) for number, status in enumerate(statuses, 2)]
    put(store, (chunk(1, "お茶を 😀"), axis(0)), *((one, axis(0)) for one in held))

    passages = store.passages("acme", "mika", Filters(), 10)
    assert [(passage.content, passage.retained) for passage in passages] == [
        ("お茶を 😀", False),
        ("text", True),
        ("text", True),
    ]
    assert passages[0].metadata["key"] == "chat:1"
    assert passages[0].created_at == TIME
    put(store, moves={uid(1): ChunkMove("mika", "kept"), uid(2): ChunkMove("mika", "live")})
    passages = store.passages("acme", "mika", Filters(), 10)
    assert [passage.retained for passage in passages] == [True, False, True]
