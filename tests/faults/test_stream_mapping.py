"""The simulated table, stream and event source mapping keep DynamoDB's and Lambda's documented promises."""

from typing import Any

from lab.stream_mapping import Limits, Reader, StreamMapping
from lab.table import Table
from pipeline.source.stream_records import read_stream_record

KEY = ("tenant_id", "session_key")


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def table(clock: Clock, first_number: int = 1) -> Table:
    return Table("sessions", KEY, clock, first_number)


def item(key: str, messages: str = "[]") -> dict[str, dict[str, str]]:
    return {"tenant_id": {"S": "acme"}, "session_key": {"S": key}, "messages": {"S": messages}}


def mapping_of(count: int, **limits: Any) -> tuple[StreamMapping, Clock]:
    clock = Clock()
    made = table(clock)
    for number in range(count):
        made.put(item("chat", f'["{number}"]'))
    return StreamMapping(made, Limits(**limits), clock), clock


def numbers(batch: Any) -> list[str]:
    return [record["dynamodb"]["SequenceNumber"] for record in batch.records]


def failures(*ids: str) -> dict[str, Any]:
    return {"batchItemFailures": [{"itemIdentifier": id_} for id_ in ids]}


def deliver(mapping: StreamMapping, clock: Clock, answer: Any = None, *, failed: bool = False) -> list[str]:
    clock.now += 10
    [reader] = mapping.ready()
    taken = numbers(mapping.take(reader))
    mapping.settle(reader, answer, failed=failed)
    return taken


def test_records_have_lambdas_shape() -> None:
    clock = Clock()
    made = table(clock)
    made.put(item("chat", '["a"]'))
    made.put(item("chat", '["b"]'))
    made.delete(item("chat"))
    insert, modify, remove = made.shards[0].records
    assert [record["eventName"] for record in made.shards[0].records] == ["INSERT", "MODIFY", "REMOVE"]
    assert "OldImage" not in insert["dynamodb"]
    assert modify["dynamodb"]["OldImage"]["messages"] == {"S": '["a"]'}
    assert modify["dynamodb"]["NewImage"]["messages"] == {"S": '["b"]'}
    assert "NewImage" not in remove["dynamodb"]
    assert "userIdentity" not in remove
    assert remove["dynamodb"]["Keys"] == {name: item("chat")[name] for name in KEY}


def test_a_removal_by_ttl_says_so() -> None:
    made = table(Clock())
    made.put(item("chat"))
    made.expire(item("chat"))
    [_, record] = made.shards[0].records
    assert record["userIdentity"] == {"type": "Service", "principalId": "dynamodb.amazonaws.com"}
    assert read_stream_record(record).expired


def test_a_write_that_changes_nothing_emits_nothing() -> None:
    made = table(Clock())
    made.put(item("chat"))
    made.put(item("chat"))
    made.delete(item("other"))
    assert len(made.shards[0].records) == 1


def test_positions_sort_as_the_changes_came_whatever_their_length() -> None:
    made = table(Clock(), 10**39 - 3)
    for number in range(6):
        made.put(item("chat", f"[{number}]"))
    positions = [read_stream_record(record).position for record in made.shards[0].records]
    assert positions == sorted(positions)
    assert {len(record["dynamodb"]["SequenceNumber"]) for record in made.shards[0].records} == {39, 40}


def test_a_consistent_read_sees_the_last_write_and_an_inconsistent_one_may_not() -> None:
    made = table(Clock())
    made.put(item("chat", "[1]"))
    made.put(item("chat", "[2]"))
    assert made.get(item("chat")) == item("chat", "[2]")
    assert made.get(item("chat"), consistent=False) == item("chat", "[1]")


def test_a_batch_that_succeeded_is_not_delivered_again() -> None:
    mapping, clock = mapping_of(3)
    assert deliver(mapping, clock, failures()) == ["2", "3", "4"]
    assert mapping.ready() == []
    assert list(mapping.outstanding()) == []


def test_the_lowest_failure_is_the_checkpoint_and_later_successes_come_again() -> None:
    mapping, clock = mapping_of(4)
    deliver(mapping, clock, failures("5", "3"))
    assert deliver(mapping, clock, failures()) == ["3", "4", "5"]


def test_an_unknown_identifier_fails_the_whole_batch() -> None:
    mapping, clock = mapping_of(2, bisect=False)
    deliver(mapping, clock, failures("999"))
    assert deliver(mapping, clock) == ["2", "3"]


def test_without_item_reports_the_answer_is_not_read() -> None:
    mapping, clock = mapping_of(2, report_item_failures=False)
    deliver(mapping, clock, failures("2"))
    assert mapping.ready() == []


def test_a_failed_batch_is_bisected_until_the_bad_record_stands_alone() -> None:
    mapping, clock = mapping_of(4, retry_attempts=2)
    assert deliver(mapping, clock, failed=True) == ["2", "3", "4", "5"]
    assert deliver(mapping, clock, failed=True) == ["2", "3"]
    assert deliver(mapping, clock) == ["2"]
    for _ in range(3):
        assert deliver(mapping, clock, failed=True) == ["3"]
    [lost] = mapping.discarded
    assert lost["DDBStreamBatchInfo"]["startSequenceNumber"] == "3"
    assert lost["DDBStreamBatchInfo"]["batchSize"] == 1
    assert "messages" not in str(lost)
    assert deliver(mapping, clock) == ["4", "5"]


def test_records_that_are_too_old_go_to_the_destination() -> None:
    mapping, clock = mapping_of(2, record_age_seconds=60)
    clock.now += 61
    mapping.table.put(item("chat", '["new"]'))
    assert deliver(mapping, clock) == ["4"]
    [lost] = mapping.discarded
    assert lost["requestContext"]["condition"] == "RecordAgeExceeded"
    assert lost["DDBStreamBatchInfo"]["batchSize"] == 2


def test_a_shard_waits_between_retries_and_holds_one_batch() -> None:
    mapping, clock = mapping_of(2, backoff_seconds=5)
    [reader] = mapping.ready()
    mapping.take(reader, 1)
    assert mapping.ready() == []
    mapping.settle(reader, None, failed=True)
    assert mapping.ready() == []
    assert mapping.next_at() == clock.now + 5


def test_children_of_a_split_wait_for_their_parent_and_keep_each_items_order() -> None:
    clock = Clock()
    made = table(clock)
    mapping = StreamMapping(made, Limits(), clock)
    made.put(item("chat", "[1]"))
    made.split(made.shards[0])
    made.put(item("chat", "[2]"))
    assert deliver(mapping, clock) == ["2"]
    assert deliver(mapping, clock) == ["3"]
    assert made.shards[0].closed


def test_a_rewound_stream_comes_again_in_order() -> None:
    mapping, clock = mapping_of(3)
    deliver(mapping, clock)
    reader: Reader = mapping.readers[0]
    mapping.rewind(reader, 2)
    assert len(list(mapping.outstanding())) == 2
    assert deliver(mapping, clock) == ["3", "4"]
