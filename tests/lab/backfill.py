"""A backfill on the local AWS: how fast, how large, and what kills and resuming cost.

``python -m lab.backfill --sessions 20000 --kills 3`` fills a table that has no stream, runs ``vector-memory
backfill`` over it with the deployed functions and the offline embedder, kills it at random moments, and audits the end.
"""

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import psycopg

from pipeline.local.stack import Stack

POLL_SECONDS = 0.02
DRAIN_SECONDS = 3_600
_WORDS = [
    "robot",
    "arm",
    "reducer",
    "gas",
    "bill",
    "kyoto",
    "ryokan",
    "invoice",
    "sensor",
    "firmware",
    "canary",
    "床暖房",
    "請求書",
    "予約",
    "温泉",
    "減速機",
]


@dataclass(frozen=True, slots=True)
class Run:
    """What one backfill did.

    Args:
        seconds: of the command, all its lives together.
        indexed_seconds: until the queue was empty.
        peak_bytes: the largest that any life of the command was.
    """

    announced: int
    kills: int
    seconds: float
    indexed_seconds: float
    peak_bytes: int
    tokens_embedded: int
    audit: Mapping[str, int]


def messages(number: int) -> list[dict[str, str]]:
    """Return a made-up session: three exchanges, the same for the same number."""
    dice = random.Random(number)  # the same ones each time

    def said(words: int) -> str:
        return " ".join(dice.choices(_WORDS, k=words)) + f" #{number}"

    return [
        {
            "role": role,
            "content": said(12 if role == "user" else 30),
            "timestamp": f"2026-10-{1 + number % 28:02}T10:{turn:02}:00Z",
        }
        for turn in range(3)
        for role in ("user", "assistant")
    ]


def fill(stack: Stack, table: str, sessions: int, tenants: int = 20) -> None:
    """Make a table without a stream, and put ``sessions`` into it."""
    client = stack.client("dynamodb")
    names = ("tenant_id", "HASH"), ("session_key", "RANGE")
    client.create_table(
        TableName=table,
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name, _ in names],
        KeySchema=[{"AttributeName": name, "KeyType": kind} for name, kind in names],
    )
    stack.allow_reading(table)
    for start in range(0, sessions, 25):
        puts = [_put(table, number, tenants) for number in range(start, min(start + 25, sessions))]
        client.batch_write_item(RequestItems={table: puts})


def _put(table: str, number: int, tenants: int) -> dict[str, Any]:
    item = {
        "tenant_id": f"{table}-{number % tenants}",
        "session_key": f"chat:{number:06}",
        "messages": json.dumps(messages(number), ensure_ascii=False),
    }
    return {"PutRequest": {"Item": {name: {"S": value} for name, value in item.items()}}}


@dataclass(slots=True)
class Operator:
    """Runs commands against a running stack, as an operator would."""

    stack: Stack
    folder: Path

    def environment(self) -> dict[str, str]:
        """Return what the commands need besides ``--stack``: AWS, and the database where there is one."""
        told = self.stack.aws_environment()
        found = {**os.environ, **{name: told[name] for name in told if name.startswith("AWS_")}}
        return found | (
            {"DATABASE_URL": self.stack.postgres.conninfo()} if self.stack.store == "pgvector" else {}
        )

    def start(self, *words: str) -> "subprocess.Popen[str]":
        """Start a command."""
        program = [sys.executable, "-m", "pipeline.cli", *words]
        return subprocess.Popen(  # our own program
            program, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=self.environment()
        )

    def run(self, *words: str) -> str:
        """Run a command to its end; return what it says."""
        process = self.start(*words)
        said, fault = process.communicate()
        if process.returncode not in {0, 1}:
            raise RuntimeError(fault)
        return said

    def backfill(self, table: str, kill_after: Sequence[int] = (), more: Sequence[str] = ()) -> Run:
        """Backfill ``table``, killed each time so many more items are in the checkpoint, and wait for ingest."""
        checkpoint = self.folder / f"{table}.json"
        words = [
            "backfill",
            "--stack",
            self.stack.name,
            "--table",
            table,
            "--checkpoint",
            str(checkpoint),
            "--json",
            "--read-units",
            "0",
            "--tokens-per-minute",
            "0",
            *more,
        ]
        before, started, peak, kills = self.tokens_embedded(), time.monotonic(), 0, 0
        for items in (*kill_after, None):
            said, killed, size = _live(self.start(*words), checkpoint, items)
            peak, kills = max(peak, size), kills + killed
        seconds = time.monotonic() - started
        self._drain()
        indexed = time.monotonic() - started
        report = json.loads(
            self.run("audit", "--stack", self.stack.name, "--table", table, "--settle", "1", "--json")
        )
        announced = json.loads(said)["announced"]
        return Run(
            announced, kills, seconds, indexed, peak, self.tokens_embedded() - before, report["counts"]
        )

    def tokens_embedded(self) -> int:
        """Return what the ingest functions say they embedded so far."""
        lines = [json.loads(line) for line in self.stack.logs.splitlines() if line.startswith('{"level"')]
        return sum(line.get("tokens_embedded", 0) for line in lines if line.get("message") == "ingested")

    def chunks(self, tenant_prefix: str) -> int:
        """Return how many chunks tenants of this prefix have."""
        with psycopg.connect(self.stack.postgres.conninfo()) as connection:
            row = connection.execute(
                "SELECT count(*) FROM memories WHERE starts_with(tenant_id, %s)", [tenant_prefix]
            ).fetchone()
        return int(row[0]) if row else 0

    def _drain(self) -> None:
        deadline = time.monotonic() + DRAIN_SECONDS
        while self._waiting():
            if time.monotonic() > deadline:
                raise RuntimeError("ingest did not work the queue off")
            time.sleep(0.2)

    def _waiting(self) -> int:
        names = ["", "NotVisible", "Delayed"]
        answer = self.stack.client("sqs").get_queue_attributes(
            QueueUrl=self.stack.outputs["NoticeQueueUrl"],
            AttributeNames=[f"ApproximateNumberOfMessages{name}" for name in names],
        )
        return sum(map(int, answer["Attributes"].values()))


def _live(process: "subprocess.Popen[str]", checkpoint: Path, items: int | None) -> tuple[str, bool, int]:
    """Let a backfill live until its checkpoint has ``items`` more; return its answer, whether it was killed, its size."""
    begun, peak = _items(checkpoint), 0
    while process.poll() is None:
        peak = max(peak, _peak_bytes(process.pid))
        if items is not None and _items(checkpoint) - begun >= items:
            process.kill()
            process.communicate()
            return "", True, peak
        time.sleep(POLL_SECONDS)
    said, fault = process.communicate()
    if process.returncode:
        raise RuntimeError(fault)
    return said, False, peak


def _items(checkpoint: Path) -> int:
    try:
        return int(json.loads(checkpoint.read_text("utf-8"))["totals"]["items"])
    except FileNotFoundError:
        return 0


def _peak_bytes(pid: int) -> int:
    try:
        status = Path(f"/proc/{pid}/status").read_text("utf-8")
    except OSError:
        return 0
    lines = [line for line in status.splitlines() if line.startswith("VmHWM:")]
    return int(lines[0].split()[1]) * 1024 if lines else 0


def main(arguments: Sequence[str] | None = None) -> int:
    """Run it once through, and once with kills; print both as JSON lines."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sessions", type=int, default=2_000)
    parser.add_argument("--kills", type=int, default=3)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args(arguments)
    dice = random.Random(options.seed)  # the same ones each time
    moments = [dice.randrange(1, options.sessions // (options.kills + 1)) for _ in range(options.kills)]
    with Stack() as stack, tempfile.TemporaryDirectory() as folder:
        operator = Operator(stack, Path(folder))
        plain = _measured(operator, "whole", options.sessions, [])
        killed = _measured(operator, "killed", options.sessions, moments)
    same = plain.tokens_embedded == killed.tokens_embedded and not plain.audit and not killed.audit
    return 0 if same else 1


def _measured(operator: Operator, table: str, sessions: int, moments: Sequence[int]) -> Run:
    fill(operator.stack, table, sessions)
    run = operator.backfill(table, moments)
    figures = asdict(run) | {
        "sessions": sessions,
        "items_per_second": round(sessions / run.indexed_seconds, 1),
        "peak_megabytes": round(run.peak_bytes / 1e6, 1),
        "chunks": operator.chunks(table),
    }
    sys.stdout.write(json.dumps(figures) + "\n")
    sys.stdout.flush()
    return run


if __name__ == "__main__":
    sys.exit(main())
