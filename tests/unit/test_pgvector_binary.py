import struct
from array import array
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pgvector import SparseVector, Vector

from pipeline.lexical.terms import MOST_COUNTED
from pipeline.stores.pgvector import sparse_terms, wire_format
from pipeline.stores.pgvector.strategies import near


@given(st.lists(st.floats(width=32, allow_nan=False, allow_infinity=False), min_size=1, max_size=40))
def test_a_vector_travels_as_pgvector_writes_it(values: list[float]) -> None:
    assert wire_format.vector(array("f", values)) == Vector(values).to_binary()
    assert wire_format.vector(values) == Vector(values).to_binary()


def test_sending_a_vector_leaves_it_as_it_is() -> None:
    values = array("f", [1.0, 2.0])
    wire_format.vector(values)
    assert list(values) == [1.0, 2.0]


@given(st.dictionaries(st.text(min_size=1, max_size=5), st.integers(1, 30), max_size=40))
def test_words_travel_as_pgvector_writes_them(counts: dict[str, int]) -> None:
    sparse = sparse_terms.document(counts)
    assert list(sparse) == sorted(sparse)
    assert wire_format.sparse(sparse) == SparseVector(dict(sparse), sparse_terms.WORD_DIMENSIONS).to_binary()


@given(
    st.dictionaries(st.text(min_size=1, max_size=5), st.integers(1, 30), max_size=40),
    st.sets(st.text(max_size=2)),
)
def test_words_that_come_back_are_counted(counts: dict[str, int], others: set[str]) -> None:
    asked = [*list(counts)[::2], *sorted(others - counts.keys())]
    sent = [
        wire_format.sparse(part)
        for part in sparse_terms.parts(sparse_terms.document(counts), "t" * 1200, "u" * 1200)
    ]
    looked_for = sparse_terms.QueryTerms(asked)
    documents = [None, b"".join(sent), None, b"".join(sent)]
    found = [*map(looked_for.counts, wire_format.sparse_values(documents, looked_for.coordinates))]
    assert found == [{}, {term: min(counts[term], MOST_COUNTED) for term in list(counts)[::2]}] * 2


@given(st.lists(st.sampled_from([0, 1, 255, 256, 257, 65_536, 65_793, 16_777_216]), min_size=1, unique=True))
def test_a_coordinate_is_not_found_across_the_border_of_two_others(asked: list[int]) -> None:
    held = {1: 1.0, 256: 1.25, 65_793: 1.5, 16_777_217: 1.0}
    assert list(wire_format.sparse_values([wire_format.sparse(held)], frozenset(asked))) == [
        [(one, held[one]) for one in frozenset(asked).intersection(held)]
    ]


@given(st.sets(st.integers(0, sparse_terms.WORD_DIMENSIONS - 1), max_size=60), st.data())
def test_the_order_of_what_is_counted_is_that_of_a_set(held: set[int], data: st.DataObject) -> None:
    asked = data.draw(st.sets(st.sampled_from(sorted(held)) if held else st.nothing()))
    looked_for = sparse_terms.QueryTerms([])
    looked_for._terms = {one: str(one) for one in asked}
    sent = wire_format.sparse(dict.fromkeys(sorted(held), 1.0))
    [found] = map(looked_for.counts, wire_format.sparse_values([sent], looked_for.coordinates))
    assert list(found) == [str(one) for one in frozenset(asked).intersection(sorted(held))]


def test_an_array_says_what_it_holds() -> None:
    made = wire_format.array_of(77, [b"ab", b"c"])
    assert struct.unpack_from(">5I", made) == (1, 0, 77, 2, 1)
    assert made[20:] == b"\0\0\0\2ab\0\0\0\1c"
    assert struct.unpack(">3I", wire_format.array_of(77, [])) == (0, 0, 77)


def test_more_of_a_word_counts_more_and_ever_less_so() -> None:
    values = [sparse_terms.document({"tea": count}).popitem()[1] for count in (1, 2, 3, 4, 1000)]
    steps = [later - earlier for earlier, later in pairwise(values)]
    assert values[0] == 1.0
    assert values[-1] < 1.65
    assert steps[:3] == sorted(steps[:3], reverse=True)
    assert min(steps) > 0


def test_a_question_asks_for_each_word_once() -> None:
    assert list(sparse_terms.question(["tea", "tea", "kyoto"]).values()) == [1.0, 1.0]
    assert sparse_terms.question(["tea"]).keys() == sparse_terms.document({"tea": 3}).keys()


@pytest.mark.parametrize(("tenant", "user"), [("acme", "mika"), ("t" * 1024, "u" * 1024), ("猫" * 341, "u")])
def test_parts_fit_an_index_entry_and_lose_nothing(tenant: str, user: str) -> None:
    whole = sparse_terms.document({f"word{number}": 1 for number in range(2000)})
    made = sparse_terms.parts(whole, tenant, user)
    assert {key: value for part in made for key, value in part.items()} == whole
    ids = len(tenant.encode()) + len(user.encode())
    assert all(ids + 60 + 8 * len(part) <= 2700 for part in made)


def test_of_no_words_there_are_no_parts() -> None:
    assert sparse_terms.parts({}, "acme", "mika") == []


def test_more_is_compared_exactly_than_is_asked_for() -> None:
    assert near(1) == near(10) >= 100
    assert near(100) >= 400
