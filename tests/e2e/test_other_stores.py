"""The deployed template with another store under it: saves answer, the page opens, what is forgotten is gone."""

import json
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest
import urllib3
from support.deployed_stack import DeployedStack, until

from lab.backfill import Operator
from pipeline.local.emf import publish
from pipeline.local.page.people import Person
from pipeline.local.page.server import PageServer
from pipeline.local.stack import Stack
from pipeline.store_settings import StoreName

pytestmark = pytest.mark.e2e

TALK = [
    {"role": "user", "content": "When does the robot arm ship?", "timestamp": "2026-11-20T10:00:00Z"},
    {"role": "assistant", "content": "On 12 December, from Osaka.", "timestamp": "2026-11-20T10:00:05Z"},
]
ASKED_FOR = [{"role": "user", "content": "請求書の宛名は田中商店", "timestamp": "2026-11-20T11:00:00Z"}]
PATIENCE_SECONDS = 240
"""The functions start cold on a machine that may have more to do."""
STORES: list[StoreName] = ["dynamodb", "opensearch"]


@pytest.fixture(params=STORES)
def other(request: pytest.FixtureRequest) -> Iterator[DeployedStack]:
    with Stack(store=request.param) as stack:
        yield DeployedStack(stack, f"tenant-{uuid4().hex[:8]}")


def answers(deployed: DeployedStack, text: str) -> bool:
    """Tell whether memory answers with ``text``; a cold function may time out first."""
    try:
        return any(text in content for content in deployed.contents(text))
    except RuntimeError:
        return False


def test_a_saved_message_answers_until_it_is_forgotten(other: DeployedStack, tmp_path: Path) -> None:
    other.save("chat:1", TALK)
    other.save("chat:2", ASKED_FOR)
    until(lambda: answers(other, "12 December"), "the first session is searchable", PATIENCE_SECONDS)
    until(lambda: answers(other, "田中商店"), "the second session is searchable", PATIENCE_SECONDS)
    assert {(row.tenant_id, row.key) for row in other.stack.rows()} == {
        (other.tenant, "chat:1"),
        (other.tenant, "chat:2"),
    }

    until(lambda: other.demo.queue_depth() == 0, "everything is indexed")
    operator = Operator(other.stack, tmp_path)
    plan = json.loads(operator.run("backfill", "--stack", other.stack.name, "--dry-run", "--json"))
    assert (plan["memory"], plan["announced"], plan["tokens"]) == (2, 0, 0)
    used = json.loads(operator.run("usage", "--stack", other.stack.name, "--json"))
    assert {row["tenant_id"] for row in used} == {other.tenant}
    assert sum(row["tokens"] for row in used) > 0
    publish(other.stack.logs.splitlines(), other.stack.client("cloudwatch"))
    status = json.loads(operator.run("status", "--stack", other.stack.name, "--json"))
    assert (status["unseen"], status["items"] > 0, status["waiting"]) == ([], True, 0)
    assert status["latency_p95"].keys() == {"exact" if other.stack.store == "dynamodb" else "hnsw"}

    with PageServer(other.stack, {Person(other.tenant, other.tenant): ["When does it ship?"]}) as page:
        opened = urllib3.request("GET", page.url, timeout=60)
    assert (opened.status, b"<html" in opened.data) == (200, True)

    forget_message = {"method": "DELETE", "path": "/api/v1/memory", "tenant_id": other.tenant}
    status, _ = other.invoke({**forget_message, "params": {"session_key": "chat:1"}})
    assert status == 202
    until(lambda: not answers(other, "12 December"), "the first session is forgotten", PATIENCE_SECONDS)
    assert answers(other, "田中商店")
    assert other.dead_letters() == []

    swept = other.stack.client("lambda").invoke(
        FunctionName=other.stack.outputs["IngestFunctionName"], Payload=json.dumps({"sweep": True})
    )
    assert json.loads(swept["Payload"].read()).keys() == {"removed", "finished"}
    assert answers(other, "田中商店")
