"""Queues and streams that deliver again, as the template sets them up."""

import io
import json
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import pytest
from support.deployed_stack import DeployedStack, until

pytestmark = pytest.mark.e2e

TALK = [
    {"role": "user", "content": "The spare key is under the blue pot.", "timestamp": "2026-11-20T10:00:00Z"}
]
PICKY = '''
import json, os
import boto3

def handler(event, context):
    """Tell a queue which keys came; fail those called refuse-."""
    keys = {r["dynamodb"]["SequenceNumber"]: r["dynamodb"]["Keys"]["session_key"]["S"] for r in event["Records"]}
    boto3.client("sqs").send_message(QueueUrl=os.environ["SEEN"], MessageBody=json.dumps(list(keys.values())))
    refused = [number for number, key in keys.items() if key.startswith("refuse-")]
    return {"batchItemFailures": [{"itemIdentifier": number} for number in refused]}
'''


def remembers(deployed: DeployedStack, text: str) -> bool:
    return any(text in content for content in deployed.contents(text))


def arn_of(deployed: DeployedStack, queue_url: str) -> str:
    answer = deployed.stack.client("sqs").get_queue_attributes(
        QueueUrl=queue_url, AttributeNames=["QueueArn"]
    )
    return str(answer["Attributes"]["QueueArn"])


def test_dead_letters_go_back_by_the_queues_own_move_task(deployed: DeployedStack) -> None:
    deployed.save("chat:1", "{")
    until(lambda: len(deployed.dead_letters()) == 1, "the broken item is a dead letter")
    outputs, dynamodb = deployed.stack.outputs, deployed.stack.client("dynamodb")
    key = {"tenant_id": {"S": deployed.tenant}, "session_key": {"S": "chat:1"}}
    with mapping_changed(deployed, Enabled=False):  # so that only the dead letter can bring it in
        dynamodb.put_item(TableName=deployed.table(), Item={**key, "messages": {"S": json.dumps(TALK)}})
        deployed.stack.client("sqs").start_message_move_task(
            SourceArn=arn_of(deployed, outputs["DeadLetterQueueUrl"]),
            DestinationArn=arn_of(deployed, outputs["NoticeQueueUrl"]),
        )
        until(lambda: remembers(deployed, "blue pot"), "the moved dead letter made it searchable")
    assert deployed.dead_letters() == []


def sessions_mapping(deployed: DeployedStack) -> dict[str, Any]:
    mappings = deployed.stack.client("lambda").list_event_source_mappings()["EventSourceMappings"]
    [found] = [
        one
        for one in mappings
        if f":table/{deployed.table()}/stream/" in one["EventSourceArn"]
        and deployed.stack.outputs["StreamFunctionName"] in one["FunctionArn"]
    ]
    return dict(found)


@contextmanager
def mapping_changed(deployed: DeployedStack, **change: Any) -> Iterator[None]:
    """Change the session table's mapping, and back."""
    aws_lambda, before = deployed.stack.client("lambda"), sessions_mapping(deployed)
    back = {name: before[name] for name in change if name != "Enabled"} | (
        {"Enabled": True} if "Enabled" in change else {}
    )
    settle(deployed, **change)
    try:
        yield
    finally:
        settle(deployed, **back)
    assert aws_lambda


def settle(deployed: DeployedStack, **change: Any) -> None:
    deployed.stack.client("lambda").update_event_source_mapping(
        UUID=sessions_mapping(deployed)["UUID"], **change
    )
    wanted = {"Enabled", "Disabled"}
    until(lambda: sessions_mapping(deployed)["State"] in wanted, "the mapping has taken the change")


@contextmanager
def queue_lost(deployed: DeployedStack) -> Iterator[None]:
    """Let the stream function send its notices where no queue is."""
    aws_lambda, name = deployed.stack.client("lambda"), deployed.stack.outputs["StreamFunctionName"]
    right = aws_lambda.get_function_configuration(FunctionName=name)["Environment"]["Variables"]
    wrong = {**right, "QUEUE_URL": right["QUEUE_URL"] + "-lost"}
    aws_lambda.update_function_configuration(FunctionName=name, Environment={"Variables": wrong})
    aws_lambda.get_waiter("function_updated_v2").wait(FunctionName=name, WaiterConfig={"Delay": 1})
    try:
        yield
    finally:
        aws_lambda.update_function_configuration(FunctionName=name, Environment={"Variables": right})
        aws_lambda.get_waiter("function_updated_v2").wait(FunctionName=name, WaiterConfig={"Delay": 1})


def failed_announcements(deployed: DeployedStack) -> int:
    lines = [json.loads(line) for line in deployed.stack.logs.splitlines() if line.startswith('{"level"')]
    return sum(line.get("failed", 0) for line in lines if line["message"] == "announced")


def test_saves_during_an_outage_of_the_queue_become_memory_after_it(deployed: DeployedStack) -> None:
    before = failed_announcements(deployed)
    with queue_lost(deployed):
        for number in range(3):
            deployed.save(f"chat:{number}", [{"role": "user", "content": f"crate {number} is blue"}])
        until(lambda: failed_announcements(deployed) > before, "the stream function reported a failure")
    until(
        lambda: all(remembers(deployed, f"crate {number} is blue") for number in range(3)),
        "nothing was lost",
        120,
    )


def test_a_batch_that_lambda_gave_up_on_is_replayed_from_its_own_message(
    deployed: DeployedStack, command: Callable[..., str]
) -> None:
    def replayed() -> bool:
        said = command("dlq", "replay-stream", "--stack", deployed.stack.name)
        assert "0 lost, 0 failed" in said or said == "no failed stream batches\n"
        return remembers(deployed, "blue pot")

    # All of it while the function cannot reach the queue: a mapping that is changed may deliver from its beginning again.
    with mapping_changed(deployed, MaximumRetryAttempts=1), queue_lost(deployed):
        deployed.save("chat:1", TALK)
        until(lambda: deployed.demo.queue_depth("StreamFailureQueueUrl") >= 1, "Lambda gave up on it", 120)
        assert not remembers(deployed, "blue pot")
        until(replayed, "the replayed change is searchable", 120)
        until(
            lambda: replayed() and deployed.demo.queue_depth("StreamFailureQueueUrl") == 0, "all is replayed"
        )


@dataclass
class Picky:
    """A function that fails on purpose, for the stream of a table of its own.

    Args:
        seen: URL of a queue, told of every batch.
        failed: URL of the queue of what Lambda gave up on.
    """

    deployed: DeployedStack
    name: str
    seen: str
    failed: str
    mapping: str = ""

    def put(self, *keys: str) -> None:
        for key in keys:
            item = {"tenant_id": {"S": self.deployed.tenant}, "session_key": {"S": key}}
            self.deployed.stack.client("dynamodb").put_item(TableName=self.name, Item=item)

    def attach(self) -> None:
        """Let the function read the stream from its beginning, set up as the template's own mapping is."""
        ours, aws_lambda = sessions_mapping(self.deployed), self.deployed.stack.client("lambda")
        table = self.deployed.stack.client("dynamodb").describe_table(TableName=self.name)["Table"]
        copied = ("BisectBatchOnFunctionError", "FunctionResponseTypes", "MaximumRecordAgeInSeconds")
        self.mapping = aws_lambda.create_event_source_mapping(
            FunctionName=self.name,
            EventSourceArn=table["LatestStreamArn"],
            StartingPosition="TRIM_HORIZON",
            BatchSize=ours["BatchSize"],
            MaximumRetryAttempts=3,
            DestinationConfig={"OnFailure": {"Destination": arn_of(self.deployed, self.failed)}},
            **{setting: ours[setting] for setting in copied},
        )["UUID"]


@pytest.fixture
def picky(deployed: DeployedStack) -> Iterator[Picky]:
    name, aws_lambda, sqs = (
        f"picky-{uuid4().hex[:8]}",
        deployed.stack.client("lambda"),
        deployed.stack.client("sqs"),
    )
    seen, failed = (sqs.create_queue(QueueName=f"{name}-{kind}")["QueueUrl"] for kind in ("seen", "failed"))
    deployed.stack.client("dynamodb").create_table(
        TableName=name,
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[
            {"AttributeName": one, "AttributeType": "S"} for one in ("tenant_id", "session_key")
        ],
        KeySchema=[
            {"AttributeName": "tenant_id", "KeyType": "HASH"},
            {"AttributeName": "session_key", "KeyType": "RANGE"},
        ],
        StreamSpecification={"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"},
    )
    model = aws_lambda.get_function_configuration(FunctionName=deployed.stack.outputs["StreamFunctionName"])
    code = io.BytesIO()
    with zipfile.ZipFile(code, "w") as archive:
        archive.writestr("picky.py", PICKY)
    aws_lambda.create_function(
        FunctionName=name,
        Runtime=model["Runtime"],
        Role=model["Role"],
        Handler="picky.handler",
        Code={"ZipFile": code.getvalue()},
        Timeout=30,
        Environment={"Variables": {"SEEN": seen}},
    )
    aws_lambda.get_waiter("function_active_v2").wait(FunctionName=name, WaiterConfig={"Delay": 1})
    made = Picky(deployed, name, seen, failed)
    yield made
    if made.mapping:
        aws_lambda.delete_event_source_mapping(UUID=made.mapping)
    aws_lambda.delete_function(FunctionName=name)
    deployed.stack.client("dynamodb").delete_table(TableName=name)
    for queue in (seen, failed):
        sqs.delete_queue(QueueUrl=queue)


def taken(deployed: DeployedStack, queue: str, into: list[Any]) -> list[Any]:
    """Take what is in a queue, and return it with what was taken before."""
    answer = deployed.stack.client("sqs").receive_message(
        QueueUrl=queue, MaxNumberOfMessages=10, WaitTimeSeconds=1
    )
    for message in answer.get("Messages", []):
        into.append(json.loads(message["Body"]))
        deployed.stack.client("sqs").delete_message(QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"])
    return into


def test_a_reported_record_comes_again_and_its_neighbours_are_not_lost(
    deployed: DeployedStack, picky: Picky
) -> None:
    got: list[Any] = []
    lost: list[Any] = []
    picky.put("a", "refuse-b", "c")
    picky.attach()
    until(lambda: len(taken(deployed, picky.failed, lost)) == 1, "Lambda gave up on the refused record", 180)
    until(lambda: any("c" in batch for batch in taken(deployed, picky.seen, got)), "its neighbour came", 180)
    runs = taken(deployed, picky.seen, got)
    assert runs[0] == ["a", "refuse-b", "c"]
    assert sum("refuse-b" in batch for batch in runs) >= 2
    assert sum("a" in batch for batch in runs) == 1  # before the checkpoint: it is done with
    assert "RetryAttemptsExhausted" in json.dumps(lost[0])
