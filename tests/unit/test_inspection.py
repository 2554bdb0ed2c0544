import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.local.inspection import Row, Said, compare, covered, said, squeezed

PIECES = st.lists(st.text("abc", min_size=1, max_size=12), min_size=1, max_size=6)


@given(PIECES)
def test_a_text_cut_into_pieces_is_covered_in_whatever_order(pieces: list[str]) -> None:
    assert covered("".join(pieces), pieces)
    assert covered("".join(pieces), pieces[::-1])


@given(PIECES, st.text("xyz", max_size=8))
def test_pieces_inside_longer_chunks_cover_as_well(pieces: list[str], prefix: str) -> None:
    assert covered("".join(pieces), [f"{prefix}:{pieces[0]}", *pieces[1:]]) or len(pieces[0]) < 8


@given(st.lists(st.sampled_from("abcdefgh"), unique=True, min_size=2), st.data())
def test_a_text_with_a_piece_missing_is_not(letters: list[str], data: st.DataObject) -> None:
    pieces = [letter * data.draw(st.integers(1, 20)) for letter in letters]
    missing = data.draw(st.integers(0, len(pieces) - 1))
    assert not covered("".join(pieces), pieces[:missing] + pieces[missing + 1 :])


@given(st.text("ab", min_size=1, max_size=10), st.lists(st.text("ab", min_size=1, max_size=6), max_size=4))
def test_covered_text_can_be_spelled_from_the_chunks(text: str, chunks: list[str]) -> None:
    if covered(text, chunks):
        assert set(text) <= set("".join(chunks))


def test_a_piece_of_another_chunk_never_misleads() -> None:
    assert covered("abcab", ["a", "bc", "ab"])
    first, second, third = "the quick brown fox ", "jumps over ", "the lazy dog, again and again"
    misleading = f"elsewhere {first}{second[:3]}"
    assert covered(first + second + third, [first, second, third, misleading])


def test_nothing_covers_something_and_anything_covers_nothing() -> None:
    assert not covered("a", [])
    assert covered("", [])


@given(st.text(st.sampled_from("ab \n\t　山")))
def test_squeezing_takes_white_space_alone(text: str) -> None:
    assert squeezed(text) == "".join(text.split())


WANTED = [
    Said("acme", "mika", "chat:1", "when does it ship?"),
    Said("acme", "mika", "chat:1", "on  Friday\n"),
]
ROWS = [
    Row("acme", "mika", "chat:1", "[2026-11-22]\nuser: when does it ship?\nassistant: on Friday"),
]


def test_stored_messages_have_no_differences() -> None:
    differences = compare(WANTED, ROWS)
    assert (differences.missing, differences.extra) == ([], [])


@pytest.mark.parametrize(
    "row",
    [
        Row("bravo", "mika", "chat:1", ROWS[0].content),
        Row("acme", "ken", "chat:1", ROWS[0].content),
        Row("acme", "mika", "chat:2", ROWS[0].content),
        Row("acme", "mika", "chat:1", "user: something nobody said"),
    ],
)
def test_a_row_under_another_name_is_extra_and_leaves_its_text_missing(row: Row) -> None:
    assert compare(WANTED, [row]).extra == [row]
    assert compare(WANTED, [row]).missing == WANTED
    assert compare(WANTED, [*ROWS, row]).extra == [row]


def test_a_piece_of_a_long_message_is_accounted_for() -> None:
    wanted = [Said("acme", "mika", "chat:1", "one two three four five six")]
    rows = [
        Row("acme", "mika", "chat:1", "user: one two three"),
        Row("acme", "mika", "chat:1", " four five six"),
    ]
    differences = compare(wanted, rows)
    assert (differences.missing, differences.extra) == ([], [])
    assert compare(wanted, rows[:1]).missing == wanted


def item(**strings: str) -> dict[str, Any]:
    return {name: {"S": value} for name, value in strings.items()}


def test_items_say_what_users_and_assistants_said_and_what_notes_hold() -> None:
    messages = [
        {"role": "system", "content": "prompt"},
        {"role": "user", "content": "hello"},
        {"role": "assistant", "content": " "},
        {"role": "tool", "content": "{}"},
        {"role": "assistant", "content": ["parts"]},
        {"role": "assistant", "content": "hi"},
    ]
    items = [
        item(tenant_id="acme", session_key="chat:1", user_id="mika", messages=json.dumps(messages)),
        item(tenant_id="acme", session_key="chat:2", messages="[broken"),
        item(pk="MEMORY#ken", sk="LONG_TERM", content="# Title\n- soba\n\n- tea"),
        {"tenant_id": {"S": "acme"}, "session_key": {"S": "x"}, "n": {"N": "1"}},
    ]
    assert list(said(iter(items))) == [
        Said("acme", "mika", "chat:1", "hello"),
        Said("acme", "mika", "chat:1", "parts"),
        Said("acme", "mika", "chat:1", "hi"),
        Said("ken", "ken", "LONG_TERM", "- soba"),
        Said("ken", "ken", "LONG_TERM", "- tea"),
    ]


@pytest.mark.parametrize("messages", ['[null, 7, "text", []]', "null", "7", '{"role": "user"}'])
def test_items_of_odd_shapes_say_nothing(messages: str) -> None:
    assert list(said(iter([item(tenant_id="acme", session_key="chat:1", messages=messages)]))) == []
