"""Every store there is, under one name: each test here runs on all of them, unaltered."""

from collections.abc import Iterator

import pytest
from support.chunks import StoreMaker
from support.local_aws import Tables
from support.pgvector import pgvector
from support.words import SPACE

from pipeline.local.opensearch_server import OpenSearchServer
from pipeline.stores.memory import InMemoryStore
from pipeline.stores.protocol import Store

STORES = [
    "memory",
    "pgvector",
    "dynamodb",
    "opensearch-classic",
    "opensearch-nextgen",
    "real-opensearch-classic",
    "real-opensearch-nextgen",
]
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


@pytest.fixture(scope="session")
def real_opensearch_classic(opensearch_url: str) -> Iterator[OpenSearchServer]:
    with OpenSearchServer("classic", REFRESH_SECONDS, node=opensearch_url) as server:
        yield server


@pytest.fixture(scope="session")
def real_opensearch_nextgen(opensearch_url: str) -> Iterator[OpenSearchServer]:
    with OpenSearchServer("nextgen", REFRESH_SECONDS, node=opensearch_url) as server:
        yield server


@pytest.fixture(params=STORES)
def stores(request: pytest.FixtureRequest) -> StoreMaker:
    """Open one and the same new index as often as it is called, each time as another process would."""
    match request.param:
        case "memory":
            only = InMemoryStore(SPACE)
            return lambda: only
        case "pgvector":
            return pgvector(request.getfixturevalue("database"))
        case "dynamodb":
            return Tables(request.getfixturevalue("local_aws").client("dynamodb")).store
        case kind:
            tables = Tables(request.getfixturevalue("local_aws").client("dynamodb"))
            server: OpenSearchServer = request.getfixturevalue(kind.replace("-", "_"))
            return lambda: tables.opensearch(server, tables.ledger)


@pytest.fixture
def store(stores: StoreMaker) -> Store:
    return stores()
