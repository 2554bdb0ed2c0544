"""Which chunks are written, moved and deleted, given what the message ledger says."""

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.ingest.chunking import Chunker
from pipeline.ingest.message_ledger import Settled
from pipeline.ingest.plan import REFUSED, STAND_IN, IndexedItem, Plan, make_plan, needs_text
from pipeline.source.documents import Document, Entry, ItemKey
from pipeline.stores.chunks import NOBODY, Chunk, ChunkMove, ChunkStatus, HeldChunk, StoredText
from pipeline.stores.message_rows import ItemFacts, MessageRow, MessageState

KEY = ItemKey("sessions", "tenant_id", "acme", "session_key", "chat:1")
TIME = datetime(2026, 11, 22, tzinfo=UTC)
STATES: dict[str, MessageState] = {"l": "live", "k": "kept", "u": "unexplained", "e": "erased"}


def entry(name: str) -> Entry:
    """Upper case says little and joins the lower case after it."""
    return Entry(name, "user", name) if name.isupper() else Entry(name, "assistant", name * 60)


def session(entries: str, user_id: str = "mika") -> Document:
    return Document(KEY, "acme", user_id, "session", tuple(map(entry, entries)))


def settled(entries: str, user_id: str = "mika", /, purged: str = "", **others: Any) -> Settled:
    """What the ledger says: ``entries`` are live; others by state: a letter, or (letter, user)."""
    rows = {name: MessageRow(name, name, 0, "live", user_id) for name in entries}
    for state, names in others.items():
        for one in names:
            name, owner = one if isinstance(one, tuple) else (one, "mika")
            rows[name] = MessageRow(name, name, 0, state, owner)  # type: ignore[arg-type]  # one of the states
    hidden = frozenset(name for name, row in rows.items() if row.state in {"unexplained", "erased"})
    return Settled(ItemFacts(), rows, (), tuple(purged), tuple(map(entry, entries)), hidden)


@dataclass
class Index:
    """What is held of the item; a plan is applied as a store would."""

    chunker: Chunker
    chunks: dict[str, HeldChunk] = field(default_factory=dict)
    texts: dict[str, StoredText] = field(default_factory=dict)

    def plan(self, document: Document | None, says: Settled, clean: Any = None) -> Plan:
        item = IndexedItem(("acme", KEY.source), says, document, tuple(self.chunks.values()), clean=clean)
        return make_plan(
            replace(item, texts={id_: self.texts[id_] for id_ in needs_text(item)}), self.chunker
        )

    def apply(self, plan: Plan, *, embedding: bool = True, refused: str | None = None) -> Plan:
        for id_ in plan.deletes:
            del self.chunks[id_], self.texts[id_]
        for id_, move in plan.moves.items():
            self.chunks[id_] = replace(self.chunks[id_], user_id=move.user_id, status=move.status)
        for chunk in plan.missing:
            mark = REFUSED + chunk.fingerprint if refused and refused in chunk.text else chunk.fingerprint
            self._hold(chunk, mark if embedding else "")
        for chunk in plan.stand_ins:
            self._hold(chunk, chunk.fingerprint)
        return plan

    def run(self, entries: str | None, user_id: str = "mika", /, **says: Any) -> Plan:
        document = None if entries is None else session(entries, user_id)
        return self.apply(self.plan(document, settled(entries or "", user_id, **says)))

    def _hold(self, chunk: Chunk, fingerprint: str) -> None:
        self.chunks[chunk.id] = HeldChunk(
            chunk.id, chunk.members, fingerprint, chunk.user_id, chunk.status, chunk.line_lengths
        )
        self.texts[chunk.id] = StoredText(chunk.text, chunk.user_id, TIME, chunk.metadata)

    @property
    def shown(self) -> dict[str, tuple[str, ChunkStatus]]:
        """Members of each chunk that somebody finds → whose it is, and its status."""
        return {
            "".join(one.members): (one.user_id, one.status)
            for one in self.chunks.values()
            if one.user_id != NOBODY
        }

    @property
    def withheld(self) -> list[str]:
        return sorted("".join(one.members) for one in self.chunks.values() if one.user_id == NOBODY)

    def id_of(self, members: str) -> str:
        [id_] = [one.id for one in self.chunks.values() if "".join(one.members) == members]
        return id_


@pytest.fixture
def index(chunker: Chunker) -> Index:
    return Index(chunker)


LIVE = ("mika", "live")


def nothing(plan: Plan) -> bool:
    return not (plan.missing or plan.stand_ins or plan.moves or plan.deletes)


def test_a_new_item_is_indexed_whole(index: Index) -> None:
    plan = index.run("AaBb")
    assert [chunk.members for chunk in plan.missing] == [("A", "a"), ("B", "b")]
    assert (plan.deletes, plan.moves, plan.kept) == ((), {}, 0)


def test_unchanged_text_is_not_embedded_again(index: Index) -> None:
    index.run("AaBb")
    plan = index.run("AaBb")
    assert (nothing(plan), plan.kept, len(plan.current)) == (True, 2, 2)


def test_a_chunk_that_grew_supersedes_the_shorter_one(index: Index) -> None:
    index.run("AaB")
    plan = index.run("AaBb")
    assert [chunk.members for chunk in plan.missing] == [("B", "b")]
    assert index.shown == {"Aa": LIVE, "Bb": LIVE}


def test_a_purged_chunk_is_deleted_without_its_text(index: Index) -> None:
    index.run("AaBb")
    index.run("Bb", purged="Aa")
    assert index.shown == {"Bb": LIVE}


def test_messages_of_a_dead_chunk_that_the_item_has_are_indexed_from_the_item(index: Index) -> None:
    index.run("Aa")
    plan = index.run("a", purged="A")
    assert [chunk.members for chunk in plan.missing] == [("a",)]
    assert index.shown == {"a": LIVE}


def test_kept_messages_of_a_dead_chunk_are_cut_out_of_its_text(index: Index) -> None:
    index.run("AaBb")
    plan = index.run("Bb", purged="a", kept="A")
    [part] = plan.missing
    assert (part.text, part.members, part.status) == ("user: A", ("A",), "kept")
    assert index.shown == {"A": ("mika", "kept"), "Bb": LIVE}


def test_capped_chunks_are_retained_unchanged(index: Index) -> None:
    index.run("AaBb")
    plan = index.run("Bb", kept="Aa")
    assert dict(plan.moves) == {index.id_of("Aa"): ChunkMove("mika", "kept")}
    assert (plan.missing, plan.stand_ins, plan.deletes) == ((), (), ())
    assert index.shown == {"Aa": ("mika", "kept"), "Bb": LIVE}
    assert nothing(index.run("Bb", kept="Aa"))


def test_an_entry_that_a_retained_chunk_holds_is_not_indexed_twice(index: Index) -> None:
    index.run("AaBb")
    index.run("aBb", kept="A")
    assert index.shown == {"Aa": ("mika", "mixed"), "Bb": LIVE}


def test_a_retained_chunk_whose_messages_come_back_is_live_again_without_embedding(index: Index) -> None:
    index.run("Aa")
    index.run("", kept="Aa")
    plan = index.run("Aa")
    assert (plan.missing, index.shown) == ((), {"Aa": LIVE})


def test_a_chunk_with_a_hidden_message_is_nobodys_and_the_rest_of_it_is_found_by_words(index: Index) -> None:
    index.run("AaBb")
    plan = index.run("ABb", unexplained="a")
    assert plan.missing == ()
    [part] = plan.stand_ins
    assert (part.members, part.text, part.user_id) == (("A",), "user: A", "mika")
    assert part.fingerprint.startswith(STAND_IN)
    assert plan.moves[index.id_of("Aa")].user_id == NOBODY
    assert (index.shown, index.withheld) == ({"A": ("mika", "mixed"), "Bb": LIVE}, ["Aa"])
    assert nothing(index.run("ABb", unexplained="a"))


def test_evidence_brings_a_withheld_chunk_back_without_embedding_and_its_stand_in_goes(index: Index) -> None:
    index.run("AaBb")
    index.run("ABb", unexplained="a")
    plan = index.run("ABb", kept="a")
    assert (plan.missing, plan.stand_ins, len(plan.deletes)) == ((), (), 1)
    assert (index.shown, index.withheld) == ({"Aa": ("mika", "mixed"), "Bb": LIVE}, [])


def test_evidence_against_a_withheld_message_takes_its_chunk_and_the_rest_is_embedded(index: Index) -> None:
    index.run("Aa")
    index.run("A", unexplained="a")
    plan = index.run("A", purged="a")
    assert [chunk.members for chunk in plan.missing] == [("A",)]
    assert (index.shown, index.withheld) == ({"A": LIVE}, [])


def test_of_a_dead_chunk_what_is_hidden_waits_as_nobodys(index: Index) -> None:
    index.run("AaBb")
    plan = index.run("Bb", purged="A", unexplained="a")
    assert plan.missing == ()
    assert (index.shown, index.withheld) == ({"Bb": LIVE}, ["a"])
    plan = index.run("Bb", kept="a")  # it has no vector yet
    assert [chunk.members for chunk in plan.missing] == [("a",)]
    assert (index.shown, index.withheld) == ({"a": ("mika", "kept"), "Bb": LIVE}, [])


def test_the_stand_in_of_a_withheld_chunk_waits_without_an_owner_when_hidden_and_alone(
    index: Index,
) -> None:
    index.run("Aa")
    index.run("A", unexplained="a")
    assert (index.shown, index.withheld) == ({"A": ("mika", "mixed")}, ["Aa"])
    index.run(None, purged="a", unexplained="A")
    assert (index.shown, index.withheld) == ({}, ["A"])
    plan = index.run(None, kept="A")  # a record explains it
    assert [chunk.members for chunk in plan.missing] == [("A",)]
    assert (index.shown, index.withheld) == ({"A": ("mika", "kept")}, [])


def test_an_erased_message_goes_though_the_item_has_it(index: Index) -> None:
    index.run("AaBb")
    says = settled("Bb", erased="Aa")
    index.apply(index.plan(session("AaBb"), says))
    assert (index.shown, index.withheld) == ({"Bb": LIVE}, [])


def test_a_change_of_user_moves_live_chunks_and_embeds_nothing(index: Index) -> None:
    index.run("AaBb")
    plan = index.run("AaBb", "ken")
    assert (plan.missing, plan.deletes, len(plan.moves)) == ((), (), 2)
    assert index.shown == {"Aa": ("ken", "live"), "Bb": ("ken", "live")}


def test_a_kept_chunk_stays_with_its_user_when_the_item_moves(index: Index) -> None:
    index.run("AaBb")
    index.run("Bb", kept="Aa")
    index.run("Bb", "ken", kept="Aa")
    assert index.shown == {"Aa": ("mika", "kept"), "Bb": ("ken", "live")}


def test_a_chunk_of_two_users_is_parted(index: Index) -> None:
    index.run("AaBb")
    index.run("ABb", kept="a")
    index.run("ABb", "ken", kept="a")
    assert index.shown == {"A": ("ken", "live"), "a": ("mika", "kept"), "Bb": ("ken", "live")}


def test_an_absent_item_keeps_what_may_be_kept_and_nothing_else(index: Index) -> None:
    index.run("AaBb")
    index.run(None, kept="Aa", purged="Bb")
    assert index.shown == {"Aa": ("mika", "kept")}


def test_a_pending_chunk_is_asked_for_again_and_a_refused_one_is_not(index: Index) -> None:
    index.apply(index.plan(session("AaBb"), settled("AaBb")), embedding=False)
    plan = index.apply(index.plan(session("AaBb"), settled("AaBb")), refused="B")
    assert [chunk.members for chunk in plan.missing] == [("A", "a"), ("B", "b")]
    assert index.chunks[index.id_of("Bb")].fingerprint.startswith(REFUSED)
    assert nothing(index.run("AaBb"))


def test_a_pending_chunk_that_only_memory_has_is_written_again_from_its_own_text(index: Index) -> None:
    index.apply(index.plan(session("Aa"), settled("Aa")), embedding=False)
    plan = index.run("", kept="Aa")
    [chunk] = plan.missing
    assert (chunk.members, chunk.status) == (("A", "a"), "kept")
    assert "user: A" in chunk.text
    assert nothing(index.run("", kept="Aa"))


def test_a_kept_chunk_with_a_secret_is_written_again_without_it_and_others_are_left_alone(
    index: Index,
) -> None:
    index.run("AaBb")
    index.run("", kept="AaBb")

    def clean(text: str) -> str:
        return text.replace("user: A", "user: [secret]")

    plan = index.apply(index.plan(session(""), settled("", kept="AaBb"), clean))
    [chunk] = plan.missing
    assert (chunk.members, "[secret]" in chunk.text) == (("A", "a"), True)
    assert chunk.status == "kept"
    assert nothing(index.plan(session(""), settled("", kept="AaBb"), clean))


def test_a_chunk_of_another_space_is_embedded_again_under_its_id(index: Index) -> None:
    index.run("Aa")
    id_ = index.id_of("Aa")
    index.chunks[id_] = replace(index.chunks[id_], fingerprint="old")
    plan = index.run("Aa")
    assert ([chunk.id for chunk in plan.missing], plan.deletes) == ([id_], ())


DRAWN = st.dictionaries(st.sampled_from("ABCabc"), st.sampled_from("lkuep"), max_size=6)


@given(st.lists(DRAWN, min_size=1, max_size=4))
def test_any_sequence_of_changes_is_found_right_and_planning_again_changes_nothing(
    chunker: Chunker, steps: list[dict[str, str]]
) -> None:
    """Each step says of each message: live, kept, unexplained, erased or purged; what is purged stays so."""
    index, gone, known = Index(chunker), set[str](), set[str]()
    for step in steps:
        drawn = {name: step.get(name, "k" if name in known else "") for name in "AaBbCc"}
        drawn = {
            name: drawn_state
            for name, drawn_state in drawn.items()
            if drawn_state == "l" or (drawn_state and name in known - gone)
        }
        entries = "".join(name for name in drawn if drawn[name] == "l")
        others = {
            state: [n for n in drawn if drawn[n] == letter]
            for letter, state in STATES.items()
            if letter != "l"
        }
        purged = "".join(name for name in drawn if drawn[name] == "p")
        gone = (gone | set(purged) | set(others["erased"])) - set(entries)
        known |= set(entries)
        says, document = settled(entries, purged=purged, **others), session(entries)
        index.apply(index.plan(document, says))
        found = [name for one in index.chunks.values() if one.user_id != NOBODY for name in one.members]
        assert sorted(name for name in found if name in entries) == sorted(entries)
        assert set(found).isdisjoint({*purged, *others["erased"], *others["unexplained"]})
        assert set(others["kept"]) <= {*found, *(n for w in index.withheld for n in w)}
        held = {name for one in index.chunks.values() for name in one.members}
        assert held.isdisjoint({*purged, *others["erased"]})
        assert nothing(index.plan(document, says))
