"""Stream records as Amazon's own DynamoDB Local writes them, read by the pipeline; and TTL records as AWS documents them.

DynamoDB Local writes ``eventName: UNKNOWN_TO_SDK_VERSION`` and no ``userIdentity`` for a TTL removal, so that one is
made by hand from https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/time-to-live-ttl-streams.html.
"""

import json
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import pytest
from support.not_run import not_run

from pipeline.ingest.announce import Announcer
from pipeline.local import dynamodb_local
from pipeline.local.dynamodb_local import DynamoDbLocal
from pipeline.local.processes import new_run_folder
from pipeline.settings import DEFAULT_ATTRIBUTE_NAMES
from pipeline.source.documents import EntryHasher
from pipeline.source.layouts import Layouts
from pipeline.source.stream_records import StreamChange, read_stream_record
from pipeline.source.transitions import TransitionReader

pytestmark = pytest.mark.integration
KEY = {"tenant_id": {"S": "acme"}, "session_key": {"S": "chat:1"}}


@pytest.fixture(scope="module")
def server() -> Iterator[DynamoDbLocal]:
    if lacking := dynamodb_local.missing():
        not_run(f"DynamoDB Local needs {' and '.join(lacking)}")
    running = DynamoDbLocal(new_run_folder())
    try:
        yield running.start()
    finally:
        running.stop()


class Table:
    """A table of its own with a stream of both images."""

    def __init__(self, server: DynamoDbLocal) -> None:
        self.client, self.streams = server.client("dynamodb"), server.client("dynamodbstreams")
        self.name = f"sessions-{uuid4().hex[:8]}"
        made = self.client.create_table(
            TableName=self.name,
            BillingMode="PAY_PER_REQUEST",
            AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name in KEY],
            KeySchema=[
                {"AttributeName": "tenant_id", "KeyType": "HASH"},
                {"AttributeName": "session_key", "KeyType": "RANGE"},
            ],
            StreamSpecification={"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"},
        )
        self.stream = made["TableDescription"]["LatestStreamArn"]

    def put(self, *texts: str, key: str = "chat:1") -> None:
        self.client.put_item(TableName=self.name, Item=item(*texts, key=key))

    def events(self) -> list[dict[str, Any]]:
        """Return the stream's records as Lambda hands them over."""
        shards = self.streams.describe_stream(StreamArn=self.stream)["StreamDescription"]["Shards"]
        return [self._event(record) for shard in shards for record in self._records(shard["ShardId"])]

    def _records(self, shard: str) -> list[Any]:
        iterator = self.streams.get_shard_iterator(
            StreamArn=self.stream, ShardId=shard, ShardIteratorType="TRIM_HORIZON"
        )["ShardIterator"]
        records: list[Any] = self.streams.get_records(ShardIterator=iterator)["Records"]
        return records

    def _event(self, record: dict[str, Any]) -> dict[str, Any]:
        created = record["dynamodb"].pop("ApproximateCreationDateTime").timestamp()
        change = {**record["dynamodb"], "ApproximateCreationDateTime": created}
        return {**record, "dynamodb": change, "eventSourceARN": self.stream}

    def changes(self) -> list[StreamChange]:
        return [read_stream_record(event) for event in self.events()]


@pytest.fixture
def table(server: DynamoDbLocal) -> Table:
    return Table(server)


def item(*texts: str, key: str = "chat:1") -> dict[str, Any]:
    messages = [{"role": "user", "content": text} for text in texts]
    return {**KEY, "session_key": {"S": key}, "messages": {"S": json.dumps(messages)}}


def names(events: list[dict[str, Any]]) -> list[str]:
    return [event["eventName"] for event in events]


def announcer() -> Announcer:
    return Announcer(
        Layouts(DEFAULT_ATTRIBUTE_NAMES, EntryHasher(b"k" * 32)), TransitionReader("keep", "keep")
    )


def test_an_insert_a_change_and_a_removal_carry_the_images_they_should(table: Table) -> None:
    table.put("one")
    table.put("one", "two")
    table.client.delete_item(TableName=table.name, Key=KEY)
    assert names(table.events()) == ["INSERT", "MODIFY", "REMOVE"]
    inserted, modified, removed = table.changes()
    assert (inserted.old, inserted.new) == (None, item("one"))
    assert (modified.old, modified.new) == (item("one"), item("one", "two"))
    assert (removed.old, removed.new) == (item("one", "two"), None)
    assert (removed.removed, removed.expired) == (True, False)
    assert all(change.key == KEY and change.table == table.name for change in (inserted, modified, removed))


def test_positions_rise_from_change_to_change(table: Table) -> None:
    for number in range(12):
        table.put(f"text {number}")
    positions = [change.position for change in table.changes()]
    assert len(positions) == 12
    assert positions == sorted(set(positions))


def test_a_put_that_changes_nothing_makes_no_record(table: Table) -> None:
    table.put("one")
    table.put("one")
    table.client.update_item(
        TableName=table.name,
        Key=KEY,
        UpdateExpression="SET messages = :m",
        ExpressionAttributeValues={":m": item("one")["messages"]},
    )
    assert names(table.events()) == ["INSERT"]


def test_a_deletion_of_what_is_not_there_makes_no_record(table: Table) -> None:
    table.client.delete_item(TableName=table.name, Key=KEY)
    assert table.events() == []


def test_a_transaction_makes_a_record_for_each_item(table: Table) -> None:
    table.put("old", key="gone")
    puts = [{"Put": {"TableName": table.name, "Item": item("new", key=key)}} for key in ("a", "b")]
    removal = {"Delete": {"TableName": table.name, "Key": {**KEY, "session_key": {"S": "gone"}}}}
    table.client.transact_write_items(TransactItems=[*puts, removal])
    changes = {change.key["session_key"]["S"]: change for change in table.changes()[1:]}
    assert {key: change.removed for key, change in changes.items()} == {"a": False, "b": False, "gone": True}
    assert changes["gone"].old == item("old", key="gone")


def test_a_refused_transaction_makes_no_record(table: Table) -> None:
    put = {"TableName": table.name, "Item": item("new"), "ConditionExpression": "attribute_exists(tenant_id)"}
    other = {"Put": {"TableName": table.name, "Item": item("new", key="b")}}
    with pytest.raises(table.client.exceptions.TransactionCanceledException):
        table.client.transact_write_items(TransactItems=[{"Put": put}, other])
    assert table.events() == []


def test_an_edit_in_genuine_records_is_a_forget_request_to_forget_and_an_append_is_not(table: Table) -> None:
    table.put("one", "secret", "three")
    table.put("one", "secret", "three", "four")
    table.put("one", "three", "four")
    notices = [announcer().notice(change, 0.0) for change in table.changes()]
    told = [(one.transitions[0].event, one.transitions[0].reason) for one in notices if one]
    assert told == [("inserted", ""), ("modified", ""), ("modified", "removed")]


def expired(table: Table) -> dict[str, Any]:
    """Return a removal's genuine record with what TTL adds, as AWS documents it."""
    table.put("one")
    table.client.delete_item(TableName=table.name, Key=KEY)
    removal = table.events()[-1]
    return {**removal, "userIdentity": {"type": "Service", "principalId": "dynamodb.amazonaws.com"}}


def test_a_removal_by_ttl_is_told_from_one_by_a_user(table: Table) -> None:
    change = read_stream_record(expired(table))
    assert (change.removed, change.expired) == (True, True)
    notice = announcer().notice(change, 0.0)
    assert notice
    assert [(one.event, one.everything) for one in notice.transitions] == [("expired", False)]


@pytest.mark.parametrize(
    "identity",
    [
        {"type": "Service", "principalId": "replication.dynamodb.amazonaws.com"},
        {"type": "User", "principalId": "dynamodb.amazonaws.com"},
    ],
)
def test_another_identity_is_no_expiry(table: Table, identity: dict[str, str]) -> None:
    assert not read_stream_record({**expired(table), "userIdentity": identity}).expired
