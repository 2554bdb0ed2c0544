"""The graph index, for the strategy ``hnsw``: made during live traffic, which goes on meanwhile."""

import time
from collections.abc import Callable

import psycopg
from psycopg import sql

from pipeline.stores.pgvector.connection import connect_as_owner, translated
from pipeline.stores.pgvector.privileges import Owner, home_and_types

GRAPH_LOCK = 0x766D6568  # "vmeh"
_WAIT_SECONDS = 1.0
_VALID = "SELECT indisvalid FROM pg_index WHERE indexrelid = to_regclass('memories_by_graph')"
_MAKE = "CREATE INDEX CONCURRENTLY memories_by_graph ON memories USING hnsw (embedding {}.vector_cosine_ops)"


def make_graph(conninfo: str, sleep: Callable[[float], None] = time.sleep) -> list[str]:
    """Make the index unless it is there; one that an earlier run left unfinished is made anew.

    Raises:
        StoreUnavailableError: the database is away, or the role may not.
        StoreBusyError: the statement was cancelled; what it left is cleared away by the next run.
    """
    try:
        with connect_as_owner(conninfo) as connection:
            # asked again and again: whoever waits for a lock in a statement keeps CREATE INDEX CONCURRENTLY waiting
            while connection.execute("SELECT pg_try_advisory_lock(%s)", [GRAPH_LOCK]).fetchone() != (True,):
                sleep(_WAIT_SECONDS)
            return _made(connection)
    except psycopg.Error as error:
        raise translated(error) from None


def _made(connection: Owner) -> list[str]:
    valid = connection.execute(_VALID).fetchone()
    if valid == (True,):
        return []
    if valid:
        connection.execute("DROP INDEX CONCURRENTLY memories_by_graph")
    types = home_and_types(connection)[-1]
    connection.execute(sql.SQL(_MAKE).format(sql.Identifier(types)))
    return ["the graph index"]
