import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from botocore.exceptions import ClientError

from pipeline.ingest.announce import Announcer
from pipeline.ingest.notices import decode_notice
from pipeline.ingest.queue import NoticeQueue
from pipeline.operations.dlq.replay import Replay, Replayed
from pipeline.operations.dlq.stream_reader import MAX_EMPTY_PAGES, StreamReader
from pipeline.operations.queues.queue_drain import QueueDrain, drained
from pipeline.operations.queues.stream_batches import StreamBatch, as_lambda_delivers, read_batch
from pipeline.source.layouts import Item, Layouts
from pipeline.source.stream_records import read_stream_record
from pipeline.source.transitions import TransitionReader, position

LABEL = "2026-11-20T09:00:00.000"
ARN = f"arn:aws:dynamodb:us-east-1:123456789012:table/sessions/stream/{LABEL}"
BATCH = StreamBatch(ARN, "shardId-1", "100", "120", 3)
NOW = 1_790_000_000.0


def failure(start: int = 100, end: int = 120, size: int = 3, **info: Any) -> dict[str, Any]:
    """Return what Lambda sends for a batch it gave up on."""
    return {
        "requestContext": {
            "requestId": "r",
            "functionArn": "arn:aws:lambda:us-east-1:123456789012:function:stream",
            "condition": "RetryAttemptsExhausted",
            "approximateInvokeCount": 21,
        },
        "responseContext": {"statusCode": 200, "executedVersion": "$LATEST", "functionError": "Unhandled"},
        "version": "1.0",
        "timestamp": "2026-11-20T10:06:00.000Z",
        "DDBStreamBatchInfo": {
            "shardId": "shardId-1",
            "startSequenceNumber": str(start),
            "endSequenceNumber": str(end),
            "approximateArrivalOfFirstRecord": "2026-11-20T10:00:00Z",
            "approximateArrivalOfLastRecord": "2026-11-20T10:05:00Z",
            "batchSize": size,
            "streamArn": ARN,
            **info,
        },
    }


def record(number: int, new: Item | None = None, old: Item | None = None, key: str = "chat:1") -> Any:
    """Return a record as boto3 gives it."""
    images = {"NewImage": new, "OldImage": old}
    return {
        "eventID": f"e{number}",
        "eventName": "REMOVE" if new is None else "MODIFY" if old else "INSERT",
        "eventSource": "aws:dynamodb",
        "dynamodb": {
            "ApproximateCreationDateTime": datetime(2026, 11, 20, 10, tzinfo=UTC),
            "Keys": {"tenant_id": {"S": "acme"}, "session_key": {"S": key}},
            "SequenceNumber": str(number),
            "StreamViewType": "NEW_AND_OLD_IMAGES",
            **{name: image for name, image in images.items() if image is not None},
        },
    }


class Stream:
    """One shard: pages of records, then empty ones for ever, or the end."""

    def __init__(self, *pages: list[Any], trimmed_before: int = 0, closed: bool = False) -> None:
        self.pages, self.trimmed_before, self.closed = list(pages), trimmed_before, closed
        self.reads = 0
        self.error: str | None = None

    def get_shard_iterator(self, **request: str) -> dict[str, Any]:
        assert (request["StreamArn"], request["ShardId"]) == (ARN, "shardId-1")
        if self.error:
            raise ClientError({"Error": {"Code": self.error, "Message": "a secret"}}, "GetShardIterator")
        start = int(request.get("SequenceNumber", self.trimmed_before))
        if start < self.trimmed_before:
            raise ClientError({"Error": {"Code": "TrimmedDataAccessException"}}, "GetShardIterator")
        self.pages = [
            [each for each in page if int(each["dynamodb"]["SequenceNumber"]) >= start] for page in self.pages
        ]
        return {"ShardIterator": "0"}

    def get_records(self, *, ShardIterator: str) -> dict[str, Any]:  # noqa: N803
        self.reads += 1
        index = int(ShardIterator)
        page = self.pages[index] if index < len(self.pages) else []
        after = {} if self.closed and index + 1 >= len(self.pages) else {"NextShardIterator": str(index + 1)}
        return {"Records": page, **after}


def numbers(records: list[Any]) -> list[int]:
    return [int(each["dynamodb"]["SequenceNumber"]) for each in records]


def read(stream: Stream, batch: StreamBatch = BATCH) -> list[int]:
    return numbers(StreamReader(stream, lambda _: None).records(batch))


# Messages.


def test_lambdas_message_is_read() -> None:
    batch = read_batch(json.dumps(failure()))
    assert batch == StreamBatch(
        ARN, "shardId-1", "100", "120", 3, "2026-11-20T10:00:00Z", "2026-11-20T10:05:00Z"
    )
    assert batch.table == "sessions"


@pytest.mark.parametrize(
    "body",
    [
        "",
        "[]",
        "{}",
        '{"DDBStreamBatchInfo": null}',
        json.dumps({"KinesisBatchInfo": failure()["DDBStreamBatchInfo"]}),
        json.dumps(failure(startSequenceNumber="x")),
        json.dumps(failure(endSequenceNumber="٣")),
        json.dumps(failure(endSequenceNumber="9" * 5000)),
        json.dumps(failure(streamArn="arn:aws:kinesis:us-east-1:123456789012:stream/x")),
        "[" * 50_000,
    ],
)
def test_anything_else_is_no_batch(body: str) -> None:
    assert read_batch(body) is None


def test_a_record_takes_the_shape_lambda_gives_it() -> None:
    stored = {
        "raw": {"B": b"\x00\xff"},
        "raws": {"BS": [b"a", b"b"]},
        "list": {"L": [{"B": b"c"}, {"N": "1"}, {"NULL": True}]},
        "map": {"M": {"inner": {"B": b"d"}}},
    }
    delivered = as_lambda_delivers(record(7, stored), ARN)
    assert delivered["eventSourceARN"] == ARN
    assert delivered["dynamodb"]["ApproximateCreationDateTime"] == 1_795_168_800.0
    assert delivered["dynamodb"]["NewImage"] == {
        "raw": {"B": "AP8="},
        "raws": {"BS": ["YQ==", "Yg=="]},
        "list": {"L": [{"B": "Yw=="}, {"N": "1"}, {"NULL": True}]},
        "map": {"M": {"inner": {"B": "ZA=="}}},
    }
    assert json.loads(json.dumps(delivered)) == delivered
    change = read_stream_record(delivered)
    assert (change.table, change.position) == ("sessions", position(LABEL, "7"))


def test_an_expiry_is_recognised_as_boto3_spells_it() -> None:
    expired = {
        **record(7),
        "userIdentity": {"PrincipalId": "dynamodb.amazonaws.com", "Type": "Service"},
    }
    assert read_stream_record(as_lambda_delivers(expired, ARN)).expired


# Reading.


def test_the_whole_range_and_nothing_beside_it_is_read_over_pages() -> None:
    stream = Stream([record(90), record(100, {})], [], [record(110, {})], [record(120, {}), record(130, {})])
    assert read(stream) == [100, 110, 120]
    assert stream.reads == 4


@pytest.mark.parametrize(
    ("stream", "found"),
    [
        (Stream([record(110, {}), record(120, {}), record(130, {})], trimmed_before=105), [110, 120]),
        (Stream([record(130, {})], trimmed_before=125), []),
        (Stream([record(100, {})], closed=True), [100]),
        (Stream(closed=True), []),
        (Stream(), []),
    ],
)
def test_a_partly_trimmed_batch_is_read_as_far_as_it_is_left(stream: Stream, found: list[int]) -> None:
    assert read(stream) == found
    assert stream.reads <= MAX_EMPTY_PAGES


@pytest.mark.parametrize("code", ["ResourceNotFoundException", "TrimmedDataAccessException"])
def test_a_stream_that_is_gone_holds_nothing(code: str) -> None:
    stream = Stream()
    stream.error = code
    assert read(stream) == []


@pytest.mark.parametrize(
    ("found", "complete"),
    [
        ([100, 110, 120], True),
        ([100, 105, 110, 120], True),  # a filter left one out
        ([100, 120], False),
        ([110, 115, 120], False),
        ([100, 105, 110], False),
        ([], False),
    ],
)
def test_a_batch_is_complete_with_both_ends_and_enough_between(found: list[int], *, complete: bool) -> None:
    assert BATCH.complete([record(number) for number in found]) is complete


def test_a_batch_of_one_is_complete_with_it() -> None:
    assert StreamBatch(ARN, "s", "100", "100", 1).complete([record(100)])


# Replaying.


class Failures:
    """The failure queue and the notice queue of an account."""

    def __init__(self, aws: Any, layouts: Layouts) -> None:
        self.sqs, self.layouts = aws.sqs, layouts
        self.notices_url = aws.queue_url
        self.url = aws.sqs.create_queue(QueueName="failures")["QueueUrl"]
        self.queue = NoticeQueue(aws.sqs, aws.queue_url)

    def add(self, body: Any) -> None:
        self.sqs.send_message(
            QueueUrl=self.url, MessageBody=body if isinstance(body, str) else json.dumps(body)
        )

    def replay(self, stream: Stream, *, dry_run: bool = False) -> Replayed:
        announcer = Announcer(self.layouts, TransitionReader("keep", "keep"))
        replay = Replay(StreamReader(stream, lambda _: None), announcer, self.queue, NOW)
        with drained(self._box()) as drain:
            return replay.run(drain, dry_run=dry_run)

    def left(self) -> int:
        with drained(self._box()) as drain:
            return len(drain.messages)

    def sent(self) -> list[Any]:
        answer = self.sqs.receive_message(QueueUrl=self.notices_url, MaxNumberOfMessages=10)
        return [decode_notice(each["Body"], self.layouts) for each in answer.get("Messages", [])]

    def _box(self) -> QueueDrain:
        name, setting = "stream failure queue", "STREAM_FAILURE_QUEUE_URL"
        return QueueDrain(self.sqs, self.url, name=name, setting=setting, wait_seconds=0)


@pytest.fixture
def failures(aws: Any, layouts: Layouts) -> Iterator[Failures]:
    return Failures(aws, layouts)


@pytest.fixture
def changes(session_item: Callable[..., Item]) -> list[Any]:
    """Three changes of two items: one grows, one is deleted."""
    one, two = session_item(("user", "hello")), session_item(("user", "hello"), ("user", "again"))
    gone = session_item(("user", "bye"), key="chat:2")
    return [record(100, one), record(110, two, one), record(120, None, gone, "chat:2")]


def test_failed_changes_are_announced_as_the_stream_function_would(
    failures: Failures, changes: list[Any]
) -> None:
    failures.add(failure())
    report = failures.replay(Stream(changes))
    assert (report.records, report.notices, len(report.batches), report.failed) == (3, 2, 1, False)
    sent = {notice.address.key.range_value: notice for notice in failures.sent()}
    assert sent["chat:1"].position == position(LABEL, "110")
    [deletion] = sent["chat:2"].transitions
    assert (deletion.position, deletion.event) == (position(LABEL, "120"), "deleted")
    assert [each.position for each in sent["chat:1"].transitions] == [
        position(LABEL, "100"),
        position(LABEL, "110"),
    ]
    assert {notice.first_sent_at for notice in sent.values()} == {NOW}
    assert failures.left() == 0


def test_a_dry_run_replays_nothing(failures: Failures, changes: list[Any]) -> None:
    failures.add(failure())
    report = failures.replay(Stream(changes), dry_run=True)
    assert (report.records, report.notices, len(report.batches)) == (3, 2, 1)
    assert (failures.sent(), failures.left()) == ([], 1)


def test_the_rest_of_a_trimmed_batch_is_announced_and_its_message_stays(
    failures: Failures, changes: list[Any]
) -> None:
    failures.add(failure())
    report = failures.replay(Stream(changes, trimmed_before=105))
    assert (len(report.lost), report.batches, report.failed) == (1, [], True)
    assert len(failures.sent()) == 2
    assert failures.left() == 1


def test_a_record_that_cannot_be_read_harms_no_other_and_keeps_the_message(
    failures: Failures, changes: list[Any]
) -> None:
    del changes[1]["dynamodb"]["Keys"]
    failures.add(failure())
    report = failures.replay(Stream(changes))
    [(batch, problem)] = report.failures
    assert (batch.table, "record 110" in problem) == ("sessions", True)
    assert len(failures.sent()) == 2
    assert failures.left() == 1


def test_one_batch_that_fails_leaves_the_others_alone(failures: Failures, changes: list[Any]) -> None:
    failures.add("hello")
    failures.add(failure())
    failures.add(failure(100, 110, 2))
    stream = Stream(changes)
    stream.error = "AccessDeniedException"
    report = failures.replay(stream)
    assert len(report.failures) == 2
    assert all("dynamodb:GetRecords" in problem for _, problem in report.failures)
    assert "a secret" not in str(report.failures)
    assert (len(report.foreign), failures.left()) == (1, 3)
    assert len(failures.replay(Stream(changes)).batches) == 2
    assert failures.left() == 1


def test_a_batch_whose_notices_are_not_taken_stays(failures: Failures, changes: list[Any]) -> None:
    failures.queue = NoticeQueue(failures.sqs, f"{failures.notices_url}-gone")
    failures.add(failure())
    report = failures.replay(Stream(changes))
    assert (report.notices, len(report.failures), failures.left()) == (0, 1, 1)
