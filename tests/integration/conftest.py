"""The query function over a real database, with everything else of it in the test's hands."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from support.wiring import wire
from support.words import SPACE

from pipeline import bootstrap
from pipeline.ingest.forget_messages import ForgetMessage
from pipeline.stores.pgvector.connection import Connector
from pipeline.stores.pgvector.store import PgVectorStore


class ForgetRequests:
    """A notice queue that only remembers."""

    def __init__(self) -> None:
        self.sent: list[ForgetMessage] = []

    def send_one(self, forget_message: ForgetMessage) -> None:
        self.sent.append(forget_message)


@pytest.fixture
def forget_messages() -> ForgetRequests:
    return ForgetRequests()


@pytest.fixture
def query_function(
    database: Callable[..., str],
    embedder: Any,
    forget_messages: ForgetRequests,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[PgVectorStore]:
    """Wire the handler to a database of its own, under the query role; give a store that may write."""
    reading, writing = database("memory_query"), database("memory_ingest")
    bootstrap.read_from(None)
    monkeypatch.setenv("DATABASE_URL", reading)
    monkeypatch.setenv("EMBEDDING_MODEL", SPACE.model)
    monkeypatch.setenv("EMBEDDING_DIMENSIONS", str(SPACE.dimensions))
    wire(monkeypatch, embedder=embedder, notice_queue=forget_messages)
    monkeypatch.setattr("time.sleep", lambda _: None)
    writer = PgVectorStore(Connector(lambda: writing), SPACE)
    yield writer
    backend: Any = bootstrap.container().backend
    backend.connector.close()
    bootstrap.read_from(None)
