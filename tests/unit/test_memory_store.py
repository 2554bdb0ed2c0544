import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.chunks import planned

from pipeline.embedding.vectors import Space
from pipeline.stores.memory import InMemoryStore, cosine
from pipeline.stores.protocol import Chunk, SearchRequest

FINITE = st.floats(-1e3, 1e3).filter(lambda number: abs(number) > 1e-3)


def chunk(id_: str, user_id: str = "mika") -> Chunk:
    return Chunk(id_, user_id, f"text of {id_}", (f"m-{id_}",), f"f-{id_}", None, {})


@pytest.fixture
def plane() -> InMemoryStore:
    return InMemoryStore(Space("plane", 2))


def test_search_is_one_users_closest_first_and_ties_by_id(plane: InMemoryStore) -> None:
    vectors = {"b": [1.0, 0.0], "a": [2.0, 0.0], "c": [1.0, 1.0], "d": [-1.0, 0.0]}
    upserts = [(chunk(id_), vector) for id_, vector in vectors.items()]
    plane.apply("acme", [planned("s", upserts=[*upserts, (chunk("x", "ken"), [1.0, 0.0])])])
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
