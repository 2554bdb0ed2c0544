"""Forget markers: permanent, and in the way of whoever read before."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from support.chunks import ITEM, OTHER, TIME, StoreMaker, ask, axis, chunk, forget, found, held_ids, put, uid

from pipeline.source.documents import ItemKey
from pipeline.stores.protocol import Change, Filters, Store


def test_forgetting_a_user_deletes_all_of_that_user_and_of_nobody_else(store: Store) -> None:
    put(store, (chunk(1, user_id="mika"), axis(0)), (chunk(2, user_id="ken"), axis(0)))
    put(store, (chunk(3, user_id="mika"), axis(0)), tenant="zenith")
    assert forget(store, user_id="mika").deleted == 1
    assert found(store, axis(0)) == []
    assert found(store, axis(0), user="ken") == [uid(2)]
    assert found(store, axis(0), tenant="zenith") == [uid(3)]


def test_forgetting_a_session_deletes_that_session_only(store: Store) -> None:
    other = replace(chunk(2), metadata={"key": "chat:2", "kind": "session"})
    put(store, (chunk(1), axis(0)))
    put(store, (other, axis(0)), source=OTHER)
    assert forget(store, session_key="chat:1").deleted == 1
    assert found(store, axis(0)) == [uid(2)]


def test_forgetting_one_users_session_leaves_anothers_of_that_name_alone(store: Store) -> None:
    put(store, (chunk(1, user_id="mika"), axis(0)), (chunk(2, user_id="ken"), axis(0)))
    assert forget(store, user_id="mika", session_key="chat:1").deleted == 1
    assert found(store, axis(0), user="ken") == [uid(2)]
    assert list(store.markers("acme", {"mika"}, {"chat:1"}).times.values()) == [TIME]
    assert store.markers("acme", {"ken"}, {"chat:1"}).times == {}
    assert store.markers("acme", {"mika"}, {"chat:2"}).times == {}


def test_a_marker_says_the_moment_of_asking(store: Store) -> None:
    forget(store, user_id="mika")
    markers = store.markers("acme", {"mika", "ken"}, {"chat:1"})
    assert markers.times == {("user", "mika"): TIME}
    assert store.markers("zenith", {"mika"}, set()).times == {}


def test_a_marker_never_moves_back_and_a_later_wish_moves_it_on(store: Store) -> None:
    later = TIME + timedelta(days=1)
    for number, at in enumerate([TIME, later, TIME]):
        forget(store, f"r{number}", at, session_key="chat:1")
    assert store.markers("acme", set(), {"chat:1"}).times == {("session", "chat:1"): later}


def test_a_wish_delivered_twice_is_carried_out_once(store: Store) -> None:
    put(store, (chunk(1), axis(0)))
    first = forget(store, user_id="mika")
    put(store, (chunk(2), axis(0)), source=OTHER)
    assert forget(store, user_id="mika") == first
    assert found(store, axis(0)) == [uid(2)]


def test_what_became_of_a_wish_can_be_asked_within_its_tenant(store: Store) -> None:
    assert store.forgotten("acme", "r1") is None
    done = forget(store, user_id="mika", session_key="chat:1")
    assert store.forgotten("acme", "r1") == done
    assert (done.request.user_id, done.request.session_key, done.request.asked_at) == ("mika", "chat:1", TIME)
    assert store.forgotten("zenith", "r1") is None


def test_a_wish_names_the_items_that_were_indexed_after_it(store: Store) -> None:
    key = ItemKey("sessions", "tenant_id", "acme", "session_key", "chat:1")
    put(store, (chunk(1), axis(0)), key=key)
    put(store, (chunk(2, user_id="ken"), axis(0)), source=OTHER)
    assert forget(store, "old", TIME, user_id="mika").again == (key,)
    assert forget(store, "old", TIME, user_id="mika").again == (key,)
    assert forget(store, "new", datetime.now(UTC) + timedelta(hours=1), user_id="ken").again == ()


def test_what_was_read_before_a_marker_conflicts_even_for_an_item_never_seen(store: Store) -> None:
    before = store.read("acme", [ITEM])[ITEM]
    forget(store, user_id="mika")
    change = Change(
        ITEM, before.revision, "p1", present=True, expected_epoch=before.epoch, upserts=[(chunk(1), axis(0))]
    )
    assert store.apply("acme", [change]) == {ITEM}
    assert found(store, axis(0)) == []
    put(store, (chunk(1), axis(0)))


def test_forgetting_spans_all_items_of_the_user(store: Store) -> None:
    for number in range(1, 13):
        put(store, (chunk(number), axis(0)), source=f'["sessions", "acme", "chat:{number}"]')
    assert forget(store, user_id="mika").deleted == 12
    assert forget(store, "r2", user_id="mika").deleted == 0
    assert found(store, axis(0)) == []
    assert store.passages("acme", "mika", Filters(), 10) == []


def test_forgetting_a_large_session_leaves_nothing_of_it(store: Store) -> None:
    put(store, *((chunk(number), axis(0)) for number in range(1, 131)))
    assert forget(store, session_key="chat:1").deleted == 130
    assert held_ids(store) == []
    assert store.texts("acme", ITEM, [uid(1), uid(130)]) == {}


def test_what_is_forgotten_is_out_of_the_words_too(store: Store) -> None:
    put(store, (chunk(1, "cobra"), axis(0)), (replace(chunk(2, "cobra tea"), user_id="ken"), axis(0)))
    forget(store, user_id="mika")
    assert ask(store, axis(0), "cobra", top_k=5) == []


def test_every_wish_moves_the_epoch_of_its_tenant(store: Store) -> None:
    for number in range(3):
        forget(store, f"r{number}", session_key="chat:1")
    sources = [f'["sessions", "acme", "chat:{number}"]' for number in range(30)]
    assert {held.epoch for held in store.read("acme", sources).values()} == {3}
    assert {held.epoch for held in store.read("zenith", sources).values()} == {0}


def test_a_user_and_a_session_of_one_name_are_two_things(store: Store) -> None:
    put(store, (chunk(1, user_id="chat:1"), axis(0)))
    assert forget(store, session_key="mika").deleted == 0
    assert store.markers("acme", {"mika"}, {"chat:1"}).times == {}
    assert found(store, axis(0), user="chat:1") == [uid(1)]


def test_a_wish_that_was_cut_short_is_finished_when_it_is_asked_again(stores: StoreMaker) -> None:
    one, two = stores(), stores()
    put(one, (chunk(1), axis(0)), (chunk(2, user_id="ken"), axis(0)))
    assert forget(one, "r1", user_id="mika").deleted == 1
    assert forget(two, "r2", TIME + timedelta(1), session_key="chat:1").deleted == 1
    assert two.forgotten("acme", "r1") is not None
    assert held_ids(two) == []
