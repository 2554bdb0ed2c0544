"""Leases: one worker at a time embeds an item."""

from support.chunks import ITEM, OTHER, axis, chunk, held, planned, put

from pipeline.stores.message_rows import ItemFacts
from pipeline.stores.protocol import Store


def test_a_leased_item_is_not_leased_again_until_it_is_applied_or_released(store: Store) -> None:
    leased = store.lease("acme", {ITEM: 0}, 60)
    assert store.lease("acme", leased, 60) == {}
    store.release("acme", leased)
    again = store.lease("acme", leased, 60)
    assert again == leased
    assert store.apply("acme", [planned(ITEM, expected_revision=again[ITEM])]) == frozenset()
    revision = held(store).revision
    assert store.lease("acme", {ITEM: revision}, 60) == {ITEM: revision}


def test_a_lease_ends_by_itself(store: Store) -> None:
    leased = store.lease("acme", {ITEM: 0}, 0)
    assert store.lease("acme", leased, 60) == leased


def test_a_lease_of_a_moved_revision_is_not_given(store: Store) -> None:
    put(store, (chunk(1), axis(0)))
    assert store.lease("acme", {ITEM: 0, OTHER: 0}, 60).keys() == {OTHER}


def test_a_lease_of_an_item_never_seen_says_nothing_of_it(store: Store) -> None:
    store.lease("acme", {ITEM: 0}, 60)
    state = held(store)
    assert (state.facts, state.messages, state.pending) == (ItemFacts(), (), False)
    assert list(store.overdue(1e12, 10)) == []
