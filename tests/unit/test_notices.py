import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from pipeline.errors import MalformedItemError, MalformedNoticeError, PermanentError
from pipeline.ingest import notices
from pipeline.ingest.notices import MAX_BYTES, Notice, coalesce, decode_notice
from pipeline.source.layouts import Address, Layouts
from pipeline.source.transitions import Transition, merged, position

Build = Callable[..., Notice]

NAMES = st.text(st.characters(exclude_characters="\x00", exclude_categories=["Cs"]), min_size=1)
KEYS = (
    st.builds(lambda a, b: {"tenant_id": {"S": a}, "session_key": {"S": b}}, NAMES, NAMES)
    | st.builds(lambda a: {"tenant_id": {"S": a}, "sk": {"S": "memory:long_term"}}, NAMES)
    | st.builds(lambda a: {"pk": {"S": f"MEMORY#{a}"}, "sk": {"S": "DAILY#2026-11-22"}}, NAMES)
)
POSITIONS = st.just("") | st.integers(0, 10**40 - 1).map("2026-11-22T00:00:00.000/{:040}".format)
TIMES = st.floats(0, 4e9)
HASHES = st.text("0123456789abcdef", min_size=32, max_size=32)
COPIES = st.dictionaries(HASHES, st.tuples(st.integers(0, 9), st.integers(0, 9)), max_size=3)
OPTIONAL_TIMES = st.none() | TIMES
TRANSITIONS = st.lists(
    st.builds(
        Transition,
        position=POSITIONS,
        at=OPTIONAL_TIMES,
        event=st.sampled_from(["inserted", "modified", "expired", "deleted"]),
        reason=st.sampled_from(["", "capped", "cleared", "expired", "edited", "removed", "deleted"]),
        everything=st.booleans(),
        added=COPIES,
        added_at_tail=COPIES,
        gone=COPIES,
        owner_before=st.none() | HASHES,
        owner_after=st.none() | HASHES,
    ).map(lambda one: replace(one, said=dict.fromkeys((*one.added, *one.added_at_tail), (7.5,)))),
    max_size=3,
    unique_by=lambda transition: transition.position,
).map(tuple)
FIELDS_OF_A_NOTICE = st.tuples(
    POSITIONS,
    TRANSITIONS,
    OPTIONAL_TIMES,
    st.booleans(),
    st.booleans(),
    TIMES,
    st.integers(0, 1_000),
    st.booleans(),
)
JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters()),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)


def went(at: str, *names: str, **fields: Any) -> Transition:
    """A change at ``at`` that took texts away."""
    return Transition(at, 1.0, "modified", "edited", gone=dict.fromkeys(names, (1, 0)), **fields)


@given(NAMES, KEYS, FIELDS_OF_A_NOTICE)
def test_a_notice_survives_the_queue(layouts: Layouts, table: str, key: Any, fields: Any) -> None:
    address = layouts.address(table, key)
    assume(address)  # not a tenant called MEMORY#…
    assert address
    notice = Notice(address, *fields)
    assert decode_notice(notice.encode(), layouts) == notice


def test_a_notice_holds_what_its_page_says(notice_of: Build) -> None:
    came = Transition(
        "p/1", 3.0, "inserted", added_at_tail={"a": (0, 1)}, said={"a": (2.5,)}, owner_after="o"
    )
    notice = notice_of("slack:42", "p/1", came, saved_at=1.5, first_sent_at=2.5)
    assert json.loads(notice.encode()) == {
        "v": 2,
        "table": "sessions",
        "key": {"tenant_id": {"S": "acme"}, "session_key": {"S": "slack:42"}},
        "position": "p/1",
        "transitions": [
            {
                "position": "p/1",
                "at": 3.0,
                "event": "inserted",
                "reason": "",
                "everything": False,
                "added": {},
                "added_at_tail": {"a": [0, 1]},
                "gone": {},
                "said": {"a": [2.5]},
                "owner_before": None,
                "owner_after": "o",
            }
        ],
        "saved_at": 1.5,
        "force_read": False,
        "redact": False,
        "first_sent_at": 2.5,
        "attempts": 0,
        "capped": False,
    }


MESSAGES_OF_AN_ITEM = 8_300
"""A message of a short text and a time takes 48 bytes of DynamoDB's 400 KB."""


def came_and_went(names: Sequence[str], times: int) -> list[Transition]:
    """An item inserted and cleared, so often, within one batch of a stream."""
    copies, label = dict.fromkeys(names, (0, 1)), "2026-11-22T00:00:00.000"
    said = dict.fromkeys(names, (1790000000.123456,))
    return [
        each
        for number in range(0, 2 * times, 2)
        for each in (
            Transition(position(label, str(number)), 3.0, "inserted", added_at_tail=copies, said=said),
            went(position(label, str(number + 1)), *names),
        )
    ]


@pytest.mark.parametrize("times", [1, 2, 3])
@pytest.mark.parametrize("count", [1, MESSAGES_OF_AN_ITEM])
def test_a_notice_of_the_largest_items_fits_queue_messages_that_say_the_same(
    notice_of: Build, count: int, times: int
) -> None:
    names = [f"{number:032x}" for number in range(count)]
    whole = notice_of("chat:1", "p/1", *merged(came_and_went(names, times)))
    parts = list(whole.parts())
    assert max(len(part.encode().encode()) for part in parts) < 1 << 20
    assert said_by(parts) == said_by([whole])
    assert (len(parts) == 1) == (len(whole.encode()) <= MAX_BYTES)


def said_by(parts: Iterable[Notice]) -> set[tuple[str, str, str, object]]:
    return {
        (each.position, part, name, value)
        for notice in parts
        for each in notice.transitions
        for part in ("added", "added_at_tail", "gone", "said")
        for name, value in getattr(each, part).items()
    }


def test_a_notice_of_one_text_said_ever_again_becomes_several_of_fewer_transitions(notice_of: Build) -> None:
    times = tuple(map(float, range(1_790_000_000, 1_790_002_000)))
    appended = [
        Transition(f"{number:03}", 1.0, "modified", added={"a": (number, number + 1)}, said={"a": times})
        for number in range(100)
    ]
    parts = list(notice_of("chat:1", "100", *appended).parts())
    assert max(len(part.encode()) for part in parts) < 1 << 20
    assert [each for part in parts for each in part.transitions] == appended


def test_a_notice_of_more_names_becomes_several_that_say_the_same(
    notice_of: Build, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, further = went("1", *"abcde", owner_before="x", owner_after="y"), went("2", *"ab")
    small = len(notice_of("chat:1", "2", whole.only(frozenset("ab")), further).encode())
    monkeypatch.setattr(notices, "MAX_BYTES", small)
    parts = list(notice_of("chat:1", "2", whole, further).parts())
    assert [part.names for part in parts] == [{"a", "b"}, {"c", "d", "e"}]
    assert [[each.position for each in part.transitions] for part in parts] == [["1", "2"], ["1"]]
    assert {part.position for part in parts} == {"2"}
    assert all(part.transitions[0].changes_owner for part in parts)


def test_a_transition_without_names_is_not_lost_when_a_notice_is_bounded(notice_of: Build) -> None:
    notice = notice_of("chat:1", "1", Transition("1", 1.0, "deleted", "deleted", everything=True))
    assert list(notice.parts()) == [notice]
    assert list(notice_of("chat:1").parts()) == [notice_of("chat:1")]


@pytest.mark.parametrize(
    "body",
    [
        "",
        "hello",
        "null",
        "7",
        "[]",
        "{}",
        '{"v": 2}',
        "[" * 100_000,
        '{"v": 1, "table": "t"}',
        "\x00",
        "\ud800",
    ],
    ids=lambda body: body[:12],
)
def test_garbage_is_no_notice(layouts: Layouts, body: str) -> None:
    with pytest.raises(MalformedNoticeError):
        decode_notice(body, layouts)


@pytest.fixture(scope="session")
def body(notice_of: Build) -> dict[str, Any]:
    notice = notice_of("chat:1", "p/1", went("p/1", "a"), saved_at=1.0, first_sent_at=1.0)
    return dict(json.loads(notice.encode()))


TRANSITION: dict[str, Any] = json.loads(
    """{"position": "1", "at": null, "event": "modified", "reason": "", "everything": false, "added": {},
    "added_at_tail": {}, "gone": {}, "said": {}, "owner_before": null, "owner_after": null}"""
)


def test_a_notice_of_another_version_says_what_to_do(layouts: Layouts, body: dict[str, Any]) -> None:
    with pytest.raises(MalformedNoticeError, match="deploy the functions together"):
        decode_notice(json.dumps(body | {"v": 1}), layouts)


@pytest.mark.parametrize(
    "fault",
    [
        {"v": 1},
        {"v": 3},
        {"table": None},
        {"table": ["sessions"]},
        {"key": None},
        {"key": {"tenant_id": "acme", "session_key": "chat:1"}},
        {"key": {"tenant_id": {"S": "MEMORY#mika"}, "session_key": {"S": "chat:1"}}},
        {"key": {"pk": {"S": "APIKEY#mika"}, "sk": {"S": "LONG_TERM"}}},
        {"transitions": None},
        {"transitions": [{}]},
        {"transitions": [TRANSITION | {"event": "renamed"}]},
        {"transitions": [TRANSITION | {"reason": "bored"}]},
        {"transitions": [TRANSITION | {"position": None}]},
        {"transitions": [TRANSITION | {"at": "yesterday"}]},
        {"transitions": [TRANSITION | {"gone": {"a": 7}}]},
        {"transitions": [TRANSITION | {"gone": {"a": [1]}}]},
        {"transitions": [TRANSITION | {"added": {"a\x00": [0, 1]}}]},
        {"transitions": [TRANSITION | {"said": {"a": ["yesterday"]}}]},
        {"transitions": [TRANSITION | {"said": {"a": 7}}]},
        {"transitions": [TRANSITION | {"owner_after": 7}]},
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
    assert decode_notice(json.dumps(body), layouts)
    with pytest.raises(MalformedNoticeError):
        decode_notice(json.dumps(body | fault), layouts)


@pytest.mark.parametrize("value", ["a\x00b", "a\ud800b"], ids=["NUL", "surrogate"])
@pytest.mark.parametrize("name", ["tenant_id", "session_key"])
def test_a_key_that_no_store_holds_is_the_items_fault(
    layouts: Layouts, body: dict[str, Any], name: str, value: str
) -> None:
    faulty = body | {"key": body["key"] | {name: {"S": value}}}
    with pytest.raises(MalformedItemError):
        decode_notice(json.dumps(faulty), layouts)


FIELDS = ["v", "table", "key", "position", "transitions", "saved_at", "first_sent_at", "attempts", "capped"]


@given(st.dictionaries(st.sampled_from(FIELDS), JSON_VALUES, max_size=3))
@example({"attempts": float("inf")})
@example({"transitions": "abc"})
@example({"transitions": [TRANSITION | {"gone": {"a": [1e999, 0]}}]})
@example({"position": "\x00"})
def test_any_body_decodes_or_is_permanently_refused(
    layouts: Layouts, body: dict[str, Any], faults: dict[str, Any]
) -> None:
    try:
        notice = decode_notice(json.dumps(body | faults), layouts)
    except PermanentError:
        return
    notice.encode().encode()
    assert isinstance(hash(notice.address), int)
    assert "\x00" not in notice.position
    assert notice.retried(1.0).attempts == (1 if notice.capped else notice.attempts + 1)


@given(st.text(st.characters()))
def test_any_text_decodes_or_is_permanently_refused(layouts: Layouts, text: str) -> None:
    with pytest.raises(PermanentError):
        decode_notice(text, layouts)


def test_refusals_do_not_quote_the_body(layouts: Layouts) -> None:
    with pytest.raises(MalformedNoticeError) as caught:
        decode_notice('{"v": 2, "table": "canary"}', layouts)
    assert "canary" not in str(caught.value)


def test_putting_off_keeps_all_but_the_count(notice_of: Build) -> None:
    notice = notice_of("chat:1", "p/1", went("p/1", "a"), saved_at=1.0, first_sent_at=2.0, attempts=3)
    assert notice.retried(9.0) == replace(notice, attempts=4)


def test_waiting_for_a_cap_is_no_sign_of_age(notice_of: Build) -> None:
    notice = notice_of("chat:1", "p/1", went("p/1", "a"), saved_at=1.0, first_sent_at=2.0, attempts=3)
    waiting = notice.retried(9.0, capped=True)
    assert waiting == replace(notice, attempts=1, first_sent_at=9.0, capped=True)
    assert waiting.retried(20.0, capped=True) == replace(waiting, first_sent_at=20.0)
    after = waiting.retried(30.0)  # what fails next has only begun to fail
    assert after == replace(notice, attempts=1, first_sent_at=30.0, capped=False)
    assert after.retried(40.0) == replace(after, attempts=2)


def test_once_its_transitions_are_stored_a_notice_only_asks_for_a_look(notice_of: Build) -> None:
    notice = notice_of("chat:1", "p/1", went("p/1", "a"), redact=True, attempts=2)
    assert notice.without_transitions() == notice_of("chat:1", "p/1", redact=True, attempts=2)


def test_notices_of_one_item_become_one(notice_of: Build) -> None:
    one, two = went("p/1", "a"), went("p/2", "b")
    merged = coalesce(
        [
            notice_of("chat:1", "p/1", one, saved_at=10.0, first_sent_at=11.0, attempts=2),
            notice_of("chat:2", "p/9"),
            notice_of("chat:1", "p/3", two, one, saved_at=30.0, first_sent_at=31.0),
            notice_of("chat:1", "p/2", saved_at=None, first_sent_at=21.0, redact=True, capped=True),
        ]
    )
    expected = notice_of(
        "chat:1", "p/3", one, two, saved_at=30.0, redact=True, first_sent_at=11.0, attempts=2, capped=True
    )
    assert merged == {
        expected.address.key.source: expected,
        notice_of("chat:2").address.key.source: notice_of("chat:2", "p/9"),
    }


def test_items_of_two_tenants_never_become_one(notice_of: Build) -> None:
    assert len(coalesce([notice_of("chat:1"), notice_of("chat:1", tenant_id="bravo")])) == 2


@given(st.permutations(range(3)), st.lists(FIELDS_OF_A_NOTICE, min_size=3, max_size=3))
def test_the_order_of_arrival_makes_no_difference(
    notice_of: Build, order: list[int], rows: list[Any]
) -> None:
    address: Address = notice_of().address
    told = {each.position: each for _, transitions, *_ in rows for each in transitions}  # one change each
    arrived = [
        Notice(address, at, tuple(told[each.position] for each in transitions), *rest)
        for at, transitions, *rest in rows
    ]
    [one] = coalesce(arrived).values()
    [other] = coalesce(arrived[index] for index in order).values()
    assert one == other


def test_a_look_without_a_position_is_not_lost_beside_a_notice_that_is_reflected(notice_of: Build) -> None:
    [merged] = coalesce([notice_of("chat:1", "p/1"), notice_of("chat:1")]).values()
    assert (merged.position, merged.force_read) == ("p/1", True)
    [merged] = coalesce([notice_of("chat:1", "p/1"), notice_of("chat:1", "p/2")]).values()
    assert not merged.force_read
