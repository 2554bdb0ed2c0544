"""Rows about memory: the peak of each function under the largest input that AWS can hand it, beside what the template gives it."""

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

from lab.bench.data import SPACE, TENANT, World
from lab.bench.database import Database
from lab.bench.handlers import LAYOUTS, queue_event
from lab.bench.imports import ROOT, embeddings
from lab.bench.rows import Row

PROGRAM = Path(__file__).with_name("largest_input.py")
ITEM_BYTES, STREAM_BYTES, NOTICES = 390_000, 5_900_000, 10
"""Of an item (DynamoDB takes 400 KB), of a batch that a stream hands over (Lambda takes 6 MB), and in an event of the queue."""
DAYS = 31
TEMPLATE_NAMES = {
    "stream": "StreamFunction",
    "ingest": "IngestFunction",
    "query": "QueryFunction",
    "digest": "DigestFunction",
}
Item = dict[str, Any]


def peak_rows(database: Database, world: World, folder: Path) -> list[Row]:
    """Run each function once, in a process of its own; ingest first, so that there is something to ask for."""
    sessions = [session(world, number) for number in range(NOTICES)]
    logs = [_daily(world, day) for day in range(DAYS)]
    with embeddings() as url:
        run = _Run(folder, url)
        return [
            run.row(
                "stream",
                "a batch of 5.9 MB, both images of sessions of 390 KB",
                stream_event(sessions),
                [],
                "",
            ),
            run.row(
                "ingest",
                f"{NOTICES} notices of new sessions of 390 KB",
                _queue_event(sessions),
                sessions,
                database.login("memory_ingest"),
            ),
            run.row(
                "query",
                "100 passages, explained, of all that",
                _question(world),
                [],
                database.login("memory_query"),
            ),
            run.row(
                "digest",
                f"{DAYS} daily logs of 390 KB of one user",
                {"now": "2026-11-01T12:00:00+00:00"},
                logs,
                database.login("memory_ingest"),
            ),
        ]


class _Run:
    def __init__(self, folder: Path, url: str) -> None:
        self._folder, self._url = folder, url

    def row(self, name: str, what: str, event: Item, items: Sequence[Item], conninfo: str) -> Row:
        """Return the function's peak, which must be under its own memory."""
        folder = self._folder / f"largest_{name}"
        folder.mkdir()
        (folder / "event.json").write_text(json.dumps(event, ensure_ascii=False), "utf-8")
        lines = (json.dumps(item, ensure_ascii=False) for item in items)
        (folder / "items.jsonl").write_text("\n".join(lines), "utf-8")
        started = time.perf_counter()
        done = subprocess.run(  # our own program
            [sys.executable, str(PROGRAM), name, str(folder)],
            env=self._environment(conninfo),
            check=False,
            capture_output=True,
            text=True,
            timeout=900,
        )
        if done.returncode:
            raise RuntimeError(f"{name} did not answer: {done.stdout[-1500:]} {done.stderr[-500:]}")
        told = json.loads(done.stdout.splitlines()[-1])
        return _row(name, what, told, time.perf_counter() - started)

    def _environment(self, conninfo: str) -> Mapping[str, str]:
        return {
            "PATH": os.environ.get("PATH", os.defpath),
            "PYTHONPATH": f"{ROOT}",
            "DATABASE_URL": conninfo,
            "EMBEDDING_MODEL": SPACE.model,
            "OPENAI_BASE_URL": self._url,
            "OPENAI_SECRET_ARN": "arn",
            "MESSAGE_KEY_SECRET_ARN": "arn",
            "QUEUE_URL": "https://queue",
            "AWS_DEFAULT_REGION": "us-east-1",
            "DIGEST_PROVIDER": "extractive",
            "DIGEST_MEMORY_TABLE": "memory",
            "DIGEST_CATCH_UP_DAYS": "60",
        }


def _row(name: str, what: str, told: Mapping[str, float], seconds: float) -> Row:
    given = configured_megabytes((ROOT / "template.yaml").read_text("utf-8"), TEMPLATE_NAMES[name])
    return Row(
        f"peak memory, {name}, MB: {what}",
        told["peak"],
        most=given,
        detail=f"imported {told['imported']:.0f}, with the event {told['given']:.0f}; {seconds:.0f} s",
    )


def configured_megabytes(template: str, function: str) -> int:
    """Return the memory that the template gives a function."""
    found = re.search(rf"^  {function}:\n(?:(?!^  \w).*\n)*?      MemorySize: (\d+)", template, re.MULTILINE)
    if found is None:
        raise ValueError(f"the template gives {function} no memory")
    return int(found[1])


def _text(world: World, characters: int) -> str:
    text = world.text(characters // 6)
    while len(text) < characters:
        text += " " + world.text(characters // 12)
    return text[:characters]


def session(world: World, number: int) -> Item:
    """Return a session nearly as large as an item may be."""
    said = [
        {"role": ("user", "assistant")[turn % 2], "content": _text(world, ITEM_BYTES // 41)}
        for turn in range(40)
    ]
    return {
        "tenant_id": {"S": TENANT},
        "session_key": {"S": f"chat:{number}"},
        "user_id": {"S": "user-1"},
        "messages": {"S": json.dumps(said)},
    }


def _daily(world: World, day: int) -> Item:
    return {
        "tenant_id": {"S": TENANT},
        "session_key": {"S": f"memory:daily:2026-10-{day + 1:02}"},
        "user_id": {"S": "user-1"},
        "content": {"S": _text(world, ITEM_BYTES)},
    }


def stream_event(sessions: Sequence[Item]) -> Item:
    """Return a batch of changes of ``sessions``, as many as Lambda takes."""
    records: list[Item] = []
    for number, (item, before) in enumerate(pairwise(sessions)):
        images = {"NewImage": item, "OldImage": {**before, "session_key": item["session_key"]}}
        record = {
            "eventID": str(number),
            "eventName": "MODIFY",
            "eventSource": "aws:dynamodb",
            "awsRegion": "us-east-1",
            "dynamodb": {
                "ApproximateCreationDateTime": 1795341600.0,
                "Keys": {name: item[name] for name in ("tenant_id", "session_key")},
                **images,
                "SequenceNumber": f"{number + 1:021}",
                "StreamViewType": "NEW_AND_OLD_IMAGES",
            },
            "eventSourceARN": "arn:aws:dynamodb:us-east-1:123456789012:table/sessions/stream/2026-11-01T09:00:00.000",
        }
        if len(json.dumps({"Records": [*records, record]})) > STREAM_BYTES:
            break
        records.append(record)
    return {"Records": records}


def _queue_event(sessions: Sequence[Item]) -> Item:
    addresses = [LAYOUTS.address("sessions", item) for item in sessions]
    return queue_event([address.key for address in addresses if address])


def _question(world: World) -> Item:
    body = {"query": world.text(60), "top_k": 100, "min_confidence": 0, "explain": True}
    return {"tenant_id": TENANT, "user_id": "user-1", "body": body}
