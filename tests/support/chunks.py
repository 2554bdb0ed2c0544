"""Chunks with known vectors, rows of the message ledger, and short ways to write and find them."""

from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from support.words import SPACE

from pipeline.embedding.vectors import Vector, float32
from pipeline.lexical.terms import terms
from pipeline.source.documents import ItemKey
from pipeline.stores.chunks import Chunk, ChunkMove, HeldChunk
from pipeline.stores.forget_requests import ForgetRequest
from pipeline.stores.index_state import IndexState, PlannedWrite
from pipeline.stores.message_rows import ItemFacts, MessageRow, MessageState
from pipeline.stores.protocol import Store
from pipeline.stores.search_requests import Filters, SearchRequest

TIME = datetime(2026, 11, 22, 9, 30, tzinfo=UTC)
ITEM = '["sessions", "acme", "chat:1"]'
OTHER = '["sessions", "acme", "chat:2"]'
FACTS = ItemFacts("p1", 1.0, present=True, user_id="mika")
UNKNOWN = IndexState()
NOBODYS = ChunkMove("", "live")
Upsert = tuple[Chunk, Vector | None]


def uid(number: int) -> str:
    """The id of a chunk."""
    return str(UUID(int=number))


def mid(number: int) -> str:
    """The id of a message."""
    return f"{number:032x}"


def key_of(name: str, tenant: str = "acme") -> ItemKey:
    """Where the session of that name lives."""
    return ItemKey("sessions", "tenant_id", tenant, "session_key", name)


def chunk(number: int, text: str = "text", user_id: str = "mika", fingerprint: str = "f") -> Chunk:
    """A chunk that holds the message of the same number."""
    metadata = {"key": "chat:1", "kind": "session"}
    return Chunk(uid(number), user_id, text, (mid(number),), fingerprint, TIME, metadata)


def row(number: int, state: MessageState = "live", name: str = "", **fields: Any) -> MessageRow:
    """A row of the message ledger, of a name of its own unless it says another."""
    known = {"ordinal": 0, "user_id": "mika", "met_at": 1.0}
    return MessageRow(mid(number), name or f"n{number}", state=state, **{**known, **fields})


def axis(index: int, value: float = 1.0) -> Vector:
    return float32([value if position == index else 0.0 for position in range(SPACE.dimensions)])


def leaning(*values: float) -> Vector:
    """A vector that begins with ``values``."""
    return float32([*values, *[0.0] * (SPACE.dimensions - len(values))])


def put(store: Store, *upserts: Upsert, source: str = ITEM, tenant: str = "acme", **fields: Any) -> None:
    """Apply a write under whatever is held, and wait until searches may see it."""
    apply(store, *upserts, source=source, tenant=tenant, **fields)
    moves: Mapping[str, ChunkMove] = fields.get("moves", {})
    for user in sorted({one.user_id for one, _ in upserts} | {move.user_id for move in moves.values()}):
        settled(store, tenant, user)


def apply(store: Store, *upserts: Upsert, source: str = ITEM, tenant: str = "acme", **fields: Any) -> None:
    """Apply a write under whatever is held; searches may see it later."""
    state = held(store, source, tenant)
    write = planned(source, state, upserts=upserts, **fields)
    assert store.apply(tenant, [write]) == frozenset()


def planned(source: str, state: IndexState = UNKNOWN, **fields: Any) -> PlannedWrite:
    """A write under what was read."""
    known = {"expected_revision": state.revision, "expected_epoch": state.epoch, "facts": FACTS}
    return PlannedWrite(source, **{**known, **fields})


def settled(store: Store, tenant: str = "acme", user: str = "mika") -> None:
    """Wait until searches see what was applied; most stores know no waiting."""
    assert store.wait_until_searchable(tenant, user, 20)


def held(store: Store, source: str = ITEM, tenant: str = "acme", *names: str) -> IndexState:
    return store.read(tenant, {source: frozenset(names)})[source]


def messages(store: Store, *names: str, source: str = ITEM, tenant: str = "acme") -> set[MessageRow]:
    """The rows that are not kept, and the kept ones of these names."""
    return set(held(store, source, tenant, *names).messages)


def chunks(
    store: Store, names: AbstractSet[str] | None = None, source: str = ITEM, tenant: str = "acme"
) -> dict[str, HeldChunk]:
    """The chunks that planning is told of; by default every one that it can be told of."""
    detail = store.detail(tenant, {source: names})[source]
    assert len({one.id for one in detail.chunks}) == len(detail.chunks)
    return {one.id: one for one in detail.chunks}


def held_ids(store: Store, tenant: str = "acme", source: str = ITEM) -> Sequence[str]:
    return sorted(chunks(store, None, source, tenant))


def request(request_id: str = "r1", asked_at: datetime = TIME, **whom: str) -> ForgetRequest:
    return ForgetRequest(request_id, whom.pop("tenant", "acme"), asked_at, **whom)


def found(
    store: Store, vector: Vector, tenant: str = "acme", user: str = "mika", top_k: int = 10
) -> list[str]:
    settled(store, tenant, user)
    return [hit.id for hit in store.search(SearchRequest(tenant, user, vector, top_k)).hits]


def ask(
    store: Store, vector: Vector, words: str, top_k: int = 1, filters: Filters | None = None
) -> list[str]:
    asked = SearchRequest("acme", "mika", vector, top_k, terms(words), filters or Filters())
    return [hit.id for hit in store.search(asked).hits]


def waiting(one: Chunk) -> Chunk:
    """The chunk as it is stored while nobody could embed it."""
    return replace(one, fingerprint="", metadata={**one.metadata, "embedded": False})


StoreMaker = Callable[[], Store]
"""Opens one index, each time as another process would."""
