import math
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.embedding.vectors import EmbeddingSpace
from pipeline.lexical.terms import terms
from pipeline.stores.chunks import NOBODY, Chunk, ChunkMove, HeldChunk
from pipeline.stores.forget_requests import ForgetRequest
from pipeline.stores.index_state import IndexState, PlannedWrite
from pipeline.stores.memory import InMemoryStore, cosine
from pipeline.stores.message_rows import ItemFacts, MessageRow, MessageState
from pipeline.stores.search_requests import SearchRequest

FINITE = st.floats(-1e3, 1e3).filter(lambda number: abs(number) > 1e-3)
FACTS = ItemFacts("1", 1.0, present=True)


def chunk(id_: str, user_id: str = "mika") -> Chunk:
    return Chunk(id_, user_id, f"text of {id_}", (f"m-{id_}",), f"f-{id_}", None, {})


def write(
    source: str, revision: int, facts: ItemFacts = FACTS, epoch: int = 0, **fields: Any
) -> PlannedWrite:
    return PlannedWrite(source, revision, epoch, facts, **fields)


def state(store: InMemoryStore, source: str, tenant: str = "acme", *names: str) -> IndexState:
    return store.read(tenant, {source: frozenset(names)})[source]


def chunks(store: InMemoryStore, source: str) -> dict[str, HeldChunk]:
    return {each.id: each for each in store.detail("acme", {source: None})[source].chunks}


@pytest.fixture
def plane() -> InMemoryStore:
    return InMemoryStore(EmbeddingSpace("plane", 2))


def test_an_unknown_item_holds_nothing(plane: InMemoryStore) -> None:
    assert state(plane, "s") == IndexState()
    assert chunks(plane, "s") == {}


def test_an_applied_write_is_held_under_a_new_revision(plane: InMemoryStore) -> None:
    row = MessageRow("m-a", "name", 0, "live", "mika")
    applied = write("s", 0, messages=[row], upserts=[(chunk("a"), [1.0, 0.0])])
    assert plane.apply("acme", [applied]) == frozenset()
    assert state(plane, "s") == IndexState(1, 0, FACTS, (row,))
    assert chunks(plane, "s") == {"a": HeldChunk("a", ("m-a",), "f-a", "mika")}
    assert state(plane, "s", "bravo") == IndexState()


@pytest.mark.parametrize("expected", [0, 2])
def test_under_another_revision_nothing_is_written(plane: InMemoryStore, expected: int) -> None:
    plane.apply("acme", [write("s", 0)])
    late = write("s", expected, upserts=[(chunk("a"), [1.0, 0.0])])
    good = write("t", 0, upserts=[(chunk("b"), [1.0, 0.0])])
    assert plane.apply("acme", [late, good]) == {"s"}
    assert (state(plane, "s").revision, chunks(plane, "s")) == (1, {})
    assert list(chunks(plane, "t")) == ["b"]


def test_under_another_epoch_nothing_is_written(plane: InMemoryStore) -> None:
    plane.mark(ForgetRequest("r", "acme", datetime(2026, 11, 22, tzinfo=UTC), "mika"))
    late = write("s", 0, upserts=[(chunk("a"), [1.0, 0.0])])
    assert plane.apply("acme", [late]) == {"s"}
    assert chunks(plane, "s") == {}
    assert plane.apply("acme", [write("s", 0, epoch=state(plane, "s").epoch)]) == frozenset()


def test_moved_and_deleted_and_written_again(plane: InMemoryStore) -> None:
    plane.apply("acme", [write("s", 0, upserts=[(chunk(id_), [1.0, 0.0]) for id_ in "abc"])])
    moves = {"a": ChunkMove(NOBODY, "kept"), "c": ChunkMove("ken", "mixed")}
    plane.apply("acme", [write("s", 1, moves=moves, deletes=["b"])])
    held = chunks(plane, "s")
    assert {id_: (one.user_id, one.status, one.fingerprint) for id_, one in held.items()} == {
        "a": (NOBODY, "kept", "f-a"),
        "c": ("ken", "mixed", "f-c"),
    }
    plane.apply("acme", [write("s", 2, upserts=[(chunk("c"), [0.0, 1.0])])])
    assert (chunks(plane, "s")["c"].user_id, chunks(plane, "s")["c"].status) == ("mika", "live")


def test_kept_rows_are_told_only_by_name_and_purged_ones_are_gone(plane: InMemoryStore) -> None:
    rows = [MessageRow(name, name, 0, status, "mika") for name, status in STATES.items()]
    plane.apply("acme", [write("s", 0, messages=rows)])
    assert {row.id for row in state(plane, "s").messages} == {"a", "c", "d"}
    assert {row.id for row in state(plane, "s", "acme", "b").messages} == {"a", "b", "c", "d"}
    plane.apply("acme", [write("s", 1, purged=["a", "b"])])
    assert {row.id for row in state(plane, "s", "acme", "b").messages} == {"c", "d"}


STATES: dict[str, MessageState] = {"a": "live", "b": "kept", "c": "unexplained", "d": "erased"}


def test_a_chunk_without_a_vector_is_found_by_its_words_only_and_waits(plane: InMemoryStore) -> None:
    waiting = replace(chunk("a"), fingerprint="", metadata={"embedded": False})
    plane.apply("acme", [write("s", 0, upserts=[(waiting, None), (chunk("b"), [1.0, 0.0])])])
    assert state(plane, "s").pending
    hits = plane.search(SearchRequest("acme", "mika", [1.0, 0.0], 1, terms("text of a"))).hits
    [found] = [hit for hit in hits if hit.id == "a"]
    assert (found.similarity, found.lexical > 0) == (0.0, True)
    plane.apply("acme", [write("s", 1, upserts=[(chunk("a"), [1.0, 0.0])])])
    assert not state(plane, "s").pending


def test_search_is_one_users_closest_first_and_ties_by_id(plane: InMemoryStore) -> None:
    vectors = {"b": [1.0, 0.0], "a": [2.0, 0.0], "c": [1.0, 1.0], "d": [-1.0, 0.0]}
    upserts = [(chunk(id_), vector) for id_, vector in vectors.items()]
    others = [(chunk("x", "ken"), [1.0, 0.0]), (chunk("y", NOBODY), [1.0, 0.0])]
    plane.apply("acme", [write("s", 0, upserts=[*upserts, *others])])
    hits = plane.search(SearchRequest("acme", "mika", [1.0, 0.0], 3)).hits
    assert [(hit.id, round(hit.similarity, 6)) for hit in hits] == [
        ("a", 1.0),
        ("b", 1.0),
        ("c", round(math.sqrt(0.5), 6)),
    ]
    assert hits[0].created_at.isoformat() == "1970-01-01T00:00:00+00:00"


@given(st.lists(FINITE, min_size=3, max_size=3), st.lists(FINITE, min_size=3, max_size=3), st.floats(0.1, 10))
def test_cosine_is_symmetric_bounded_and_blind_to_length(
    one: list[float], two: list[float], factor: float
) -> None:
    assert cosine(one, two) == pytest.approx(cosine(two, one))
    assert -1.000001 <= cosine(one, two) <= 1.000001
    assert cosine([factor * number for number in one], two) == pytest.approx(cosine(one, two))
    assert cosine(one, one) == pytest.approx(1.0)
