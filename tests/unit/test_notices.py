import itertools
import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from pipeline.errors import MalformedItemError, MalformedNoticeError, PermanentError
from pipeline.ingest.notices import MAX_FACT_ENTRIES, Notice, coalesce, decode, encode
from pipeline.source.layouts import Address, Layouts
from pipeline.source.transitions import ForgetFact

Build = Callable[..., Notice]

NAMES = st.text(st.characters(exclude_characters="\x00", exclude_categories=["Cs"]), min_size=1)
KEYS = (
    st.builds(lambda a, b: {"tenant_id": {"S": a}, "session_key": {"S": b}}, NAMES, NAMES)
    | st.builds(lambda a: {"tenant_id": {"S": a}, "sk": {"S": "memory:long_term"}}, NAMES)
    | st.builds(lambda a: {"pk": {"S": f"MEMORY#{a}"}, "sk": {"S": "DAILY#2026-11-22"}}, NAMES)
)
POSITIONS = st.just("") | st.integers(0, 10**40 - 1).map("2026-11-22T00:00:00.000/{:040}".format)
TIMES = st.floats(0, 4e9)
ENTRIES = st.none() | st.frozensets(st.text("0123456789abcdef", min_size=32, max_size=32), max_size=4)
FACTS = st.lists(st.builds(ForgetFact, POSITIONS, ENTRIES), max_size=3).map(tuple)
JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters()),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)


OPTIONAL_TIMES = st.none() | TIMES
DOUBTS = st.frozensets(st.uuids().map(str), max_size=3)


@given(
    NAMES,
    KEYS,
    st.tuples(
        POSITIONS, FACTS, OPTIONAL_TIMES, OPTIONAL_TIMES, DOUBTS, st.booleans(), TIMES, st.integers(0, 1_000)
    ),
)
def test_a_notice_survives_the_queue(layouts: Layouts, table: str, key: Any, fields: Any) -> None:
    address = layouts.address(table, key)
    assume(address)  # not a tenant called MEMORY#…
    assert address
    notice = Notice(address, *fields)
    assert decode(encode(notice), layouts) == notice


def test_a_notice_holds_what_its_page_says(notice_of: Build) -> None:
    notice = notice_of(
        "slack:42",
        "p/1",
        ForgetFact("p/1", frozenset("ba")),
        ForgetFact("p/0"),
        saved_at=1.5,
        first_sent_at=2.5,
    )
    assert json.loads(encode(notice)) == {
        "v": 1,
        "table": "sessions",
        "key": {"tenant_id": {"S": "acme"}, "session_key": {"S": "slack:42"}},
        "position": "p/1",
        "facts": [{"position": "p/1", "entries": ["a", "b"]}, {"position": "p/0", "entries": None}],
        "saved_at": 1.5,
        "created_at": None,
        "doubts": [],
        "look": False,
        "first_sent_at": 2.5,
        "attempts": 0,
    }


def test_more_removed_entries_than_a_message_holds_become_all(layouts: Layouts, notice_of: Build) -> None:
    entries = [f"{number:032x}" for number in range(MAX_FACT_ENTRIES + 1)]
    most = notice_of("chat:1", "1", ForgetFact("1", frozenset(entries[1:])))
    more = notice_of("chat:1", "1", ForgetFact("1", frozenset(entries)))
    assert decode(encode(most), layouts) == most
    assert len(encode(most)) < 1_000_000
    assert decode(encode(more), layouts).facts == (ForgetFact("1", None),)


def test_removing_nothing_is_not_removing_everything(layouts: Layouts, notice_of: Build) -> None:
    notice = notice_of("chat:1", "1", ForgetFact("1", frozenset()))
    assert decode(encode(notice), layouts).facts == (ForgetFact("1", frozenset()),)


@pytest.mark.parametrize(
    "body",
    [
        "",
        "hello",
        "null",
        "7",
        "[]",
        "{}",
        '{"v": 1}',
        "[" * 100_000,
        '{"v": 2, "table": "t"}',
        "\x00",
        "\ud800",
    ],
    ids=lambda body: body[:12],
)
def test_garbage_is_no_notice(layouts: Layouts, body: str) -> None:
    with pytest.raises(MalformedNoticeError):
        decode(body, layouts)


@pytest.fixture(scope="session")
def body(notice_of: Build) -> dict[str, Any]:
    return dict(
        json.loads(encode(notice_of("chat:1", "p/1", ForgetFact("p/1"), saved_at=1.0, first_sent_at=1.0)))
    )


@pytest.mark.parametrize(
    "fault",
    [
        {"v": 2},
        {"table": None},
        {"table": ["sessions"]},
        {"key": None},
        {"key": {"tenant_id": "acme", "session_key": "chat:1"}},
        {"key": {"tenant_id": {"S": "MEMORY#mika"}, "session_key": {"S": "chat:1"}}},
        {"key": {"pk": {"S": "APIKEY#mika"}, "sk": {"S": "LONG_TERM"}}},
        {"facts": None},
        {"facts": [{}]},
        {"facts": [{"position": "1", "entries": 7}]},
        {"saved_at": "yesterday"},
        {"saved_at": 1e300},
        {"saved_at": float("nan")},
        {"first_sent_at": None},
        {"first_sent_at": float("nan")},
        {"attempts": float("inf")},
        {"attempts": None},
    ],
    ids=str,
)
def test_a_notice_with_one_wrong_field_is_none(layouts: Layouts, body: dict[str, Any], fault: Any) -> None:
    assert decode(json.dumps(body), layouts)
    with pytest.raises(MalformedNoticeError):
        decode(json.dumps(body | fault), layouts)


@pytest.mark.parametrize("value", ["a\x00b", "a\ud800b"], ids=["NUL", "surrogate"])
@pytest.mark.parametrize("name", ["tenant_id", "session_key"])
def test_a_key_that_no_store_holds_is_the_items_fault(
    layouts: Layouts, body: dict[str, Any], name: str, value: str
) -> None:
    faulty = body | {"key": body["key"] | {name: {"S": value}}}
    with pytest.raises(MalformedItemError):
        decode(json.dumps(faulty), layouts)


FIELDS = ["v", "table", "key", "position", "facts", "saved_at", "first_sent_at", "attempts"]


@given(st.dictionaries(st.sampled_from(FIELDS), JSON_VALUES, max_size=3))
@example({"attempts": float("inf")})
@example({"facts": "abc"})
@example({"position": "\x00"})
def test_whatever_the_fields_hold_a_body_decodes_or_is_permanently_refused(
    layouts: Layouts, body: dict[str, Any], faults: dict[str, Any]
) -> None:
    try:
        notice = decode(json.dumps(body | faults), layouts)
    except PermanentError:
        return
    encode(notice).encode()
    assert isinstance(hash(notice.address), int)
    assert "\x00" not in notice.position
    assert notice.put_off().attempts == notice.attempts + 1


@given(st.text(st.characters()))
def test_any_text_decodes_or_is_permanently_refused(layouts: Layouts, text: str) -> None:
    with pytest.raises(PermanentError):
        decode(text, layouts)


def test_refusals_do_not_quote_the_body(layouts: Layouts) -> None:
    with pytest.raises(MalformedNoticeError) as caught:
        decode('{"v": 1, "table": "canary"}', layouts)
    assert "canary" not in str(caught.value)


def test_putting_off_keeps_all_but_the_count(notice_of: Build) -> None:
    notice = notice_of("chat:1", "p/1", ForgetFact("p/1"), saved_at=1.0, first_sent_at=2.0, attempts=3)
    assert notice.put_off() == notice_of(
        "chat:1", "p/1", ForgetFact("p/1"), saved_at=1.0, first_sent_at=2.0, attempts=4
    )


def test_notices_of_one_item_become_one(notice_of: Build) -> None:
    one, two = ForgetFact("p/1", frozenset("a")), ForgetFact("p/2")
    merged = coalesce(
        [
            notice_of("chat:1", "p/1", one, saved_at=10.0, first_sent_at=11.0, attempts=2),
            notice_of("chat:2", "p/9"),
            notice_of("chat:1", "p/3", two, one, saved_at=30.0, first_sent_at=31.0),
            notice_of("chat:1", "p/2", saved_at=None, first_sent_at=21.0),
        ]
    )
    expected = notice_of("chat:1", "p/3", one, two, saved_at=30.0, first_sent_at=11.0, attempts=2)
    assert merged == {
        expected.address.key.source: expected,
        notice_of("chat:2").address.key.source: notice_of("chat:2", "p/9"),
    }


def test_items_of_two_tenants_never_become_one(notice_of: Build) -> None:
    assert len(coalesce([notice_of("chat:1"), notice_of("chat:1", tenant_id="bravo")])) == 2


@given(
    st.lists(
        st.tuples(
            POSITIONS, FACTS, OPTIONAL_TIMES, OPTIONAL_TIMES, DOUBTS, st.booleans(), TIMES, st.integers(0, 9)
        ),
        min_size=1,
        max_size=3,
    )
)
def test_the_order_of_arrival_makes_no_difference(notice_of: Build, rows: list[Any]) -> None:
    address: Address = notice_of().address
    results = {
        (
            merged.position,
            frozenset(merged.facts),
            merged.saved_at,
            merged.created_at,
            merged.doubts,
            merged.look,
            merged.first_sent_at,
            merged.attempts,
        )
        for order in itertools.permutations(rows)
        for merged in coalesce(Notice(address, *row) for row in order).values()
    }
    assert len(results) == 1


def test_a_look_without_a_position_is_not_lost_beside_a_notice_that_is_reflected(notice_of: Build) -> None:
    [merged] = coalesce([notice_of("chat:1", "p/1"), notice_of("chat:1")]).values()
    assert (merged.position, merged.look) == ("p/1", True)
    [merged] = coalesce([notice_of("chat:1", "p/1"), notice_of("chat:1", "p/2")]).values()
    assert not merged.look
