"""A save in DynamoDB becomes memory that answers, on the deployed template."""

import json
import statistics
import time
from typing import Any

import pytest
from support.deployed_stack import DEADLINE_SECONDS, DeployedStack, until
from support.emulators import rereads_streams

from pipeline.local.demo_run import SEARCH_PATH
from pipeline.local.stack import Stack

pytestmark = pytest.mark.e2e

REREADING_SECONDS = 10 * DEADLINE_SECONDS
"""Where every save of the whole run is announced once more before the newest ones are."""

TALK = [
    {"role": "system", "content": "You are helpful.", "timestamp": "2026-11-20T09:59:00Z"},
    {"role": "user", "content": "When does the robot arm ship?", "timestamp": "2026-11-20T10:00:00Z"},
    {
        "role": "assistant",
        "content": "It ships on 12 December from Osaka.",
        "timestamp": "2026-11-20T10:00:05Z",
    },
    {
        "role": "user",
        "content": "請求書の宛名は田中商店でお願いします。",
        "timestamp": "2026-11-20T10:01:00Z",
    },
    {
        "role": "assistant",
        "content": "承知しました。田中商店宛てで発行します。",
        "timestamp": "2026-11-20T10:01:05Z",
    },
]


def says(deployed: DeployedStack, text: str, **who: str) -> bool:
    return any(text in content for content in deployed.contents(text, **who))


def holds(deployed: DeployedStack, session: str, text: str) -> bool:
    """Tell whether ``session`` is found by ``text``: what two sessions say alike is told once, unless one is named."""
    body = {"query": text, "top_k": 20, "sessions": [session], "min_confidence": 0}
    event = {"method": "POST", "path": SEARCH_PATH, "tenant_id": deployed.tenant, "body": body}
    status, answer = deployed.invoke(event)
    return status == 200 and any(text in result["content"] for result in answer["results"])


def test_a_saved_session_answers_in_both_languages(deployed: DeployedStack) -> None:
    deployed.save("chat:1", TALK)
    until(lambda: says(deployed, "12 December"), "the session is searchable")
    assert any("12 December" in content for content in deployed.contents("shipping date of the arm")[:2])
    assert any("田中商店" in content for content in deployed.contents("請求書の宛名")[:2])
    assert not says(deployed, "You are helpful")


def test_the_answer_has_the_shape_the_chat_app_knows(deployed: DeployedStack) -> None:
    deployed.save("chat:1", TALK, user_id="mika")
    until(lambda: says(deployed, "12 December", user="mika"), "the session is searchable")
    event = {
        "tenant_id": deployed.tenant,
        "user_id": "mika",
        "path": "/api/v1/memory/search",
        "method": "POST",
    }
    status, body = deployed.invoke({**event, "body": json.dumps({"query": "robot arm", "top_k": 1})})
    assert status == 200
    assert body["query"] == "robot arm"
    [result] = body["results"]
    assert result["key"] == "chat:1"
    assert "2026-11-20" in result["content"]
    assert 0 < result["similarity"] <= 1
    assert deployed.contents("robot arm") == []  # another user of the same tenant


def test_notes_of_every_layout_become_memory_and_other_items_never(deployed: DeployedStack) -> None:
    note = {"content": "- prefers green tea\n- lives in Kobe", "updated_at": "2026-11-22T00:00:00Z"}
    deployed.put({"tenant_id": deployed.tenant, "session_key": "memory:long_term", **note})
    deployed.put(
        {
            "tenant_id": deployed.tenant,
            "sk": "memory:daily:2026-11-21",
            "content": "# 2026-11-21\n\n- Q: parcel? → A: sent",
        },
        "Memory",
    )
    deployed.put(
        {
            "pk": f"MEMORY#{deployed.tenant}",
            "sk": "DAILY#2026-11-22",
            "content": "- Q: umbrella? → A: in the car",
        },
        "Config",
    )
    deployed.put({"pk": f"APIKEY#{deployed.tenant}", "sk": "LONG_TERM", "content": "top secret"}, "Config")
    deployed.put({"pk": f"MEMORY#{deployed.tenant}", "sk": "SETTINGS", "content": "top secret"}, "Config")
    deployed.put({"tenant_id": deployed.tenant, "sk": "sync:state", "content": "top secret"}, "Memory")
    deployed.put(
        {"tenant_id": f"MEMORY#{deployed.tenant}", "session_key": "memory:long_term", "content": "top secret"}
    )
    for text in ("green tea", "Kobe", "parcel", "umbrella"):
        until(lambda text=text: says(deployed, text), f"{text} is searchable")
    assert not says(deployed, "top secret")


def test_one_tenant_reads_nothing_of_another(deployed: DeployedStack) -> None:
    other = f"{deployed.tenant}-other"
    deployed.save("chat:1", [{"role": "user", "content": "the code is plum"}])
    deployed.save("chat:1", [{"role": "user", "content": "the code is pear"}], tenant=other)
    until(lambda: says(deployed, "plum") and says(deployed, "pear", tenant=other), "both are searchable")
    assert not says(deployed, "pear")
    assert not says(deployed, "plum", tenant=other)


def test_edited_text_is_replaced_and_a_deleted_session_is_gone(deployed: DeployedStack) -> None:
    deployed.save("chat:1", TALK)
    until(lambda: says(deployed, "12 December"), "the session is searchable")
    edited = [*TALK[:2], {**TALK[2], "content": "It ships on 19 December from Nagoya."}, *TALK[3:]]
    deployed.save("chat:1", edited)
    until(lambda: says(deployed, "Nagoya") and not says(deployed, "Osaka"), "the edit replaced the old text")
    deployed.delete("chat:1")
    until(lambda: deployed.contents() == [], "the deleted session is gone")


def test_a_cleared_session_stays_memory(deployed: DeployedStack) -> None:
    deployed.save("chat:1", TALK)
    until(lambda: says(deployed, "12 December"), "the session is searchable")
    deployed.save("chat:1", [])
    deployed.save("chat:2", [{"role": "user", "content": "a later save"}])
    until(lambda: says(deployed, "a later save"), "a later save is searchable")
    assert says(deployed, "12 December")


def test_a_broken_item_among_a_hundred_harms_nobody_and_is_found_with_its_cause(
    deployed: DeployedStack,
) -> None:
    for number in range(100):
        deployed.save(f"chat:{number}", [{"role": "user", "content": f"remember shelf number {number}."}])
        if number == 50:
            deployed.save("broken", '[{"role": "user", "content": "half a mess')
    until(lambda: len(deployed.contents()) == 100, "the hundred are searchable")
    until(lambda: len(deployed.dead_letters()) == 1, "the broken one is in the dead-letter queue")
    [letter] = deployed.dead_letters()
    assert letter["MessageAttributes"]["cause"]["StringValue"] == "malformed_item"
    assert "JSON" in letter["MessageAttributes"]["error"]["StringValue"]
    assert json.loads(letter["Body"])["key"]["session_key"] == {"S": "broken"}
    assert "half a mess" not in str(letter)


def test_a_broken_item_that_is_mended_becomes_memory(deployed: DeployedStack) -> None:
    deployed.save("chat:1", "{")
    until(lambda: len(deployed.dead_letters()) == 1, "the broken one is in the dead-letter queue")
    deployed.save("chat:1", TALK)
    until(lambda: says(deployed, "12 December"), "the mended one is searchable")


@pytest.mark.parametrize("step", [1, 2])
def test_growing_a_session_embeds_little_more_than_its_final_tokens(
    deployed: DeployedStack, step: int
) -> None:
    before = deployed.demo.log_totals()
    messages: list[dict[str, Any]] = []
    for number in range(400):
        text = f"Question {number}: how many boxes of part {number * 7} are left?"
        if number % 2:
            text = (
                f"There are {number * 13} boxes of part {number * 7} left on shelf {number}, and {number + 3} more are on "
                "order from the maker, who promised them for the week after next. If that is too late, the depot in Kobe "
                f"can send {number + 1} of the older make, which fits as well but costs a little more."
            )
        messages.append(
            {
                "role": "assistant" if number % 2 else "user",
                "content": text,
                "timestamp": f"2026-11-20T10:{number // 60:02}:{number % 60:02}Z",
            }
        )
        if (number + 1) % step == 0:
            deployed.save("chat:grow", messages)
            time.sleep(0.02)
    until(lambda: says(deployed, "on shelf 399,"), "the last exchange is searchable")
    grown = deployed.demo.log_totals()["tokens_embedded"] - before["tokens_embedded"]
    deployed.save("chat:at-once", messages)
    until(lambda: holds(deployed, "chat:at-once", "on shelf 399,"), "the copy is searchable to its end")
    until(lambda: holds(deployed, "chat:grow", "on shelf 399,"), "both are there")
    time.sleep(0.2)
    final = deployed.demo.log_totals()["tokens_embedded"] - before["tokens_embedded"] - grown
    print(f"\ngrowth, {step} message(s) a put: embedded {grown}, final {final}, ratio {grown / final:.2f}")
    assert grown <= 1.5 * final


def test_saves_go_on_unchanged_while_everything_behind_them_is_down(deployed: DeployedStack) -> None:
    aws_lambda, dynamodb = deployed.stack.client("lambda"), deployed.stack.client("dynamodb")
    mappings = [mapping["UUID"] for mapping in aws_lambda.list_event_source_mappings()["EventSourceMappings"]]
    dynamodb.create_table(
        TableName=f"control-{deployed.tenant}",
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[
            {"AttributeName": "tenant_id", "AttributeType": "S"},
            {"AttributeName": "session_key", "AttributeType": "S"},
        ],
        KeySchema=[
            {"AttributeName": "tenant_id", "KeyType": "HASH"},
            {"AttributeName": "session_key", "KeyType": "RANGE"},
        ],
    )
    deployed.save("warm", TALK)
    until(lambda: says(deployed, "12 December"), "the pipeline works")

    up = _paced_saves(deployed, "up")
    for mapping in mappings:
        aws_lambda.update_event_source_mapping(UUID=mapping, Enabled=False)
    deployed.stack.postgres.stop()
    down = _paced_saves(deployed, "down")
    status, body = deployed.invoke({"tenant_id": deployed.tenant, "body": {"query": "anything"}})
    assert (status, body["code"]) == (503, "store_unavailable")
    deployed.stack.postgres.start()
    for mapping in mappings:
        aws_lambda.update_event_source_mapping(UUID=mapping, Enabled=True)
    enabled = time.monotonic()
    until(
        lambda: all(says(deployed, f"parcel down {number} ") for number in range(30)),
        "everything is searchable",
        REREADING_SECONDS if rereads_streams() else DEADLINE_SECONDS,
    )
    print(f"\nsearchable {time.monotonic() - enabled:.0f} s after the mappings were enabled")
    print(
        f"put p50, ms: pipeline up {up[0]:.1f} (no stream {up[1]:.1f}), down {down[0]:.1f} (no stream {down[1]:.1f})"
    )


def _paced_saves(deployed: DeployedStack, word: str) -> tuple[float, float]:
    """Save 30 times to the streamed table and 30 times to one without a stream, in turns; return both p50s in ms."""
    client = deployed.stack.client("dynamodb")
    times: dict[str, list[float]] = {"streamed": [], "control": []}
    for number in range(30):
        text = json.dumps([{"role": "user", "content": f"parcel {word} {number} is here"}])
        item = {"tenant_id": deployed.tenant, "session_key": f"{word}:{number}", "messages": text}
        typed = {name: {"S": value} for name, value in item.items()}
        for kind, table in (("streamed", deployed.table()), ("control", f"control-{deployed.tenant}")):
            started = time.perf_counter()
            client.put_item(TableName=table, Item=typed)
            times[kind].append((time.perf_counter() - started) * 1000)
            time.sleep(0.02)
    return statistics.median(times["streamed"]), statistics.median(times["control"])


def test_postgres_down_for_a_while_puts_notices_off_and_loses_nothing(deployed: DeployedStack) -> None:
    deployed.save("warm", TALK)
    until(lambda: says(deployed, "12 December"), "the pipeline works")
    deployed.stack.postgres.stop()
    for number in range(5):
        deployed.save(f"chat:{number}", [{"role": "user", "content": f"crate {number} is blue"}])
    until(lambda: '"causes":{"store_unavailable"' in deployed.stack.logs, "a notice was retried")
    deployed.stack.postgres.start()
    until(
        lambda: all(says(deployed, f"crate {number} is blue") for number in range(5)),
        "all five are searchable",
    )
    assert deployed.dead_letters() == []


def test_bad_requests_get_a_clear_4xx(deployed: DeployedStack) -> None:
    good = {
        "tenant_id": deployed.tenant,
        "path": "/api/v1/memory/search",
        "method": "POST",
        "body": {"query": "x"},
    }
    for change, expected in [
        ({"tenant_id": None}, 401),
        ({"path": "/api/v1/other"}, 404),
        ({"method": "GET"}, 405),
        ({"body": {"query": " "}}, 400),
        ({"body": {"query": "x", "top_k": 0}}, 400),
        ({"body": {"query": "x", "top_k": True}}, 400),
        ({"body": "not json"}, 400),
        ({"requestContext": {"http": {"method": "POST"}}}, 403),
    ]:
        status, body = deployed.invoke({**good, **change})
        assert status == expected, change
        assert body["error"]
        assert body["code"]
    assert deployed.invoke({**good, "tenant_id": None})[1]["error"] == "Unauthorized"


def test_no_text_of_anybody_is_in_the_logs(deployed: DeployedStack) -> None:
    canary = f"canary-{deployed.tenant}"
    deployed.save("chat:1", [{"role": "user", "content": f"{canary} hello"}])
    deployed.save("broken", f'[{{"role": "user", "content": "{canary}')
    until(lambda: says(deployed, canary) and len(deployed.dead_letters()) == 1, "the canary is searchable")
    assert canary not in deployed.stack.logs
    assert canary not in str(deployed.dead_letters())


def test_the_stack_logs_one_line_an_invocation(stack: Stack) -> None:
    lines = [json.loads(line) for line in stack.logs.splitlines() if line.startswith('{"level"')]
    assert {line["message"] for line in lines} <= {"announced", "ingested", "answered"}
