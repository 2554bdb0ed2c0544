"""Daily summaries on the deployed template: 50 users, three missed days, one of them with malformed logs."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from support.deployed_stack import DeployedStack, until

from pipeline.local.stack import Stack

pytestmark = pytest.mark.e2e
NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
DAYS = [(NOW - timedelta(days=back)).date().isoformat() for back in (3, 2, 1)]
USERS = 50
BROKEN = 13


@pytest.fixture(scope="module")
def deployed() -> Iterator[DeployedStack]:
    with Stack({"DigestProvider": "extractive"}) as running:
        yield DeployedStack(running, "acme")


def digest(deployed: DeployedStack) -> dict[str, Any]:
    answer = deployed.stack.client("lambda").invoke(
        FunctionName=deployed.stack.outputs["DigestFunctionName"],
        Payload=json.dumps({"now": NOW.isoformat()}),
    )
    found: dict[str, Any] = json.loads(answer["Payload"].read())
    return found


def summaries(deployed: DeployedStack) -> list[dict[str, Any]]:
    pages = (
        deployed.stack.client("dynamodb").get_paginator("scan").paginate(TableName=deployed.table("Memory"))
    )
    return [item for page in pages for item in page["Items"] if ":summary:" in item["sk"]["S"]]


def put_log(deployed: DeployedStack, user: int, day: str) -> None:
    text = f"# {day}\n\n- Q: where is the kiln {user} key?... → A: in drawer {user} since {day}..."
    item = {"tenant_id": {"S": f"potter-{user:02}"}, "sk": {"S": f"memory:daily:{day}"}}
    content = {"L": [{"S": text}]} if user == BROKEN else {"S": text}
    deployed.stack.client("dynamodb").put_item(
        TableName=deployed.table("Memory"), Item={**item, "content": content}
    )


def found(deployed: DeployedStack, user: int) -> list[dict[str, Any]]:
    tenant = f"potter-{user:02}"
    hits = deployed.demo.search(tenant, tenant, "kiln key", 50, min_confidence=0)
    return [hit for hit in hits if hit["kind"] == "summary"]


def test_every_finished_day_becomes_one_searchable_summary_and_the_broken_ones_are_reported(
    deployed: DeployedStack,
) -> None:
    for user in range(USERS):
        for day in DAYS:
            put_log(deployed, user, day)
    first, second = digest(deployed), digest(deployed)
    assert (first["written"], first["causes"]) == ((USERS - 1) * 3, {"malformed_item": 3})
    assert (second["written"], second["unchanged"]) == (0, (USERS - 1) * 3)
    assert len(summaries(deployed)) == (USERS - 1) * 3
    until(lambda: all(len(found(deployed, user)) == 3 for user in (0, 27, 49)), "summaries are searchable")
    until(lambda: deployed.demo.queue_depth() == 0, "everything is indexed")
    assert found(deployed, BROKEN) == []
    assert digest(deployed)["written"] == 0


def test_a_log_that_is_deleted_takes_its_summary_out_of_memory(deployed: DeployedStack) -> None:
    put_log(deployed, 99, DAYS[0])
    digest(deployed)
    until(lambda: len(found(deployed, 99)) == 1, "the summary is searchable")
    key = {"tenant_id": {"S": "potter-99"}, "sk": {"S": f"memory:daily:{DAYS[0]}"}}
    deployed.stack.client("dynamodb").delete_item(TableName=deployed.table("Memory"), Key=key)
    assert digest(deployed)["deleted"] == 1
    until(lambda: found(deployed, 99) == [], "the summary is forgotten")


def test_the_schedule_is_deployed(deployed: DeployedStack) -> None:
    names = deployed.stack.client("scheduler").list_schedules()["Schedules"]
    assert [row["State"] for row in names] == ["ENABLED"]
