"""Half an hour without a dependency, in virtual time: the real ingest handler over a queue that only counts seconds."""

from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from types import SimpleNamespace
from typing import Any

import pytest
from support.one_table import CHUNKER, LAYOUTS, OneTable
from support.virtual_queue import START, VirtualQueue, invoke
from support.wiring import contained
from support.words import SPACE, WordEmbedder

from pipeline.embedding.vectors import Vector
from pipeline.errors import EmbeddingUnavailableError, RetryableError, StoreUnavailableError
from pipeline.handlers import ingest
from pipeline.ingest.queue import NoticeQueue
from pipeline.ingest.reconcile import Reconciler
from pipeline.stores.index_state import IndexState
from pipeline.stores.memory import InMemoryStore
from pipeline.stores.search_requests import SearchRequest

ITEMS = 60
OUTAGE_SECONDS = 1_800


class FailingEmbedder(WordEmbedder):
    error: Callable[[], Exception | None]
    calls = 0

    def embed(self, texts: Sequence[str]) -> Sequence[Vector]:
        self.calls += 1
        if error := self.error():
            raise error
        return super().embed(texts)


class FailingStore(InMemoryStore):
    error: Callable[[], Exception | None]
    calls = 0

    def read(self, tenant_id: str, named: Mapping[str, AbstractSet[str]]) -> Mapping[str, IndexState]:
        self.calls += 1
        if error := self.error():
            raise error
        return super().read(tenant_id, named)


@pytest.mark.parametrize(
    ("broken", "error"),
    [
        ("embedder", EmbeddingUnavailableError("the embedding API answered 503")),
        ("embedder", EmbeddingUnavailableError("throttled", retry_after_seconds=120)),
        ("embedder", EmbeddingUnavailableError("the embedding API refused key or model (401)")),
        ("store", StoreUnavailableError("Postgres was not reached")),
    ],
    ids=["embedding down", "throttled", "key refused", "postgres down"],
)
def test_after_half_an_hour_without_a_dependency_everything_is_indexed(
    monkeypatch: pytest.MonkeyPatch, broken: str, error: RetryableError
) -> None:
    queue, table, embedder, store = VirtualQueue(), OneTable(), FailingEmbedder(), FailingStore(SPACE)

    def now() -> RetryableError | None:
        return error if queue.now < START + OUTAGE_SECONDS else None

    embedder.error = now if broken == "embedder" else lambda: None
    store.error = now if broken == "store" else lambda: None
    reconciler = Reconciler(LAYOUTS, table, CHUNKER, embedder, store, lambda _: None)
    client: Any = queue
    monkeypatch.setattr(ingest, "time", SimpleNamespace(time=lambda: queue.now, perf_counter=lambda: 0.0))
    queues = NoticeQueue(client, "queue", "dead")
    contained(monkeypatch, addresses=LAYOUTS, reconciler=reconciler, notice_queue=queues)
    for number in range(ITEMS):
        queue.add(table.put(f"chat:{number}", f"said m{number}x").encode())

    invocations = probes = 0
    while queue.due:
        before = embedder.calls + store.calls if queue.now < START + OUTAGE_SECONDS else None
        assert invoke(queue.batch()) == {"batchItemFailures": []}
        invocations += 1
        if before is not None and queue.now < START + OUTAGE_SECONDS:
            probes += 1
            called = embedder.calls if broken == "embedder" else store.calls
            assert called == probes  # one probe an invocation

    found = store.search(SearchRequest("acme", "acme", embedder._vector("x"), 2 * ITEMS)).hits
    assert sorted(hit.content for hit in found) == sorted(f"user: said m{number}x" for number in range(ITEMS))
    assert queue.dead == []
    assert invocations <= 20 * ITEMS  # an attempt of a notice every few minutes, no hot loop
    assert queue.now <= START + OUTAGE_SECONDS + 600
    assert min(queue.delays) >= (error.retry_after_seconds or 1)
