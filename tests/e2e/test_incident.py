"""A scripted incident on the deployed template: the embedding API goes away, a poison item comes, all recovers."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from support.deployed_stack import DeployedStack, until
from support.embedding_api import CountingApi

from lab.backfill import Operator
from pipeline.local.emf import publish
from pipeline.local.stack import Stack

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def api() -> Iterator[CountingApi]:
    running = CountingApi()
    yield running
    running.close()


@pytest.fixture(scope="module")
def deployed(api: CountingApi) -> Iterator[DeployedStack]:
    parameters = {
        "EmbeddingProvider": "openai",
        "EmbeddingModel": "text-embedding-3-small",
        "EmbeddingDimensions": str(CountingApi.DIMENSIONS),
        "OpenAiBaseUrl": api.base_url,
        "MaxRetryDelaySeconds": "2",
    }
    with Stack(parameters, {"OpenAiSecretArn": "sk-of-tests"}) as running:
        yield DeployedStack(running, "acme")


class OperatorConsole:
    """What an operator has: the commands, and the metrics so far."""

    def __init__(self, deployed: DeployedStack, folder: Path) -> None:
        self.deployed, self.operator, self.read = deployed, Operator(deployed.stack, folder), 0

    def status(self) -> dict[str, Any]:
        lines = self.deployed.stack.logs.splitlines()
        publish(lines[self.read :], self.deployed.stack.client("cloudwatch"))
        self.read = len(lines)
        found: dict[str, Any] = json.loads(
            self.operator.run("status", "--stack", self.deployed.stack.name, "--json")
        )
        return found

    def usage(self) -> int:
        rows = json.loads(self.operator.run("usage", "--json"))
        return sum(row["tokens"] for row in rows)


def chunks(deployed: DeployedStack) -> int:
    with psycopg.connect(deployed.stack.postgres.conninfo()) as connection:
        row = connection.execute("SELECT count(DISTINCT source) FROM memories").fetchone()
    return int(row[0]) if row else 0


def waiting(deployed: DeployedStack) -> int:
    """Count the chunks that are stored without a vector."""
    with psycopg.connect(deployed.stack.postgres.conninfo()) as connection:
        row = connection.execute("SELECT count(*) FROM memories WHERE fingerprint = ''").fetchone()
    return int(row[0]) if row else 0


def save(deployed: DeployedStack, name: str, count: int) -> None:
    for number in range(count):
        deployed.save(f"{name}:{number}", [{"role": "user", "content": f"{name} {number}: a plan for tea"}])


def quiet(deployed: DeployedStack) -> bool:
    return deployed.demo.queue_depth() == 0


def advised(status: dict[str, Any]) -> list[tuple[str, str]]:
    return [(one["level"], one["what"]) for one in status["advice"]]


def test_status_and_metrics_tell_the_story_and_the_ledger_equals_the_providers_count(
    deployed: DeployedStack, api: CountingApi, tmp_path: Path
) -> None:
    console = OperatorConsole(deployed, tmp_path)

    save(deployed, "calm", 5)
    until(lambda: chunks(deployed) == 5 and quiet(deployed), "the first saves are searchable")
    calm = console.status()
    assert calm["advice"] == []
    assert calm["items"] == 5
    assert calm["lag_p95"] > 0

    api.down = True
    save(deployed, "outage", 5)
    deployed.save("poison", "this is no JSON")
    until(
        lambda: all(
            f'"{cause}":' in deployed.stack.logs for cause in ("embedding_unavailable", "malformed_item")
        ),
        "trouble shows",
    )
    trouble = console.status()
    assert trouble["retries"]["embedding_unavailable"] >= 1
    assert trouble["dead_lettered"] == {"malformed_item": 1}
    assert trouble["waiting"] + trouble["delayed"] >= 1
    until(lambda: chunks(deployed) == 10, "what waits for its vector is found by its words meanwhile")
    assert waiting(deployed) == 5
    # The poison and the outage are both named, whichever of the notices is in flight just now.
    whats = " ".join(what for _, what in advised(trouble))
    assert "dead letter" in whats
    assert "embedding_unavailable" in whats

    api.down = False
    until(lambda: waiting(deployed) == 0 and quiet(deployed), "everything that waited has its vector")
    assert chunks(deployed) == 10
    after = console.status()
    assert ("act", "1 dead letter (lately: 1 malformed_item)") in advised(after)
    assert all(
        level == "watch" and "over by now" in what for level, what in advised(after) if "retried" in what
    )
    assert after["delayed"] == 0
    assert after["tokens"] > calm["tokens"]

    console.operator.run("dlq", "drop", "--stack", deployed.stack.name, "--cause", "malformed_item", "--yes")
    assert [level for level, _ in advised(console.status()) if level == "act"] == []

    assert console.usage() == api.tokens > 0
    for _ in range(2):  # what the first question of a process is measured by is counted with the next one
        deployed.contents("what about tea?")
    assert console.usage() == api.tokens
    assert console.status()["latency_p95"].keys() == {"exact"}


def test_alarms_are_deployed_with_their_thresholds(stack: Stack) -> None:
    cloudwatch = stack.client("cloudwatch")
    described = cloudwatch.describe_alarms()["MetricAlarms"]
    alarms = {alarm["MetricName"]: alarm for alarm in described if "MetricName" in alarm}  # or a formula
    assert alarms.keys() >= {
        "ApproximateNumberOfMessagesVisible",
        "IngestLag",
        "IteratorAge",
        "Errors",
        "Dollars",
    }
    assert alarms["IngestLag"]["Threshold"] == 60_000.0
    assert alarms["IngestLag"]["ExtendedStatistic"] == "p95"


def test_a_dashboard_is_deployed(stack: Stack) -> None:
    cloudwatch = stack.client("cloudwatch")
    body = json.loads(cloudwatch.get_dashboard(DashboardName=stack.name)["DashboardBody"])
    assert len(body["widgets"]) == 6
