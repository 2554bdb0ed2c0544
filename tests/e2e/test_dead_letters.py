"""What could not become memory is looked at, sent again and let go, by the command line against the local AWS."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest
from support.deployed_stack import DeployedStack, until

from pipeline.local.aws import REGION

pytestmark = pytest.mark.e2e

COMMAND = [str(Path(sys.prefix) / "bin" / "vector-memory"), "dlq"]
TALK = [
    {"role": "user", "content": "The spare key is under the blue pot.", "timestamp": "2026-11-20T10:00:00Z"}
]
Run = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def run(deployed: DeployedStack) -> Run:
    """Run ``vector-memory dlq`` as an operator would, knowing the stack's name only."""
    environment = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": os.environ.get("PYTHONPATH", ""),
        "AWS_ENDPOINT_URL": deployed.stack.aws.endpoint_url,
        "AWS_REGION": REGION,
        "AWS_DEFAULT_REGION": REGION,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
    }

    def command(*arguments: str, status: int = 0) -> "subprocess.CompletedProcess[str]":
        done = subprocess.run(
            [*COMMAND, arguments[0], "--stack", deployed.stack.name, *arguments[1:]],
            env=environment,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == status, done.stderr
        assert "Traceback" not in done.stderr
        return done

    return command


def letters(deployed: DeployedStack, run: Run) -> list[dict[str, Any]]:
    found = json.loads(run("list", "--json").stdout)
    return [letter for letter in found if letter["tenant_id"] == deployed.tenant]


def settled(deployed: DeployedStack) -> bool:
    """Tell whether every notice that was sent has been worked on."""
    return deployed.demo.queue_depth() == 0


def remembers(deployed: DeployedStack, text: str) -> bool:
    return any(text in content for content in deployed.contents(text))


@contextmanager
def stream_held(deployed: DeployedStack, table: str = "Sessions") -> Iterator[None]:
    """Keep a table's changes from the stream function."""
    aws_lambda, name = deployed.stack.client("lambda"), deployed.table(table)
    mappings = [
        mapping["UUID"]
        for mapping in aws_lambda.list_event_source_mappings()["EventSourceMappings"]
        if f":table/{name}/stream/" in mapping["EventSourceArn"]
    ]
    assert mappings
    for mapping in mappings:
        aws_lambda.update_event_source_mapping(UUID=mapping, Enabled=False)
        until(
            lambda uuid=mapping: _state(aws_lambda, uuid) == "Disabled", "the stream is held"
        )  # it takes a moment
    try:
        yield
    finally:
        for mapping in mappings:
            aws_lambda.update_event_source_mapping(UUID=mapping, Enabled=True)


def _state(aws_lambda: Any, mapping: str) -> str:
    return str(aws_lambda.get_event_source_mapping(UUID=mapping)["State"])


def test_a_mended_item_becomes_memory_by_redrive_and_a_second_redrive_costs_nothing(
    deployed: DeployedStack, run: Run
) -> None:
    deployed.save("chat:1", '[{"role": "user", "content": "half a mess')
    until(lambda: len(deployed.dead_letters()) == 1, "the broken item is a dead letter")
    body = deployed.dead_letters()[0]["Body"]

    [letter] = letters(deployed, run)
    assert (letter["cause"], letter["table"]) == ("malformed_item", deployed.table())
    assert letter["key"] == {"tenant_id": deployed.tenant, "session_key": "chat:1"}
    assert "JSON" in letter["error"]
    shown = run("list").stdout
    assert f"{deployed.tenant} / chat:1" in shown
    assert "half a mess" not in shown

    with stream_held(deployed):
        deployed.save("chat:1", TALK)
        assert (
            "1 dead letter would be sent again"
            in run("redrive", "--tenant", deployed.tenant, "--dry-run").stdout
        )
        assert not remembers(deployed, "blue pot")
        done = run("redrive", "--tenant", deployed.tenant, "--cause", "malformed_item")
        assert done.stdout.startswith("1 dead letter sent again (malformed_item 1)")
        until(lambda: remembers(deployed, "blue pot"), "the redriven notice made it searchable")
        until(lambda: settled(deployed), "the queue is empty")
        contents, before = deployed.contents(), deployed.demo.log_totals()

        assert run("redrive", "--tenant", deployed.tenant).stdout.startswith("0 dead letters sent again")
        assert letters(deployed, run) == []
        for _ in range(2):  # the same letter again, as after a crash between sending and deleting
            deployed.stack.client("sqs").send_message(
                QueueUrl=deployed.stack.outputs["DeadLetterQueueUrl"], MessageBody=body
            )
        assert [letter["cause"] for letter in letters(deployed, run)] == ["crashed", "crashed"]
        assert run("redrive", "--tenant", deployed.tenant).stdout.startswith(
            "2 dead letters sent again (crashed 2)"
        )
        until(
            lambda: deployed.demo.log_totals()["messages"] >= before["messages"] + 2 and settled(deployed),
            "the duplicates were worked on",
        )
        after = deployed.demo.log_totals()
        assert after["tokens_embedded"] == before["tokens_embedded"]
        assert after["embedding_requests"] == before["embedding_requests"]
        assert deployed.contents() == contents
        assert letters(deployed, run) == []


def test_a_dead_letter_that_is_still_broken_comes_back_and_is_dropped(
    deployed: DeployedStack, run: Run
) -> None:
    deployed.save("chat:1", "{")
    until(lambda: len(deployed.dead_letters()) == 1, "the broken item is a dead letter")
    first = letters(deployed, run)[0]["message_id"]
    run("redrive", "--tenant", deployed.tenant)
    until(
        lambda: [letter["message_id"] for letter in letters(deployed, run)] not in ([], [first]),
        "it is a dead letter again",
    )
    assert "would be deleted" in run("drop", "--tenant", deployed.tenant).stdout
    assert len(letters(deployed, run)) == 1
    assert run("drop", "--tenant", deployed.tenant, "--yes").stdout.startswith("1 dead letter deleted")
    assert letters(deployed, run) == []


def test_a_dead_letter_that_is_no_notice_shows_without_its_text_and_stays_until_dropped(
    deployed: DeployedStack, run: Run
) -> None:
    deployed.stack.client("sqs").send_message(
        QueueUrl=deployed.stack.outputs["DeadLetterQueueUrl"], MessageBody=f"secret of {deployed.tenant}"
    )
    shown = run("list").stdout
    assert "malformed_notice" in shown
    assert "secret" not in shown
    assert "cannot be sent again" in run("redrive", "--cause", "malformed_notice").stderr
    assert len(deployed.dead_letters()) == 1
    run("drop", "--cause", "malformed_notice", "--yes")
    assert deployed.dead_letters() == []


def records_of(deployed: DeployedStack) -> list[Any]:
    """Return the stream's records about this deployment's tenant, and where they are."""
    streams = deployed.stack.client("dynamodbstreams")
    [stream] = streams.list_streams(TableName=deployed.table())["Streams"]
    [shard] = streams.describe_stream(StreamArn=stream["StreamArn"])["StreamDescription"]["Shards"]
    iterator = streams.get_shard_iterator(
        StreamArn=stream["StreamArn"], ShardId=shard["ShardId"], ShardIteratorType="TRIM_HORIZON"
    )["ShardIterator"]
    found: list[Any] = []
    while records := (page := streams.get_records(ShardIterator=iterator))["Records"]:
        found += [
            (stream["StreamArn"], shard["ShardId"], record["dynamodb"]["SequenceNumber"])
            for record in records
            if record["dynamodb"]["Keys"]["tenant_id"]["S"] == deployed.tenant
        ]
        iterator = page["NextShardIterator"]
    return found


def fail(deployed: DeployedStack, records: list[Any], **changed: Any) -> None:
    """Tell the failure queue of a batch as Lambda would."""
    (arn, shard, start), (_, _, end) = records[0], records[-1]
    info = {
        "shardId": shard,
        "startSequenceNumber": start,
        "endSequenceNumber": end,
        "approximateArrivalOfFirstRecord": "2026-11-20T10:00:00Z",
        "approximateArrivalOfLastRecord": "2026-11-20T10:05:00Z",
        "batchSize": len(records),
        "streamArn": arn,
        **changed,
    }
    body = {
        "requestContext": {"condition": "RetryAttemptsExhausted", "approximateInvokeCount": 21},
        "responseContext": {"statusCode": 200, "functionError": "Unhandled"},
        "version": "1.0",
        "DDBStreamBatchInfo": info,
    }
    deployed.stack.client("sqs").send_message(
        QueueUrl=deployed.stack.outputs["StreamFailureQueueUrl"], MessageBody=json.dumps(body)
    )


def failures(deployed: DeployedStack) -> int:
    return deployed.demo.queue_depth("StreamFailureQueueUrl")


def test_changes_that_the_stream_function_failed_at_become_memory_and_are_forgotten_by_replay(
    deployed: DeployedStack, run: Run
) -> None:
    assert run("replay-stream").stdout == "no failed stream batches\n"
    deployed.save("chat:gone", [{"role": "user", "content": "the code is plum"}])
    until(lambda: remembers(deployed, "plum"), "the session is searchable")
    with stream_held(deployed):
        deployed.save("chat:1", TALK)
        deployed.save("chat:1", [*TALK, {"role": "assistant", "content": "Noted: the blue pot."}])
        deployed.delete("chat:gone")
        missed = records_of(deployed)[1:]
        assert len(missed) == 3
        fail(deployed, missed)
        assert "2 notices would be sent" in run("replay-stream", "--dry-run").stdout
        assert failures(deployed) == 1
        assert not remembers(deployed, "blue pot")

        done = run("replay-stream")
        assert done.stdout == "3 changes read, 2 notices sent; 1 batch done with, 0 lost, 0 failed\n"
        until(lambda: remembers(deployed, "blue pot"), "the replayed save is searchable")
        until(lambda: not remembers(deployed, "plum"), "the replayed delete is forgotten")
        assert failures(deployed) == 0
        assert run("replay-stream").stdout == "no failed stream batches\n"

        until(lambda: settled(deployed), "the queue is empty")
        before = deployed.demo.log_totals()
        fail(deployed, missed)
        run("replay-stream")
        until(
            lambda: deployed.demo.log_totals()["messages"] >= before["messages"] + 2 and settled(deployed),
            "the second replay was worked on",
        )
        assert deployed.demo.log_totals()["tokens_embedded"] == before["tokens_embedded"]
        assert not remembers(deployed, "plum")


def test_changes_that_the_stream_no_longer_holds_are_named_and_their_message_stays(
    deployed: DeployedStack, run: Run
) -> None:
    deployed.save("chat:1", TALK)
    until(lambda: remembers(deployed, "blue pot"), "the session is searchable")
    fail(deployed, records_of(deployed), startSequenceNumber="1".zfill(21), batchSize=5)
    assert_lost(deployed, run)


def test_changes_of_a_stream_that_is_gone_are_named_and_their_message_stays(
    deployed: DeployedStack, run: Run
) -> None:
    deployed.save("chat:1", TALK)
    until(lambda: remembers(deployed, "blue pot"), "the session is searchable")
    records = records_of(deployed)
    gone = records[0][0].rpartition("/")[0] + "/2020-01-01T00:00:00.000"
    fail(deployed, records, streamArn=gone)
    assert_lost(deployed, run)


def assert_lost(deployed: DeployedStack, run: Run) -> None:
    try:
        done = run("replay-stream", status=1)
        assert "0 batches done with, 1 lost, 0 failed" in done.stdout
        for word in (deployed.table(), "2026-11-20T10:00:00Z", "2026-11-20T10:05:00Z", "vector-memory audit"):
            assert word in done.stderr
        assert failures(deployed) == 1
    finally:
        deployed.stack.client("sqs").purge_queue(QueueUrl=deployed.stack.outputs["StreamFailureQueueUrl"])


def test_a_stack_that_does_not_exist_is_said_so(deployed: DeployedStack, run: Run) -> None:  # noqa: ARG001  # a running AWS
    assert "there is no stack nowhere" in run("list", "--stack", "nowhere", status=2).stderr


def test_a_deleted_secret_is_nowhere_after_every_old_change_was_replayed_and_every_item_audited(
    deployed: DeployedStack, run: Run
) -> None:
    secret, kept = f"canary-{deployed.tenant}", f"kept-{deployed.tenant}"
    deployed.save("chat:1", [*TALK, {"role": "user", "content": secret}])
    until(lambda: remembers(deployed, secret), "the secret is searchable")
    deployed.save("chat:1", [{"role": "user", "content": kept}, *TALK])
    deployed.save("chat:2", [{"role": "user", "content": secret}])
    deployed.delete("chat:2")
    until(lambda: remembers(deployed, kept) and not remembers(deployed, secret), "the secret is forgotten")

    records = records_of(deployed)
    fail(deployed, records)
    run("replay-stream")
    environment = {
        "DATABASE_URL": deployed.stack.postgres.conninfo(),
        "AWS_ENDPOINT_URL": deployed.stack.aws.endpoint_url,
    }
    credentials = {"AWS_DEFAULT_REGION": REGION, "AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}
    audit = [COMMAND[0], "audit", "--stack", deployed.stack.name, "--settle", "1", "--repair"]
    subprocess.run(
        audit, env={**os.environ, **environment, **credentials}, check=True, capture_output=True, timeout=120
    )
    until(lambda: settled(deployed), "the replay was worked on")

    assert len(records) == 4
    assert remembers(deployed, kept)
    with psycopg.connect(deployed.stack.postgres.conninfo()) as connection:
        rows = connection.execute(
            "SELECT memories::text FROM memories UNION ALL SELECT ledger::text FROM ledger"
            " UNION ALL SELECT message::text FROM message"
        )
        assert not any(secret in row for (row,) in rows)
    assert secret not in deployed.stack.logs
    assert secret not in str(deployed.dead_letters())
