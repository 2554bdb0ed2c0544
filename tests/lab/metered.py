"""Holds the cost model's counts against a real run on the local AWS: ``scripts/costs --check``."""

import json
import random
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import psycopg
from rich.console import Console

from pipeline.embedding.offline import OfflineEmbedder
from pipeline.embedding.tokens import estimate_tokens
from pipeline.local.demo_run import Demo
from pipeline.local.stack import Stack
from pipeline.operations.costs.workload import DAYS, Workload, demand
from pipeline.operations.terminal.text import aligned

USERS, EXCHANGES, QUESTIONS = 8, 12, 3
PAUSE_SECONDS = 0.3
TOLERANCE = 0.2
DEADLINE_SECONDS = 180
_WORDS = "we moved the meeting about the motor firmware to Friday because the supplier will ship the parts late".split()  # noqa: SIM905  # reads better


@dataclass(frozen=True, slots=True)
class Row:
    """One count, as the model says and as it was metered."""

    name: str
    predicted: float
    metered: float

    @property
    def off(self) -> float:
        """Return how far the model is off, as a share of what was metered."""
        return self.predicted / self.metered - 1 if self.metered else float(self.predicted > 0)


def exchange(user: int, number: int) -> list[dict[str, str]]:
    """Return a question and its answer, the same for the same numbers."""
    dice = random.Random(user * 1_000 + number)  # the same ones each time
    stamp = f"2026-11-20T10:{number:02}:00Z"
    return [
        {"role": role, "content": " ".join(dice.choices(_WORDS, k=words)), "timestamp": stamp}
        for role, words in (("user", 25), ("assistant", 90))
    ]


def workload(tokens_of: Callable[[str], int] = estimate_tokens) -> Workload:
    """Return the run as the model sees it, a month long.

    Args:
        tokens_of: how many the provider counts; what texts cost is given to the model, how often they are embedded is its own.
    """
    texts = [
        f"{message['role']}: {message['content']}"
        for user in range(USERS)
        for number in range(EXCHANGES)
        for message in exchange(user, number)
    ]
    tokens = sum(map(tokens_of, texts)) / (USERS * EXCHANGES)
    return Workload(
        users=USERS,
        exchanges_a_day=EXCHANGES / DAYS,
        exchange_tokens=tokens,
        questions_a_day=QUESTIONS / DAYS,
        question_tokens=float(tokens_of(_question(0))),
        months=1,
        dimensions=256,
    )


def _question(user: int) -> str:
    return f"When does the supplier ship the parts of meeting {user}?"


def metered(stack: Stack) -> dict[str, float]:
    """Save and ask as the workload says, one put an exchange, and count."""
    demo = Demo(stack, Console(stderr=True))
    _warm_up(demo)
    start, spent = len(stack.logs.splitlines()), _tokens(stack)
    client, table = stack.client("dynamodb"), stack.outputs["SessionsTableName"]
    said: dict[int, list[dict[str, str]]] = {user: [] for user in range(USERS)}
    for number in range(EXCHANGES):
        for user in range(USERS):
            said[user] += exchange(user, number)
            item = {"tenant_id": f"user-{user}", "session_key": "chat", "messages": json.dumps(said[user])}
            client.put_item(TableName=table, Item={name: {"S": value} for name, value in item.items()})
            time.sleep(PAUSE_SECONDS)
    _settle(demo, 1 + USERS * EXCHANGES)
    for user in range(USERS):
        for _ in range(QUESTIONS):
            demo.search(f"user-{user}", f"user-{user}", _question(user))
    return _counts(stack, start, spent)


def _warm_up(demo: Demo) -> None:
    """Let the functions start before anything is counted: what waits for a cold start comes in batches."""
    item = {"tenant_id": "warm", "session_key": "chat", "messages": json.dumps(exchange(99, 0))}
    typed = {name: {"S": value} for name, value in item.items()}
    demo.stack.client("dynamodb").put_item(TableName=demo.stack.outputs["SessionsTableName"], Item=typed)
    _settle(demo, 1)
    demo.search("warm", "warm", _question(0))


def _tokens(stack: Stack) -> float:
    with psycopg.connect(stack.postgres.conninfo()) as connection:
        [(tokens,)] = connection.execute("SELECT sum(tokens) FROM usage").fetchall()
    return float(tokens)


def _settle(demo: Demo, records: int) -> None:
    deadline = time.monotonic() + DEADLINE_SECONDS
    while demo.log_totals()["records"] < records or demo.queue_depth():
        if time.monotonic() > deadline:
            raise RuntimeError("the saves did not become searchable")
        time.sleep(0.2)


def _counts(stack: Stack, start: int, spent: float) -> dict[str, float]:
    said = stack.logs.splitlines()[start:]
    lines: list[dict[str, Any]] = [json.loads(one) for one in said if one.startswith('{"level"')]
    announced = [line for line in lines if line.get("message") == "announced"]
    ingested = [line for line in lines if line.get("message") == "ingested"]
    with psycopg.connect(stack.postgres.conninfo()) as connection:
        [(rows,)] = connection.execute("SELECT count(*) FROM memories WHERE tenant_id <> 'warm'").fetchall()
    return {
        "saves": sum(line["records"] for line in announced),
        "notices": sum(line["notices"] for line in announced),
        "stream invocations": len(announced),
        "ingest invocations": len(ingested),
        "item reads": sum(line["reads"] for line in ingested),
        "tokens": _tokens(stack) - spent,
        "chunks": rows,
    }


def compared(work: Workload, counts: dict[str, float]) -> list[Row]:
    """Return model and meter side by side."""
    asked = demand(work)
    predicted = {
        "saves": asked.saves,
        "notices": asked.notices,
        "stream invocations": asked.stream_invocations,
        "ingest invocations": asked.ingest_invocations,
        "item reads": asked.notices,
        "tokens": asked.tokens,
        "chunks": asked.rows,
    }
    return [Row(name, predicted[name], counts[name]) for name in predicted]


def counting() -> Callable[[str], int]:
    """Return what tells how many tokens the offline embedder counts."""
    embedder = OfflineEmbedder()

    def tokens_of(text: str) -> int:
        before = embedder.usage.tokens
        embedder.embed([text])
        return embedder.usage.tokens - before

    return tokens_of


def main() -> int:
    """Run it; the status is 1 if a count is off by more than 20%."""
    with Stack() as stack:
        rows = compared(workload(counting()), metered(stack))
    lines = [(row.name, f"{row.predicted:,.0f}", f"{row.metered:,.0f}", f"{row.off:+.0%}") for row in rows]
    sys.stdout.write(aligned(("", "model", "metered", "off"), lines) + "\n")
    return int(any(abs(row.off) > TOLERANCE for row in rows))


if __name__ == "__main__":
    sys.exit(main())
