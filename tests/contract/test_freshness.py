"""How fresh an answer is, as the chat app itself counts."""

from dataclasses import replace
from datetime import timedelta

from support.chunks import FACTS, OTHER, TIME, axis, chunk, put

from pipeline.stores.protocol import Store


def test_freshness_is_what_the_app_says_of_the_version_indexed(store: Store) -> None:
    assert store.indexed_until("acme", "mika", "chat:1") is None
    put(store, name="chat:1", updated_at=TIME, saved_at=TIME + timedelta(hours=1))
    assert store.indexed_until("acme", "mika", "chat:1") == TIME
    put(store, name="chat:1", updated_at=TIME + timedelta(1), reflected=False)
    assert store.indexed_until("acme", "mika", "chat:1") == TIME
    put(store, name="chat:1", saved_at=TIME + timedelta(2))
    assert store.indexed_until("acme", "mika", "chat:1") == TIME + timedelta(2)


def test_freshness_of_an_item_that_is_gone_is_when_it_went(store: Store) -> None:
    put(store, name="chat:1", updated_at=TIME)
    put(store, facts=replace(FACTS, present=False), saved_at=TIME + timedelta(1))
    assert store.indexed_until("acme", "mika", "chat:1") == TIME + timedelta(1)


def test_freshness_is_asked_by_session_or_of_all_of_one_users_memory(store: Store) -> None:
    long = "chat:" + "x" * 1_000
    put(store, name="chat:1", updated_at=TIME)
    put(store, source=OTHER, name=long, updated_at=TIME + timedelta(1))
    assert store.indexed_until("acme", "mika", "chat:1") == TIME
    assert store.indexed_until("acme", "mika", long) == TIME + timedelta(1)
    assert store.indexed_until("acme", "mika", None) == TIME + timedelta(1)
    assert store.indexed_until("acme", "ken", None) is None
    assert store.indexed_until("zenith", "mika", None) is None


def test_freshness_follows_an_item_to_its_new_user(store: Store) -> None:
    put(store, name="chat:1", updated_at=TIME)
    put(store, name="chat:1", updated_at=TIME, facts=replace(FACTS, user_id="ken"))
    assert store.indexed_until("acme", "ken", "chat:1") == TIME
    assert store.indexed_until("acme", "mika", "chat:1") is None


def test_a_withheld_chunk_makes_nothing_fresh(store: Store) -> None:
    put(store, (chunk(1, user_id=""), axis(0)), name="chat:1", updated_at=TIME)
    assert store.indexed_until("acme", "", None) is None


def test_a_store_that_can_be_asked_says_so(store: Store) -> None:
    store.check()
