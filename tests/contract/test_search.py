"""Search: the closest, in order, and only so many."""

import pytest
from support.chunks import axis, chunk, found, leaning, put, uid

from pipeline.stores.protocol import Store
from pipeline.stores.search_requests import SearchRequest


def test_hits_come_closest_first_and_ties_by_id(store: Store) -> None:
    near = leaning(1.0, 0.5)
    put(store, (chunk(3), axis(0)), (chunk(2), axis(0)), (chunk(1), near), (chunk(4), axis(1)))
    assert found(store, axis(0)) == [uid(2), uid(3), uid(1), uid(4)]


def test_a_search_says_by_which_strategy_it_was_answered(store: Store) -> None:
    put(store, (chunk(1), axis(0)))
    assert store.search(SearchRequest("acme", "mika", axis(0), 5)).strategy in {"exact", "bq", "hnsw"}


def test_similarity_is_the_cosine(store: Store) -> None:
    put(store, (chunk(1), leaning(3.0, 4.0)))
    [hit] = store.search(SearchRequest("acme", "mika", axis(0, 7.0), 5)).hits
    assert hit.similarity == pytest.approx(0.6)


def test_top_k_limits_the_hits(store: Store) -> None:
    put(store, *((chunk(number), axis(0)) for number in range(1, 9)))
    assert len(found(store, axis(0), top_k=3)) == 3


def test_an_empty_memory_answers_with_nothing(store: Store) -> None:
    assert found(store, axis(0)) == []


def test_opposite_and_unrelated_vectors_have_their_cosine_too(store: Store) -> None:
    put(store, (chunk(1), axis(0, -2.0)), (chunk(2), axis(1)), (chunk(3), leaning(1.0, 1.0)))
    hits = store.search(SearchRequest("acme", "mika", axis(0), 5)).hits
    assert [(hit.id, pytest.approx(hit.similarity, abs=1e-6)) for hit in hits] == [
        (uid(3), 0.5**0.5),
        (uid(2), 0.0),
        (uid(1), -1.0),
    ]


def test_vectors_that_hardly_differ_are_still_told_apart(store: Store) -> None:
    put(store, *((chunk(number), leaning(1.0, number / 2_000)) for number in range(1, 40)))
    assert found(store, axis(0), top_k=5) == [uid(number) for number in range(1, 6)]


def test_asking_for_more_than_there_is_gives_all_there_is(store: Store) -> None:
    put(store, (chunk(1), axis(0)), (chunk(2), axis(1)))
    assert found(store, axis(0), top_k=1_000) == [uid(1), uid(2)]
