"""The deployed template with an embedding server of many habits at once, at an address with a query; on two stores."""

import random
from collections.abc import Iterator
from typing import Any

import pytest
from support.deployed_stack import DeployedStack, until
from support.embedding_api import EmbeddingApi
from support.json_server import as_json
from support.server_habits import (
    DIMENSIONS,
    POISON,
    good,
    has,
    more_than,
    poisoned,
    unless,
    vectors,
    with_rows,
)

from pipeline.local.stack import Stack

pytestmark = pytest.mark.e2e
NO_DIMENSIONS = as_json(400, {"message": "matryoshka is not supported: dimensions"})
TEN_TEXTS = as_json(400, {"error": {"message": "batch size is invalid", "code": "InvalidParameter"}})
NO_BUDGET = as_json(400, {"error": {"message": "Budget has been exceeded!", "code": "400"}})


def _no_first_index(body: dict[str, Any]) -> Any:
    rows = vectors(body)
    del rows[0]["index"]
    return with_rows(body, rows)


ODD = unless(has("dimensions"), NO_DIMENSIONS, unless(more_than(10), TEN_TEXTS, _no_first_index))


@pytest.fixture(scope="module")
def api() -> Iterator[EmbeddingApi]:
    with EmbeddingApi(ODD) as running:
        yield running


@pytest.fixture(scope="module", params=["pgvector", "dynamodb"])
def deployed(api: EmbeddingApi, request: pytest.FixtureRequest) -> Iterator[DeployedStack]:
    parameters = {
        "EmbeddingProvider": "openai",
        "EmbeddingModel": "bge-m3",
        "EmbeddingDimensions": str(DIMENSIONS),
        "OpenAiBaseUrl": f"{api.root}/openai/deployments/e?api-version=2024-02-01",
        "MaxRetryDelaySeconds": "2",
    }
    api.always = ODD
    with Stack(parameters, {"OpenAiSecretArn": "a key"}, store=request.param) as running:
        yield DeployedStack(running, "acme")


def test_sixty_messages_reach_a_server_of_odd_habits_and_are_all_found(
    deployed: DeployedStack, api: EmbeddingApi
) -> None:
    draw = random.Random(7)
    words = ["".join(draw.choices("abcdefghijklmnop", k=6)) for _ in range(400)]
    said = [
        {
            "role": "user",
            "content": " ".join([f"landmark{number}", *draw.choices(words, k=60)]),
            "timestamp": f"2026-11-01T10:{number:02}:00Z",
        }
        for number in range(60)
    ]
    deployed.save("chat:1", said)
    until(
        lambda: any("landmark59" in text for text in deployed.contents("landmark59")),
        "they are searchable",
        seconds=180,
    )
    deployed.save("chat:1", [*said, {"role": "assistant", "content": "landmark60 is the last one."}])
    until(
        lambda: any("landmark60" in text for text in deployed.contents("landmark60")),
        "one more turn is",
        seconds=180,
    )
    for number in range(61):
        assert any(f"landmark{number} " in f"{text} " for text in deployed.contents(f"landmark{number}"))
    assert deployed.dead_letters() == []
    assert {request["path"] for request in api.requests} == {
        "/openai/deployments/e/embeddings?api-version=2024-02-01"
    }
    assert "dimensions" not in api.requests[-1]


def test_a_spent_budget_puts_off_and_heals_by_itself(deployed: DeployedStack, api: EmbeddingApi) -> None:
    api.always = lambda _: NO_BUDGET
    deployed.save("chat:2", [{"role": "user", "content": "The harbour master is called Ines."}])
    until(lambda: '"embedding_unavailable":' in deployed.stack.logs, "it is retried")
    assert deployed.dead_letters() == []
    api.always = good
    until(lambda: any("Ines" in text for text in deployed.contents("harbour master")), "it is searchable")


@pytest.mark.parametrize("status", [400, 413, 500])
def test_a_text_that_the_server_refuses_hides_no_neighbour(
    deployed: DeployedStack, api: EmbeddingApi, status: int
) -> None:
    api.always = unless(poisoned, as_json(status, {"error": {"message": "no"}}))
    key = f"chat:poison-{status}"
    allergy = {"role": "user", "content": f"My daughter must not eat peanuts {status}."}
    deployed.save(key, [allergy])
    until(lambda: any(f"peanuts {status}" in text for text in deployed.contents("peanuts")), "it is indexed")
    refused = {"role": "assistant", "content": POISON}
    deployed.save(key, [allergy, refused, {"role": "user", "content": f"My new locker is 4711-{status}."}])
    until(
        lambda: any(f"4711-{status}" in text for text in deployed.contents(f"locker 4711-{status}")),
        "it is found",
    )
    api.always = good


@pytest.mark.parametrize("path", ["search", "context", "related"])
def test_a_long_question_is_answered_from_beginning_and_end(deployed: DeployedStack, path: str) -> None:
    said = "The harbour master, " + "\nERROR co" * 1_000 + " who is it?"
    body = {"messages": [said]} if path == "related" else {"query": said}
    status, answer = deployed.invoke(
        {"tenant_id": deployed.tenant, "path": f"/api/v1/memory/{path}", "method": "POST", "body": body}
    )
    assert status == 200
    assert answer["question_truncated"] is True
