import json
from typing import Any

import pytest

from pipeline.errors import MalformedItemError
from pipeline.ingest.notices import Notice, decode_notice
from pipeline.operations.forget.near_ids import near
from pipeline.source.attributes import plain
from pipeline.source.layouts import Layouts

MESSAGES = {"S": json.dumps([{"role": "user", "content": "the key is under the fern"}])}


def item(**attributes: Any) -> dict[str, Any]:
    return {"tenant_id": {"S": "acme"}, "session_key": {"S": "a"}, "messages": MESSAGES, **attributes}


@pytest.mark.parametrize(
    ("value", "user_id"),
    [
        ({"N": "1001"}, "1001"), ({"S": "1001"}, "1001"), ({"N": "1001.0"}, "1001"), ({"N": "1E+3"}, "1000"),
        ({"N": "-7"}, "-7"), ({"N": "0.50"}, "0.5"), ({"N": "12345678901234567890123456789012345678"}, "12345678901234567890123456789012345678"),
        ({"S": " "}, " "),
    ],
)  # fmt: skip
def test_a_user_is_named_by_a_string_or_a_number_alike(layouts: Layouts, value: Any, user_id: str) -> None:
    document = layouts.parse("t", item(user_id=value))
    assert document
    assert document.user_id == user_id


@pytest.mark.parametrize(
    "value",
    [{"NULL": True}, {"S": ""}, {"BOOL": True}, {"B": b"x"}, {"L": []}, {"M": {}}, {"SS": ["a"]}, {"NS": ["1"]}, {}, {"N": "x"}, {"N": "NaN"}],
)  # fmt: skip
def test_a_user_that_cannot_be_read_is_malformed_and_never_the_default(layouts: Layouts, value: Any) -> None:
    with pytest.raises(MalformedItemError, match="user_id"):
        layouts.parse("t", item(user_id=value))
    note = {
        "tenant_id": {"S": "acme"},
        "sk": {"S": "memory:long_term"},
        "content": {"S": "x"},
        "user_id": value,
    }
    with pytest.raises(MalformedItemError, match="user_id"):
        layouts.parse("t", note)


def test_an_item_without_a_user_is_the_tenants_own(layouts: Layouts) -> None:
    document = layouts.parse("t", item())
    assert document
    assert document.user_id == "acme"


def test_keys_may_be_numbers_and_are_given_back_as_numbers(layouts: Layouts) -> None:
    document = layouts.parse("t", item(tenant_id={"N": "7"}, session_key={"N": "42"}))
    assert document
    assert (document.tenant_id, document.user_id, document.name) == ("7", "7", "42")
    assert document.key.to_dynamodb() == {"tenant_id": {"N": "7"}, "session_key": {"N": "42"}}
    assert json.loads(document.key.source) == ["t", "7", "42"]


def test_a_notice_carries_keys_of_any_type_there_and_back(layouts: Layouts) -> None:
    address = layouts.address("t", {"tenant_id": {"N": "7"}, "session_key": {"S": "a"}})
    assert address
    notice = Notice(address, first_sent_at=1.0)
    assert decode_notice(notice.encode(), layouts) == notice


@pytest.mark.parametrize("value", [{"X": 1}, {"S": "a", "N": "1"}, [], {"N": "x"}, {"L": [{"Q": 1}]}])
def test_an_untyped_value_is_malformed(value: Any) -> None:
    with pytest.raises(MalformedItemError):
        plain(value)


def test_typed_values_become_json() -> None:
    value = {
        "M": {
            "a": {"L": [{"N": "1"}, {"N": "1.5"}, {"NULL": True}]},
            "b": {"BOOL": False},
            "c": {"SS": ["x"]},
        }
    }
    assert plain(value) == {"a": [1, 1.5, None], "b": False, "c": ["x"]}


@pytest.mark.parametrize(
    ("wanted", "known", "found"),
    [
        ("mika", ["Mika", "ken", "mika@example.net", "mikka"], ["Mika", "mikka", "mika@example.net"]),
        ("1001", ["1002", "1001"], ["1002"]),
        ("zoe", ["mika", "ken"], []),
        ("", ["mika"], []),
    ],
)
def test_ids_that_are_near_are_suggested(wanted: str, known: list[str], found: list[str]) -> None:
    assert near(wanted, known) == found
