"""Reading a stack's log groups piece by piece."""

import time
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from moto import mock_aws

from pipeline.local.function_logs import LATE_MILLISECONDS, FunctionLogs

NOW = int(time.time() * 1000)


@pytest.fixture
def client(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    for name in ("AWS_ENDPOINT_URL", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    with mock_aws():
        yield boto3.client("logs", region_name="us-east-1")


def group(client: Any, name: str) -> str:
    full = f"/aws/lambda/{name}"
    client.create_log_group(logGroupName=full)
    client.create_log_stream(logGroupName=full, logStreamName="s")
    return full


def write(client: Any, name: str, *lines: str, at: int = NOW) -> None:
    events = [{"timestamp": at, "message": line} for line in lines]
    client.put_log_events(logGroupName=name, logStreamName="s", logEvents=events)


def test_a_line_keeps_its_place_and_none_is_told_twice(client: Any) -> None:
    ingest, query = group(client, "memory-ingest"), group(client, "memory-query")
    logs = FunctionLogs(client, "memory")
    assert not logs.read()
    write(client, ingest, "one\n", "the same", "the same")
    write(client, query, "two", at=NOW + 5)
    assert logs.read().split("\n") == ["one", "the same", "the same", "two"]
    write(client, ingest, "late", at=NOW - LATE_MILLISECONDS)
    write(client, ingest, "three", at=NOW + 10)
    assert logs.read().split("\n")[:4] == ["one", "the same", "the same", "two"]
    assert sorted(logs.read().split("\n")[4:]) == ["late", "three"]
    assert logs.read() == logs.read()


def test_it_asks_for_what_is_new_and_reads_groups_that_come_later(client: Any) -> None:
    asked: list[int] = []
    client.meta.events.register(
        "provide-client-params.cloudwatch-logs.FilterLogEvents",
        lambda params, **_: asked.append(params["startTime"]),
    )
    logs = FunctionLogs(client, "memory")
    write(client, group(client, "memory-ingest"), "one")
    logs.read()
    write(client, group(client, "memory-StreamFunction-1"), "two")
    assert sorted(logs.read().split("\n")) == ["one", "two"]
    assert sorted(asked) == [0, 0, NOW - LATE_MILLISECONDS]


def test_another_stacks_lines_are_not_ours(client: Any) -> None:
    write(client, group(client, "memory-ingest"), "ours")
    write(client, group(client, "memory2-ingest"), "theirs")
    assert FunctionLogs(client, "memory").read() == "ours"
