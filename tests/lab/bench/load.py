"""Rows about load: questions at once beside the best peer's, and a burst of puts of many tenants. A process a function, as Lambda has it."""

import json
import queue
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

import psycopg

from lab.bench.database import Database
from lab.bench.handlers import CONTEXT, ITEMS_AN_EVENT, LAYOUTS, queue_event
from lab.bench.rows import Row, percentile
from lab.bench.worker import put_item
from pipeline import bootstrap
from pipeline.handlers import stream
from pipeline.ingest.announce import Announcer
from pipeline.ingest.notices import Notice
from pipeline.ingest.queue import Refused
from pipeline.settings import Settings
from pipeline.source.transitions import TransitionReader

AT_ONCE = (1, 4, 16)
INGEST_PROCESSES = 5
"""Pollers that a standard event source mapping starts with (docs.aws.amazon.com/lambda, "Using Lambda with Amazon SQS")."""
RECORDS_A_BATCH = 100
WAIT_SECONDS = 300.0
Command = Sequence[str]


@dataclass(frozen=True, slots=True)
class Throughput:
    """What some processes did at once.

    Args:
        rate: questions a second, of all of them.
        p95: milliseconds of a question.
    """

    rate: float
    p95: float


@contextmanager
def started(command: Command) -> "Iterator[subprocess.Popen[str]]":
    """Run a process that has said that it is ready."""
    with subprocess.Popen(
        [str(part) for part in command], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            if process.stdout is None or process.stdout.readline().strip() != "ready":
                raise RuntimeError(f"{command[0]} was not ready")
            yield process
        finally:
            process.kill()


def in_parallel(commands: Sequence[Command], seconds: float) -> Throughput:
    """Let processes ask at the same time; each prints its times, in milliseconds."""
    with ExitStack() as stack:
        processes = [stack.enter_context(started(command)) for command in commands]
        for process in processes:
            _say(process, "go")
        told = [json.loads(_heard(process)) for process in processes]
    times = [one for own in told for one in own["times"]]
    return Throughput(len(times) / seconds, percentile(times, 95))


def _say(process: "subprocess.Popen[str]", line: str) -> None:
    if process.stdin is None:
        raise RuntimeError("a process without input")
    process.stdin.write(f"{line}\n")
    process.stdin.flush()


def _heard(process: "subprocess.Popen[str]") -> str:
    line = process.stdout.readline() if process.stdout else ""
    if not line:
        raise RuntimeError("a process ended before it answered")
    return line


def question_rows(
    conninfo: str, users: int, seconds: float, peer: tuple[str, Sequence[Command]] | None
) -> Iterator[Row]:
    """Ask with 1, 4 and 16 processes.

    Args:
        peer: its name, and the commands of 16 processes that ask it.
    """
    for count in AT_ONCE:
        ours = in_parallel([_asking(conninfo, users, seconds, seed) for seed in range(count)], seconds)
        detail = f"ours {ours.rate:.0f}/s, p95 {ours.p95:.1f} ms"
        if peer is None:
            yield Row(f"questions a second, {count} at once", ours.rate, detail=detail)
            continue
        theirs = in_parallel(peer[1][:count], seconds)
        yield Row(
            f"questions a second, {count} at once / best peer",
            ours.rate / theirs.rate,
            least=2 if count == AT_ONCE[-1] else None,
            detail=f"{detail}; {peer[0]} {theirs.rate:.0f}/s, p95 {theirs.p95:.1f} ms",
        )


def _asking(conninfo: str, users: int, seconds: float, seed: int) -> Command:
    return [
        sys.executable,
        "-m",
        "lab.bench.worker",
        "questions",
        conninfo,
        str(users),
        str(seconds),
        str(seed),
    ]


def burst_rows(database: Database, puts: int, tenants: int) -> Iterator[Row]:
    """Put so many items at one moment, and let stream and ingest functions bring them in."""
    events: queue.Queue[dict[str, Any] | None] = queue.Queue()
    conninfo = database.login("memory_ingest")
    command = [sys.executable, "-m", "lab.bench.worker", "ingest", conninfo, str(tenants)]
    with ExitStack() as stack:
        processes = [stack.enter_context(started(command)) for _ in range(INGEST_PROCESSES)]
        watch = stack.enter_context(_watched(database.owner))
        put_at, lags = time.perf_counter(), list[float]()
        takers = [threading.Thread(target=_take, args=(one, events, put_at, lags)) for one in processes]
        for taker in takers:
            taker.start()
        announced = _announce(events, puts, tenants)
        for taker in takers:
            taker.join(WAIT_SECONDS)
    if len(lags) < puts // ITEMS_AN_EVENT:
        raise RuntimeError("not every event was taken")
    chunks = int(str(database.execute("SELECT count(*) FROM memories")[0][0]))
    name = f"burst of {puts} puts over {tenants} tenants"
    yield Row(f"{name}, chunks a second", chunks / max(lags), detail=f"{chunks} chunks")
    yield Row(
        f"{name}, longest lag, s",
        max(lags),
        detail=f"p50 {percentile(lags, 50):.1f}; announced after {announced:.1f}",
    )
    yield Row(
        f"{name}, connections", watch["most"], most=INGEST_PROCESSES, detail=f"{INGEST_PROCESSES} processes"
    )


def _take(
    process: "subprocess.Popen[str]",
    events: "queue.Queue[dict[str, Any] | None]",
    put_at: float,
    lags: list[float],
) -> None:
    """Hand a process event after event, as the queue's poller does."""
    while (event := events.get()) is not None:
        _say(process, json.dumps(event))
        if _heard(process).strip() != "0":
            raise RuntimeError("the ingest handler failed a message")
        lags.append(time.perf_counter() - put_at)
    events.put(None)


def _announce(events: "queue.Queue[dict[str, Any] | None]", puts: int, tenants: int) -> float:
    """Run the stream handler over every put; return how long that took."""
    began = time.perf_counter()
    waiting: list[Any] = []

    def send(notices: Sequence[Notice]) -> Refused:
        waiting.extend(notice.address.key for notice in notices)
        while len(waiting) >= ITEMS_AN_EVENT:
            events.put(queue_event([waiting.pop() for _ in range(ITEMS_AN_EVENT)]))
        return Refused(())

    chosen = Settings()
    announcer = Announcer(LAYOUTS, TransitionReader(chosen.on_clear, chosen.on_expiry, chosen.excluded_roles))
    level = stream.logger.log_level
    stream.logger.setLevel("ERROR")
    parts = SimpleNamespace(announcer=announcer, notice_queue=SimpleNamespace(send=send))
    with patch.object(bootstrap, "container", lambda: parts):
        for start in range(0, puts, RECORDS_A_BATCH):
            records = [
                _record(number, tenants) for number in range(start, min(puts, start + RECORDS_A_BATCH))
            ]
            if stream.handler({"Records": records}, CONTEXT)["batchItemFailures"]:
                raise RuntimeError("the stream handler failed a record")
    stream.logger.setLevel(level)
    events.put(None)
    return time.perf_counter() - began


def _record(number: int, tenants: int) -> Mapping[str, Any]:
    item = put_item(number, tenants)
    return {
        "eventID": str(number),
        "eventName": "INSERT",
        "eventSource": "aws:dynamodb",
        "awsRegion": "us-east-1",
        "dynamodb": {
            "ApproximateCreationDateTime": 1795341600.0,
            "Keys": {name: item[name] for name in ("tenant_id", "session_key")},
            "NewImage": item,
            "SequenceNumber": f"{number + 1:021}",
            "StreamViewType": "NEW_AND_OLD_IMAGES",
        },
        "eventSourceARN": "arn:aws:dynamodb:us-east-1:123456789012:table/sessions/stream/2026-11-01T09:00:00.000",
    }


@contextmanager
def _watched(owner: str) -> Iterator[dict[str, int]]:
    """Count the most connections of functions that there are at a time."""
    found, over = {"most": 0}, threading.Event()
    statement = (
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND usename LIKE 'memory_%'"
    )

    def look() -> None:
        with psycopg.connect(owner, autocommit=True) as connection:
            while not over.wait(0.1):
                [(count,)] = connection.execute(statement).fetchall()
                found["most"] = max(found["most"], count)

    looking = threading.Thread(target=look)
    looking.start()
    try:
        yield found
    finally:
        over.set()
        looking.join()
