import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from support.small_pipeline import SmallPipeline

from pipeline.ingest.announce import Announcer, announce
from pipeline.ingest.notices import Notice
from pipeline.ingest.queue import Refused
from pipeline.settings import Retention
from pipeline.source.layouts import Item, Layouts
from pipeline.source.stream_records import StreamChange, read_stream_record
from pipeline.source.transitions import Transition, TransitionReader

Event = Callable[[str], dict[str, Any]]
NOW = 1795341999.0


@pytest.fixture(scope="session")
def changes(event: Event) -> list[StreamChange]:
    return [read_stream_record(record) for record in event("dynamodb-stream")["Records"]]


@pytest.fixture(scope="session")
def announcer(layouts: Layouts) -> Announcer:
    return announcer_of(layouts)


def announcer_of(layouts: Layouts, on_clear: Retention = "keep", on_expiry: Retention = "keep") -> Announcer:
    return Announcer(layouts, TransitionReader(on_clear, on_expiry))


def transition_of(announcer: Announcer, change: StreamChange) -> Transition:
    notice = announcer.notice(change, NOW)
    assert notice
    [transition] = notice.transitions
    assert (transition.position, transition.at) == (change.position, change.saved_at)
    return transition


def test_an_insert_tells_what_came(announcer: Announcer, changes: list[StreamChange]) -> None:
    notice = announcer.notice(changes[0], NOW)
    assert notice
    assert notice.address.key.to_dynamodb() == changes[0].key
    [transition] = notice.transitions
    assert (notice.position, transition.position) == (changes[0].position, changes[0].position)
    assert (transition.event, transition.reason, dict(transition.gone)) == ("inserted", "", {})
    assert set(transition.added_at_tail.values()) == {(0, 1)}
    assert (notice.saved_at, notice.first_sent_at, notice.attempts) == (1795341600.0, NOW, 0)


def test_only_what_makes_an_item_is_an_insertion(announcer: Announcer, changes: list[StreamChange]) -> None:
    events = [transition_of(announcer, change).event for change in changes]
    assert events == ["inserted", "modified", "deleted", "expired"]


def test_an_edit_names_what_was_taken_by_hash_alone(
    announcer: Announcer, layouts: Layouts, changes: list[StreamChange]
) -> None:
    notice = announcer.notice(changes[1], NOW)
    assert notice
    assert changes[1].old
    old = layouts.parse("sessions", changes[1].old)
    assert old
    [transition] = notice.transitions
    assert dict(transition.gone) == {old.entries[0].id: (1, 0)}
    assert transition.reason == "edited"
    assert "Elm Street" not in repr(notice)


def test_a_change_tells_whose_the_item_was_and_is_by_hash_alone(
    announcer: Announcer, layouts: Layouts, changes: list[StreamChange]
) -> None:
    inserted, modified, removed, expired = (transition_of(announcer, change) for change in changes)
    owners = [(each.owner_before, each.owner_after) for each in (inserted, modified, removed, expired)]
    documents = [
        [layouts.parse("sessions", image) if image else None for image in (change.old, change.new)]
        for change in changes
    ]
    assert owners == [
        tuple(document and layouts.owner(document.key.hash_value, document.user_id) for document in pair)
        for pair in documents
    ]


def test_a_change_of_the_user_id_is_a_change_of_owner(
    announcer: Announcer, layouts: Layouts, changes: list[StreamChange]
) -> None:
    assert changes[1].old
    moved = replace(changes[1], new={**changes[1].old, "user_id": {"S": "somebody-new"}})
    transition = transition_of(announcer, moved)
    assert transition.changes_owner
    assert transition.owner_after == layouts.owner(moved.key["tenant_id"]["S"], "somebody-new")
    assert "somebody-new" not in repr(transition)
    assert not transition.names


@pytest.mark.parametrize(
    ("index", "on_expiry", "forgets"), [(2, "keep", True), (3, "keep", False), (3, "forget", True)]
)
def test_a_users_deletion_forgets_all_and_expiry_does_as_set(
    layouts: Layouts, changes: list[StreamChange], index: int, on_expiry: Retention, *, forgets: bool
) -> None:
    transition = transition_of(announcer_of(layouts, on_expiry=on_expiry), changes[index])
    assert (transition.everything, transition.keeps) == (forgets, not forgets)


@pytest.mark.parametrize(
    ("ttl", "counts_as"), [(-1, "expired"), (0, "expired"), (1, "deleted"), (None, "deleted")]
)
def test_a_removal_without_a_word_of_ttl_counts_as_expired_once_the_items_time_had_passed(
    announcer: Announcer, changes: list[StreamChange], ttl: int | None, counts_as: str
) -> None:
    """As in the other regions of a global table, where the record of an expiry does not say so."""
    removed = changes[2]
    assert removed.old
    assert removed.saved_at
    times = {} if ttl is None else {"ttl": {"N": str(int(removed.saved_at) + ttl)}}
    old = {name: value for name, value in removed.old.items() if name != "ttl"} | times
    assert transition_of(announcer, replace(removed, old=old)).event == counts_as


def test_a_removal_without_a_time_is_a_deletion(announcer: Announcer, changes: list[StreamChange]) -> None:
    removed = changes[2]
    assert removed.old
    old = removed.old | {"ttl": {"N": "1"}}
    assert transition_of(announcer, replace(removed, old=old, saved_at=None)).event == "deleted"


@pytest.mark.parametrize(
    "key",
    [
        {"pk": {"S": "APIKEY#mika"}, "sk": {"S": "LONG_TERM"}},
        {"pk": {"S": "SYNC#mika"}, "sk": {"S": "DAILY#2026-11-22"}},
        {"tenant_id": {"S": "MEMORY#mika"}, "session_key": {"S": "memory:long_term"}},
        {"id": {"N": "1"}},
    ],
)
def test_an_item_that_is_no_memory_is_not_announced(
    announcer: Announcer, changes: list[StreamChange], key: Any
) -> None:
    assert announcer.notice(replace(changes[0], key=key), NOW) is None


def test_an_item_that_never_had_messages_is_not_announced(
    announcer: Announcer, changes: list[StreamChange]
) -> None:
    change = replace(changes[0], new={**changes[0].key, "note": {"S": "no chat"}})
    assert announcer.notice(change, NOW) is None


@pytest.mark.parametrize(("on_clear", "reason"), [("forget", "removed"), ("keep", "cleared")])
def test_a_session_that_loses_its_messages_is_announced(
    layouts: Layouts, changes: list[StreamChange], on_clear: Retention, reason: str
) -> None:
    change = replace(changes[1], new=changes[1].key)
    transition = transition_of(announcer_of(layouts, on_clear), change)
    assert (transition.reason, list(transition.gone.values())) == (reason, [(1, 0), (1, 0)])


def test_a_session_that_lost_its_messages_before_it_was_deleted_is_announced_both_times(
    announcer: Announcer, changes: list[StreamChange]
) -> None:
    """The second record shows no messages, and all that was kept by the first must go."""
    assert changes[1].old
    bare = {name: value for name, value in changes[1].old.items() if name != "messages"}
    first = transition_of(announcer, replace(changes[1], new=bare))
    second = transition_of(announcer, replace(changes[2], old=bare))
    assert (first.reason, first.keeps) == ("cleared", True)
    assert (second.event, second.everything, second.keeps) == ("deleted", True, False)


def test_without_images_a_change_removes_what_was_there_and_a_removal_forgets_all(
    announcer: Announcer, changes: list[StreamChange]
) -> None:
    changed = transition_of(announcer, replace(changes[1], old=None, new=None))
    removed = transition_of(announcer, replace(changes[2], old=None, new=None))
    assert (changed.event, changed.reason, changed.everything) == ("modified", "removed", True)
    assert (removed.event, removed.reason, removed.everything) == ("deleted", "deleted", True)


def test_without_old_images_a_change_says_nothing_of_what_came_and_takes_what_is_not_there(
    announcer: Announcer, changes: list[StreamChange]
) -> None:
    changed = transition_of(announcer, replace(changes[1], old=None))
    assert (changed.reason, changed.everything, changed.names) == ("removed", True, frozenset())


def test_without_new_images_a_change_is_no_clear(announcer: Announcer, changes: list[StreamChange]) -> None:
    changed = transition_of(announcer, replace(changes[1], new=None))
    assert (changed.reason, changed.keeps, changed.names) == ("", False, frozenset())


@pytest.mark.parametrize(
    "shown",
    [{"old", "new"}, {"new"}, {"old"}, set()],
    ids=lambda shown: "-".join(sorted(shown)) or "nothing",
)
def test_a_save_after_a_forget_request_brings_nothing_back_whatever_the_stream_shows(shown: set[str]) -> None:
    pipeline = SmallPipeline()
    announcer = Announcer(pipeline.layouts, pipeline.reader)
    secret, locker, tea = "my asthma is a secret", "locker twelve", "tea at four"

    def save(position: str, old: Item | None, new: Item) -> None:
        pipeline.items["sessions", "acme", "chat:1"] = new
        pipeline.clock += 2.0
        change = StreamChange(
            table="sessions",
            key=new,
            created=old is None,
            removed=False,
            expired=False,
            old=old if "old" in shown else None,
            new=new if "new" in shown else None,
            position=position,
            saved_at=pipeline.clock // 1,
        )
        notice = announcer.notice(change, pipeline.clock)
        assert notice
        assert not pipeline.reconciler.run({notice.subject: notice}).failures

    first, second = said(secret, locker), said(secret, locker, tea)
    save("1/1", None, first)
    pipeline.forget("acme", "acme")
    save("1/2", first, second)
    found = "\n".join(text for text, _ in pipeline.answers("acme", "acme", "asthma locker tea")[0])
    assert "asthma" not in found
    assert "locker" not in found
    assert tea in found


def said(*texts: str) -> Item:
    messages = json.dumps([{"role": "user", "content": text} for text in texts])
    return {"tenant_id": {"S": "acme"}, "session_key": {"S": "chat:1"}, "messages": {"S": messages}}


def test_without_images_an_insertion_asks_for_a_look(
    announcer: Announcer, changes: list[StreamChange]
) -> None:
    transition = transition_of(announcer, replace(changes[0], old=None, new=None))
    assert (transition.event, transition.everything, transition.names) == ("inserted", False, frozenset())


def test_an_unreadable_image_is_announced_for_the_ingest_function_to_judge(
    announcer: Announcer, changes: list[StreamChange]
) -> None:
    broken = {**changes[0].key, "messages": {"S": "[broken"}}
    inserted = transition_of(announcer, replace(changes[0], new=broken))
    mended = transition_of(announcer, replace(changes[1], old=broken))
    assert (inserted.everything, inserted.names) == (False, frozenset())
    assert (mended.everything, mended.reason) == (True, "removed")


class Queue:
    def __init__(self, failed: frozenset[str] = frozenset()) -> None:
        self.sent: list[Notice] = []
        self.failed = failed

    def send(self, notices: Any) -> Refused:
        self.sent += notices
        return Refused(self.failed, ["Throttled"])


def test_one_notice_an_item_is_sent_and_failures_return_to_every_change(
    notice_of: Callable[..., Notice],
) -> None:
    notices = {"1": notice_of("chat:1", "1"), "2": notice_of("chat:2", "2"), "3": notice_of("chat:1", "3")}
    queue = Queue(frozenset({notices["1"].address.key.source}))
    refused = announce(notices, queue)  # type: ignore[arg-type]
    assert (refused, refused.reasons) == ({"1", "3"}, {"Throttled"})
    assert [(notice.address.key.range_value, notice.position) for notice in queue.sent] == [
        ("chat:1", "3"),
        ("chat:2", "2"),
    ]
