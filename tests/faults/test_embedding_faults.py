"""Faults of the embedding API: real HTTP, the real embedder, the real ingest handler, the real Postgres."""

import math
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import psycopg
import pytest
from support.embedding_api import HANG, Answer, EmbeddingApi, Reply, answered, encoded, refused, reply, rows
from support.one_table import CHUNKER, LAYOUTS, OneTable
from support.virtual_queue import VirtualQueue, invoke
from support.wiring import contained
from support.words import SPACE

from pipeline.embedding.openai import OpenAIEmbedder
from pipeline.handlers import ingest
from pipeline.ingest.queue import NoticeQueue
from pipeline.ingest.reconcile import Reconciler
from pipeline.settings import EmbeddingSettings
from pipeline.stores.pgvector.connection import Connector
from pipeline.stores.pgvector.store import PgVectorStore

pytestmark = pytest.mark.integration
ITEMS = 12


def cut(body: dict[str, Any]) -> Reply:
    status, headers, content = answered(body)
    return status, headers, content[: len(content) // 2]


def shuffled(body: dict[str, Any]) -> Reply:
    return reply(list(reversed(rows(body["input"], body["dimensions"]))))


def full_of(value: float, more_dimensions: int = 0) -> Answer:
    def answer(body: dict[str, Any]) -> Reply:
        vector = encoded([value] * (body["dimensions"] + more_dimensions))
        return reply([{"index": index, "embedding": vector} for index in range(len(body["input"]))])

    return answer


FAULTS: list[Reply | Answer] = [
    refused(429, "rate_limit_exceeded", retry_after="2"),
    refused(429),
    HANG,
    refused(500),
    cut,
    full_of(math.nan),
    full_of(1.0, more_dimensions=1),
    refused(429, "rate_limit_exceeded", retry_after="90"),
    shuffled,
    refused(429, "insufficient_quota"),
    refused(401, "invalid_api_key"),
    refused(503, retry_after="20"),
    cut,
    HANG,
    full_of(math.inf),
]


def test_after_bad_faults_everything_is_indexed_once(
    monkeypatch: pytest.MonkeyPatch, database: Callable[..., str]
) -> None:
    conninfo, queue, table = database(), VirtualQueue(), OneTable()
    client: Any = queue
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setattr(ingest, "time", SimpleNamespace(time=lambda: queue.now, perf_counter=lambda: 0.0))
    for number in range(ITEMS):
        queue.add(table.put(f"chat:{number}", *said(number)).encode())
    with EmbeddingApi() as api:
        api.replies = list(FAULTS)
        settings = EmbeddingSettings(
            model=SPACE.model, dimensions=SPACE.dimensions, base_url=api.base_url, timeout_seconds=2.0
        )
        pauses: list[float] = []
        embedder = OpenAIEmbedder(settings, "a key", pauses.append)
        store = PgVectorStore(Connector(lambda: conninfo), SPACE)
        reconciler = Reconciler(LAYOUTS, table, CHUNKER, embedder, store, lambda _: None)
        queues = NoticeQueue(client, "queue", "dead")
        contained(monkeypatch, addresses=LAYOUTS, reconciler=reconciler, notice_queue=queues)
        invocations = 0
        while queue.due:
            assert invoke(queue.batch()) == {"batchItemFailures": []}
            invocations += 1
    assert api.replies == []  # every fault was met
    assert queue.dead == []
    assert indexed(conninfo) == sorted(f"user: {text}" for number in range(ITEMS) for text in said(number))
    assert 90 in queue.delays  # the long pause was kept
    assert set(pauses) >= {2.0}  # and the short one, at once
    calls = len(api.requests)
    print(f"{calls} calls, {invocations} invocations, {len(queue.delays)} retried")
    assert calls <= settings.max_attempts * invocations
    assert invocations <= len(FAULTS) * 10


def said(number: int) -> tuple[str, str]:
    return f"said m{number}x", f"and m{number}y" + " more" * number


def indexed(conninfo: str) -> list[str]:
    with psycopg.connect(conninfo) as connection:
        found = connection.execute("SELECT content FROM memories")
        return sorted(line for (content,) in found for line in content.splitlines())
