"""The rules of ``docs/ledger.md``: one test a rule, on the pure decision."""

import hashlib
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from itertools import permutations
from typing import Any

import pytest

from pipeline.ingest import departures, item_evidence, message_dates, message_ledger, ownership, visibility
from pipeline.ingest.item_evidence import (
    CLOCK_SECONDS,
    HORIZON_SECONDS,
    MAX_EVENTS,
    ItemEvidence,
    ItemReading,
)
from pipeline.ingest.message_ledger import Settled, needs_all, settle, would_change
from pipeline.ingest.message_matching import Additions, match
from pipeline.ingest.ownership import Ownership, owners_at, with_change_seen
from pipeline.source.documents import Document, Entry, ItemKey, Kind
from pipeline.source.transitions import Reason, Transition, merged
from pipeline.stores.forget_requests import Markers, session_of
from pipeline.stores.index_state import IndexState
from pipeline.stores.message_rows import ItemEvent, MessageRow, MessageState

KEY = ItemKey("sessions", "tenant_id", "acme", "session_key", "chat:1")
START = 1_000_000.0
Gone = dict[str, tuple[int, int]]


def owner(user_id: str) -> str:
    """The keyed hash of a user."""
    return hashlib.blake2b(user_id.encode(), digest_size=16).hexdigest()


class Ledger:
    """One item's ledger. Time and positions go on by themselves: a minute and one for each change and each read."""

    def __init__(self) -> None:
        self.state, self.last = IndexState(), Settled(IndexState().facts, {}, (), (), (), frozenset())
        self.number, self.time, self.markers = 0, START, dict[Any, list[datetime]]()
        self.user = "mika"

    def change(
        self,
        reason: Reason = "",
        *,
        gone: str | Gone = "",
        came: str | Gone = "",
        stamps: str = "",
        **fields: Any,
    ) -> Transition:
        """Return the transition of a change that happens now; ``stamps`` are the times said of what came."""
        self.number += 1
        self.time += 60.0
        whole = {
            "event": "modified",
            "owner_before": owner(self.user),
            "owner_after": owner(self.user),
            **fields,
        }
        names = gone if isinstance(gone, dict) else dict.fromkeys(gone, (1, 0))
        added = came if isinstance(came, dict) else dict.fromkeys(came, (0, 1))
        return Transition(
            str(self.number).zfill(4),
            float(int(self.time)),
            reason=reason,
            gone=names,
            added_at_tail=added,
            said={name: (float(ord(stamp)),) for name, stamp in zip(added, stamps, strict=bool(stamps))},
            **whole,
        )

    def read(
        self,
        entries: str | None,
        *transitions: Transition,
        stamps: str = "",
        kind: Kind = "session",
        **reading: Any,
    ) -> list[str]:
        """Read the item, which has a message a letter, ``None`` if it is gone; return what is found: live or kept."""
        self.time += 60.0
        made = tuple(
            Entry(name, "user", name, _stamp(stamps, place)) for place, name in enumerate(entries or "")
        )
        document = Document(KEY, "acme", self.user, kind, made, **reading)
        position = str(self.number).zfill(4) if self.number else ""
        read = ItemReading("present", self.time, position, document)
        return self.settle(
            read if entries is not None else ItemReading("absent", self.time, position), *transitions
        )

    def unreadable(self, *transitions: Transition) -> list[str]:
        self.time += 60.0
        return self.settle(ItemReading("unreadable", self.time, str(self.number).zfill(4)), *transitions)

    def settle(self, reading: ItemReading, *transitions: Transition) -> list[str]:
        ownership = Ownership(owner, "chat:1", Markers(self.markers))
        kept = [row for row in self.state.messages if row.state == "kept"]
        evidence = ItemEvidence.of(
            self.state, reading, merged(transitions), ownership, lambda name, n: f"{name}{n}", kept
        )
        others = tuple(row for row in self.state.messages if row.state != "kept")
        self.last = settle(replace(self.state, messages=others), kept, evidence)
        revision = self.state.revision + 1
        self.state = IndexState(revision, facts=self.last.facts, messages=tuple(self.last.rows.values()))
        return sorted(
            row.name
            for row in self.last.rows.values()
            if row.id not in self.last.hidden and row.state != "erased"
        )

    def forget(self, scope: str = "user", subject: str = "mika") -> float:
        """Ask to forget, at the next whole second; what covers it is decided at the next read."""
        self.time += 60.0
        until = datetime.fromtimestamp(int(self.time) + 1, UTC)
        hashed = [Ownership.subject(owner(subject))] if scope == "user" else []
        for name in (subject, *hashed):
            self.markers.setdefault((scope, name), []).append(until)
        return until.timestamp()

    def row(self, id_: str) -> MessageRow:
        return self.last.rows[id_]

    @property
    def states(self) -> dict[str, str]:
        return {row.id: row.state for row in self.last.rows.values()}


def _stamp(stamps: str, place: int) -> datetime | None:
    return datetime.fromtimestamp(ord(stamps[place]), UTC) if stamps else None


@pytest.fixture
def ledger() -> Ledger:
    return Ledger()


# States: the newest event about a text decides.


def test_a_message_in_the_item_is_live(ledger: Ledger) -> None:
    assert ledger.read("ab") == ["a", "b"]
    assert ledger.states == {"a0": "live", "b0": "live"}
    assert [entry.id for entry in ledger.last.entries] == ["a0", "b0"]


@pytest.mark.parametrize("reason", ["capped", "cleared"])
def test_a_message_that_left_by_a_keeping_transition_is_kept_and_found(
    ledger: Ledger, reason: Reason
) -> None:
    ledger.read("ab")
    assert ledger.read("b", ledger.change(reason, gone="a")) == ["a", "b"]
    assert (ledger.states, ledger.row("a0").reason) == ({"a0": "kept", "b0": "live"}, reason)


@pytest.mark.parametrize("reason", ["edited", "removed"])
def test_a_message_that_left_by_a_forgetting_transition_is_purged_with_its_row(
    ledger: Ledger, reason: Reason
) -> None:
    ledger.read("ab")
    assert ledger.read("b", ledger.change(reason, gone="a")) == ["b"]
    assert (ledger.states, ledger.last.purged) == ({"b0": "live"}, ("a0",))


def test_a_message_that_left_without_a_record_is_hidden_at_once(ledger: Ledger) -> None:
    ledger.read("ab")
    assert ledger.read("b") == ["b"]
    assert ledger.states == {"a0": "unexplained", "b0": "live"}
    assert ledger.last.facts.hidden_since == ledger.time


@pytest.mark.parametrize(("reason", "found"), [("capped", ["a", "b"]), ("edited", ["b"])])
def test_a_late_record_settles_what_is_hidden(ledger: Ledger, reason: Reason, found: list[str]) -> None:
    ledger.read("ab")
    late = ledger.change(reason, gone="a")
    ledger.read("b")
    assert ledger.read("b", late) == found
    assert ledger.last.facts.hidden_since is None


def test_a_hidden_message_goes_after_the_horizon_and_not_before(ledger: Ledger) -> None:
    ledger.read("ab")
    ledger.read("b")
    ledger.time += HORIZON_SECONDS - 120
    ledger.read("b")
    assert ledger.states == {"a0": "unexplained", "b0": "live"}
    ledger.time += 120
    ledger.read("b")
    assert ledger.states == {"b0": "live"}


def test_a_message_that_comes_back_is_live_again_under_its_row(ledger: Ledger) -> None:
    ledger.read("ab")
    ledger.read("b")
    assert ledger.read("ab") == ["a", "b"]
    assert ledger.states == {"a0": "live", "b0": "live"}


def test_an_item_that_cannot_be_read_loses_nothing_and_its_transitions_apply(ledger: Ledger) -> None:
    ledger.read("ab")
    assert ledger.unreadable() == ["a", "b"]
    assert ledger.unreadable(ledger.change("edited", gone="a")) == ["b"]


@pytest.mark.parametrize("user", ["mika", "owner:mika", "owner:", f"owner:{'0' * 31}", f"owner:{'A' * 32}"])
def test_a_message_that_was_capped_is_kept_for_its_user_whatever_the_user_is_called(
    ledger: Ledger, user: str
) -> None:
    ledger.user = user
    ledger.read("ab", ledger.change(came="ab"))
    assert ledger.read("b", ledger.change("capped", gone="a", owner_before=None)) == ["a", "b"]
    assert ledger.row("a0").user_id == user


def test_an_unreadable_item_that_was_given_away_shows_nothing_to_its_earlier_owner(ledger: Ledger) -> None:
    ledger.read("a", ledger.change(came="a"))
    given = ledger.change(owner_before=owner("mika"), owner_after=owner("ken"))
    assert ledger.unreadable(given) == []
    assert ledger.unreadable() == []  # also when only a look follows
    ledger.user = "ken"
    assert ledger.read("a") == ["a"]
    assert ledger.row("a0").user_id == "ken"
    assert ledger.unreadable() == ["a"]


def test_an_unreadable_item_is_of_whoever_the_newest_record_names_though_that_of_the_giving_was_lost(
    ledger: Ledger,
) -> None:
    ledger.read("a", ledger.change(came="a"))
    given = ledger.change(owner_after=owner("ken"))
    spoiled = ledger.change(owner_before=owner("ken"), owner_after=None)
    assert ledger.unreadable(spoiled) == []
    assert ledger.unreadable() == []
    assert ledger.unreadable(given) == []
    ledger.user = "ken"
    assert ledger.read("a") == ["a"]


def test_a_repair_that_is_told_of_an_item_spoiled_again_purges_nothing_that_a_request_may_cover(
    ledger: Ledger,
) -> None:
    ledger.read("a", ledger.change(came="a"), stamps="1")
    ledger.forget()  # on its way: no settling knows of it yet
    waiting, ledger.markers = ledger.markers, {}
    repaired = ledger.change("removed", everything=True, owner_before=None)
    assert ledger.unreadable(repaired) == []
    ledger.markers = waiting
    assert ledger.read("a", stamps="1") == []
    assert ledger.states == {"a0": "erased"}


def test_of_a_partly_unreadable_item_what_is_not_seen_is_not_taken_for_gone(ledger: Ledger) -> None:
    ledger.read("ab")
    assert ledger.read("b", unreadable=1) == ["a", "b"]


@pytest.mark.parametrize("order", list(permutations(range(3))))
def test_a_message_back_before_its_item_became_unreadable_counts_as_it_was(
    ledger: Ledger, order: tuple[int, ...]
) -> None:
    ledger.read("a")
    went = ledger.change("cleared", gone="a", came="b")
    told = [went, ledger.change("cleared", gone="b", came="a"), ledger.change()]
    found = [ledger.unreadable(told[index]) for index in order]
    assert found[-1] == ["a"]
    assert ledger.states == {"a0": "live"}


def test_a_message_that_an_earlier_read_lacked_stays_hidden_while_the_item_is_unreadable(
    ledger: Ledger,
) -> None:
    ledger.read("ab")
    ledger.read("b")
    assert ledger.unreadable(ledger.change(came="a")) == ["b"]


@pytest.mark.parametrize("reason", ["cleared", None])
def test_a_message_that_surely_came_back_after_the_last_read_is_there_while_the_item_is_unreadable(
    ledger: Ledger, reason: str | None
) -> None:
    ledger.read("ab")
    ledger.read("b", *([ledger.change(reason, gone="a")] if reason else []))
    ledger.time += 3600.0
    assert ledger.unreadable(ledger.change(came="a")) == ["a", "b"]
    assert ledger.states == {"a0": "live", "b0": "live"}
    assert ledger.unreadable(ledger.change("removed", gone="a")) == ["b"]


# Identity and time.


def test_times_written_anew_make_no_new_message_and_the_first_one_stays(ledger: Ledger) -> None:
    ledger.read("ab", stamps="12")
    ledger.read("ab", stamps="89")
    assert ledger.states == {"a0": "live", "b0": "live"}
    assert (ledger.last.changed, ledger.row("a0").said_at) == ((), float(ord("1")))


def test_copies_of_a_text_have_ordinals_and_equal_moments_tell_them_apart(ledger: Ledger) -> None:
    ledger.read("aa", stamps="12")
    assert ledger.states == {"a0": "live", "a1": "live"}
    ledger.read("a", ledger.change("removed", gone={"a": (2, 1)}), stamps="2")
    assert ledger.states == {"a1": "live"}


def test_a_kept_text_that_is_said_again_is_a_new_message(ledger: Ledger) -> None:
    ledger.read("a", stamps="1")
    ledger.read("", ledger.change("cleared", gone="a"))
    ledger.read("a", ledger.change(came="a"), stamps="2")
    assert ledger.states == {"a0": "kept", "a1": "live"}
    ledger.read("a", stamps="2")
    assert ledger.states == {"a0": "kept", "a1": "live"}


def test_saved_at_is_awss_time_of_the_record_that_added_it(ledger: Ledger) -> None:
    came = ledger.change(came="a")
    ledger.read("a")
    assert ledger.row("a0").saved_at is None
    ledger.read("a", came)
    assert (ledger.row("a0").saved_at, ledger.row("a0").added, ledger.row("a0").at_tail) == (
        came.at,
        "0001",
        True,
    )


@pytest.mark.parametrize("told_in", [[(0,), (1,)], [(1,), (0,)], [(0, 1)]], ids=["order", "disorder", "one"])
def test_each_copy_of_a_text_has_the_time_of_the_record_that_brought_it(
    ledger: Ledger, told_in: list[tuple[int, ...]]
) -> None:
    told = [ledger.change(came="a"), ledger.change(came={"a": (1, 2)})]
    for notice in told_in:
        ledger.read("aa", *(told[index] for index in notice))
    assert [ledger.row(id_).saved_at for id_ in ("a0", "a1")] == [each.at for each in told]


# Transitions.


def test_the_same_transition_twice_changes_nothing(ledger: Ledger) -> None:
    ledger.read("aab")
    edit = ledger.change("edited", gone={"a": (2, 1)})
    ledger.read("ab", edit)
    before = ledger.states
    ledger.read("ab", edit)
    assert (ledger.states, ledger.last.changed) == (before, ())


def test_an_edit_after_a_cap_forgets_in_whatever_order_they_come() -> None:
    for order in ((0, 1), (1, 0)):
        ledger = Ledger()
        ledger.read("ab")
        told = [ledger.change("capped", gone="a"), ledger.change("edited", gone="a")]
        ledger.read("b", told[order[0]])
        assert ledger.read("b", told[order[1]]) == ["b"]


@pytest.mark.parametrize(("order", "found"), [((1, 0), ["a", "b"]), ((0, 1), ["b"])])
def test_a_text_said_again_and_capped_is_kept_if_the_ledger_held_it_when_the_cap_came(
    ledger: Ledger, order: tuple[int, int], found: list[str]
) -> None:
    ledger.read("ab")
    edit = ledger.change("edited", gone="a")
    ledger.change(came="a")
    told = [edit, ledger.change("capped", gone="a")]
    ledger.read("b", told[order[0]])
    assert ledger.read("b", told[order[1]]) == found


@pytest.mark.parametrize("timed", [True, False])
def test_a_transition_older_than_the_read_that_saw_it_last_is_no_news(ledger: Ledger, *, timed: bool) -> None:
    made = ledger.change("edited", gone="a")
    old = made if timed else replace(made, at=None)
    ledger.read("ab")  # it came back before this read
    assert ledger.read("b", old) == ["b"]
    assert ledger.states == {"a0": "unexplained", "b0": "live"}


def test_a_live_message_is_never_touched_by_a_transition(ledger: Ledger) -> None:
    ledger.read("a")
    assert ledger.read("a", ledger.change("removed", everything=True)) == ["a"]


@pytest.mark.parametrize(
    ("reason", "seconds", "state"),
    [
        ("capped", 0, "kept"),  # in the read's own second
        ("capped", -2, "unexplained"),  # its second had ended before the read began: in doubt, hidden
        ("edited", 0, None),
        ("edited", -30, "unexplained"),  # it may be older than the read, and a cap may have followed
        ("edited", -121, "unexplained"),
    ],
)
def test_a_transition_that_may_be_older_than_the_read_leaves_a_message_hidden(
    ledger: Ledger, reason: Reason, seconds: float, state: str | None
) -> None:
    ledger.read("ab")
    read_at = ledger.time
    transition = replace(ledger.change(reason, gone="a"), at=float(int(read_at)) + seconds)
    ledger.read("b", transition)
    assert ledger.states.get("a0") == state


@pytest.mark.parametrize(("seconds", "found"), [(30.0, ["b"]), (600.0, ["a", "b"])])
def test_where_clocks_may_disagree_the_newer_record_that_forgets_is_obeyed(
    ledger: Ledger, seconds: float, found: list[str]
) -> None:
    ledger.read("ab")
    early = float(int(ledger.time)) - seconds
    assert ledger.read("b", ledger.change("capped", gone="a")) == ["a", "b"]
    assert ledger.read("b", replace(ledger.change("edited", gone="a"), at=early)) == found


# Items that come and go.


def test_of_an_item_that_expired_all_is_kept(ledger: Ledger) -> None:
    ledger.read("ab")
    assert ledger.read(None, ledger.change("expired", event="expired", gone="ab")) == ["a", "b"]


def test_of_an_item_that_was_deleted_nothing_stays_kept_ones_included(ledger: Ledger) -> None:
    ledger.read("ab")
    ledger.read("b", ledger.change("capped", gone="a"))
    assert ledger.read(None, ledger.change("deleted", event="deleted", everything=True)) == []
    assert ledger.states == {}


def test_while_an_item_is_gone_without_a_record_its_kept_messages_are_hidden(ledger: Ledger) -> None:
    ledger.read("ab")
    ledger.read("b", ledger.change("capped", gone="a"))
    expiry = ledger.change("expired", event="expired", gone="b")
    assert ledger.read(None) == []
    assert ledger.read(None, expiry) == ["a", "b"]


def test_of_an_item_inserted_anew_what_was_kept_before_shows_only_with_an_expiry_in_between(
    ledger: Ledger,
) -> None:
    ledger.read("ab")
    ledger.read("b", ledger.change("capped", gone="a"))
    expiry = ledger.change("expired", event="expired", gone="b")
    inserted = ledger.change(event="inserted", came="c", owner_before=None)
    assert ledger.read("c", inserted) == ["c"]
    assert ledger.read("c", expiry) == ["a", "b", "c"]


@pytest.mark.parametrize(("kind", "found"), [("session", ["a", "b"]), ("daily", ["b"])])
def test_of_a_note_written_anew_what_expired_is_hidden_though_no_record_says_so(
    ledger: Ledger, kind: Kind, found: list[str]
) -> None:
    ledger.read("a", kind=kind)
    assert ledger.read(None, ledger.change("expired", event="expired", gone="a")) == ["a"]
    inserted = ledger.change(event="inserted", came="b", owner_before=None)
    assert ledger.read("b", kind=kind) == found
    told = replace(inserted, reason="edited", everything=True) if kind == "daily" else inserted
    assert ledger.read("b", told, kind=kind) == found
    assert ledger.states.get("a0") == ("kept" if kind == "session" else None)


def test_an_absence_is_explained_by_an_expiry_that_is_told_later(ledger: Ledger) -> None:
    ledger.read("a")
    expired = ledger.change("expired", event="expired", gone="a")
    inserted = ledger.change(event="inserted", came="b", owner_before=None)
    assert ledger.read(None, inserted) == []
    again = ledger.change("expired", event="expired", gone="b")
    anew = ledger.change(event="inserted", came="c", owner_before=None)
    assert ledger.read("c", expired, again, anew) == ["a", "c"]


def test_an_absence_is_not_explained_by_an_expiry_after_the_next_insertion(ledger: Ledger) -> None:
    ledger.read("ab")
    ledger.read("b", ledger.change("capped", gone="a"))
    assert ledger.read(None) == []  # deleted; the record is lost
    inserted = ledger.change(event="inserted", came="c", owner_before=None)
    assert ledger.read("c", inserted) == ["c"]
    assert ledger.read(None, ledger.change("expired", event="expired", gone="c")) == ["c"]


def test_an_item_inserted_anew_that_cannot_be_read_is_there(ledger: Ledger) -> None:
    ledger.read("a")
    ledger.read(None, ledger.change("expired", event="expired", gone="a"))
    assert ledger.unreadable(ledger.change(event="inserted", owner_before=None)) == ["a"]
    assert ledger.read(None) == []  # it was deleted, or expired again: nobody knows


def test_a_kept_message_stays_its_users_and_a_live_one_moves_with_the_item(ledger: Ledger) -> None:
    ledger.read("ab")
    ledger.read("b", ledger.change("capped", gone="a"))
    moved = ledger.change(owner_after=owner("ken"))
    ledger.user = "ken"
    ledger.read("b", moved)
    assert (ledger.row("a0").user_id, ledger.row("b0").user_id) == ("mika", "ken")


def test_a_message_that_left_after_a_change_of_owner_is_the_users_of_the_image_it_left(
    ledger: Ledger,
) -> None:
    ledger.read("ab")
    moved = ledger.change(owner_after=owner("ken"))
    ledger.user = "ken"
    capped = ledger.change("capped", gone="a")
    assert ledger.read("b", moved, capped) == ["a", "b"]
    assert ledger.row("a0").user_id == "ken"


def test_a_message_that_expired_with_an_owner_known_by_a_later_read_is_kept_for_that_owner(
    ledger: Ledger,
) -> None:
    ledger.user = "ken"
    ledger.read("a", ledger.change(came="a", event="inserted", owner_before=None))
    removed = ledger.change("deleted", gone="a", everything=True, event="deleted", owner_after=None)
    ledger.user = "mika"
    inserted = [ledger.change(came="a", event="inserted", owner_before=None)]
    expired = ledger.change("expired", gone="a", everything=True, event="expired", owner_after=None)
    inserted.append(ledger.change(came="b", event="inserted", owner_before=None))
    ledger.read("b", *inserted)
    ledger.user = "ken"
    ledger.read("b", removed, expired)
    assert (ledger.row("a0").state, ledger.row("a0").user_id) == ("kept", "mika")


def test_a_message_kept_for_an_owner_without_a_name_shows_once_a_read_tells_the_name(ledger: Ledger) -> None:
    ledger.user = "ken"
    ledger.read("a", ledger.change(came="a", event="inserted", owner_before=None))
    given = ledger.change(owner_after=owner("mika"))
    ledger.user = "mika"
    expired = ledger.change("expired", gone="a", everything=True, event="expired", owner_after=None)
    assert ledger.read(None, given, expired) == []
    assert ledger.states == {"a0": "unexplained"}
    inserted = ledger.change(came="b", event="inserted", owner_before=None)
    for told in ([inserted], [given, expired], [expired, inserted]):
        assert ledger.read("b", *told) == ["a", "b"]
        assert (ledger.row("a0").state, ledger.row("a0").user_id) == ("kept", "mika")


def test_a_message_that_left_under_an_unrecorded_owner_is_not_kept_for_the_one_before(
    ledger: Ledger,
) -> None:
    ledger.user = "ken"
    ledger.read("a", ledger.change(came="a", event="inserted", owner_before=None))
    ledger.change(owner_after=owner("mika"))  # its record is lost
    ledger.user = "mika"
    cleared = ledger.change("cleared", gone="a")
    expired = ledger.change("expired", event="expired", owner_after=None)
    for told in ([cleared, expired], [], [cleared]):
        assert ledger.read(None, *told) == []
        assert ledger.states == {"a0": "unexplained"}


@pytest.mark.parametrize("stamps", ["", "1"])
def test_a_message_that_waits_for_its_owners_name_and_is_said_again_is_new_unless_times_are_equal(
    ledger: Ledger, stamps: str
) -> None:
    ledger.user = "ken"
    ledger.read("a", ledger.change(came="a", event="inserted", owner_before=None), stamps=stamps)
    given = ledger.change(owner_after=owner("mika"))
    expired = ledger.change(
        "expired", gone="a", everything=True, event="expired", owner_before=owner("mika"), owner_after=None
    )
    ledger.read(None, given, expired)
    inserted = ledger.change(came="a", event="inserted", owner_before=None)
    ledger.read("a", inserted, stamps=stamps)
    assert ledger.states == ({"a0": "live"} if stamps else {"a0": "unexplained", "a1": "live"})


# Forget requests.


def saved(ledger: Ledger, entries: str) -> None:
    """Save messages, and read them with their record."""
    ledger.read(entries, ledger.change(came=entries))


@pytest.mark.parametrize(
    ("scope", "subject"), [("user", "mika"), ("user_session", None), ("session", "chat:1")]
)
def test_saved_before_t_is_erased_and_its_row_stays(ledger: Ledger, scope: str, subject: str | None) -> None:
    saved(ledger, "ab")
    ledger.forget(scope, subject or session_of("mika", "chat:1"))
    assert ledger.read("ab") == []
    assert ledger.states == {"a0": "erased", "b0": "erased"}
    assert (ledger.last.erased, ledger.last.entries) == (2, ())


def test_saved_at_t_or_later_is_untouched_however_late_the_request_is_carried_out(ledger: Ledger) -> None:
    saved(ledger, "a")
    ledger.time += 5_000
    until = ledger.time - 4_000
    ledger.markers["user", "mika"] = [datetime.fromtimestamp(until, UTC)]
    came = replace(ledger.change(came="b"), at=until)
    assert ledger.read("ab", came) == ["b"]


def test_a_kept_or_hidden_message_is_erased_too(ledger: Ledger) -> None:
    saved(ledger, "abc")
    ledger.read("bc", ledger.change("capped", gone="a"))
    ledger.read("c")
    ledger.forget()
    assert ledger.read("c") == []
    assert ledger.states == {"a0": "erased", "b0": "erased", "c0": "erased"}


def test_a_message_first_met_after_t_is_hidden_until_a_record_dates_it(
    ledger: Ledger,
) -> None:
    before = ledger.change(came="a")
    ledger.forget()
    after = ledger.change(came="b")
    assert ledger.read("ab") == []
    assert ledger.states == {"a0": "unexplained", "b0": "unexplained"}
    assert ledger.read("ab", before, after) == ["b"]
    assert ledger.states == {"a0": "erased", "b0": "live"}


def test_a_message_that_a_read_after_t_lacked_came_after_t(ledger: Ledger) -> None:
    saved(ledger, "a")
    ledger.forget()
    ledger.read("a")
    assert ledger.read("ab") == ["b"]  # no record of b has come


def test_a_request_about_another_user_or_session_covers_nothing(ledger: Ledger) -> None:
    saved(ledger, "a")
    ledger.forget("user", "ken")
    ledger.forget("session", "chat:2")
    assert ledger.read("a") == ["a"]


def test_a_request_means_the_owner_at_t(ledger: Ledger) -> None:
    saved(ledger, "a")
    ledger.forget("user", "mika")
    ledger.forget("user", Ownership.subject(owner("mika")))
    moved = ledger.change(owner_after=owner("ken"))
    ledger.user = "ken"
    assert ledger.read("a", moved) == []
    assert ledger.states == {"a0": "erased"}


def test_a_request_of_the_later_owner_before_it_was_the_owner_covers_nothing(ledger: Ledger) -> None:
    saved(ledger, "a")
    ledger.forget("user", "ken")
    moved = ledger.change(owner_after=owner("ken"))
    ledger.user = "ken"
    assert ledger.read("a", moved) == ["a"]


def test_where_a_change_of_owner_was_seen_and_no_record_told_of_it_the_message_is_hidden(
    ledger: Ledger,
) -> None:
    saved(ledger, "a")
    ledger.forget("user", "ken")
    moved = ledger.change(owner_after=owner("ken"))
    ledger.user = "ken"
    assert ledger.read("a") == []
    assert ledger.states == {"a0": "unexplained"}
    assert ledger.read("a", moved) == ["a"]


def test_a_kept_message_hidden_under_a_request_of_who_may_have_owned_it_shows_once_a_record_says_who_did(
    ledger: Ledger,
) -> None:
    ledger.user = "ken"
    saved(ledger, "a")
    cleared, moved = ledger.change("cleared", gone="a", came="b"), ledger.change(owner_after=owner("mika"))
    ledger.user = "mika"
    ledger.read("b")  # no record has come
    ledger.forget("user", "mika")
    assert ledger.read("b", cleared) == []
    assert ledger.states["a0"] == "unexplained"
    assert ledger.read("b", moved) == ["a"]
    assert (ledger.row("a0").state, ledger.row("a0").user_id) == ("kept", "ken")


def test_a_message_that_left_nobody_knows_when_is_not_erased_for_an_owner_that_it_may_not_have_had(
    ledger: Ledger,
) -> None:
    ledger.user = "ken"
    saved(ledger, "a")
    cleared, moved = ledger.change("cleared", gone="a", came="b"), ledger.change(owner_after=owner("mika"))
    ledger.user = "mika"
    ledger.forget("user", "mika")
    given_back = ledger.change(owner_after=owner("ken"))
    ledger.user = "ken"
    assert ledger.read("b", moved, given_back) == []
    assert ledger.states["a0"] == "unexplained"
    assert ledger.read("b", cleared) == ["a"]
    assert (ledger.row("a0").state, ledger.row("a0").user_id) == ("kept", "ken")


def test_of_an_item_made_anew_after_t_nobody_is_sure_whose_it_was_until_its_removal_is_told(
    ledger: Ledger,
) -> None:
    ledger.user = "ken"
    came = ledger.change(came="a", stamps="1")
    given = ledger.change(owner_after=owner("mika"))
    removed = ledger.change(
        "deleted", everything=True, event="deleted", owner_before=owner("mika"), owner_after=None
    )
    ledger.forget("user", "ken")
    anew = ledger.change(came="a", stamps="1", event="inserted", owner_before=None)
    assert ledger.read("a", came, anew, stamps="1") == []
    assert ledger.states == {"a0": "unexplained"}
    assert ledger.read("a", given, removed, stamps="1") == ["a"]


def given_by_making_it_anew(ledger: Ledger, who_asks: str, when: str, stamps: str = "") -> list[str]:
    """Return what is found when mika's item is deleted and ken makes it anew, and a request is carried out after that."""
    ledger.read("a", ledger.change(came="a", stamps=stamps), stamps=stamps)
    if when == "before the removal":
        ledger.forget("user", who_asks)
    deleted = ledger.change("deleted", event="deleted", everything=True, owner_after=None)
    if when == "between":
        ledger.forget("user", who_asks)
    ledger.user = "ken"
    anew = ledger.change(event="inserted", came="a", stamps=stamps, owner_before=None)
    told_nothing = ledger.read("a", stamps=stamps)
    assert told_nothing == []  # nobody knows whose it was at T
    return ledger.read("a", deleted, anew, stamps=stamps)


@pytest.mark.parametrize("stamps", ["", "1"])
@pytest.mark.parametrize("when", ["before the removal", "between"])
def test_an_item_made_anew_after_t_was_not_its_new_owners_before(
    ledger: Ledger, when: str, stamps: str
) -> None:
    assert given_by_making_it_anew(ledger, "ken", when, stamps) == ["a"]


@pytest.mark.parametrize("when", ["before the removal", "between"])
def test_a_message_made_anew_by_another_with_its_time_is_the_one_that_its_first_owner_forgot(
    ledger: Ledger, when: str
) -> None:
    assert given_by_making_it_anew(ledger, "mika", when, "1") == []
    assert ledger.states == {"a0": "erased"}


def test_a_message_made_anew_by_another_without_a_time_is_new_where_the_first_owner_forgot(
    ledger: Ledger,
) -> None:
    assert given_by_making_it_anew(ledger, "mika", "between") == ["a"]


@pytest.mark.parametrize(("time", "owners"), [(9.0, {"a"}), (11.0, {"a"}), (21.0, {"b"})])
def test_a_removal_leaves_what_the_item_said_with_its_last_owner(time: float, owners: set[str]) -> None:
    changes = [
        ItemEvent("deleted", "1", 10.0, "a", None),
        ItemEvent("inserted", "2", 20.0, None, "b"),
    ]
    assert owners_at(time, "b", changes) == owners


def test_a_copy_with_the_same_time_said_stays_erased_also_in_an_item_made_anew(ledger: Ledger) -> None:
    ledger.read("a", ledger.change(came="a"), stamps="1")
    ledger.forget()
    ledger.read("a", stamps="1")
    ledger.read(None, ledger.change("deleted", event="deleted", everything=True))
    assert ledger.states == {"a0": "erased"}
    again = ledger.change(event="inserted", came="a", owner_before=None)
    assert ledger.read("a", again, stamps="1") == []
    assert ledger.read("aa", ledger.change(came={"a": (1, 2)}), stamps="12") == ["a"]
    assert ledger.states == {"a0": "erased", "a1": "live"}


@pytest.mark.parametrize(("stamps", "found"), [("1", []), ("", ["a"])])
def test_a_message_met_before_it_was_saved_again_with_its_time_is_no_newer(
    ledger: Ledger, stamps: str, found: list[str]
) -> None:
    first = ledger.change(came="a", stamps=stamps)
    ledger.forget()
    assert ledger.read("a", stamps=stamps) == []  # when it came is not known yet
    ledger.time += 2 * CLOCK_SECONDS
    expired = ledger.change("expired", event="expired", gone="a")
    again = ledger.change(event="inserted", came="a", stamps=stamps, owner_before=None)
    assert ledger.read("a", expired, again, stamps=stamps) == found
    assert ledger.read("a", first, stamps=stamps) == found
    assert (ledger.states == {"a0": "erased"}) == bool(stamps)


def test_a_message_deleted_before_its_forget_request_is_decided_stays_erased_with_its_time(
    ledger: Ledger,
) -> None:
    came = ledger.change(event="inserted", came="a", stamps="1", owner_before=None)
    ledger.forget()
    assert ledger.read("a", stamps="1") == []  # when it came is not known yet
    deleted = ledger.change("deleted", event="deleted", everything=True)
    ledger.read(None, came, deleted)
    assert ledger.states == {"a0": "erased"}
    again = ledger.change(event="inserted", came="a", stamps="1", owner_before=None)
    assert ledger.read("a", again, stamps="1") == []


def test_a_message_that_came_after_t_is_purged_when_it_is_deleted(ledger: Ledger) -> None:
    ledger.forget()
    ledger.read("a", ledger.change(came="a"))
    ledger.read(None, ledger.change("deleted", event="deleted", everything=True))
    assert ledger.states == {}


def test_without_a_time_what_came_at_the_end_after_t_is_new(ledger: Ledger) -> None:
    saved(ledger, "ab")
    ledger.forget()
    ledger.read("ab")
    assert ledger.read("aba", ledger.change(came={"a": (1, 2)})) == ["a"]
    assert ledger.states == {"a0": "erased", "b0": "erased", "a1": "live"}


def test_without_a_time_what_left_and_was_said_again_at_the_end_after_t_is_new(ledger: Ledger) -> None:
    saved(ledger, "ba")
    ledger.forget()
    ledger.read("ba")
    assert ledger.read("ba", ledger.change("removed", gone="a"), ledger.change(came="a")) == ["a"]


def test_a_copy_with_the_same_time_said_stays_erased(ledger: Ledger) -> None:
    ledger.read("a", ledger.change(came="a"), stamps="1")
    ledger.forget()
    ledger.read("a", stamps="1")
    ledger.read("", ledger.change("removed", gone="a"))
    assert ledger.read("a", ledger.change(came="a"), stamps="1") == []


def forget_between(ledger: Ledger, one: Transition, two: Transition) -> None:
    """Have everything forgotten that was saved before T, which lies between two changes."""
    assert one.at is not None
    assert two.at is not None
    ledger.markers["user", "mika"] = [datetime.fromtimestamp((one.at + two.at) / 2, UTC)]


def test_of_copies_one_of_which_was_edited_away_all_count_as_the_oldest(ledger: Ledger) -> None:
    came = [ledger.change(came={"a": (n, n + 1)}) for n in range(3)]
    ledger.read("aaa", *came)
    forget_between(ledger, came[0], came[1])
    assert ledger.read("aa", ledger.change("edited", gone={"a": (3, 2)})) == []


def test_of_two_copies_one_of_which_left_unread_the_other_may_be_the_older(ledger: Ledger) -> None:
    came = [ledger.change(came={"a": (n, n + 1)}) for n in range(2)]
    ledger.read("a", came[0])
    forget_between(ledger, *came)
    assert ledger.read("a", came[1], ledger.change("edited", gone={"a": (2, 1)})) == []
    assert ledger.states == {"a0": "erased"}


@pytest.mark.parametrize(
    ("added", "went", "told", "there", "found"),
    [
        (1, "removed", True, "a", []),
        (1, "removed", False, "a", []),
        (1, "capped", True, "a", ["a"]),  # a cap takes the oldest
        (2, "removed", True, "aa", ["a"]),
        (2, "removed", False, "aa", ["a"]),
    ],
)
def test_of_copies_before_and_after_t_of_which_some_were_removed_only_those_show_that_are_surely_new(  # noqa: PLR0913, PLR0917  # the row
    ledger: Ledger,
    added: int,
    went: Reason,
    told: bool,
    there: str,
    found: list[str],
) -> None:
    saved(ledger, "a")
    ledger.forget()
    came = [ledger.change(came={"a": (n, n + 1)}) for n in range(1, 1 + added)]
    gone = ledger.change(went, gone={"a": (1 + added, added)})
    ledger.read("a")
    assert ledger.read(there, *came, *([gone] if told else [])) == found
    assert ledger.read(there, *came) == found  # told again


def test_a_copy_that_came_after_t_is_told_again_in_vain_though_all_times_are_written_anew(
    ledger: Ledger,
) -> None:
    ledger.read("a", ledger.change(came="a"), stamps="1")
    ledger.forget()
    came = ledger.change(came={"a": (1, 2)})
    for _ in range(2):
        assert ledger.read("aa", came, stamps="22") == ["a"]
    assert ledger.states == {"a0": "erased", "a1": "live"}


@pytest.mark.parametrize(("copies", "expected"), [(2, {0: "a0", 1: "a1"}), (1, {0: "a1"})])
def test_of_messages_of_one_moment_the_older_takes_the_earlier_place_and_one_alone_is_the_live_one(
    copies: int, expected: dict[int, str]
) -> None:
    moment = datetime.fromtimestamp(1.0, UTC)
    rows = [
        MessageRow("a1", "a", 1, "live", "mika", said_at=1.0),
        MessageRow("a0", "a", 0, "erased", "mika", said_at=1.0),
    ]
    entries = [(place, Entry("a", "user", "a", moment)) for place in range(copies)]
    assert {place: row.id for place, row in match(rows, entries, Additions()).items()} == expected


def test_a_message_met_before_t_is_erased_though_no_record_dates_it(
    ledger: Ledger,
) -> None:
    ledger.read("a")
    ledger.forget()
    ledger.read("a")
    assert ledger.states == {"a0": "erased"}


def test_a_record_from_before_a_read_that_lacked_a_text_is_not_that_of_its_next_copy(ledger: Ledger) -> None:
    early = ledger.change(came="a")
    ledger.forget()
    ledger.read("")
    ledger.change(came="a")  # its record is lost
    assert ledger.read("a") == ["a"]
    assert ledger.read("a", early) == ["a"]


def test_a_kept_copy_is_hidden_while_nobody_knows_why_a_later_one_left(ledger: Ledger) -> None:
    ledger.read("a", stamps="1")
    ledger.read("", ledger.change("cleared", gone="a"))
    ledger.read("a", ledger.change(came="a"), stamps="2")
    removal = ledger.change("removed", gone="a")
    assert ledger.read("") == []
    ledger.read("", removal)
    assert ledger.states == {}


# Whose an item was.


def told(position: str, at: float | None, before: str | None, after: str | None) -> ItemEvent:
    return ItemEvent("owner", position, at, before, after)


@pytest.mark.parametrize(
    ("time", "owners"),
    [(5.0, {"a"}), (10.0, {"a"}), (15.0, {"b"}), (20.0, {"b"}), (21.0, {"c"})],
)
def test_owners_at_a_time_are_those_that_the_records_around_it_name(time: float, owners: set[str]) -> None:
    assert owners_at(time, "c", [told("1", 10.0, "a", "b"), told("2", 20.0, "b", "c")]) == owners


def test_where_records_disagree_both_may_have_owned_it() -> None:
    assert owners_at(15.0, "d", [told("1", 10.0, "a", "b"), told("3", 20.0, "c", "d")]) == {"b", "c"}


def test_a_change_that_only_a_read_saw_may_have_been_at_any_time() -> None:
    assert owners_at(5.0, "b", [told("1", None, "a", "b")]) == {"a", "b"}
    seen = with_change_seen([], ("1", "a"), "b")
    assert seen == (told("1", None, "a", "b"),)
    assert with_change_seen([], ("1", "a"), "a") == ()
    record = told("2", 7.0, "a", "b")
    assert with_change_seen([*seen, record], ("3", "b"), "b") == (record,)


# Which row is which message.


def of(id_: str, state: MessageState = "live", said_at: float | None = None) -> MessageRow:
    return MessageRow(id_, "a", int(id_), state, "mika", said_at)


@pytest.mark.parametrize(
    ("rows", "stamps", "fresh", "expected"),
    [
        ([of("0"), of("1")], "--", 0, {0: "0", 1: "1"}),
        ([of("0", said_at=49.0), of("1", said_at=50.0)], "21", 0, {0: "1", 1: "0"}),  # by equal moment first
        ([of("0", said_at=49.0)], "9", 0, {0: "0"}),  # restamped
        ([of("0", "kept")], "-", 0, {}),  # said again
        ([of("0", "kept", 49.0)], "1", 0, {0: "0"}),
        ([of("0", "unexplained"), of("1")], "-", 0, {0: "1"}),  # a live one before one that is hidden
        ([of("0", "unexplained")], "-", 0, {0: "0"}),
        ([of("0", "erased")], "-", 0, {0: "0"}),
        ([of("0", "erased")], "-", 1, {}),  # a record shows that it came after the request
        ([of("0", "erased")], "--", 1, {0: "0"}),
    ],
)
def test_rows_match_entries(
    rows: list[MessageRow], stamps: str, fresh: int, expected: dict[int, str]
) -> None:
    entries = [
        (place, Entry("a", "user", "a", None if stamp == "-" else datetime.fromtimestamp(ord(stamp), UTC)))
        for place, stamp in enumerate(stamps)
    ]
    assert {place: row.id for place, row in match(rows, entries, Additions(fresh)).items()} == expected


# What is looked at, and what is skipped.


def test_a_transition_that_is_reflected_and_says_nothing_new_changes_nothing(ledger: Ledger) -> None:
    came = ledger.change(came="a")
    ledger.read("a", came)
    assert not would_change(ledger.state, [came])
    assert would_change(ledger.state, [ledger.change(came="a")])


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"event": "inserted"}, True),
        ({"event": "expired"}, True),
        ({"everything": True}, True),
        ({"owner_after": owner("ken")}, True),
        ({"gone": "a"}, False),  # it is live: the read is newer
        ({"gone": "b"}, True),  # it is hidden
        ({"gone": "c"}, False),  # nobody knows it
    ],
)
def test_only_what_may_settle_something_is_worth_a_read(
    ledger: Ledger, fields: dict[str, Any], *, expected: bool
) -> None:
    ledger.read("ab")
    late = ledger.change("edited", **fields)
    ledger.read("a")
    assert would_change(ledger.state, [late]) is expected


@pytest.mark.parametrize(
    ("entries", "make", "expected"),
    [
        ("a", lambda _: [], False),
        (None, lambda _: [], True),
        ("a", lambda ledger: [ledger.change("edited", gone="a")], False),
        ("a", lambda ledger: [ledger.change(event="inserted")], True),
        ("a", lambda ledger: [ledger.change("removed", everything=True)], True),
    ],
)
def test_every_kept_row_is_looked_at_only_where_the_item_as_a_whole_is_meant(
    ledger: Ledger, entries: str | None, make: Callable[[Ledger], list[Transition]], *, expected: bool
) -> None:
    ledger.read("a")
    reading = ItemReading("present" if entries else "absent", ledger.time)
    assert needs_all(ledger.state, reading, make(ledger)) is expected


def test_of_events_the_newest_count(ledger: Ledger) -> None:
    events = [ledger.change(event="inserted") for _ in range(MAX_EVENTS + 5)]
    ledger.read("a", *events)
    assert len(ledger.last.facts.events) == MAX_EVENTS
    assert ledger.last.facts.events[-1].position == events[-1].position


# Each mechanism, broken on purpose, is caught by the test of its rule.

Patch = pytest.MonkeyPatch


def clocks_are_taken_to_agree(patch: Patch) -> None:
    patch.setattr(departures, "CLOCK_SECONDS", 1.0)


def a_kept_copy_outlives_whatever_became_of_a_later_one(patch: Patch) -> None:
    patch.setattr(departures, "_reopened", lambda rows, _: iter(rows))


def a_record_may_date_a_copy_that_came_after_it(patch: Patch) -> None:
    patch.setattr(message_dates, "_of_another_copy", lambda *_: False)


def what_was_there_may_be_dated_by_its_second_saving(patch: Patch) -> None:
    patch.setattr(message_dates, "_was_there", lambda *_: False)


def a_deletion_leaves_nothing_of_what_a_request_may_cover(patch: Patch) -> None:
    patch.setattr(departures, "_purged", lambda *_: None)


def an_unreadable_item_stays_its_earlier_owners(patch: Patch) -> None:
    patch.setattr(ItemEvidence, "given_away", False)


def copies_left_by_an_edit_keep_their_times(patch: Patch) -> None:
    patch.setattr(message_dates, "_as_the_oldest", lambda copies, _: copies)


def an_addition_dates_the_last_copies(patch: Patch) -> None:
    def brought(copies: Any, transition: Transition, name: str) -> Any:
        before, after = transition.copies_added(name) or (0, 0)
        return copies[before - after :]

    patch.setattr(message_dates, "_brought", brought)


def what_was_kept_outlives_a_new_insertion(patch: Patch) -> None:
    real = visibility._kept_shows
    patch.setattr(
        visibility,
        "_kept_shows",
        lambda row, facts: real(row, replace(facts, events=() if facts.present else facts.events)),
    )


def what_was_kept_outlives_its_item(patch: Patch) -> None:
    real = visibility._kept_shows
    patch.setattr(
        visibility,
        "_kept_shows",
        lambda row, facts: real(row, replace(facts, present=True, events=())),
    )


def an_absence_needs_its_expiry_at_once(patch: Patch) -> None:
    patch.setattr(
        visibility, "_absences", lambda facts, _: ((at, at) for at in visibility._of(facts, "absent"))
    )


def a_note_remembers_an_earlier_one(patch: Patch) -> None:
    patch.setattr(departures, "_written_over", lambda row, _: row)


def what_came_back_has_left_again(patch: Patch) -> None:
    patch.setattr(
        departures,
        "_brought_back",
        lambda row, decision, evidence: departures.hide(row, evidence.reading.at, decision.position),
    )


def only_a_record_tells_that_it_came_before_t(patch: Patch) -> None:
    patch.setattr(
        message_ledger, "_saved_before", lambda row, until: bool(row.added) and row.saved_at < until
    )


def what_is_erased_takes_every_later_copy_along(patch: Patch) -> None:
    patch.setattr(message_ledger._Group, "_new_after_erasure", lambda *_: Additions())


def what_was_added_after_t_is_new_whatever_was_removed_since(patch: Patch) -> None:
    real = message_ledger._Group._new_after_erasure
    patch.setattr(
        message_ledger._Group,
        "_new_after_erasure",
        lambda group, transitions, evidence: real(
            replace(group, entries=group.entries * 9), transitions, evidence
        ),
    )


def positions_alone_tell_what_is_newer(patch: Patch) -> None:
    patch.setattr(
        departures, "covers", lambda transition, row: transition.position > max(row.seen, row.resolved)
    )


def a_read_makes_no_transition_old(patch: Patch) -> None:
    real = departures.covers
    patch.setattr(departures, "covers", lambda transition, row: real(transition, replace(row, seen="")))


def a_removal_tells_nothing_of_owners(patch: Patch) -> None:
    patch.setattr(ownership, "_REMOVALS", frozenset())


def what_was_removed_is_nobodys_until_it_is_inserted_anew(patch: Patch) -> None:
    patch.setattr(ownership, "_owner_after", lambda event: event.after)


def a_message_that_left_was_in_its_item_until_now(patch: Patch) -> None:
    patch.setattr(ownership, "_owners_left", lambda *_: frozenset())


def a_repair_purges_what_cannot_be_read(patch: Patch) -> None:
    patch.setattr(departures, "_doubtful", lambda *_: False)


def an_item_made_anew_was_its_owners_before(patch: Patch) -> None:
    patch.setattr(ownership, "_made_anew", lambda *_: False)


def only_a_record_of_the_giving_tells_the_owner(patch: Patch) -> None:
    patch.setattr(item_evidence, "_owner_told", lambda *_: None)


def a_doubt_forgets_that_a_message_was_to_be_kept(patch: Patch) -> None:
    real = message_ledger._judged

    def forgetful(row: MessageRow, evidence: ItemEvidence, *, there: bool) -> MessageRow | None:
        judged = real(row, evidence, there=there)
        return replace(judged, reason="") if judged and judged.kept_in_doubt else judged

    patch.setattr(message_ledger, "_judged", forgetful)


MECHANISMS: dict[Callable[[Patch], None], Callable[[Ledger], None]] = {
    clocks_are_taken_to_agree: lambda ledger: (
        test_where_clocks_may_disagree_the_newer_record_that_forgets_is_obeyed(ledger, 30.0, ["b"])
    ),
    a_kept_copy_outlives_whatever_became_of_a_later_one: (
        test_a_kept_copy_is_hidden_while_nobody_knows_why_a_later_one_left
    ),
    a_record_may_date_a_copy_that_came_after_it: (
        test_a_record_from_before_a_read_that_lacked_a_text_is_not_that_of_its_next_copy
    ),
    what_was_there_may_be_dated_by_its_second_saving: lambda ledger: (
        test_a_message_met_before_it_was_saved_again_with_its_time_is_no_newer(ledger, "1", [])
    ),
    a_deletion_leaves_nothing_of_what_a_request_may_cover: (
        test_a_message_deleted_before_its_forget_request_is_decided_stays_erased_with_its_time
    ),
    an_unreadable_item_stays_its_earlier_owners: (
        test_an_unreadable_item_that_was_given_away_shows_nothing_to_its_earlier_owner
    ),
    copies_left_by_an_edit_keep_their_times: (
        test_of_copies_one_of_which_was_edited_away_all_count_as_the_oldest
    ),
    an_addition_dates_the_last_copies: (
        test_of_two_copies_one_of_which_left_unread_the_other_may_be_the_older
    ),
    what_was_kept_outlives_a_new_insertion: (
        test_of_an_item_inserted_anew_what_was_kept_before_shows_only_with_an_expiry_in_between
    ),
    what_was_kept_outlives_its_item: (
        test_while_an_item_is_gone_without_a_record_its_kept_messages_are_hidden
    ),
    an_absence_needs_its_expiry_at_once: test_an_absence_is_explained_by_an_expiry_that_is_told_later,
    a_note_remembers_an_earlier_one: lambda ledger: (
        test_of_a_note_written_anew_what_expired_is_hidden_though_no_record_says_so(ledger, "daily", ["b"])
    ),
    what_came_back_has_left_again: lambda ledger: (
        test_a_message_back_before_its_item_became_unreadable_counts_as_it_was(ledger, (1, 0, 2))
    ),
    only_a_record_tells_that_it_came_before_t: (
        test_a_message_met_before_t_is_erased_though_no_record_dates_it
    ),
    what_is_erased_takes_every_later_copy_along: (
        test_without_a_time_what_left_and_was_said_again_at_the_end_after_t_is_new
    ),
    what_was_added_after_t_is_new_whatever_was_removed_since: lambda ledger: (
        test_of_copies_before_and_after_t_of_which_some_were_removed_only_those_show_that_are_surely_new(
            ledger, 1, "removed", told=True, there="a", found=[]
        )
    ),
    positions_alone_tell_what_is_newer: lambda ledger: (
        test_where_clocks_may_disagree_the_newer_record_that_forgets_is_obeyed(ledger, 600.0, ["a", "b"])
    ),
    a_removal_tells_nothing_of_owners: lambda ledger: (
        test_an_item_made_anew_after_t_was_not_its_new_owners_before(ledger, "before the removal", "1")
    ),
    what_was_removed_is_nobodys_until_it_is_inserted_anew: lambda ledger: (
        test_a_message_made_anew_by_another_with_its_time_is_the_one_that_its_first_owner_forgot(
            ledger, "between"
        )
    ),
    a_message_that_left_was_in_its_item_until_now: (
        test_a_message_that_left_nobody_knows_when_is_not_erased_for_an_owner_that_it_may_not_have_had
    ),
    a_repair_purges_what_cannot_be_read: (
        test_a_repair_that_is_told_of_an_item_spoiled_again_purges_nothing_that_a_request_may_cover
    ),
    an_item_made_anew_was_its_owners_before: (
        test_of_an_item_made_anew_after_t_nobody_is_sure_whose_it_was_until_its_removal_is_told
    ),
    only_a_record_of_the_giving_tells_the_owner: (
        test_an_unreadable_item_is_of_whoever_the_newest_record_names_though_that_of_the_giving_was_lost
    ),
    a_doubt_forgets_that_a_message_was_to_be_kept: (
        test_a_kept_message_hidden_under_a_request_of_who_may_have_owned_it_shows_once_a_record_says_who_did
    ),
    a_read_makes_no_transition_old: lambda ledger: (
        test_a_transition_older_than_the_read_that_saw_it_last_is_no_news(ledger, timed=False)
    ),
}


@pytest.mark.parametrize("broken", MECHANISMS, ids=lambda broken: broken.__name__)
def test_a_broken_mechanism_is_caught(monkeypatch: Patch, broken: Callable[[Patch], None]) -> None:
    MECHANISMS[broken](Ledger())
    broken(monkeypatch)
    with pytest.raises(AssertionError):
        MECHANISMS[broken](Ledger())
