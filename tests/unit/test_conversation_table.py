"""What adapters write into the chat app's table, and that an item of another user is neither read nor changed."""

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import boto3
import pytest
from moto import mock_aws

from pipeline.settings import DEFAULT_ATTRIBUTE_NAMES
from pipeline.source.documents import EntryHasher
from pipeline.source.layouts import Layouts
from vector_memory import InvalidRequestError, MemoryUnavailableError
from vector_memory.adapters.tables import ConversationTable

LAMP = {"role": "user", "content": "The lamp is behind the zebra."}
PEPPER = {"role": "user", "content": "The pepper is red."}
KEYS = (("tenant_id", "HASH"), ("session_key", "RANGE"))


@pytest.fixture
def client() -> Iterator[Any]:
    with mock_aws():
        made: Any = boto3.client("dynamodb", region_name="us-east-1")
        made.create_table(
            TableName="sessions",
            BillingMode="PAY_PER_REQUEST",
            AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name, _ in KEYS],
            KeySchema=[{"AttributeName": name, "KeyType": kind} for name, kind in KEYS],
        )
        yield made


@pytest.fixture
def table(client: Any) -> ConversationTable:
    return ConversationTable(client, "sessions", "acme", "mika")


def test_the_pipeline_reads_what_is_written(table: ConversationTable, client: Any) -> None:
    table.append("chat:1", [LAMP])
    at = table.append("chat:1", [PEPPER])
    [item] = client.scan(TableName="sessions")["Items"]
    document = Layouts(DEFAULT_ATTRIBUTE_NAMES, EntryHasher(b"0123456789abcdef")).parse("sessions", item)
    assert document
    assert (document.tenant_id, document.user_id) == ("acme", "mika")
    assert [entry.text for entry in document.entries] == [LAMP["content"], PEPPER["content"]]
    assert document.updated_at == at
    assert document.created_at
    assert document.created_at < at


def foreign(client: Any, user: str | None) -> dict[str, Any]:
    item: dict[str, Any] = {
        "tenant_id": {"S": "acme"},
        "session_key": {"S": "chat:1"},
        "messages": {"S": json.dumps([PEPPER])},
        **({"user_id": {"S": user}} if user else {}),
    }
    client.put_item(TableName="sessions", Item=item)
    return item


WRITES: list[Callable[[ConversationTable], object]] = [
    lambda table: table.append("chat:1", [LAMP]),
    lambda table: table.put("chat:1", [LAMP]),
    lambda table: table.delete("chat:1"),
]


@pytest.mark.parametrize("write", WRITES, ids=["append", "put", "delete"])
@pytest.mark.parametrize("user", ["ken", None])
def test_an_item_of_another_user_is_left_alone(
    table: ConversationTable, client: Any, user: str | None, write: Callable[[ConversationTable], object]
) -> None:
    item = foreign(client, user)
    assert table.get("chat:1") is None
    assert list(table.starting_with("chat")) == []
    with pytest.raises(InvalidRequestError, match="another user"):
        write(table)
    assert client.scan(TableName="sessions")["Items"] == [item]


def test_the_tenants_own_user_writes_items_that_name_nobody(table: ConversationTable, client: Any) -> None:
    foreign(client, None)
    own = replace(table, user_id="acme")
    own.append("chat:1", [LAMP])
    assert own.messages("chat:1") == [PEPPER, LAMP]
    own.delete("chat:1")
    assert client.scan(TableName="sessions")["Items"] == []


def test_two_who_write_at_once_lose_nothing(table: ConversationTable) -> None:
    table.append("chat:1", [LAMP])

    class Interrupted(ConversationTable):
        """Somebody else writes between its reading and its writing, once."""

        interrupted = False

        def get(self, session_key: str) -> dict[str, str] | None:
            found = table.get(session_key)
            if not Interrupted.interrupted:
                Interrupted.interrupted = True
                table.append(session_key, [PEPPER])
            return found

    Interrupted(table.client, "sessions", "acme", "mika").append(
        "chat:1", [{"role": "user", "content": "third"}]
    )
    assert [each["content"] for each in table.messages("chat:1")] == [
        LAMP["content"],
        PEPPER["content"],
        "third",
    ]


def test_deleting_what_is_not_there_is_no_error(table: ConversationTable) -> None:
    table.delete("chat:1")


def test_a_table_that_is_not_there_is_named_as_the_callers_matter(table: ConversationTable) -> None:
    with pytest.raises(InvalidRequestError, match="ResourceNotFoundException"):
        replace(table, name="other").append("chat:1", [LAMP])


def test_a_dynamodb_that_is_away_is_unavailable(table: ConversationTable) -> None:
    away: Any = boto3.client(
        "dynamodb",
        region_name="us-east-1",
        endpoint_url="http://127.0.0.1:9",
        config=boto3.session.Config(retries={"total_max_attempts": 1}),
    )
    with pytest.raises(MemoryUnavailableError, match="not reached"):
        replace(table, client=away).get("chat:1")


def test_a_conversation_that_is_no_json_is_left_to_its_own_app(table: ConversationTable, client: Any) -> None:
    item = foreign(client, "mika") | {"messages": {"S": "no json"}}
    client.put_item(TableName="sessions", Item=item)
    with pytest.raises(InvalidRequestError, match="no JSON array") as raised:
        table.append("chat:1", [LAMP])
    assert "lamp" not in str(raised.value)


def test_times_are_of_the_clock_that_it_was_given(table: ConversationTable) -> None:
    at = datetime(2026, 11, 27, 12, tzinfo=UTC)
    assert replace(table, now=lambda: at).append("chat:1", [LAMP]) == at


def test_an_image_in_a_message_is_left_out_and_its_text_is_read(
    table: ConversationTable, client: Any
) -> None:
    image = {"image": {"format": "png", "source": {"bytes": b"\x89PNG"}}}
    table.append("chat:1", [{"role": "user", "content": [{"text": LAMP["content"]}, image]}])
    [item] = client.scan(TableName="sessions")["Items"]
    document = Layouts(DEFAULT_ATTRIBUTE_NAMES, EntryHasher(b"0123456789abcdef")).parse("sessions", item)
    assert document
    assert [LAMP["content"] in entry.text for entry in document.entries] == [True]
    assert "PNG" not in item["messages"]["S"]


def test_half_a_character_is_written_and_read_as_it_is(table: ConversationTable) -> None:
    table.append("chat:1", [{"role": "user", "content": "cut \ud83d"}])
    assert table.messages("chat:1") == [{"role": "user", "content": "cut \ud83d"}]


def test_a_message_that_json_cannot_hold_is_refused(table: ConversationTable) -> None:
    with pytest.raises(InvalidRequestError, match="JSON cannot hold"):
        table.append("chat:1", [{"role": "user", "content": "now", "at": datetime.now(UTC)}])
    assert table.get("chat:1") is None
