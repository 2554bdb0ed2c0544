"""How fresh an answer is, as the chat app itself counts."""

from datetime import timedelta

from support.chunks import OTHER, TIME, put

from pipeline.stores.protocol import Store


def test_freshness_is_what_the_app_says_of_the_version_indexed(store: Store) -> None:
    assert store.indexed_until("acme", "mika", "chat:1") is None
    put(store, name="chat:1", user_id="mika", updated_at=TIME, saved_at=TIME + timedelta(hours=1))
    assert store.indexed_until("acme", "mika", "chat:1") == TIME
    put(store, name="chat:1", user_id="mika", updated_at=TIME + timedelta(1), reflected=False)
    assert store.indexed_until("acme", "mika", "chat:1") == TIME
    put(store, name="chat:1", user_id="mika", saved_at=TIME + timedelta(2))
    assert store.indexed_until("acme", "mika", "chat:1") == TIME + timedelta(2)


def test_freshness_of_an_item_that_is_gone_is_when_it_went(store: Store) -> None:
    put(store, name="chat:1", user_id="mika", updated_at=TIME)
    put(store, present=False, saved_at=TIME + timedelta(1))
    assert store.indexed_until("acme", "mika", "chat:1") == TIME + timedelta(1)


def test_freshness_is_asked_by_session_or_of_all_of_one_users_memory(store: Store) -> None:
    long = "chat:" + "x" * 1_000
    put(store, name="chat:1", user_id="mika", updated_at=TIME)
    put(store, source=OTHER, name=long, user_id="mika", updated_at=TIME + timedelta(1))
    assert store.indexed_until("acme", "mika", "chat:1") == TIME
    assert store.indexed_until("acme", "mika", long) == TIME + timedelta(1)
    assert store.indexed_until("acme", "mika", None) == TIME + timedelta(1)
    assert store.indexed_until("acme", "ken", None) is None
    assert store.indexed_until("zenith", "mika", None) is None


def test_a_store_that_can_be_asked_says_so(store: Store) -> None:
    store.check()
