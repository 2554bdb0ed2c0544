"""Forget markers: permanent, and in the way of whoever read before. Whom they concern, and what became of a request."""

from dataclasses import replace
from datetime import datetime, timedelta

from support.chunks import (
    FACTS,
    ITEM,
    OTHER,
    TIME,
    StoreMaker,
    axis,
    chunk,
    found,
    held,
    key_of,
    mid,
    planned,
    put,
    request,
    row,
    uid,
)

from pipeline.stores.forget_requests import Markers
from pipeline.stores.message_rows import ItemEvent
from pipeline.stores.protocol import Store


def times(markers: Markers) -> dict[tuple[str, str], list[datetime]]:
    return {subject: sorted(found) for subject, found in markers.times.items()}


def test_a_marker_says_the_moment_of_asking(store: Store) -> None:
    assert store.mark(request(user_id="mika")) == 0
    assert times(store.markers("acme", {"mika", "ken"}, {"chat:1"})) == {("user", "mika"): [TIME]}
    assert store.markers("zenith", {"mika"}, set()).times == {}
    assert store.markers("acme", set(), set()).times == {}


def test_a_marker_of_one_users_session_leaves_anothers_of_that_name_alone(store: Store) -> None:
    store.mark(request(user_id="mika", session_key="chat:1"))
    assert list(times(store.markers("acme", {"mika"}, {"chat:1"})).values()) == [[TIME]]
    assert store.markers("acme", {"ken"}, {"chat:1"}).times == {}
    assert store.markers("acme", {"mika"}, {"chat:2"}).times == {}
    held_to = store.markers("acme", {"mika", "ken"}, {"chat:1"})
    assert held_to.of_user("mika", "chat:1") == [TIME.timestamp()]
    assert held_to.of_user("ken", "chat:1") == held_to.of_session("chat:1") == []


def test_a_user_and_a_session_of_one_name_are_two_things(store: Store) -> None:
    store.mark(request(session_key="mika"))
    assert store.markers("acme", {"mika"}, {"chat:1"}).times == {}
    assert times(store.markers("acme", set(), {"mika"})) == {("session", "mika"): [TIME]}


def test_markers_add_up_whatever_their_order(store: Store) -> None:
    later = TIME + timedelta(days=1)
    for number, at in enumerate([TIME, later, TIME]):
        store.mark(request(f"r{number}", at, session_key="chat:1"))
    assert times(store.markers("acme", set(), {"chat:1"})) == {("session", "chat:1"): [TIME, later]}


def test_the_same_request_twice_is_one_marker(store: Store) -> None:
    for _ in range(2):
        store.mark(request(user_id="mika"))
    assert times(store.markers("acme", {"mika"}, set())) == {("user", "mika"): [TIME]}


def test_every_request_moves_the_epoch_of_its_tenant(store: Store) -> None:
    for number in range(3):
        store.mark(request(f"r{number}", session_key="chat:1"))
    sources = [f'["sessions", "acme", "chat:{number}"]' for number in range(30)]
    named = {source: frozenset[str]() for source in sources}
    assert {state.epoch for state in store.read("acme", named).values()} == {3}
    assert {state.epoch for state in store.read("zenith", named).values()} == {0}


def test_a_write_read_before_a_marker_conflicts_even_for_an_item_never_seen(store: Store) -> None:
    before = held(store)
    store.mark(request(user_id="mika"))
    write = planned(ITEM, before, upserts=[(chunk(1), axis(0))])
    assert store.apply("acme", [write]) == {ITEM}
    assert found(store, axis(0)) == []
    put(store, (chunk(1), axis(0)))


def test_a_marker_deletes_nothing_of_an_item_by_itself(store: Store) -> None:
    put(store, (chunk(1), axis(0)), messages=[row(1)])
    assert store.mark(request(user_id="mika")) == 0
    assert found(store, axis(0)) == [uid(1)]


def test_the_items_of_a_user_are_those_with_a_message_of_the_user(store: Store) -> None:
    put(store, messages=[row(1), row(2, user_id="ken")], key=key_of("chat:1"), name="chat:1")
    put(store, messages=[row(3, user_id="ken")], key=key_of("chat:2"), name="chat:2", source=OTHER)
    put(store, messages=[row(4)], key=key_of("chat:1", "zenith"), name="chat:1", tenant="zenith")

    assert list(store.items_of(request(user_id="mika"))) == [key_of("chat:1")]
    assert set(store.items_of(request(user_id="ken"))) == {key_of("chat:1"), key_of("chat:2")}
    assert list(store.items_of(request(user_id="nobody"))) == []
    assert list(store.items_of(request(user_id="mika", tenant="zenith"))) == [key_of("chat:1", "zenith")]


def test_a_message_in_whatever_state_makes_its_item_one_of_the_users_unless_it_is_erased(
    store: Store,
) -> None:
    states = ("live", "kept", "unexplained", "erased")
    for number, state in enumerate(states):
        name = f"chat:{number}"
        put(store, messages=[row(number, state)], key=key_of(name), name=name, source=f'["{name}"]')
    assert set(store.items_of(request(user_id="mika"))) == {key_of(f"chat:{number}") for number in range(3)}
    for number in range(4):
        asked = request(session_key=f"chat:{number}")
        assert len(store.items_of(asked)) == (states[number] != "erased")


def test_the_items_of_a_session_are_those_of_that_name(store: Store) -> None:
    long = "chat:" + "鍵" * 400
    put(store, messages=[row(1)], key=key_of("chat:1"), name="chat:1")
    put(store, messages=[row(2, user_id="ken")], key=key_of(long), name=long, source=OTHER)

    assert list(store.items_of(request(session_key="chat:1"))) == [key_of("chat:1")]
    assert list(store.items_of(request(session_key=long))) == [key_of(long)]
    assert list(store.items_of(request(session_key="mika"))) == []
    assert list(store.items_of(request(user_id="mika", session_key="chat:1"))) == [key_of("chat:1")]
    assert list(store.items_of(request(user_id="mika", session_key=long))) == []


def test_an_item_whose_messages_are_erased_or_purged_is_no_longer_the_users(store: Store) -> None:
    put(store, messages=[row(1), row(2)], key=key_of("chat:1"), name="chat:1")
    put(store, messages=[row(1, "erased")])
    assert list(store.items_of(request(user_id="mika"))) == [key_of("chat:1")]
    put(store, purged=[mid(2)])
    assert list(store.items_of(request(user_id="mika"))) == []
    assert list(store.items_of(request(session_key="chat:1"))) == []


def test_a_message_that_goes_to_another_user_takes_its_item_along(store: Store) -> None:
    put(store, messages=[row(1)], key=key_of("chat:1"), name="chat:1")
    put(store, messages=[row(1, user_id="ken")])
    assert list(store.items_of(request(user_id="mika"))) == []
    assert list(store.items_of(request(user_id="ken"))) == [key_of("chat:1")]


def test_an_item_whose_events_name_a_user_may_have_been_the_users(store: Store) -> None:
    events = (ItemEvent("inserted", "s/1", 1.0, None, "aa"), ItemEvent("owner", "s/2", None, "aa", "bb"))
    facts = replace(FACTS, user_id="ken", events=events)
    rows = [row(1, user_id="ken")]
    put(store, messages=rows, key=key_of("chat:1"), name="chat:1", facts=facts)
    put(store, messages=rows, key=key_of("chat:2"), name="chat:2", source=OTHER)
    put(store, messages=rows, key=key_of("chat:1", "zenith"), facts=facts, tenant="zenith")

    for owner in ("aa", "bb"):
        assert list(store.items_of(request(user_id="mika"), owner)) == [key_of("chat:1")]
        asked = request(user_id="mika", session_key="chat:1")
        assert list(store.items_of(asked, owner)) == [key_of("chat:1")]
        assert list(store.items_of(request(user_id="mika", session_key="chat:2"), owner)) == []
    assert list(store.items_of(request(user_id="mika"), "cc")) == []
    assert list(store.items_of(request(user_id="mika"))) == []
    put(store, messages=[row(1, "erased", user_id="ken")], facts=facts)
    assert list(store.items_of(request(user_id="mika"), "aa")) == []


def test_a_user_of_many_items_and_messages_has_each_item_once(store: Store) -> None:
    for number in range(30):
        name = f"chat:{number}"
        rows = [row(100 * number + one) for one in range(20)]
        put(store, messages=rows, key=key_of(name), name=name, source=f'["{name}"]')
    items = store.items_of(request(user_id="mika"))
    assert sorted(items, key=repr) == sorted((key_of(f"chat:{number}") for number in range(30)), key=repr)


def test_a_forget_requests_outcome_is_told_within_its_tenant(store: Store) -> None:
    assert store.forgotten("acme", "r1") is None
    asked = request(user_id="mika", session_key="chat:1")
    store.mark(asked)
    assert store.forgotten("acme", "r1") is None
    done = store.finish(asked, 12)
    assert (done.request, done.deleted) == (asked, 12)
    assert store.forgotten("acme", "r1") == done
    assert store.forgotten("zenith", "r1") is None


def test_a_request_that_was_written_down_keeps_its_first_answer(stores: StoreMaker) -> None:
    one, two = stores(), stores()
    first = one.finish(request(user_id="mika"), 3)
    assert two.finish(request(user_id="mika"), 0) == first
    assert two.forgotten("acme", "r1") == first
    assert two.finish(request(user_id="mika", tenant="zenith"), 0).deleted == 0


def test_a_request_of_nobody_known_is_written_down_too(store: Store) -> None:
    asked = request(session_key="chat:1")
    store.mark(asked)
    assert list(store.items_of(asked)) == []
    assert store.finish(asked, 0).request == asked
    put(store, (chunk(1), axis(0)), facts=FACTS)
    assert held(store).epoch == 1
