import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.settings import Retention
from pipeline.source.documents import Document, Entry, ItemKey
from pipeline.source.transitions import ForgetFact, Image, Unreadable, deletion, modification, position

KEY = ItemKey("sessions", "tenant_id", "acme", "session_key", "chat:1")
AT = position("2026-11-22T00:00:00.000", "7")


def session(entries: str) -> Document:
    """One entry a letter, named by it."""
    return Document(KEY, "acme", "acme", "session", tuple(Entry(name, "user", name) for name in entries))


def note(entries: str) -> Document:
    return Document(KEY, "acme", "acme", "daily", tuple(Entry(name, "daily", name) for name in entries))


def taken(old: Image, new: Image, on_clear: Retention = "keep") -> str | None:
    """Return the names of the forgotten entries; "all" if everything is, ``None`` if there is no fact."""
    facts = modification(old, new, on_clear=on_clear, at=AT)
    if not facts:
        return None
    [fact] = facts
    assert fact.position == AT
    return "all" if fact.entries is None else "".join(sorted(fact.entries))


@pytest.mark.parametrize("on_clear", ["keep", "forget"])
@pytest.mark.parametrize(
    ("old", "new", "forgotten"),
    [
        ("ab", "abcd", None),  # appended
        ("ab", "ab", None),  # saved again
        ("abc", "aXc", "b"),  # edited
        ("abc", "Xbc", "a"),  # the first edited
        ("abc", "ac", "b"),  # removed between survivors
        ("abc", "ab", "c"),  # the last taken back
        ("abcd", "acde", "b"),  # removed, and appended to
        ("abcd", "cd", None),  # capped at the front
        ("abcd", "cdef", None),  # capped, and appended to
        ("abcd", "d", None),
        ("abcd", "bd", "ac"),  # capped and removed in the middle: not to be told apart
        ("abc", "Xabc", None),  # put in front
    ],
)
def test_a_rewrite_forgets_what_it_took_from_between(
    old: str, new: str, forgotten: str | None, on_clear: Retention
) -> None:
    assert taken(session(old), session(new), on_clear) == forgotten


@pytest.mark.parametrize(
    ("old", "new", "forgotten"),
    [
        ("aab", "ab", None),  # one of two copies is gone, the other still says it
        ("abab", "ab", None),
        ("abac", "bac", None),
        ("abcab", "cab", None),
        ("bxxc", "xxc", None),  # fell off before any copy
        ("bxxc", "xc", None),
        ("xaxb", "xb", "a"),  # fell off with the first x, or was removed between the two: forget
        ("aba", "aa", "b"),
    ],
)
def test_repeated_messages_are_told_apart_or_forgotten(old: str, new: str, forgotten: str | None) -> None:
    assert taken(session(old), session(new)) == forgotten


@pytest.mark.parametrize(
    "new", [session(""), session("xy"), None], ids=["emptied", "no survivor", "no messages"]
)
@pytest.mark.parametrize(("on_clear", "forgotten"), [("keep", None), ("forget", "ab")])
def test_clearing_keeps_or_forgets_as_set(new: Image, on_clear: Retention, forgotten: str | None) -> None:
    assert taken(session("ab"), new, on_clear) == forgotten


def test_clearing_an_empty_session_takes_nothing() -> None:
    assert taken(session(""), session("a"), "forget") is None


@pytest.mark.parametrize("on_clear", ["keep", "forget"])
@pytest.mark.parametrize(("new", "forgotten"), [("x", "abc"), ("bc", "a"), ("", "abc"), ("abcd", None)])
def test_what_a_note_no_longer_says_is_forgotten(
    new: str, forgotten: str | None, on_clear: Retention
) -> None:
    assert taken(note("abc"), note(new), on_clear) == forgotten


def test_a_note_that_comes_into_being_forgets_what_an_expired_one_said() -> None:
    assert taken(None, note("a")) == "all"


def test_after_an_unreadable_image_everything_older_is_forgotten() -> None:
    assert taken(Unreadable(), session("ab")) == "all"
    assert taken(Unreadable(), Unreadable()) == "all"


def test_an_unreadable_new_image_takes_nothing_yet() -> None:
    assert taken(session("ab"), Unreadable(), "forget") is None


def test_without_an_old_image_nothing_is_known_to_be_taken() -> None:
    assert taken(None, session("ab"), "forget") is None


@pytest.mark.parametrize(
    ("expired", "on_expiry", "facts"),
    [
        (False, "keep", (ForgetFact(AT),)),
        (False, "forget", (ForgetFact(AT),)),
        (True, "keep", ()),
        (True, "forget", (ForgetFact(AT),)),
    ],
)
def test_a_deletion_forgets_all_unless_time_did_it(
    *, expired: bool, on_expiry: Retention, facts: tuple[ForgetFact, ...]
) -> None:
    assert deletion(expired=expired, on_expiry=on_expiry, at=AT) == facts


@given(st.text("abc", max_size=6), st.text("abcd", max_size=6), st.sampled_from(["keep", "forget"]))
def test_what_the_item_still_says_is_never_forgotten(old: str, new: str, on_clear: Retention) -> None:
    forgotten = taken(session(old), session(new), on_clear) or ""
    assert not set(forgotten) & set(new)
    assert set(forgotten) <= set(old)


@given(st.lists(st.integers(), unique=True, min_size=2, max_size=8), st.data())
def test_a_cap_at_the_front_is_always_kept(ids: list[int], data: st.DataObject) -> None:
    names = [chr(0x4E00 + index) for index, _ in enumerate(ids)]
    cut = data.draw(st.integers(1, len(names) - 1))
    appended = data.draw(st.sampled_from(["", "x", "xy"]))
    assert taken(session("".join(names)), session("".join(names[cut:]) + appended), "forget") is None


def test_a_fact_covers_only_what_was_last_seen_before_it() -> None:
    fact = ForgetFact("2", frozenset({"a"}))
    assert fact.covers("a", "1")
    assert not fact.covers("a", "2")
    assert not fact.covers("a", "3")
    assert not fact.covers("b", "1")
    assert ForgetFact("2").covers("anything", "1")


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


@pytest.mark.parametrize("new", ["S", "Sbc", "Tbc"])
def test_a_system_prompt_that_stays_or_changes_makes_neither_a_clear_nor_a_cap_an_edit(new: str) -> None:
    assert (
        modification(
            with_prompt("Sabc"),
            with_prompt(new),
            on_clear="keep",
            at=AT,
            excluded_roles=frozenset({"system"}),
        )
        == ()
    )
