import json
from collections.abc import Callable, Iterator
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError, EndpointConnectionError
from botocore.stub import Stubber
from moto import mock_aws

from pipeline.errors import MalformedItemError, QueueUnavailableError
from pipeline.ingest.notices import Notice, decode_notice
from pipeline.ingest.queue import MAX_BATCH_BYTES, NoticeQueue, group_id
from pipeline.source.layouts import Layouts
from pipeline.source.transitions import Transition

Build = Callable[..., Notice]
URL = "https://sqs.us-east-1.amazonaws.com/123456789012/notices"


class Client:
    """Takes batches as SQS does, and refuses what it is told to."""

    def __init__(self, *answers: Any) -> None:
        self.batches: list[dict[str, Any]] = []
        self.messages: list[dict[str, Any]] = []
        self._answers = list(answers)

    def send_message_batch(self, **request: Any) -> Any:
        self.batches.append(request)
        answer = self._answers.pop(0) if self._answers else {}
        if isinstance(answer, Exception):
            raise answer
        return answer

    def send_message(self, **request: Any) -> Any:
        self.messages.append(request)
        if self._answers:
            raise self._answers.pop(0)
        return {}


def queue(client: Any, dead_letter_queue_url: str | None = f"{URL}-dead") -> NoticeQueue:
    return NoticeQueue(client, URL, dead_letter_queue_url)


def source(key: str) -> str:
    return json.dumps(["sessions", "acme", key])


def test_notices_go_in_batches_of_ten(notice_of: Build, layouts: Layouts) -> None:
    client = Client()
    notices = [notice_of(f"chat:{number}", "p/1") for number in range(23)]
    assert queue(client).send(notices) == frozenset()
    assert [len(batch["Entries"]) for batch in client.batches] == [10, 10, 3]
    assert {batch["QueueUrl"] for batch in client.batches} == {URL}
    sent = [
        decode_notice(entry["MessageBody"], layouts) for batch in client.batches for entry in batch["Entries"]
    ]
    assert sent == notices
    for batch in client.batches:
        assert len({entry["Id"] for entry in batch["Entries"]}) == len(batch["Entries"])


def test_a_batch_stays_within_sqs_bytes(notice_of: Build) -> None:
    client = Client()
    gone = {f"{number:032x}": (1, 0) for number in range(7_900)}
    edit = Transition("1", 1.0, "modified", "edited", gone=gone)
    notices = [notice_of(f"chat:{number}", "1", edit) for number in range(7)]
    queue(client).send(notices)
    sizes = [sum(len(entry["MessageBody"]) for entry in batch["Entries"]) for batch in client.batches]
    assert [len(batch["Entries"]) for batch in client.batches] == [3, 3, 1]  # 277 kB each
    assert max(sizes) <= MAX_BATCH_BYTES


def test_nothing_to_send_is_no_call() -> None:
    client = Client()
    assert queue(client).send([]) == frozenset()
    assert client.batches == []


def test_each_tenant_is_a_message_group(notice_of: Build) -> None:
    client = Client()
    queue(client).send([notice_of("1"), notice_of("2"), notice_of("1", tenant_id="bravo")], delay_seconds=7)
    [batch] = client.batches
    one, two, other = (entry["MessageGroupId"] for entry in batch["Entries"])
    assert one == two != other
    assert [entry["DelaySeconds"] for entry in batch["Entries"]] == [7, 7, 7]


@pytest.mark.parametrize("tenant_id", ["acme", "株式会社", "a b\n", "x" * 500, "\ud800", ""])
def test_any_tenant_makes_a_group_id_that_sqs_takes(tenant_id: str) -> None:
    group = group_id(tenant_id)
    assert len(group) == 32
    assert group.isalnum()
    assert group.isascii()


def test_of_a_batch_taken_in_part_only_the_rest_failed(notice_of: Build) -> None:
    refusal = {"Failed": [{"Id": "1", "Code": "InternalError", "SenderFault": False}]}
    failed = queue(Client({}, refusal)).send([notice_of(f"chat:{number}") for number in range(12)])
    assert failed == {source("chat:11")}
    assert failed.reasons == {"InternalError"}


def test_a_batch_that_was_not_taken_failed_whole_and_alone(notice_of: Build) -> None:
    away = EndpointConnectionError(endpoint_url="https://sqs")
    client = Client(away, {})
    failed = queue(client).send([notice_of(f"chat:{number}") for number in range(12)])
    assert failed == {source(f"chat:{number}") for number in range(10)}
    assert failed.reasons == {"EndpointConnectionError"}
    assert len(client.batches) == 2


def test_putting_off_sends_a_delayed_copy_that_counts(notice_of: Build, layouts: Layouts) -> None:
    client = Client()
    queue(client).retry_later(notice_of("chat:1", "p/1", first_sent_at=5.0, attempts=2), 30)
    [entry] = client.batches[0]["Entries"]
    assert entry["DelaySeconds"] == 30
    assert decode_notice(entry["MessageBody"], layouts) == notice_of(
        "chat:1", "p/1", first_sent_at=5.0, attempts=3
    )


def test_a_copy_that_was_not_taken_says_so(notice_of: Build) -> None:
    with pytest.raises(QueueUnavailableError):
        queue(Client({"Failed": [{"Id": "0"}]})).retry_later(notice_of(), 30)


def test_dead_lettering_sends_the_body_with_its_cause() -> None:
    client = Client()
    queue(client).dead_letter("the body", MalformedItemError("x" * 600), "acme")
    [message] = client.messages
    assert message["QueueUrl"] == f"{URL}-dead"
    assert message["MessageBody"] == "the body"
    assert message["MessageGroupId"] == group_id("acme")
    attributes = {name: value["StringValue"] for name, value in message["MessageAttributes"].items()}
    assert attributes == {"cause": "malformed_item", "error": "x" * 500}


def test_a_body_of_nobody_knows_whom_is_dead_lettered_without_a_group() -> None:
    client = Client()
    queue(client).dead_letter("garbage", MalformedItemError("x"))
    assert "MessageGroupId" not in client.messages[0]


@pytest.mark.parametrize(
    "fault",
    [
        ClientError({"Error": {"Code": "Throttled"}}, "SendMessage"),
        EndpointConnectionError(endpoint_url="https://sqs"),
    ],
)
def test_a_grave_that_is_away_says_so(fault: Exception) -> None:
    with pytest.raises(QueueUnavailableError):
        queue(Client(fault)).dead_letter("body", MalformedItemError("x"))


def test_without_a_grave_nothing_is_dead_lettered() -> None:
    client = Client()
    with pytest.raises(QueueUnavailableError, match="DEAD_LETTER_QUEUE_URL"):
        queue(client, None).dead_letter("body", MalformedItemError("x"))
    assert client.messages == []


def test_requests_and_answers_are_of_botocores_own_shape(notice_of: Build) -> None:
    client = boto3.client("sqs", "us-east-1", aws_access_key_id="x", aws_secret_access_key="x")
    with Stubber(client) as stubber:
        refusal = {"Id": "0", "Code": "ServiceUnavailable", "SenderFault": False}
        stubber.add_response("send_message_batch", {"Successful": [], "Failed": [refusal]})
        stubber.add_client_error("send_message_batch", "ThrottlingException")
        stubber.add_client_error("send_message", "QueueDoesNotExist")
        assert queue(client).send([notice_of()]) == {source("chat:1")}
        assert queue(client).send([notice_of()]) == {source("chat:1")}
        with pytest.raises(QueueUnavailableError):
            queue(client).dead_letter("body", MalformedItemError("x"))


@pytest.fixture
def sqs() -> Iterator[Any]:
    with mock_aws():
        yield boto3.client("sqs", "us-east-1")


def test_sent_and_dead_lettered_messages_are_received(sqs: Any, notice_of: Build, layouts: Layouts) -> None:
    url, dead = (sqs.create_queue(QueueName=name)["QueueUrl"] for name in ("notices", "dead"))
    notices = NoticeQueue(sqs, url, dead)
    assert notices.send([notice_of(f"chat:{number}", "p/1") for number in range(11)]) == frozenset()
    notices.dead_letter("body", MalformedItemError("the messages are not valid JSON"), "acme")
    received = [
        message
        for _ in range(2)
        for message in sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10)["Messages"]
    ]
    assert {decode_notice(message["Body"], layouts).address.key.range_value for message in received} == {
        f"chat:{number}" for number in range(11)
    }
    [dead_lettered] = sqs.receive_message(QueueUrl=dead, MessageAttributeNames=["All"])["Messages"]
    assert dead_lettered["MessageAttributes"]["error"]["StringValue"] == "the messages are not valid JSON"
