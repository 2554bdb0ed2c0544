"""Export from one deployment, import into another that is empty: nothing differs, and the answers are the same."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from support.deployed_stack import DeployedStack, until

from pipeline.local.stack import Stack

pytestmark = pytest.mark.e2e
PROGRAM = str(Path(sys.prefix) / "bin" / "vector-memory")
THINGS = ("lamp", "zebra", "harbour", "violin", "pepper", "glacier", "comet", "saddle", "orchid", "anvil")


@pytest.fixture
def empty() -> Iterator[Stack]:
    with Stack() as running:
        yield running


def command(stack: Stack, *words: str) -> str:
    environment = {
        **os.environ,
        "AWS_ENDPOINT_URL": stack.aws.endpoint_url,
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "DATABASE_URL": stack.postgres.conninfo(),
        "EMBEDDING_PROVIDER": "offline",
    }
    done = subprocess.run(
        [PROGRAM, *words], capture_output=True, text=True, timeout=300, check=False, env=environment
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def turn(number: int) -> dict[str, str]:
    role, thing = ("user", "assistant")[number % 2], THINGS[number % 10]
    said = (
        f"The {thing} number {number} stands on shelf {number * 3} in the {THINGS[(number + 3) % 10]} room."
    )
    said_at = f"2026-11-{10 + number // 10:02}T10:{number % 60:02}:00+09:00"
    return {"role": role, "content": said, "timestamp": said_at, "name": "美香" if role == "user" else "bot"}


def fill(deployed: DeployedStack) -> None:
    for number in range(10):
        deployed.save(f"chat:{number}", [turn(10 * number + each) for each in range(10)], user_id="mika")
    until(lambda: states(deployed) == {"live": 100}, "every message is indexed", 240)
    deployed.save("chat:0", [turn(each) for each in range(4, 11)], user_id="mika")  # capped
    deployed.save("chat:1", [], user_id="mika")  # cleared
    text = "# About\n\n- likes tea\n\n## Work\n\nShips anvils to the harbour."
    note = {"tenant_id": deployed.tenant, "sk": "memory:long_term", "user_id": "mika", "content": text}
    deployed.put(note, "Memory")
    until(lambda: states(deployed) == {"live": 89, "kept": 14}, "what left is kept, what came is there", 240)


def states(deployed: DeployedStack) -> dict[str, int]:
    with psycopg.connect(deployed.stack.postgres.conninfo()) as connection:
        asked = "SELECT state, count(*) FROM message WHERE tenant_id = %s GROUP BY state"
        return dict(connection.execute(asked, [deployed.tenant]).fetchall())


def told(deployed: DeployedStack) -> list[dict[str, Any]]:
    lines = command(
        deployed.stack, "export", "--stack", deployed.stack.name, "--tenant", deployed.tenant
    ).splitlines()
    rows = [json.loads(line) for line in lines]
    assert rows[-1]["type"] == "end"
    return [row for row in rows if row["type"] == "message"]


def answers(deployed: DeployedStack, stack: Stack) -> list[list[tuple[str, float]]]:
    asked = [f"Where does the {THINGS[n % 10]} number {n} stand?" for n in range(100)]
    demo = DeployedStack(stack, deployed.tenant).demo
    return [
        [
            (hit["content"], round(hit["score"], 4))
            for hit in demo.search(deployed.tenant, "mika", question, 5)
        ]
        for question in asked
    ]


def alike(one: list[tuple[str, float]], other: list[tuple[str, float]]) -> bool:
    """Tell whether two answers are the same; of passages with one score, any may come last."""
    least = max((score for hits in (one, other) for _, score in hits[4:]), default=0.0) + 0.001
    told = [{content for content, score in hits if score > least} for hits in (one, other)]
    scores = [[score for _, score in hits] for hits in (one, other)]
    return told[0] == told[1] and scores[0] == pytest.approx(scores[1], abs=0.001)


def test_memory_moves_to_an_empty_deployment(deployed: DeployedStack, empty: Stack, tmp_path: Path) -> None:
    fill(deployed)
    file = tmp_path / "acme.jsonl"
    said = command(
        deployed.stack,
        "export",
        "--stack",
        deployed.stack.name,
        "--tenant",
        deployed.tenant,
        "--out",
        str(file),
    )
    assert said.startswith("exported: 11 conversations and notes with 103 messages")
    assert file.stat().st_mode & 0o077 == 0
    said = command(empty, "import", str(file), "--stack", empty.name, "--wait", "120")
    assert said.startswith("imported: 11 conversations and notes with 103 messages")
    report = json.loads(command(empty, "audit", "--stack", empty.name, "--settle", "1", "--json"))
    assert report["findings"] == []
    here, there = DeployedStack(empty, deployed.tenant), [_said(row) for row in told(deployed)]
    assert sorted(_said(row) for row in told(here)) == sorted(there)
    before, after = answers(deployed, deployed.stack), answers(deployed, empty)
    assert sum(bool(hits) for hits in before) >= 90
    same = sum(alike(one, other) for one, other in zip(before, after, strict=True))
    print(f"same answers: {same} of {len(before)}")
    assert same == len(before)


def _said(row: dict[str, Any]) -> tuple[str, ...]:
    return tuple(str(row[name]) for name in ("key", "role", "name", "text", "said_at", "state"))
