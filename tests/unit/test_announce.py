from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from pipeline.ingest.announce import Announcer, announce
from pipeline.ingest.notices import Notice
from pipeline.ingest.queue import Refused
from pipeline.settings import Retention
from pipeline.source.changes import Change, read_change
from pipeline.source.layouts import Layouts

Event = Callable[[str], dict[str, Any]]
NOW = 1795341999.0


@pytest.fixture(scope="session")
def changes(event: Event) -> list[Change]:
    return [read_change(record) for record in event("dynamodb-stream")["Records"]]


@pytest.fixture(scope="session")
def announcer(layouts: Layouts) -> Announcer:
    return Announcer(layouts, "keep", "keep")


def test_an_insert_asks_for_a_look(announcer: Announcer, changes: list[Change]) -> None:
    notice = announcer.notice(changes[0], NOW)
    assert notice
    assert notice.address.key.to_dynamodb() == changes[0].key
    assert (notice.position, notice.facts) == (changes[0].position, ())
    assert (notice.saved_at, notice.first_sent_at, notice.attempts) == (1795341600.0, NOW, 0)


def test_only_what_makes_an_item_says_when_it_came_into_being(
    announcer: Announcer, changes: list[Change]
) -> None:
    notices = [announcer.notice(change, NOW) for change in changes[:3]]
    assert [notice and notice.created_at for notice in notices] == [changes[0].saved_at, None, None]


def test_an_edit_names_what_was_taken_by_hash_alone(
    announcer: Announcer, layouts: Layouts, changes: list[Change]
) -> None:
    notice = announcer.notice(changes[1], NOW)
    assert notice
    assert changes[1].old
    old = layouts.parse("sessions", changes[1].old)
    assert old
    [fact] = notice.facts
    assert fact.entries == {old.entries[0].id}
    assert fact.position == changes[1].position
    assert "Elm Street" not in repr(notice)


@pytest.mark.parametrize(
    ("index", "on_expiry", "forgets"), [(2, "keep", True), (3, "keep", False), (3, "forget", True)]
)
def test_a_users_deletion_forgets_all_and_expiry_does_as_set(
    layouts: Layouts, changes: list[Change], index: int, on_expiry: Retention, *, forgets: bool
) -> None:
    notice = Announcer(layouts, "keep", on_expiry).notice(changes[index], NOW)
    assert notice
    assert [fact.entries for fact in notice.facts] == ([None] if forgets else [])


@pytest.mark.parametrize(
    "key",
    [
        {"pk": {"S": "APIKEY#mika"}, "sk": {"S": "LONG_TERM"}},
        {"pk": {"S": "SYNC#mika"}, "sk": {"S": "DAILY#2026-11-22"}},
        {"tenant_id": {"S": "MEMORY#mika"}, "session_key": {"S": "memory:long_term"}},
        {"id": {"N": "1"}},
    ],
)
def test_what_is_no_memory_is_not_announced(announcer: Announcer, changes: list[Change], key: Any) -> None:
    assert announcer.notice(replace(changes[0], key=key), NOW) is None


def test_an_item_that_never_had_messages_is_not_announced(
    announcer: Announcer, changes: list[Change]
) -> None:
    change = replace(changes[0], new={**changes[0].key, "note": {"S": "no chat"}})
    assert announcer.notice(change, NOW) is None


def test_a_session_that_loses_its_messages_is_announced(layouts: Layouts, changes: list[Change]) -> None:
    change = replace(changes[1], new=changes[1].key)
    notice = Announcer(layouts, "forget", "keep").notice(change, NOW)
    assert notice
    assert [len(fact.entries or ()) for fact in notice.facts] == [2]


def test_without_images_a_change_asks_for_a_look_and_a_removal_forgets_all(
    announcer: Announcer, changes: list[Change]
) -> None:
    changed = announcer.notice(replace(changes[1], old=None, new=None), NOW)
    removed = announcer.notice(replace(changes[2], old=None, new=None), NOW)
    assert changed
    assert removed
    assert changed.facts == ()
    assert [fact.entries for fact in removed.facts] == [None]


def test_an_unreadable_image_is_announced_for_the_ingest_function_to_judge(
    announcer: Announcer, changes: list[Change]
) -> None:
    broken = {**changes[0].key, "messages": {"S": "[broken"}}
    inserted = announcer.notice(replace(changes[0], new=broken), NOW)
    mended = announcer.notice(replace(changes[1], old=broken), NOW)
    assert inserted
    assert mended
    assert inserted.facts == ()
    assert [fact.entries for fact in mended.facts] == [None]


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
