"""Re-embedding while questions come in: the query function itself, over a database in which spaces come and go."""

import argparse
import json
import math
import random
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
from support.deployed_stack import until
from support.two_spaces import NEXT, Queue, TurnedEmbedder, Two
from support.words import SPACE, WordEmbedder

from pipeline import bootstrap
from pipeline.container import Container
from pipeline.embedding.providers import space_of
from pipeline.embedding.vectors import Vector
from pipeline.handlers import query
from pipeline.operations.reembed import run as reembed_command
from pipeline.operations.reembed.command import COMMAND
from pipeline.operations.reembed.run import run_reembed
from pipeline.stores.pgvector.cutover import drop_standby
from pipeline.stores.pgvector.store import PgVectorStore
from pipeline.stores.search_requests import Hit, SearchRequest, SearchResult

pytestmark = pytest.mark.integration
SESSIONS, MESSAGES = 50, 200
TOLERANCE = 0.001
WORDS = [
    f"{first}{second}" for first in ("ba", "ko", "mi", "te", "ru") for second in ("la", "no", "shi", "po")
]


@pytest.fixture
def there(database: Callable[..., str], monkeypatch: pytest.MonkeyPatch) -> Iterator[Two]:
    """Wire the query function to both spaces, and the operator's commands to the owner."""
    two = Two(database)
    bootstrap.read_from(None)
    asking = {SPACE: WordEmbedder(), NEXT: TurnedEmbedder(NEXT)}
    settings = {
        "DATABASE_URL": two.query,
        "EMBEDDING_MODEL": SPACE.model,
        "EMBEDDING_DIMENSIONS": "16",
        "NEXT_EMBEDDING_MODEL": NEXT.model,
        "NEXT_EMBEDDING_DIMENSIONS": "16",
    }
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(Container, "embedder_of", lambda _, chosen: asking[space_of(chosen)])
    two.asking = asking
    yield two
    backend: Any = bootstrap.container().backend
    backend.connector.close()
    bootstrap.read_from(None)


class Asker(threading.Thread):
    """Asks without a pause, and looks closely at what the store answers."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.counts: Counter[str] = Counter()
        self.stopped = threading.Event()
        self.wrong: list[Any] = []
        self._question = ""
        self._truth = WordEmbedder()

    def run(self) -> None:
        draws = random.Random(8)
        context: Any = SimpleNamespace(function_name="query")
        while not self.stopped.is_set():
            self._question = " ".join(draws.choices(WORDS, k=4))
            event = {"tenant_id": "acme", "body": {"query": self._question, "top_k": 5}}
            try:
                answer = query.handler(event, context)
            except Exception as error:  # noqa: BLE001  # it must not raise, whatever it is
                answer = {"statusCode": 0, "body": json.dumps({"error": repr(error)})}
            body = json.loads(answer["body"])
            self.counts["asked"] += 1
            if answer["statusCode"] != 200 or not body["results"]:
                self.wrong.append(body)

    def look(self, hits: Sequence[Hit]) -> None:
        """Compare similarities with those of one space: both turn alike, and a mixture of them does not."""
        texts = [hit.content.partition("\n")[2] for hit in hits]
        asked, *found = self._truth.embed([self._question, *texts])
        fit = [
            abs(cosine(asked, other) - hit.similarity) < TOLERANCE
            for other, hit in zip(found, hits, strict=True)
        ]
        self.counts["hits"] += len(fit)
        self.counts["mixed"] += len(fit) - sum(fit)


def cosine(one: Vector, other: Vector) -> float:
    return sum(a * b for a, b in zip(one, other, strict=True)) / math.hypot(*one) / math.hypot(*other)


def command(two: Two, monkeypatch: pytest.MonkeyPatch, *arguments: str) -> Any:
    """Run the operator's command as the owner, beside the query function of the same process."""
    parser = argparse.ArgumentParser()
    COMMAND.add_options(parser)
    with monkeypatch.context() as patch:
        patch.setattr(reembed_command, "container_of", lambda _: Operator(two))
        return run_reembed(parser.parse_args([*arguments]))


class Operator(Container):
    """What the commands work with, as the owner."""

    def __init__(self, two: Two) -> None:
        super().__init__(replace(bootstrap.container().settings, database_url=two.owner))
        queue: Any = Queue(two.work)
        self.notice_queue, self.addresses, self.fillers = queue, two.layouts, two.fillers()
        self._two = two

    def followed(self, max_age_seconds: float | None = None) -> "Operator":  # noqa: ARG002  # whenever it is
        return Operator(self._two)  # each command begins anew

    def embedder_of(self, chosen: Any) -> Any:
        return self._two.embedders[space_of(chosen)]


def test_ten_thousand_chunks_go_over_and_back_while_questions_come_in(
    there: Two, monkeypatch: pytest.MonkeyPatch
) -> None:
    draws = random.Random(7)
    for session in range(SESSIONS):
        there.save(f"chat:{session}", *(" ".join(draws.choices(WORDS, k=40)) for _ in range(MESSAGES)))
    asker = Asker()
    search = PgVectorStore.search

    def watched(store: PgVectorStore, request: SearchRequest) -> SearchResult:
        found = search(store, request)
        if threading.current_thread() is asker:
            asker.look(found.hits)
        return found

    monkeypatch.setattr(PgVectorStore, "search", watched)
    asker.start()

    def asked_in(space: Any) -> None:
        before = there.asking[space].usage.requests
        until(lambda: there.asking[space].usage.requests > before + 5, "the function asks in the other space")

    asked_in(SPACE)
    started = command(there, monkeypatch, "start", "--tokens-per-minute", "0")
    status = json.loads(command(there, monkeypatch, "status", "--json").text)
    assert (status["behind"], status["overdue"]) == (0, 0)
    assert status["chunks"] >= 10_000
    comparison = json.loads(command(there, monkeypatch, "compare", "--queries", "20", "--json").text)
    assert comparison["mean"] == pytest.approx(1.0)
    command(there, monkeypatch, "switch")
    asked_in(NEXT)
    there.save("chat:new", "said after the switch")
    command(there, monkeypatch, "rollback")
    asked_in(SPACE)
    command(there, monkeypatch, "switch")
    asked_in(NEXT)
    assert drop_standby(there.owner, settle_seconds=0)
    asked_in(NEXT)
    asker.stopped.set()
    asker.join()
    print(f"\n{status['chunks']} chunks, {started.text}: {dict(asker.counts)}, {len(asker.wrong)} failed")
    assert asker.wrong == []
    assert asker.counts["mixed"] == 0
    assert asker.counts["hits"] > asker.counts["asked"] > 30
