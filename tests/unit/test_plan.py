from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.ingest.chunking import Chunker
from pipeline.ingest.notices import moment
from pipeline.ingest.plan import Plan, make_plan, reflects
from pipeline.source.documents import Document, Entry, ItemKey
from pipeline.source.transitions import ForgetFact
from pipeline.stores.protocol import Chunk, Held, HeldChunk

KEY = ItemKey("sessions", "tenant_id", "acme", "session_key", "chat:1")


def session(entries: str) -> Document:
    """One message a letter: upper case says little and joins the lower case after it."""
    made = (
        Entry(name, "user", name) if name.isupper() else Entry(name, "assistant", name * 60)
        for name in entries
    )
    return Document(KEY, "acme", "acme", "session", tuple(made))


def note(entries: str) -> Document:
    made = (Entry(name, "daily", name * 60) for name in entries)
    return Document(KEY, "acme", "acme", "daily", tuple(made), "2026-11-22")


def held_chunk(chunk: Chunk) -> HeldChunk:
    return HeldChunk(chunk.id, chunk.members, chunk.fingerprint)


def after(held: Held, plan: Plan) -> Held:
    """Return what is held once ``plan`` is applied, as a store would."""
    chunks = {chunk.id: chunk for chunk in held.chunks}
    for id_ in plan.deletes:
        del chunks[id_]
    for id_, lost in plan.lost.items():
        chunks[id_] = replace(chunks[id_], lost=lost)
    chunks |= {chunk.id: held_chunk(chunk) for chunk in plan.missing}
    return Held(held.revision + 1, plan.position, tuple(chunks.values()))


def groups(held: Held) -> list[str]:
    return sorted({"".join(chunk.members) for chunk in held.chunks})


Run = Callable[..., Held]


@pytest.fixture(scope="session")
def run(chunker: Chunker) -> Run:
    """Reconcile one document after another: each step is (document, position, *facts)."""

    def steps(*given: Any, held: Held = Held()) -> Held:  # noqa: B008  # frozen
        for document, position, *facts in given:
            held = after(held, make_plan(held, document, position, facts, chunker))
        return held

    return steps


def forget(at: str, entries: str | None = None) -> ForgetFact:
    return ForgetFact(at, None if entries is None else frozenset(entries))


def test_a_new_item_is_indexed_whole(chunker: Chunker) -> None:
    plan = make_plan(Held(), session("AaBb"), "1", (), chunker)
    assert [chunk.members for chunk in plan.missing] == [("A", "a"), ("B", "b")]
    assert (plan.position, plan.deletes, dict(plan.lost), plan.kept) == ("1", (), {}, 0)


def test_unchanged_text_is_not_embedded_again(chunker: Chunker, run: Run) -> None:
    plan = make_plan(run((session("AaBb"), "1")), session("AaBb"), "2", (), chunker)
    assert (plan.missing, plan.deletes, dict(plan.lost), plan.kept) == ((), (), {}, 2)
    assert plan.position == "2"


def test_a_chunk_that_grew_supersedes_the_shorter_one(chunker: Chunker, run: Run) -> None:
    held = run((session("AaB"), "1"))
    plan = make_plan(held, session("AaBb"), "2", (), chunker)
    assert [chunk.members for chunk in plan.missing] == [("B", "b")]
    assert [chunk.members for chunk in held.chunks if chunk.id in plan.deletes] == [("B",)]
    assert groups(after(held, plan)) == ["Aa", "Bb"]


def test_what_a_fact_covers_is_deleted(run: Run) -> None:
    assert groups(run((session("AaBb"), "1"), (session("Bb"), "2", forget("2", "Aa")))) == ["Bb"]


def test_the_survivor_of_a_forgotten_pair_is_indexed_anew(run: Run) -> None:
    assert groups(run((session("Aa"), "1"), (session("a"), "2", forget("2", "A")))) == ["a"]


def test_what_fell_off_the_front_is_retained_with_the_position_it_was_last_seen_at(run: Run) -> None:
    held = run((session("AaBb"), "1"), (session("AaBb"), "2"), (session("BbCc"), "3"))
    assert groups(held) == ["Aa", "Bb", "Cc"]
    assert {"".join(chunk.members): dict(chunk.lost) for chunk in held.chunks} == {
        "Aa": {"A": "2", "a": "2"},
        "Bb": {},
        "Cc": {},
    }


def test_where_a_retained_chunk_was_last_seen_never_moves(run: Run) -> None:
    held = run((session("Aa"), "1"), (session(""), "2"), (session("Bb"), "3"), (session("BbCc"), "4"))
    [retained] = [chunk for chunk in held.chunks if chunk.members == ("A", "a")]
    assert retained.lost == {"A": "1", "a": "1"}


def test_an_entry_that_a_retained_chunk_holds_is_not_indexed_twice(run: Run) -> None:
    held = run((session("AaBb"), "1"), (session("aBb"), "2"))
    assert groups(held) == ["Aa", "Bb"]


def test_a_reappearing_entry_is_no_longer_lost(run: Run) -> None:
    held = run((session("Aa"), "1"), (session(""), "2"), (session("Aa"), "3"))
    assert [dict(chunk.lost) for chunk in held.chunks] == [{}]
    assert groups(run((session("Aa"), "4", forget("4", "Aa")), held=held)) == ["Aa"]


def test_a_half_reappearing_chunk_has_lost_the_other_half(run: Run) -> None:
    [chunk] = run((session("Aa"), "1"), (session(""), "2"), (session("A"), "3")).chunks
    assert dict(chunk.lost) == {"a": "1"}


@pytest.mark.parametrize(("at", "left"), [("4", []), ("3", ["Aa"]), ("2", ["Aa"])])
def test_a_late_fact_forgets_only_what_was_last_seen_before_it(run: Run, at: str, left: list[str]) -> None:
    held = run((session("Aa"), "3"), (session(""), "5"), (session(""), "5", forget(at, "Aa")))
    assert groups(held) == left


def test_a_fact_never_touches_what_the_item_still_says(run: Run) -> None:
    assert groups(run((session("Aa"), "1"), (session("Aa"), "2", forget("9")))) == ["Aa"]


def test_deleting_the_item_forgets_all_of_it_even_what_was_retained(run: Run) -> None:
    held = run((session("AaBb"), "1"), (session("Bb"), "2"), (None, "3", forget("3")))
    assert held.chunks == ()
    assert held.position == "3"


def test_an_item_that_expired_is_retained_until_told_to_forget(run: Run) -> None:
    expired = run((session("Aa"), "1"), (None, "2"))
    assert groups(expired) == ["Aa"]
    assert groups(run((None, "3", forget("3")), held=expired)) == []


def test_an_unreadable_item_loses_nothing_and_obeys_its_facts(run: Run) -> None:
    held = run((session("AaBb"), "1"), (None, "2", forget("2", "A")))
    assert groups(held) == ["Bb"]
    [chunk] = run((session("Bb"), "3"), held=held).chunks
    assert dict(chunk.lost) == {}


def test_a_rewritten_note_leaves_nothing_of_the_old_one(run: Run) -> None:
    assert groups(run((note("ab"), "1"), (note("bc"), "2"))) == ["b", "c"]
    assert groups(run((note("ab"), "1"), (note(""), "2"))) == []


def test_an_absent_note_is_retained_and_forgotten_by_a_fact(run: Run) -> None:
    absent = run((note("ab"), "1"), (None, "2"))
    assert groups(absent) == ["a", "b"]
    assert groups(run((None, "3", forget("3")), held=absent)) == []


def test_a_note_that_comes_back_replaces_what_was_retained(run: Run) -> None:
    assert groups(run((note("ab"), "1"), (None, "2"), (note("bc"), "3"))) == ["b", "c"]


def test_a_chunk_of_another_space_is_embedded_again_under_its_id(chunker: Chunker, run: Run) -> None:
    held = run((session("Aa"), "1"))
    old = Held(1, "1", tuple(replace(chunk, fingerprint="old") for chunk in held.chunks))
    plan = make_plan(old, session("Aa"), "1", (), chunker)
    assert [chunk.id for chunk in plan.missing] == [chunk.id for chunk in held.chunks]
    assert plan.deletes == ()


def test_a_position_never_goes_back(run: Run) -> None:
    assert run((session("Aa"), "5"), (session("Aa"), "3"), (session("Aa"), "")).position == "5"


@pytest.mark.parametrize(
    ("position", "facts", "expected"),
    [
        ("2", (), True),  # the same again
        ("1", (), True),  # an older one, late
        ("3", (), False),  # news
        ("", (), False),  # a sender that knows no position wants a look
        ("2", (forget("2", "A"),), False),  # A was last seen at 1
        ("2", (forget("1", "A"),), True),
        ("2", (forget("2", "B"),), True),  # B is still there
        ("2", (forget("2"),), False),
    ],
)
def test_the_ledger_tells_whether_a_notice_has_news(
    run: Run, position: str, facts: tuple[ForgetFact, ...], *, expected: bool
) -> None:
    held = run((session("AaBb"), "1"), (session("Bb"), "2"))
    assert reflects(held, position, facts) is expected


@pytest.mark.parametrize(
    ("epoch", "known", "told", "expected"),
    [(1, None, 5, False), (1, 4, 5, False), (1, 5, 5, True), (1, 5, None, True), (0, None, 5, True)],
)
def test_a_late_notice_of_a_creation_is_read_where_a_marker_may_hang_on_it(
    *, epoch: int, known: int | None, told: int | None, expected: bool
) -> None:
    held = Held(1, "2", epoch=epoch, created_at=moment(known))
    assert reflects(held, "1", (), moment(told)) is expected


def test_an_unknown_item_reflects_nothing() -> None:
    assert not reflects(Held(), "1", ())


POSITIONS = st.integers(1, 9).map(str)
FACTS = st.lists(
    st.builds(forget, POSITIONS, st.none() | st.text("ABab", min_size=1, max_size=3)), max_size=2
)
DOCUMENTS = st.none() | st.lists(st.sampled_from("ABCabc"), unique=True, max_size=6).map(
    lambda entries: session("".join(entries))
)
STEPS = st.lists(st.tuples(DOCUMENTS, POSITIONS, FACTS), max_size=6)


def play(held: Held, steps: Sequence[Any], chunker: Chunker) -> Held:
    for document, position, facts in steps:
        held = after(held, make_plan(held, document, position, facts, chunker))
    return held


@given(STEPS, DOCUMENTS, POSITIONS, FACTS)
def test_planning_again_changes_nothing(
    chunker: Chunker, steps: Any, document: Document | None, position: str, facts: list[ForgetFact]
) -> None:
    held = play(Held(), [*steps, (document, position, facts)], chunker)
    again = make_plan(held, document, position, facts, chunker)
    assert (again.missing, again.deletes, dict(again.lost)) == ((), (), {})
    assert again.kept == len(held.chunks)
    assert again.position == held.position


@given(STEPS, st.lists(st.sampled_from("ABCabc"), unique=True, max_size=6), POSITIONS, FACTS)
def test_every_live_message_is_indexed_exactly_once(
    chunker: Chunker, steps: Any, entries: list[str], position: str, facts: list[ForgetFact]
) -> None:
    held = play(Held(), [*steps, (session("".join(entries)), position, facts)], chunker)
    indexed = [entry for chunk in held.chunks for entry in chunk.members if entry in entries]
    assert sorted(indexed) == sorted(entries)


@given(STEPS, DOCUMENTS)
def test_a_deletion_after_everything_leaves_only_what_came_back(
    chunker: Chunker, steps: Any, document: Document | None
) -> None:
    held = play(Held(), [*steps, (document, "95", [forget("95")])], chunker)
    present = {entry.id for entry in document.entries} if document else set()
    assert {entry for chunk in held.chunks for entry in chunk.members} == present


@given(STEPS, DOCUMENTS, POSITIONS)
def test_without_facts_nothing_said_is_ever_lost(
    chunker: Chunker, steps: Any, document: Document | None, position: str
) -> None:
    held = play(Held(), [(shown, at, []) for shown, at, _ in steps], chunker)
    before = {entry for chunk in held.chunks for entry in chunk.members}
    now = after(held, make_plan(held, document, position, [], chunker))
    assert before <= {entry for chunk in now.chunks for entry in chunk.members}


def test_an_item_that_was_left_half_written_is_never_skipped() -> None:
    assert reflects(Held(3, "9"), "5", ())
    assert not reflects(Held(3, "9", half=True), "5", ())
