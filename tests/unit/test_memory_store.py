import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.embedding.vectors import Space
from pipeline.stores.memory import InMemoryStore, cosine
from pipeline.stores.protocol import Change, Chunk, Held, HeldChunk, SearchRequest

FINITE = st.floats(-1e3, 1e3).filter(lambda number: abs(number) > 1e-3)


def chunk(id_: str, user_id: str = "mika") -> Chunk:
    return Chunk(id_, user_id, f"text of {id_}", (f"m-{id_}",), f"f-{id_}", None, {})


@pytest.fixture
def plane() -> InMemoryStore:
    return InMemoryStore(Space("plane", 2))


def test_an_unknown_item_holds_nothing(plane: InMemoryStore) -> None:
    assert plane.read("acme", ["s"]) == {"s": Held()}


def test_what_was_applied_is_held_under_a_new_revision(plane: InMemoryStore) -> None:
    assert (
        plane.apply("acme", [Change("s", 0, "1", present=True, upserts=[(chunk("a"), [1.0, 0.0])])])
        == frozenset()
    )
    assert plane.read("acme", ["s"])["s"] == Held(1, "1", (HeldChunk("a", ("m-a",), "f-a"),))
    assert plane.read("bravo", ["s"]) == {"s": Held()}


@pytest.mark.parametrize("expected", [0, 2])
def test_under_another_revision_nothing_is_written(plane: InMemoryStore, expected: int) -> None:
    plane.apply("acme", [Change("s", 0, "1", present=True)])
    late = Change("s", expected, "2", present=True, upserts=[(chunk("a"), [1.0, 0.0])])
    good = Change("t", 0, "1", present=True, upserts=[(chunk("b"), [1.0, 0.0])])
    assert plane.apply("acme", [late, good]) == {"s"}
    assert plane.read("acme", ["s"])["s"] == Held(1, "1")
    assert [held.id for held in plane.read("acme", ["t"])["t"].chunks] == ["b"]


def test_lost_and_deleted_and_written_again(plane: InMemoryStore) -> None:
    plane.apply(
        "acme", [Change("s", 0, "1", present=True, upserts=[(chunk(id_), [1.0, 0.0]) for id_ in "abc"])]
    )
    plane.apply(
        "acme",
        [Change("s", 1, "2", present=True, lost={"a": {"m-a": "1"}, "c": {"m-c": "1"}}, deletes=["b"])],
    )
    plane.apply("acme", [Change("s", 2, "3", present=True, upserts=[(chunk("c"), [0.0, 1.0])])])
    held = {part.id: dict(part.lost) for part in plane.read("acme", ["s"])["s"].chunks}
    assert held == {"a": {"m-a": "1"}, "c": {}}


def test_search_is_one_users_closest_first_and_ties_by_id(plane: InMemoryStore) -> None:
    vectors = {"b": [1.0, 0.0], "a": [2.0, 0.0], "c": [1.0, 1.0], "d": [-1.0, 0.0]}
    upserts = [(chunk(id_), vector) for id_, vector in vectors.items()]
    plane.apply(
        "acme", [Change("s", 0, "1", present=True, upserts=[*upserts, (chunk("x", "ken"), [1.0, 0.0])])]
    )
    hits = plane.search(SearchRequest("acme", "mika", [1.0, 0.0], 3))
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
