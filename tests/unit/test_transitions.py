from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.settings import Retention
from pipeline.source.documents import Document, Entry, ItemKey
from pipeline.source.transitions import (
    Image,
    Reason,
    Transition,
    TransitionReader,
    Unreadable,
    merged,
    position,
)

KEY = ItemKey("sessions", "tenant_id", "acme", "session_key", "chat:1")
AT = position("2026-11-22T00:00:00.000", "7")


def session(entries: str, unreadable: int = 0) -> Document:
    """One entry a letter, named by it."""
    made = tuple(Entry(name, "user", name) for name in entries)
    return Document(KEY, "acme", "acme", "session", made, unreadable=unreadable)


def note(entries: str) -> Document:
    return Document(KEY, "acme", "acme", "daily", tuple(Entry(name, "daily", name) for name in entries))


def rewritten(old: Image, new: Image, on_clear: Retention = "keep", *, inserted: bool = False) -> Transition:
    reader = TransitionReader(on_clear, "keep")
    return reader.rewrite(old, new, inserted=inserted, at=1.0, position=AT)


def gone(old: Image, new: Image, on_clear: Retention = "keep") -> tuple[Reason, str]:
    """Return why, and the names of what is gone for good or in part."""
    transition = rewritten(old, new, on_clear)
    assert (transition.position, transition.at, transition.event) == (AT, 1.0, "modified")
    return transition.reason, "".join(sorted(transition.gone))


@pytest.mark.parametrize("on_clear", ["keep", "forget"])
@pytest.mark.parametrize(
    ("old", "new", "reason", "names"),
    [
        ("ab", "abcd", "", ""),  # appended
        ("ab", "ab", "", ""),  # saved again
        ("abc", "aXc", "edited", "b"),
        ("abc", "Xbc", "edited", "a"),  # the first edited
        ("abc", "ac", "removed", "b"),  # between survivors
        ("abc", "ab", "removed", "c"),  # the last taken back
        ("abcd", "acde", "edited", "b"),  # removed, and appended to: as good as an edit
        ("abcd", "cd", "capped", "ab"),
        ("abcd", "cdef", "capped", "ab"),  # capped, and appended to
        ("abcd", "d", "capped", "abc"),
        ("abcd", "bd", "removed", "ac"),  # capped and removed in the middle: not to be told apart
        ("abc", "Xabc", "", ""),  # put in front
    ],
)
def test_a_rewrite_says_why_what_is_gone_is_gone(
    old: str, new: str, reason: Reason, names: str, on_clear: Retention
) -> None:
    assert gone(session(old), session(new), on_clear) == (reason, names)


@pytest.mark.parametrize(
    ("old", "new", "reason", "copies"),
    [
        ("aab", "ab", "capped", {"a": (2, 1)}),  # one of two copies is gone, the other still says it
        ("abab", "ab", "capped", {"a": (2, 1), "b": (2, 1)}),
        ("abac", "bac", "capped", {"a": (2, 1)}),
        ("abcab", "cab", "capped", {"a": (2, 1), "b": (2, 1)}),
        ("bxxc", "xxc", "capped", {"b": (1, 0)}),  # fell off before any copy
        ("bxxc", "xc", "capped", {"b": (1, 0), "x": (2, 1)}),
        ("xaxb", "xb", "removed", {"x": (2, 1), "a": (1, 0)}),  # with the first x, or between the two
        ("aba", "aa", "removed", {"b": (1, 0)}),
        ("aab", "aac", "edited", {"b": (1, 0)}),
    ],
)
def test_copies_of_a_text_are_absolute_and_a_doubtful_cap_is_a_removal(
    old: str, new: str, reason: Reason, copies: dict[str, tuple[int, int]]
) -> None:
    transition = rewritten(session(old), session(new))
    assert (transition.reason, dict(transition.gone)) == (reason, copies)
    assert transition.keeps is (reason == "capped")


@pytest.mark.parametrize(
    ("old", "new", "added", "at_tail"),
    [
        ("", "ab", {}, {"a": (0, 1), "b": (0, 1)}),
        ("ab", "abc", {}, {"c": (0, 1)}),
        ("ab", "aba", {}, {"a": (1, 2)}),
        ("ab", "aab", {"a": (1, 2)}, {}),  # which of the two came nobody knows; none is at the end
        ("ab", "Xab", {"X": (0, 1)}, {}),
        ("ab", "aXbY", {"X": (0, 1)}, {"Y": (0, 1)}),
        ("abcd", "cdcd", {}, {"c": (1, 2), "d": (1, 2)}),  # capped, and said again
        ("ab", "Xabaa", {"X": (0, 1)}, {"a": (1, 3)}),
    ],
)
def test_additions_are_told_and_whether_they_stand_at_the_end(
    old: str, new: str, added: dict[str, tuple[int, int]], at_tail: dict[str, tuple[int, int]]
) -> None:
    transition = rewritten(session(old), session(new))
    assert (dict(transition.added), dict(transition.added_at_tail)) == (added, at_tail)


@pytest.mark.parametrize(
    "new", [session(""), session("xy"), None], ids=["emptied", "no survivor", "no messages"]
)
@pytest.mark.parametrize(("on_clear", "reason"), [("keep", "cleared"), ("forget", "removed")])
def test_clearing_keeps_or_forgets_as_set(new: Image, on_clear: Retention, reason: Reason) -> None:
    assert gone(session("ab"), new, on_clear) == (reason, "ab")


def test_clearing_an_empty_session_takes_nothing() -> None:
    assert gone(session(""), session("a"), "forget") == ("", "")


@pytest.mark.parametrize("on_clear", ["keep", "forget"])
@pytest.mark.parametrize(("new", "names"), [("x", "abc"), ("bc", "a"), ("", "abc"), ("abcd", "")])
def test_text_gone_from_a_note_was_edited(new: str, names: str, on_clear: Retention) -> None:
    assert gone(note("abc"), note(new), on_clear) == ("edited" if names else "", names)


def test_a_note_made_anew_forgets_what_an_expired_one_said() -> None:
    transition = rewritten(None, note("a"), inserted=True)
    assert (transition.event, transition.reason, transition.everything) == ("inserted", "edited", True)
    assert dict(transition.added_at_tail) == {"a": (0, 1)}
    assert not transition.keeps


def test_a_session_made_anew_forgets_nothing() -> None:
    transition = rewritten(None, session("ab"), inserted=True)
    assert (transition.event, transition.reason, transition.everything) == ("inserted", "", False)


def test_after_an_unreadable_image_everything_older_is_removed() -> None:
    transition = rewritten(Unreadable(), session("ab"))
    assert (transition.everything, transition.reason, transition.added) == (True, "removed", {})


@pytest.mark.parametrize("new", [session("ab", unreadable=1), Unreadable()], ids=["in part", "not at all"])
def test_between_unreadable_images_nothing_is_known_to_have_gone_or_come(new: Image) -> None:
    transition = rewritten(Unreadable(), new)
    assert (transition.everything, transition.gone, transition.added) == (False, {}, {})


@pytest.mark.parametrize("on_clear", ["keep", "forget"])
def test_an_unreadable_new_image_takes_nothing_yet(on_clear: Retention) -> None:
    transition = rewritten(session("ab"), Unreadable(), on_clear)
    assert (transition.reason, transition.everything, dict(transition.gone)) == ("", False, {})


def test_a_new_image_with_an_unreadable_message_tells_what_came_and_nothing_of_what_went() -> None:
    transition = rewritten(session("ab"), session("bc", unreadable=1), "forget")
    assert (dict(transition.added), dict(transition.added_at_tail), dict(transition.gone)) == (
        {"c": (0, 1)},
        {},
        {},
    )


@pytest.mark.parametrize(
    ("expired", "on_expiry", "event", "reason"),
    [
        (False, "keep", "deleted", "deleted"),
        (False, "forget", "deleted", "deleted"),
        (True, "keep", "expired", "expired"),
        (True, "forget", "deleted", "deleted"),
    ],
)
def test_a_removal_forgets_all_unless_time_did_it(
    *, expired: bool, on_expiry: Retention, event: str, reason: Reason
) -> None:
    reader = TransitionReader("keep", on_expiry)
    transition = reader.removal(session("aba"), expired=expired, at=1.0, position=AT)
    assert (transition.event, transition.reason) == (event, reason)
    assert transition.everything is (reason == "deleted")
    assert dict(transition.gone) == ({"a": (2, 0), "b": (1, 0)} if reason == "expired" else {})


@given(st.text("abc", max_size=6), st.text("abcd", max_size=6), st.sampled_from(["keep", "forget"]))
def test_copies_are_those_of_the_images(old: str, new: str, on_clear: Retention) -> None:
    transition = rewritten(session(old), session(new), on_clear)
    told = {**transition.added, **transition.added_at_tail, **transition.gone}
    changed = {name for name in {*old, *new} if old.count(name) != new.count(name)}
    assert told == {name: (old.count(name), new.count(name)) for name in changed}
    assert bool(transition.reason) is bool(transition.gone)


@given(st.lists(st.integers(), unique=True, min_size=2, max_size=8), st.data())
def test_a_cap_at_the_front_is_always_kept(ids: list[int], data: st.DataObject) -> None:
    names = [chr(0x4E00 + index) for index, _ in enumerate(ids)]
    cut = data.draw(st.integers(1, len(names) - 1))
    appended = data.draw(st.sampled_from(["", "x", "xy"]))
    transition = rewritten(session("".join(names)), session("".join(names[cut:]) + appended), "forget")
    assert transition.reason == "capped"


def of(at: str, **fields: object) -> Transition:
    return Transition(at, 1.0, **{"event": "modified", **fields})  # type: ignore[arg-type]


def test_merged_transitions_are_in_order_and_each_once() -> None:
    one, two = of("1", gone={"a": (1, 0)}), of("2", gone={"b": (1, 0)})
    assert merged([two, one, two, one]) == (one, two)


def test_of_a_text_only_the_newest_that_came_and_the_newest_that_went_stay() -> None:
    one = of("1", added={"a": (0, 1)}, gone={"b": (1, 0)})
    two = of("2", gone={"a": (1, 0)}, reason="edited")
    three = of("3", added_at_tail={"a": (0, 1)})
    assert merged([one, two, three]) == (of("1", gone={"b": (1, 0)}), two, three)


def test_an_addition_tells_the_times_said_of_what_came() -> None:
    entries = [Entry("a", "user", "a", datetime.fromtimestamp(7, UTC)), Entry("b", "user", "b", None)]
    new = replace(session("ab"), entries=tuple(entries))
    transition = TransitionReader("keep", "keep").rewrite(None, new, inserted=True, at=1.0, position="1")
    assert (dict(transition.added_at_tail), dict(transition.said)) == (
        {"a": (0, 1), "b": (0, 1)},
        {"a": (7.0,)},
    )


def test_an_addition_at_the_time_of_the_newest_one_stays_and_only_the_oldest_of_them() -> None:
    one, two, three, four = (of(str(n), added={"a": (0, 1)}, said={"a": (7.0,)}) for n in range(1, 5))
    other = replace(two, said={"a": (8.0,)})
    assert merged([one, two, three, four]) == (one, four)
    assert merged([one, other, four]) == (one, four)
    assert merged([one, other]) == (other,)


@pytest.mark.parametrize(
    "lasting",
    [
        of("1", event="inserted"),
        of("1", event="expired", reason="expired"),
        of("1", everything=True, reason="removed"),
        of("1", owner_before="x", owner_after="y"),
    ],
    ids=["inserted", "expired", "everything", "owner"],
)
def test_a_transition_of_the_whole_item_outlasts_its_texts(lasting: Transition) -> None:
    newer = of("2", added={"a": (0, 1)})
    named = Transition(
        lasting.position,
        lasting.at,
        lasting.event,
        lasting.reason,
        lasting.everything,
        {"a": (0, 1)},
        owner_before=lasting.owner_before,
        owner_after=lasting.owner_after,
    )
    assert merged([named, newer]) == (lasting, newer)


@given(st.permutations([("1", "ab", "bc"), ("2", "bc", "b"), ("3", "b", "ba"), ("4", "ba", "")]))
def test_merging_twice_or_in_another_order_changes_nothing(steps: list[tuple[str, str, str]]) -> None:
    reader = TransitionReader("keep", "keep")
    made = [
        reader.rewrite(session(old), session(new), inserted=False, at=1.0, position=at)
        for at, old, new in steps
    ]
    once = merged(made)
    assert merged([*merged(made[:2]), *merged(made[2:])]) == once == merged(once)
    assert once == merged(sorted(made, key=lambda each: each.position))


def test_a_transition_can_be_narrowed_to_some_texts() -> None:
    whole = of("1", added={"a": (0, 1)}, added_at_tail={"b": (0, 1)}, gone={"c": (1, 0)}, reason="edited")
    assert whole.names == {"a", "b", "c"}
    assert whole.only(frozenset("bx")) == of("1", added_at_tail={"b": (0, 1)}, reason="edited")


SEQUENCE_NUMBERS = st.integers(0, 10**40 - 1)
LABELS = st.datetimes().map(lambda time: time.isoformat(timespec="milliseconds"))


@given(LABELS, SEQUENCE_NUMBERS, SEQUENCE_NUMBERS)
def test_positions_of_a_stream_sort_as_its_numbers_do(label: str, one: int, two: int) -> None:
    assert (position(label, str(one)) < position(label, str(two))) == (one < two)


@given(LABELS, LABELS, SEQUENCE_NUMBERS, SEQUENCE_NUMBERS)
def test_a_recreated_stream_comes_after_the_old_one(first: str, second: str, one: int, two: int) -> None:
    earlier, later = sorted([first, second])
    if earlier < later:
        assert position(earlier, str(one)) < position(later, str(two))


@given(LABELS, SEQUENCE_NUMBERS)
def test_an_unknown_position_comes_before_all(label: str, number: int) -> None:
    assert position(label, str(number)) > ""


def with_prompt(entries: str) -> Document:
    """The first entry is the system prompt."""
    roles = ["system", *["user"] * (len(entries) - 1)]
    made = (Entry(name, role, name) for name, role in zip(entries, roles, strict=True))
    return Document(KEY, "acme", "acme", "session", tuple(made))


@pytest.mark.parametrize(
    ("new", "reason"), [("S", "cleared"), ("Sbc", "capped"), ("Tbc", "capped"), ("T", "cleared")]
)
def test_a_system_prompt_that_stays_or_changes_makes_neither_a_clear_nor_a_cap_an_edit(
    new: str, reason: Reason
) -> None:
    reader = TransitionReader("keep", "keep", frozenset({"system"}))
    transition = reader.rewrite(with_prompt("Sabc"), with_prompt(new), inserted=False, at=1.0, position=AT)
    assert transition.reason == reason
    assert not {"S", "T"} & transition.names
