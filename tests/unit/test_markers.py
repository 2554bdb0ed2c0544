"""Which forget requests a marker is found by."""

from datetime import UTC, datetime, timedelta

from pipeline.stores.forget_requests import Markers, session_of

T = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
LATER = T + timedelta(hours=1)


def at(*times: datetime) -> list[float]:
    return [time.timestamp() for time in times]


def test_a_users_marker_covers_all_of_the_users_sessions_and_nobody_elses() -> None:
    markers = Markers({("user", "mika"): [T]})
    assert markers.of_user("mika", "chat:1") == markers.of_user("mika", "chat:2") == at(T)
    assert markers.of_user("ken", "chat:1") == []
    assert markers.of_session("chat:1") == []


def test_a_marker_of_a_users_session_covers_that_session_of_that_user_only() -> None:
    markers = Markers({("user_session", session_of("mika", "chat:1")): [T]})
    assert markers.of_user("mika", "chat:1") == at(T)
    assert markers.of_user("mika", "chat:2") == []
    assert markers.of_user("ken", "chat:1") == []
    assert markers.of_session("chat:1") == []


def test_a_sessions_marker_covers_that_session_whoever_owns_it() -> None:
    markers = Markers({("session", "chat:1"): [T]})
    assert markers.of_session("chat:1") == at(T)
    assert markers.of_session("chat:2") == []
    assert markers.of_user("mika", "chat:1") == []


def test_every_marker_counts_not_only_the_last() -> None:
    markers = Markers(
        {
            ("user", "mika"): [T, LATER],
            ("user_session", session_of("mika", "chat:1")): [T + timedelta(minutes=1)],
            ("session", "chat:1"): [LATER, T],
        }
    )
    assert sorted(markers.of_user("mika", "chat:1")) == at(T, T + timedelta(minutes=1), LATER)
    assert markers.of_session("chat:1") == at(LATER, T)


def test_no_join_of_user_and_session_is_that_of_another_pair() -> None:
    markers = Markers({("user_session", session_of("a", "b:c")): [T]})
    assert markers.of_user("a:b", "c") == []
