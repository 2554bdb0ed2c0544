import json
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pipeline.errors import MalformedItemError
from pipeline.settings import DEFAULT_ATTRIBUTE_NAMES
from pipeline.source.documents import EntryHasher
from pipeline.source.layouts import Item, Layouts, read_time
from pipeline.source.messages import read_message
from pipeline.source.notes import markdown_blocks

JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters()),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)
MESSAGES = st.fixed_dictionaries(
    {}, optional={"role": JSON_VALUES, "content": JSON_VALUES, "timestamp": JSON_VALUES, "name": JSON_VALUES}
)


def strings(**values: str) -> Item:
    return {name: {"S": value} for name, value in values.items()}


@pytest.mark.parametrize(
    ("item", "expected"),
    [
        (
            strings(tenant_id="acme", session_key="slack:42", user_id="mika", messages="[]"),
            ("session", "acme", "mika", None),
        ),
        (
            strings(tenant_id="acme", session_key="slack:42", messages="[]"),
            ("session", "acme", "acme", None),
        ),
        (
            strings(tenant_id="acme", session_key="memory:long_term", content="x"),
            ("long_term", "acme", "acme", None),
        ),
        (
            strings(tenant_id="acme", session_key="memory:daily:2026-11-22", content="x"),
            ("daily", "acme", "acme", "2026-11-22"),
        ),
        (
            strings(tenant_id="acme", sk="memory:long_term", content="x", user_id="ken"),
            ("long_term", "acme", "ken", None),
        ),
        (
            strings(tenant_id="acme", sk="memory:daily:2026-11-22", content="x"),
            ("daily", "acme", "acme", "2026-11-22"),
        ),
        (
            strings(tenant_id="acme", sk="memory:summary:2026-11-22", content="x"),
            ("summary", "acme", "acme", "2026-11-22"),
        ),
        (strings(pk="MEMORY#mika", sk="LONG_TERM", content="x"), ("long_term", "mika", "mika", None)),
        (
            strings(pk="MEMORY#mika", sk="DAILY#2026-11-22", content="x"),
            ("daily", "mika", "mika", "2026-11-22"),
        ),
        (
            strings(pk="MEMORY#mika", sk="SUMMARY#week-47", content="x"),
            ("summary", "mika", "mika", None),
        ),
        (strings(pk="MEMORY#a#b", sk="LONG_TERM", content="x"), ("long_term", "a#b", "a#b", None)),
    ],
)
def test_every_layout_says_kind_tenant_user_and_date(layouts: Layouts, item: Item, expected: object) -> None:
    document = layouts.parse("t", item)
    assert document
    assert (document.kind, document.tenant_id, document.user_id, document.date) == expected


@pytest.mark.parametrize(
    "item",
    [
        {
            **strings(tenant_id="MEMORY#mika", session_key="memory:long_term", content="x"),
            "embedding": {"B": b""},
        },
        strings(tenant_id="MEMORY#mika", session_key="anything", messages="[]"),
        strings(tenant_id="MEMORY#mika", sk="memory:long_term", content="x"),
        strings(pk="SYNC#mika", sk="LONG_TERM", content="x"),
        strings(pk="APIKEY#mika", sk="DAILY#2026-11-22", content="x"),
        strings(pk="AUTH#mika", sk="LONG_TERM", content="x"),
        strings(pk="PERSONALITY#mika", sk="LONG_TERM", content="x"),
        strings(pk="MEMORY#mika", sk="PERSONALITY#main", content="x"),
        strings(pk="MEMORY#", sk="LONG_TERM", content="x"),
        strings(tenant_id="acme", session_key="memory:unknown", content="x"),
        strings(tenant_id="acme", sk="settings", content="x"),
        strings(tenant_id="acme", session_key="chat:1", note="no messages were ever saved"),
        {"tenant_id": {"B": b"1"}, "session_key": {"S": "chat:1"}, "messages": {"S": "[]"}},
        {},
    ],
)
def test_an_item_that_is_not_memory_is_left_alone(layouts: Layouts, item: Item) -> None:
    assert layouts.parse("t", item) is None


def test_an_items_other_attributes_never_change_what_its_key_says(layouts: Layouts) -> None:
    key = strings(tenant_id="acme", sk="memory:daily:2026-11-22")
    item = {**key, **strings(content="- written in a chat", session_key="slack:42")}
    document = layouts.parse("memory", item, key)
    assert document
    assert (document.kind, document.key.range_value) == ("daily", "memory:daily:2026-11-22")


def test_attributes_may_have_other_names() -> None:
    names = {
        **DEFAULT_ATTRIBUTE_NAMES,
        "tenant_id": "org",
        "session_key": "chat",
        "messages": "turns",
        "user_id": "who",
    }
    renamed = Layouts(names, EntryHasher(b"k"))
    item = strings(org="acme", chat="1", who="mika", turns='[{"role": "user", "content": "hello"}]')
    document = renamed.parse("t", item)
    assert document
    assert (document.tenant_id, document.user_id, document.name) == ("acme", "mika", "1")
    assert [entry.text for entry in document.entries] == ["hello"]
    assert document.key.to_dynamodb() == {"org": {"S": "acme"}, "chat": {"S": "1"}}


@pytest.mark.parametrize(
    "attribute",
    [
        {"S": '[{"role": "user", "content": "canary'},
        {"S": '{"role": "user", "content": "canary"}'},
        {"S": '"canary"'},
        {"S": "null"},
        {"S": "[" * 100_000},
        {"S": '[{"timestamp": ' + "[" * 100_000},
        {"S": "[" + "9" * 5_000 + "]"},
        {"M": {"text": {"S": "canary"}}},
        {"L": [{"X": "canary"}]},
        {"N": "7"},
        {"NULL": True},
        {},
    ],
    ids=lambda attribute: str(attribute)[:30],
)
def test_messages_of_another_shape_are_malformed_and_not_quoted(layouts: Layouts, attribute: Any) -> None:
    with pytest.raises(MalformedItemError) as caught:
        layouts.parse("t", {**strings(tenant_id="acme", session_key="chat:1"), "messages": attribute})
    assert "canary" not in str(caught.value)


@pytest.mark.parametrize("attributes", [{}, {"content": {"L": []}}, {"content": {"NULL": True}}])
def test_a_note_without_text_content_is_malformed(layouts: Layouts, attributes: Any) -> None:
    with pytest.raises(MalformedItemError, match="content"):
        layouts.parse("t", {**strings(pk="MEMORY#mika", sk="LONG_TERM"), **attributes})


def nested(depth: int) -> str:
    return "[" * depth + "]" * depth


def test_a_timestamp_nested_to_any_depth_parses_or_is_malformed(layouts: Layouts) -> None:
    base = strings(tenant_id="acme", session_key="chat:1")
    for depth in range(sys.getrecursionlimit() - 200, sys.getrecursionlimit() + 20):
        text = '[{"role": "user", "content": "hi", "timestamp": ' + nested(depth) + "}]"
        try:
            layouts.parse("t", {**base, "messages": {"S": text}})
        except MalformedItemError:
            continue


@given(st.lists(MESSAGES | JSON_VALUES, max_size=6) | JSON_VALUES)
@example([{"role": "user", "content": "\ud800\x00"}])
@example([{"content": "x", "timestamp": 10**400}])
@example([{"content": "x", "timestamp": float("nan")}])
def test_any_json_as_messages_parses_or_is_malformed(layouts: Layouts, value: Any) -> None:
    item = {**strings(tenant_id="acme", session_key="chat:1"), "messages": {"S": json.dumps(value)}}
    try:
        document = layouts.parse("t", item)
    except MalformedItemError:
        assert not isinstance(value, list)
        return
    assert document
    for entry in document.entries:
        texts = [entry.text, entry.role, entry.label or ""]
        assert entry.text.strip()
        assert b"\x00" not in "".join(texts).encode()


@given(st.text(st.characters()))
def test_any_text_as_messages_parses_or_is_malformed(layouts: Layouts, text: str) -> None:
    item = {**strings(tenant_id="acme", session_key="chat:1"), "messages": {"S": text}}
    try:
        document = layouts.parse("t", item)
    except MalformedItemError:
        return
    assert document
    assert all("\x00" not in entry.text for entry in document.entries)


def test_an_unstorable_character_becomes_the_replacement_character(session: Callable[..., Any]) -> None:
    document = session({"role": "user", "content": "a\x00b\ud800c"})
    assert [entry.text for entry in document.entries] == ["a\ufffdb\ufffdc"]


def test_an_item_of_dynamodbs_full_size_parses(session: Callable[..., Any]) -> None:
    document = session(*[("user", f"{number} " + "x" * 100) for number in range(3_000)])
    assert len(document.entries) == 3_000


def test_messages_that_say_nothing_are_no_entries(session: Callable[..., Any]) -> None:
    document = session(
        None, 7, "text", ["role"], {}, {"role": "user"}, {"content": None}, {"content": ""}, {"content": " \n"},
        {"content": True}, {"content": []}, {"content": {"widget": "x"}}, {"content": [{"image": "x"}]},
    )  # fmt: skip
    assert document.entries == ()
    assert document.unreadable == 5  # a number, a word, a list, a truth value, a widget


@pytest.mark.parametrize("empty", ["", "  ", "[]"])
def test_a_cleared_session_is_a_document_without_entries(layouts: Layouts, empty: str) -> None:
    document = layouts.parse("t", strings(tenant_id="acme", session_key="chat:1", messages=empty))
    assert document
    assert document.entries == ()


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ("plain", "plain"),
        (42, "42"),
        (1.5, "1.5"),
        ([{"type": "text", "text": "one"}, {"type": "image_url"}, "two", 3, None], "one\ntwo"),
        ({"type": "text", "text": "one"}, "one"),
    ],
)
def test_content_becomes_the_text_a_reader_would_expect(content: object, text: str) -> None:
    assert read_message({"role": "user", "content": content}).text == text


def test_a_role_that_is_no_string_is_a_users(session: Callable[..., Any]) -> None:
    document = session({"content": "a"}, {"role": 7, "content": "b"}, ("assistant", "c"))
    assert [entry.role for entry in document.entries] == ["user", "user", "assistant"]


def test_a_speakers_name_is_one_short_line(session: Callable[..., Any]) -> None:
    document = session(
        {"content": "a", "name": " Mika \n Sato "},
        {"content": "b", "name": "n" * 200},
        {"content": "c", "name": " "},
    )
    assert [entry.label for entry in document.entries] == ["Mika Sato", "n" * 80, None]


def test_an_entry_is_named_by_role_and_normalised_text_alone(session: Callable[..., Any]) -> None:
    base = {"role": "user", "content": "hi", "timestamp": "2026-11-22T10:00:00Z"}
    same = [
        base,
        {**base, "channel": "slack"},
        {**base, "name": "Mika"},
        {**base, "timestamp": 1_700_000_000},
        {**base, "content": " hi\n"},
        ("user", "hi"),
    ]
    others = [
        {**base, "role": "assistant"},
        {**base, "content": "ho"},
    ]
    assert len({entry.id for entry in session(*same).entries}) == 1
    assert len({entry.id for entry in session(base, *others).entries}) == 3


def test_repeated_messages_are_repeated_entries(session: Callable[..., Any]) -> None:
    first, second = session(("user", "ok"), ("user", "ok")).entries
    assert first == second


def test_another_key_names_every_entry_anew(layouts: Layouts, session_item: Callable[..., Item]) -> None:
    item = session_item(("user", "hi"))
    other = Layouts(DEFAULT_ATTRIBUTE_NAMES, EntryHasher(b"another secret"))
    ours, theirs = layouts.parse("t", item), other.parse("t", item)
    assert ours
    assert theirs
    assert ours.entries[0].id != theirs.entries[0].id


NOVEMBER = datetime(2023, 11, 14, 22, 13, 20, tzinfo=UTC)  # 1 700 000 000 seconds after 1970


@pytest.mark.parametrize(
    ("stamp", "time"),
    [
        (1_700_000_000, NOVEMBER),
        (1_700_000_000_000, NOVEMBER),
        (1_700_000_000.5, NOVEMBER + timedelta(seconds=0.5)),
        ("2023-11-14T22:13:20Z", NOVEMBER),
        ("2023-11-15T07:13:20+09:00", NOVEMBER),
        (" 2023-11-14T22:13:20 ", NOVEMBER),
        ("2023-11-14T22:13:20.123456789Z", NOVEMBER + timedelta(microseconds=123_456)),
        ("2023-11-14", datetime(2023, 11, 14, tzinfo=UTC)),
        (1_700_000_000_000_000_000, NOVEMBER),
        ("1700000000000", NOVEMBER),
        ("20231114", datetime(2023, 11, 14, tzinfo=UTC)),
        (7, None),
        ("yesterday", None),
        ("", None),
        ("2023-13-45T00:00:00Z", None),
        (float("nan"), None),
        (float("inf"), None),
        (-1e300, None),
        (10**400, None),
        (True, None),
        (None, None),
        ([], None),
    ],
)  # fmt: skip
def test_a_timestamp_is_read_if_it_names_a_moment(stamp: object, time: datetime | None) -> None:
    assert read_time(stamp) == time


def test_the_date_of_a_message_is_the_writers_own() -> None:
    time = read_time("2026-11-22T01:00:00+09:00")
    assert time
    assert time.tzinfo == timezone(timedelta(hours=9))
    assert time.date().isoformat() == "2026-11-22"


def test_a_daily_log_becomes_one_entry_a_line(layouts: Layouts) -> None:
    content = "# 2026-11-22\n\n- Q: when... → A: Friday...\n- Q: 何時... → A: 3時...\n"
    document = layouts.parse("t", strings(pk="MEMORY#mika", sk="DAILY#2026-11-22", content=content))
    assert document
    assert [(entry.role, entry.label, entry.text) for entry in document.entries] == [
        ("daily", None, "- Q: when... → A: Friday..."),
        ("daily", None, "- Q: 何時... → A: 3時..."),
    ]


def test_a_notes_block_carries_its_heading(layouts: Layouts) -> None:
    content = "intro\n\n## Food\n- likes soba\n\n## 旅行\n京都へ\n行きたい"
    document = layouts.parse("t", strings(tenant_id="acme", sk="memory:long_term", content=content))
    assert document
    assert [(entry.label, entry.text) for entry in document.entries] == [
        (None, "intro"),
        ("Food", "- likes soba"),
        ("旅行", "京都へ\n行きたい"),
    ]


def test_a_fence_ends_only_where_its_own_kind_of_fence_closes_it() -> None:
    fence = "````\n```\n# not a heading\n~~~\n- not an item\n\n````"
    assert [block for _, block in markdown_blocks(f"before\n\n{fence}\n\nafter")] == [
        "before",
        fence,
        "after",
    ]


def test_code_within_a_line_opens_no_fence() -> None:
    assert list(markdown_blocks("```x``` is code\n\n# Title\n- item")) == [
        (None, "```x``` is code"),
        ("Title", "- item"),
    ]


WORDS = st.text(st.sampled_from("abc あ山。:.,"), min_size=1, max_size=12).map(str.strip).filter(bool)
FENCED = st.lists(WORDS | st.sampled_from(["# x", "- y", "", "  indented"]), max_size=5).map(
    lambda lines: ("fence", "\n".join(["```", *lines, "```"]))
)
PARTS = st.one_of(
    WORDS.map(lambda words: ("heading", words)),
    WORDS.map(lambda words: ("text", words)),
    WORDS.map(lambda words: ("text", f"- {words}")),
    FENCED,
)


@given(st.lists(PARTS, max_size=8))
def test_blocks_hold_all_text_in_order_and_fences_whole(parts: list[tuple[str, str]]) -> None:
    note = "\n\n".join(f"# {text}" if kind == "heading" else text for kind, text in parts)
    blocks = [block for _, block in markdown_blocks(note)]
    assert blocks == [text for kind, text in parts if kind != "heading"]


@given(st.text(st.sampled_from("ab #-`~\n\t1.。\u2028")))
def test_no_text_is_lost_whatever_the_markdown(note: str) -> None:
    lines = [line for line in note.splitlines() if not line.startswith("#")]
    found = "".join("".join(block.split()) for _, block in markdown_blocks(note))
    wanted = iter(found)
    assert all(letter in wanted for letter in "".join("".join(lines).split()))
