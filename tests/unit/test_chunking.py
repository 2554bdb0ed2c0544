import unicodedata
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from pipeline.embedding.tokens import estimate_tokens, token_share
from pipeline.embedding.vectors import EmbeddingSpace
from pipeline.ingest.chunking import Chunker, Splitter
from pipeline.ingest.splitting import split_markdown
from pipeline.source.documents import Document, Entry, ItemKey, Kind
from pipeline.source.layouts import Layouts
from pipeline.stores.chunks import Chunk

SPACE = EmbeddingSpace("none", 8)
KEY = ItemKey("sessions", "tenant_id", "acme", "session_key", "chat:1")
START = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)


def cut(text: str, max_tokens: int) -> Sequence[str]:
    """Cut greedily, by the estimate of each character."""
    pieces, start, share = [], 0, 0.0
    for index, character in enumerate(text):
        cost = token_share(character)
        if share + cost > max_tokens:
            pieces.append(text[start:index])
            start, share = index, 0.0
        share += cost
    return [*pieces, text[start:]]


def chunker(max_tokens: int = 256, split: Splitter = cut, **options: Any) -> Chunker:
    return Chunker(frozenset({"system", "tool"}), max_tokens, split, options.get("space", SPACE))


def document(entries: Sequence[Entry], kind: Kind = "session", **fields: Any) -> Document:
    return Document(
        **{"key": KEY, "tenant_id": "acme", "user_id": "mika", "kind": kind, "entries": tuple(entries)}
        | fields
    )


def said(number: int, role: str, text: str, *, timed: bool = True) -> Entry:
    return Entry(f"{number:032x}", role, text, START + timedelta(minutes=number) if timed else None)


def conversation(*turns: tuple[str, str]) -> list[Entry]:
    return [said(number, role, text) for number, (role, text) in enumerate(turns)]


def marks(chunks: Sequence[Chunk]) -> dict[tuple[str, str], Chunk]:
    return {(chunk.id, chunk.fingerprint): chunk for chunk in chunks}


def tokens(chunks: Sequence[Chunk]) -> int:
    """Return what is embedded, in tokens: headers are not."""
    return sum(estimate_tokens(chunk.embedded) for chunk in chunks)


def squeezed(text: str) -> str:
    return "".join(text.split())


@st.composite
def conversations(draw: st.DrawFn, max_turns: int = 12, max_length: int = 2_000) -> list[Entry]:
    """Draw messages of any roles; each is its own (number and time), as messages with timestamps are."""
    timed = draw(st.booleans())
    turns = draw(
        st.lists(
            st.tuples(
                st.sampled_from(["user", "assistant", "user", "assistant", "system", "tool"]),
                st.sampled_from(["x", "あ", "word ", "山。"]),
                st.integers(1, max_length) | st.integers(1, 40),
            ),
            max_size=max_turns,
        )
    )
    return [
        said(number, role, (unit * length)[:length], timed=timed)
        for number, (role, unit, length) in enumerate(turns)
    ]


@st.composite
def notes(draw: st.DrawFn) -> Document:
    lengths = draw(st.lists(st.integers(1, 2_000) | st.integers(1, 60), max_size=12))
    entries = [
        Entry(f"{number:032x}", "daily", ("- Q: what... " * length)[:length])
        for number, length in enumerate(lengths)
    ]
    return document(entries, "daily", date=draw(st.sampled_from([None, "2026-11-22"])))


DOCUMENTS = conversations().map(document) | notes()


def first(whole: Document, count: int) -> Document:
    return document(whole.entries[:count], whole.kind, date=whole.date)


@given(DOCUMENTS)
def test_appending_an_entry_changes_no_chunk_but_those_of_the_last_exchange(whole: Document) -> None:
    cuts = chunker(64)
    grown = [marks(cuts.chunks(first(whole, count))) for count in range(1, len(whole.entries) + 1)]
    for count, (shorter, longer) in enumerate(pairwise(grown), 1):
        gone = [chunk for mark, chunk in shorter.items() if mark not in longer]
        last = cuts.eligible(first(whole, count))
        assert all(chunk.members[-1] == last[-1].id for chunk in gone)
        assert len({chunk.members for chunk in gone}) <= 1


@given(st.lists(st.tuples(st.sampled_from("ab"), st.sampled_from([None, "Mika", "Ken"])), max_size=6))
def test_not_even_a_repeated_message_under_another_name_changes_an_earlier_chunk(turns: list[Any]) -> None:
    entries = [
        entry
        for text, name in turns
        for entry in (Entry(text * 32, "user", text, label=name), Entry("c" * 32, "assistant", "yes"))
    ]
    for count in range(len(turns)):
        shorter = chunker().chunks(document(entries[: 2 * count]))
        longer = chunker().chunks(document(entries[: 2 * count + 2]))
        assert marks(shorter).keys() <= marks(longer).keys()


def embedded_while_growing(whole: Document, puts: Sequence[int], cuts: Chunker) -> int:
    """Return the tokens embedded when the document is saved at each of these lengths."""
    spent, held = 0, marks(())
    for count in puts:
        now = marks(cuts.chunks(first(whole, count)))
        spent += tokens([chunk for mark, chunk in now.items() if mark not in held])
        held = now
    return spent


@given(DOCUMENTS, st.sampled_from([64, 256, 1024]))
def test_growing_message_by_message_embeds_at_most_half_as_much_again(
    whole: Document, max_tokens: int
) -> None:
    cuts = chunker(max_tokens)
    final = tokens(cuts.chunks(whole))
    spent = embedded_while_growing(whole, range(1, len(whole.entries) + 1), cuts)
    assert final <= spent <= 1.5 * final


@given(st.lists(st.tuples(st.integers(1, 2_000), st.integers(1, 2_000)), max_size=10))
def test_growing_exchange_by_exchange_embeds_everything_once(exchanges: list[tuple[int, int]]) -> None:
    turns = [turn for ask, reply in exchanges for turn in (("user", "q" * ask), ("assistant", "山" * reply))]
    whole = document(conversation(*turns))
    spent = embedded_while_growing(whole, range(2, len(turns) + 1, 2), chunker())
    assert spent == tokens(chunker().chunks(whole))


@given(DOCUMENTS, st.sampled_from([64, 256]))
def test_no_chunk_is_over_budget(whole: Document, max_tokens: int) -> None:
    assert all(estimate_tokens(chunk.text) <= max_tokens for chunk in chunker(max_tokens).chunks(whole))


@given(DOCUMENTS)
def test_all_that_was_said_is_in_the_chunks_in_order(whole: Document) -> None:
    cuts = chunker(64)
    bodies = [chunk.text.removeprefix(header(whole, chunk)) for chunk in cuts.chunks(whole)]
    spoken = [
        entry.text if whole.kind == "daily" else f"{entry.role}: {entry.text}"
        for entry in cuts.eligible(whole)
    ]
    assert squeezed("".join(bodies)) == squeezed("".join(spoken))


def header(whole: Document, chunk: Chunk) -> str:
    words = [whole.kind] if whole.kind != "session" else []
    date = whole.date or (chunk.created_at.date().isoformat() if chunk.created_at else None)
    found = f"[{' '.join([*words, *([date] if date else [])])}]\n"
    return found if found != "[]\n" else ""


MIXED = st.lists(
    st.sampled_from(
        [
            *"abc. \n#-`|1é、山🦊\t\u2028",
            "word ",
            "文。",
            "\n\n",
            "```",
            "か\u3099",
            "葛\U000e0100",
            "e\u0301",
        ]
    ),
    max_size=400,
).map("".join)


@given(MIXED)
def test_the_real_splitter_loses_nothing(text: str) -> None:
    assume(text.strip())
    chunks = chunker(64, split_markdown).chunks(document([said(0, "user", text)]))
    bodies = "".join(chunk.text.removeprefix("[2026-11-22]\n") for chunk in chunks)
    assert squeezed(bodies) == squeezed(f"user: {text}")


@pytest.mark.parametrize("bullet", ["- ", "* ", "12. "])
def test_a_bullet_cut_off_from_its_item_is_no_chunk(bullet: str) -> None:
    def behind_the_bullet(text: str, _: int) -> list[str]:
        return [text[: len(bullet)], text[len(bullet) :]]

    item = Entry("a", "long_term", bullet + "word " * 200)
    chunks = chunker(64, behind_the_bullet).chunks(document([item], "long_term"))
    assert [chunk.text.partition("\n")[2].strip() for chunk in chunks] == [("word " * 200).strip()]


# The header "[2026-11-22]\n" is estimated at 4 tokens and is never more than its 13 characters; a mark that is kept
# with its letter is never more than its 4 bytes.
MARGIN = (13 - 4) + 4


@given(MIXED.map(lambda text: text * 3))
def test_pieces_of_the_real_splitter_hold_the_budget_in_real_tokens(text: str) -> None:
    chunks = chunker(64, split_markdown).chunks(document([said(0, "user", text + "x" * 600)]))
    assert len(chunks) > 1
    for chunk in chunks:
        assert len(split_markdown(chunk.text, 64 + MARGIN)) == 1


FAMILY = "👨\u200d👩\u200d👧\u200d👦"
GRAPHEMES = [FAMILY, "e\u0301", "か\u3099", "🇯🇵", "👍🏽", "☂\ufe0f", "葛\U000e0100", "a", "山"]


@given(st.lists(st.sampled_from(GRAPHEMES), min_size=40, max_size=200))
def test_no_chunk_begins_inside_a_character(graphemes: list[str]) -> None:
    chunks = chunker(64, split_markdown).chunks(document([said(0, "user", "".join(graphemes))]))
    joined = "".join(chunk.text.removeprefix("[2026-11-22]\n") for chunk in chunks)
    assert joined == "user: " + "".join(graphemes)
    starts = {len("user: ") + sum(map(len, graphemes[:count])) for count in range(len(graphemes) + 1)}
    begin = 0
    for chunk in chunks[:-1]:
        begin += len(chunk.text.removeprefix("[2026-11-22]\n"))
        assert begin in starts or begin < len("user: ")
        assert not unicodedata.combining(joined[begin])


def test_a_short_question_joins_its_longer_answer() -> None:
    turns = (("user", "When does it ship?"), ("assistant", "On Friday, by sea, " * 10))
    [chunk] = chunker().chunks(document(conversation(*turns)))
    assert chunk.text.startswith("[2026-11-22]\nuser: When does it ship?\nassistant: On Friday")
    assert chunk.metadata["roles"] == ["assistant", "user"]
    assert chunk.created_at == START


def test_a_long_question_stands_by_itself() -> None:
    turns = (("user", "Let me explain first. " * 10), ("assistant", "Go on."))
    assert [len(chunk.members) for chunk in chunker().chunks(document(conversation(*turns)))] == [1, 1]


def test_a_question_does_not_join_an_answer_that_has_to_be_cut() -> None:
    turns = (("user", "Why?"), ("assistant", "Because of it. " * 40))
    chunks = chunker(64).chunks(document(conversation(*turns)))
    assert len(chunks) > 2
    assert {len(chunk.members) for chunk in chunks} == {1}


def test_a_new_question_begins_a_new_chunk() -> None:
    answer = "a long and patient answer " * 5
    turns = (("user", "one?"), ("assistant", answer), ("user", "two?"), ("assistant", answer))
    whole = document(conversation(*turns))
    assert [chunk.members for chunk in chunker().chunks(whole)] == [
        (whole.entries[0].id, whole.entries[1].id),
        (whole.entries[2].id, whole.entries[3].id),
    ]


def test_without_a_timestamp_no_date_is_made_up() -> None:
    [chunk] = chunker().chunks(document([said(0, "user", "hello", timed=False)]))
    assert chunk.text == "user: hello"
    assert chunk.created_at is None
    assert chunk.metadata["date"] is None


def test_a_notes_header_names_its_kind_and_day() -> None:
    block = Entry("0" * 32, "daily", "- Q: when → A: Friday")
    [dated] = chunker().chunks(document([block], "daily", date="2026-11-22"))
    [undated] = chunker().chunks(
        document([Entry("0" * 32, "long_term", "likes soba", label="Food")], "long_term")
    )
    assert dated.text == "[daily 2026-11-22]\n- Q: when → A: Friday"
    assert undated.text == "[long-term]\nFood: likes soba"


def test_a_speakers_name_stands_in_for_the_role() -> None:
    [chunk] = chunker().chunks(document([Entry("0" * 32, "user", "hello", label="Mika")]))
    assert chunk.text == "Mika: hello"


def test_excluded_roles_are_left_out_and_part_no_exchange() -> None:
    turns = (
        ("system", "secret prompt"),
        ("user", "hi?"),
        ("tool", "{}"),
        ("assistant", "a longer reply " * 3),
    )
    [chunk] = chunker().chunks(document(conversation(*turns)))
    assert chunk.text == "[2026-11-22]\nuser: hi?\nassistant: " + "a longer reply " * 3


def test_an_exchange_repeated_word_for_word_is_one_chunk() -> None:
    exchange = [said(0, "user", "ping", timed=False), said(1, "assistant", "pong " * 20, timed=False)]
    assert len(chunker().chunks(document(exchange * 3))) == 1


def test_entries_to_be_left_out_are_left_out() -> None:
    whole = document(conversation(("user", "one"), ("assistant", "two")))
    chunks = chunker().chunks(whole, frozenset({whole.entries[0].id}))
    assert [chunk.members for chunk in chunks] == [(whole.entries[1].id,)]


def test_parts_of_a_long_message_share_their_members_and_differ_in_id() -> None:
    chunks = chunker(64).chunks(document([said(0, "user", "x" * 1_000)]))
    assert [chunk.metadata["part"] for chunk in chunks] == list(range(len(chunks)))
    assert len(chunks) > 1
    assert len({chunk.id for chunk in chunks}) == len(chunks)
    assert len({chunk.members for chunk in chunks}) == 1


@pytest.mark.parametrize(
    "other",
    [
        {"tenant_id": "bravo"},
        {"key": ItemKey("archive", "tenant_id", "acme", "session_key", "chat:1")},
        {"key": ItemKey("sessions", "tenant_id", "acme", "session_key", "chat:2")},
        {"key": ItemKey("sessions", "tenant_id", "bravo", "session_key", "chat:1")},
    ],
)
def test_ids_differ_between_tenants_tables_and_keys(other: dict[str, Any]) -> None:
    entries = [said(0, "user", "the same words")]
    [one], [two] = chunker().chunks(document(entries)), chunker().chunks(document(entries, **other))
    assert one.id != two.id


@given(st.tuples(st.text(), st.text(), st.text()), st.tuples(st.text(), st.text(), st.text()))
def test_ids_never_meet_whatever_the_keys_contain(one: tuple[str, ...], two: tuple[str, ...]) -> None:
    def chunk_of(tenant_id: str, table: str, name: str) -> Chunk:
        key = ItemKey(table, "tenant_id", tenant_id, "session_key", name)
        [chunk] = chunker().chunks(document([said(0, "user", "x")], key=key, tenant_id=tenant_id))
        return chunk

    assert (chunk_of(*one).id == chunk_of(*two).id) == (one == two)


def test_the_fingerprint_changes_with_text_and_space_and_not_with_the_user() -> None:
    entries = [said(0, "user", "hello")]
    base = chunker().chunks(document(entries))[0]
    again = chunker().chunks(document(entries))[0]
    user = chunker().chunks(document(entries, user_id="ken"))[0]
    space = chunker(space=EmbeddingSpace("none", 9)).chunks(document(entries))[0]
    model = chunker(space=EmbeddingSpace("other", 8)).chunks(document(entries))[0]
    named = chunker().chunks(document([Entry(entries[0].id, "user", "hello", START, "Mika")]))[0]
    assert again == base
    assert user.fingerprint == base.fingerprint
    assert len({chunk.fingerprint for chunk in (base, space, model, named)}) == 4
    assert len({chunk.id for chunk in (base, user, space, model, named)}) == 1


def test_when_an_item_was_updated_makes_no_difference(layouts: Layouts, session_item: Any) -> None:
    first, second = (
        layouts.parse(
            "sessions", session_item(("user", "hi"), updated_at=f"2026-11-{day}T00:00:00Z", ttl="1")
        )
        for day in (21, 22)
    )
    assert first
    assert second
    [one], [other] = chunker().chunks(first), chunker().chunks(second)
    assert (one.id, one.text, one.fingerprint) == (other.id, other.text, other.fingerprint)


def test_a_document_that_says_nothing_has_no_chunks() -> None:
    assert chunker().chunks(document([])) == ()
    assert chunker().chunks(document([said(0, "system", "prompt")])) == ()
