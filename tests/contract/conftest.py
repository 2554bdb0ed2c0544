"""Every store there is, under one name: each test here runs on all of them, unaltered."""

import os
from collections.abc import Callable, Iterator

import pytest
from support.chunks import StoreMaker
from support.local_aws import Tables
from support.words import SPACE

from pipeline.local.opensearch_server import OpenSearchServer
from pipeline.stores.memory import InMemoryStore
from pipeline.stores.pgvector.connection import Connector
from pipeline.stores.pgvector.migrations import migrate
from pipeline.stores.pgvector.store import PgVectorStore
from pipeline.stores.protocol import Store

STORES = [
    "memory",
    "pgvector",
    "pgvector exact",
    "pgvector bq",
    "pgvector hnsw",
    "dynamodb",
    "opensearch-classic",
]
if os.environ.get("CI"):
    STORES.append("opensearch-nextgen")  # the same store once more: it takes a minute
REFRESH_SECONDS = 0.02
"""Between a write and its being searchable: long enough to be met, short enough to wait for."""


@pytest.fixture(scope="session")
def opensearch_classic() -> Iterator[OpenSearchServer]:
    with OpenSearchServer("classic", REFRESH_SECONDS) as server:
        yield server


@pytest.fixture(scope="session")
def opensearch_nextgen() -> Iterator[OpenSearchServer]:
    with OpenSearchServer("nextgen", REFRESH_SECONDS) as server:
        yield server


@pytest.fixture(params=STORES)
def stores(request: pytest.FixtureRequest) -> StoreMaker:
    """Open one and the same new index as often as it is called, each time as another process would."""
    match request.param:
        case "memory":
            only = InMemoryStore(SPACE)
            return lambda: only
        case "pgvector" | "pgvector exact" | "pgvector bq" | "pgvector hnsw":
            return _pgvector(request.getfixturevalue("database"), request.param.partition(" ")[2])
        case "dynamodb":
            return Tables(request.getfixturevalue("local_aws").client("dynamodb")).store
        case kind:
            tables = Tables(request.getfixturevalue("local_aws").client("dynamodb"))
            server: OpenSearchServer = request.getfixturevalue(kind.replace("-", "_"))
            return lambda: tables.opensearch(server, tables.ledger)


def _pgvector(database: Callable[..., str], strategy: str) -> StoreMaker:
    conninfo = database("memory_ingest")
    if strategy == "hnsw":
        migrate(database(), SPACE, graph=True)
    return lambda: PgVectorStore(Connector(lambda: conninfo), SPACE, strategy or "auto")


@pytest.fixture
def store(stores: StoreMaker) -> Store:
    return stores()
