"""Chunks with known vectors, and short ways to write and find them."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from support.words import SPACE

from pipeline.embedding.vectors import Vector, float32
from pipeline.lexical.terms import terms
from pipeline.stores.forgetting import ForgetRequest, Forgotten
from pipeline.stores.protocol import Change, Chunk, Filters, SearchRequest, Store

TIME = datetime(2026, 11, 22, 9, 30, tzinfo=UTC)
ITEM = '["sessions", "acme", "chat:1"]'
OTHER = '["sessions", "acme", "chat:2"]'


def uid(number: int) -> str:
    return str(UUID(int=number))


def chunk(number: int, text: str = "text", user_id: str = "mika", fingerprint: str = "f") -> Chunk:
    metadata = {"key": "chat:1", "kind": "session"}
    return Chunk(uid(number), user_id, text, (f"m{number}",), fingerprint, TIME, metadata)


def axis(index: int, value: float = 1.0) -> Vector:
    return float32([value if position == index else 0.0 for position in range(SPACE.dimensions)])


def leaning(*values: float) -> Vector:
    """A vector that begins with ``values``."""
    return float32([*values, *[0.0] * (SPACE.dimensions - len(values))])


def put(
    store: Store, *chunks: tuple[Chunk, Vector], source: str = ITEM, tenant: str = "acme", **fields: Any
) -> None:
    """Apply a change under whatever is held, and wait until searches may see it."""
    apply(store, *chunks, source=source, tenant=tenant, **fields)
    for user in sorted({chunk.user_id for chunk, _ in chunks}):
        settled(store, tenant, user)


def apply(
    store: Store, *chunks: tuple[Chunk, Vector], source: str = ITEM, tenant: str = "acme", **fields: Any
) -> None:
    """Apply a change under whatever is held; searches may see it later."""
    held = store.read(tenant, [source])[source]
    known = {
        "expected_revision": held.revision,
        "expected_epoch": held.epoch,
        "position": "p1",
        "present": True,
    }
    change = Change(source, upserts=chunks, **{**known, **fields})
    assert store.apply(tenant, [change]) == frozenset()


def settled(store: Store, tenant: str = "acme", user: str = "mika") -> None:
    """Wait until searches see what was applied; most stores know no waiting."""
    assert store.wait_until_searchable(tenant, user, 20)


def forget(store: Store, request_id: str = "r1", asked_at: datetime = TIME, **whom: str) -> Forgotten:
    return store.forget(ForgetRequest(request_id, whom.pop("tenant", "acme"), asked_at, **whom))


def found(
    store: Store, vector: Vector, tenant: str = "acme", user: str = "mika", top_k: int = 10
) -> list[str]:
    settled(store, tenant, user)
    return [hit.id for hit in store.search(SearchRequest(tenant, user, vector, top_k))]


def ask(
    store: Store, vector: Vector, words: str, top_k: int = 1, filters: Filters | None = None
) -> list[str]:
    request = SearchRequest("acme", "mika", vector, top_k, terms(words), filters or Filters())
    return [hit.id for hit in store.search(request)]


def held_ids(store: Store, tenant: str = "acme", source: str = ITEM) -> Sequence[str]:
    return sorted(part.id for part in store.read(tenant, [source])[source].chunks)


StoreMaker = Callable[[], Store]
"""Opens one index, each time as another process would."""
