"""Words beside meaning, and filters before both."""

from dataclasses import replace
from datetime import timedelta

import pytest
from support.chunks import TIME, ask, axis, chunk, put, uid

from pipeline.lexical.terms import MOST_COUNTED, terms
from pipeline.stores.protocol import Store
from pipeline.stores.search_requests import Filters, SearchRequest


def test_words_find_what_the_vector_does_not(store: Store) -> None:
    put(store, (chunk(1, "all quiet"), axis(0)), (chunk(2, "ORA-00942 田中さん"), axis(1)))

    assert ask(store, axis(0), "quiet") == [uid(1)]
    assert ask(store, axis(0), "田中") == [uid(1), uid(2)]
    assert ask(store, axis(0), "ora-00942") == [uid(1), uid(2)]
    assert ask(store, axis(0), "!!! ''") == [uid(1)]


def test_a_hit_has_both_scores_whichever_list_found_it(store: Store) -> None:
    put(store, (chunk(1, "tea"), axis(0)), (chunk(2, "tea coffee"), axis(1)))

    request = SearchRequest("acme", "mika", axis(0), 1, terms("tea coffee"))
    first, second = store.search(request).hits
    assert (first.id, second.id) == (uid(1), uid(2))
    assert 0 < first.lexical < second.lexical
    assert second.similarity == pytest.approx(0.0)


FILTERS = {
    "kinds": Filters(kinds=frozenset({"daily"})),
    "roles": Filters(roles=frozenset({"assistant"})),
    "keys": Filters(keys=frozenset({"chat:2"})),
    "excluded keys": Filters(excluded_keys=frozenset({"chat:1"})),
    "since": Filters(since=TIME + timedelta(hours=1)),
}


@pytest.mark.parametrize("filters", FILTERS.values(), ids=list(FILTERS))
def test_filters_apply_before_the_lists_are_cut(store: Store, filters: Filters) -> None:
    metadata = {"key": "chat:2", "kind": "daily", "roles": ["assistant", "user"]}
    wanted = replace(chunk(2, "tea"), metadata=metadata, created_at=TIME + timedelta(hours=1))
    put(store, (chunk(1, "tea"), axis(0)), (wanted, axis(1)))

    assert ask(store, axis(0), "tea", filters=filters) == [uid(2)]


def test_until_leaves_its_own_moment_out(store: Store) -> None:
    put(store, (chunk(1, "tea"), axis(0)))

    assert ask(store, axis(0), "tea", filters=Filters(until=TIME)) == []
    assert ask(store, axis(0), "tea", filters=Filters(until=TIME + timedelta(seconds=1))) == [uid(1)]


def test_more_of_the_words_is_better_and_ties_go_by_id(store: Store) -> None:
    texts = ["red apple", "red", "red apple pie", "green", "red apple"]
    put(store, *((chunk(number, text), axis(number)) for number, text in enumerate(texts, 1)))

    assert ask(store, axis(15), "red apple pie", top_k=1) == [uid(1), uid(3)]
    request = SearchRequest("acme", "mika", axis(15), 3, terms("red apple pie"))
    lexical = {hit.id: hit.lexical for hit in store.search(request).hits}
    assert lexical[uid(3)] > lexical[uid(1)] > lexical[uid(2)] > 0
    assert ask(store, axis(15), "green", top_k=1) == [uid(1), uid(4)]


def test_words_of_another_user_or_tenant_count_for_nobody(store: Store) -> None:
    put(store, (chunk(1, "tea"), axis(0)), (chunk(2, "cobra", "ken"), axis(0)))
    put(store, (chunk(3, "cobra"), axis(0)), tenant="zenith")
    assert ask(store, axis(0), "cobra", top_k=5) == [uid(1)]


def test_filters_may_leave_nothing(store: Store) -> None:
    put(store, (chunk(1, "tea"), axis(0)))
    assert (
        ask(store, axis(0), "tea", filters=Filters(kinds=frozenset({"daily"}), roles=frozenset({"x"}))) == []
    )


def test_a_store_that_counts_words_counts_them_right(store: Store) -> None:
    said = "red apple red pie " + "green " * 20
    put(store, (chunk(1, said), axis(0)), (chunk(2, "quiet"), axis(0)))

    asked = terms("a red green cobra")
    one, other = store.search(SearchRequest("acme", "mika", axis(0), 5, asked)).hits
    assert one.counts in (None, {asked[0]: 2, asked[1]: MOST_COUNTED})
    assert other.counts in (None, {})


@pytest.mark.parametrize("filters", [Filters(), Filters(excluded_keys=frozenset({"chat:2"}))])
def test_more_of_a_small_memory_may_come_but_nothing_else(store: Store, filters: Filters) -> None:
    other = replace(chunk(9, "tea"), metadata={**chunk(9).metadata, "key": "chat:2"})
    rows = [(chunk(number, "tea"), axis(number)) for number in range(1, 6)]
    put(store, *rows, (other, axis(1)), (chunk(7, "tea", "ken"), axis(0)))

    request = SearchRequest("acme", "mika", axis(1), 2, terms("tea"), filters)
    chosen, whole = store.search(request).hits, store.search(replace(request, whole=6)).hits
    assert [hit.id for hit in whole if hit.id in {one.id for one in chosen}] == [hit.id for hit in chosen]
    assert {hit.id for hit in whole} <= {uid(number) for number in (1, 2, 3, 4, 5)} | (
        set() if filters.excluded_keys else {uid(9)}
    )
    assert [hit.id for hit in store.search(replace(request, whole=2)).hits] == [hit.id for hit in chosen]
