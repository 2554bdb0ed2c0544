"""What the contract says of searches, by each strategy of the Postgres store: writing knows none."""

from collections.abc import Callable

import pytest
from contract.test_hybrid_search import *  # noqa: F403, RUF100
from contract.test_isolation import *  # noqa: F403, RUF100
from contract.test_large_memories import *  # noqa: F403, RUF100
from contract.test_neighbours import *  # noqa: F403, RUF100
from contract.test_search import *  # noqa: F403, RUF100
from contract.test_withholding import *  # noqa: F403, RUF100
from support.chunks import StoreMaker
from support.pgvector import pgvector

from pipeline.stores.protocol import Store

pytestmark = pytest.mark.integration


@pytest.fixture(params=["exact", "bq", "hnsw"])
def stores(request: pytest.FixtureRequest, database: Callable[..., str]) -> StoreMaker:
    return pgvector(database, request.param)


@pytest.fixture
def store(stores: StoreMaker) -> Store:
    return stores()
