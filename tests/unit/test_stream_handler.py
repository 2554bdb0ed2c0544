import io
import json
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.exceptions import ClientError

from pipeline import bootstrap
from pipeline.errors import VectorMemoryError
from pipeline.handlers import stream
from pipeline.ingest.queue import NoticeQueue

Event = Callable[[str], dict[str, Any]]
CONTEXT: Any = SimpleNamespace(function_name="stream")


def bodies(aws: Any) -> list[dict[str, Any]]:
    return [json.loads(entry["MessageBody"]) for entry in aws.sent]


def test_each_changed_item_becomes_one_notice(aws: Any, event: Event, logs: io.StringIO) -> None:
    answer = stream.handler(event("dynamodb-stream"), CONTEXT)
    assert answer == {"batchItemFailures": []}
    assert [body["key"]["session_key"]["S"] for body in bodies(aws)] == [
        "slack:42",
        "slack:43",
        "slack:44",
        "slack:45",
    ]
    events = [[each["event"] for each in body["transitions"]] for body in bodies(aws)]
    assert events == [["inserted"], ["modified"], ["deleted"], ["expired"]]
    assert len(aws.bodies(aws.queue_url)) == 4
    [line] = [json.loads(text) for text in logs.getvalue().splitlines()]
    assert (line["records"], line["notices"], line["failed"]) == (4, 4, 0)


def test_notices_hold_no_text(aws: Any, event: Event) -> None:
    stream.handler(event("dynamodb-stream"), CONTEXT)
    everything = json.dumps(aws.requests)
    assert not any(
        words in everything
        for words in ("blue crate", "Elm Street", "Oak Street", "delete this", "month ago")
    )


def test_a_burst_of_saves_of_one_item_is_one_notice(aws: Any, event: Event) -> None:
    records = [record | {"dynamodb": {**record["dynamodb"], "SequenceNumber": str(number)}} for number, record in enumerate([event("dynamodb-stream")["Records"][0]] * 5)]  # fmt: skip
    stream.handler({"Records": records}, CONTEXT)
    [body] = bodies(aws)
    assert body["position"].endswith("/" + "4".zfill(40))


def test_a_record_that_cannot_be_read_is_reported_alone(aws: Any, event: Event, logs: io.StringIO) -> None:
    batch = event("dynamodb-stream")
    del batch["Records"][1]["dynamodb"]["Keys"]
    answer = stream.handler(batch, CONTEXT)
    assert answer == {"batchItemFailures": [{"itemIdentifier": "111200000000000000000002"}]}
    assert len(bodies(aws)) == 3
    assert "KeyError" in logs.getvalue()


class Refusing:
    """An SQS client that takes no message about one item."""

    def __init__(self, key: str | None) -> None:
        self.key = key

    def send_message_batch(self, Entries: Any, **_: Any) -> Any:  # noqa: N803  # boto3's own name
        if self.key is None:
            raise ClientError({"Error": {"Code": "Throttled"}}, "SendMessageBatch")
        return {"Failed": [{"Id": entry["Id"]} for entry in Entries if self.key in entry["MessageBody"]]}


@pytest.mark.parametrize(("key", "failed"), [("slack:44", ["111300000000000000000003"]), (None, None)])
def test_a_notice_the_queue_did_not_take_is_reported_with_the_reason(  # noqa: PLR0913, PLR0917  # fixtures
    aws: Any,
    event: Event,
    logs: io.StringIO,
    monkeypatch: pytest.MonkeyPatch,
    key: str | None,
    failed: list[str] | None,
) -> None:
    client: Any = Refusing(key)
    monkeypatch.setattr(bootstrap.container(), "notice_queue", NoticeQueue(client, aws.queue_url))
    batch = event("dynamodb-stream")
    every = [record["dynamodb"]["SequenceNumber"] for record in batch["Records"]]
    answer = stream.handler(batch, CONTEXT)
    assert [failure["itemIdentifier"] for failure in answer["batchItemFailures"]] == (failed or every)
    assert ('"reasons":["Throttled"]' in logs.getvalue()) == (key is None)


def test_a_stream_of_other_items_sends_nothing(aws: Any, event: Event) -> None:
    record = event("dynamodb-stream")["Records"][0]
    record["dynamodb"]["Keys"] = {"pk": {"S": "APIKEY#mika"}, "sk": {"S": "main"}}
    assert stream.handler({"Records": [record]}, CONTEXT) == {"batchItemFailures": []}
    assert aws.requests == []


@pytest.mark.usefixtures("aws")
def test_without_its_message_key_the_function_fails_whole_and_says_why(
    event: Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MESSAGE_KEY_SECRET_ARN", "arn:aws:secretsmanager:us-east-1:123456789012:secret:gone")
    bootstrap.read_from(None)
    with pytest.raises(VectorMemoryError, match="check its ARN"):
        stream.handler(event("dynamodb-stream"), CONTEXT)


@pytest.mark.usefixtures("aws")
def test_an_event_that_is_no_stream_batch_fails_without_values() -> None:
    with pytest.raises(VectorMemoryError, match=r"KeyError at stream\.py") as caught:
        stream.handler({"Records": [{"body": "canary"}]}, CONTEXT)
    assert "canary" not in str(caught.value)
