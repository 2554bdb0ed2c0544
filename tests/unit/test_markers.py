"""What a forget marker covers."""

from datetime import UTC, datetime, timedelta

import pytest
from support.one_table import LAYOUTS

from pipeline.source.documents import Document, Entry, ItemKey
from pipeline.stores.protocol import Markers

T = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
SECOND = timedelta(seconds=1)
KEY = ItemKey("sessions", "tenant_id", "acme", "session_key", "chat:1")


def document(*times: datetime | None, created_at: datetime | None = None) -> Document:
    entries = tuple(Entry(f"e{index}", "user", "text", time) for index, time in enumerate(times))
    return Document(KEY, "acme", "mika", "session", entries, created_at=created_at)


def banned(
    read: Document, markers: Markers, first: datetime | None = None, notice: float | None = None
) -> set[str]:
    return set(markers.banned(read, first, notice))


USER = Markers({("user", "mika"): T})


def test_what_was_said_up_to_the_marker_is_forgotten_and_what_came_later_is_not() -> None:
    assert banned(document(T - SECOND, T, T + SECOND), USER) == {"e0", "e1"}


def test_a_session_marker_covers_that_session_only() -> None:
    assert banned(document(T), Markers({("session", "chat:1"): T})) == {"e0"}
    assert banned(document(T), Markers({("session", "chat:2"): T})) == set()


def test_another_users_marker_covers_nothing() -> None:
    assert banned(document(T), Markers({("user", "ken"): T})) == set()


def test_of_two_markers_the_later_counts() -> None:
    markers = Markers({("user", "mika"): T, ("session", "chat:1"): T + SECOND})
    assert banned(document(T + SECOND), markers) == {"e0"}


def test_what_does_not_say_when_is_forgotten_in_an_item_that_was_there_before() -> None:
    assert banned(document(None), USER) == {"e0"}
    assert banned(document(None, created_at=T - SECOND), USER) == {"e0"}
    assert banned(document(None), USER, first=T - SECOND, notice=T.timestamp() - 1) == {"e0"}


def test_what_does_not_say_when_is_kept_in_an_item_that_came_later() -> None:
    assert banned(document(None, created_at=T + SECOND), USER) == set()
    assert banned(document(None), USER, first=T + SECOND) == set()
    assert banned(document(None), USER, notice=T.timestamp() + 1) == set()


@pytest.mark.parametrize(
    ("date", "newer"), [("2026-11-24", True), ("2026-11-23", False), ("0001-01-01", False)]
)
def test_a_note_of_a_day_came_later_only_if_the_day_had_begun_nowhere(date: str, *, newer: bool) -> None:
    name = f"memory:daily:{date}"
    item = {"tenant_id": {"S": "acme"}, "session_key": {"S": name}, "content": {"S": "- a secret"}}
    note = LAYOUTS.parse("memory", item)
    assert note
    assert bool(banned(note, Markers({("session", name): T}))) is not newer
