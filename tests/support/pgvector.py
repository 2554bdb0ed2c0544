"""The Postgres store on a database of a test's own."""

from collections.abc import Callable

from support.chunks import StoreMaker
from support.words import SPACE

from pipeline.settings import Strategy
from pipeline.stores.pgvector.connection import Connector
from pipeline.stores.pgvector.migrations import migrate
from pipeline.stores.pgvector.store import PgVectorStore


def pgvector(database: Callable[..., str], strategy: Strategy = "auto") -> StoreMaker:
    """Open it under the ingest role; for ``hnsw`` with the graph index."""
    conninfo = database("memory_ingest")
    if strategy == "hnsw":
        migrate(database(), SPACE, graph=True)
    return lambda: PgVectorStore(Connector(lambda: conninfo), SPACE, strategy)
