"""Reads the index as it lies there, across tenants, for the audit. Needs a role that may see every tenant."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from pipeline.stores.inventory import StoredChunk
from pipeline.stores.pgvector.connection import Connection, Connector
from pipeline.stores.pgvector.spaces import PATH_OF_CURRENT

PAGE = 1_000

_ROWS = """
SELECT tenant_id, source, id::text, user_id, content, members, lost <> '{}'
FROM memories WHERE source = ANY(%(sources)b)
"""

_SOURCES = "SELECT DISTINCT source FROM memories WHERE source IS NOT NULL"

_PRESENT = """
SELECT tenant_id, source, expires_at FROM ledger
WHERE (tenant_id, source) > (%(tenant_id)b, %(source)b) AND indexed_at IS NOT NULL
  AND EXISTS (SELECT FROM memories m WHERE m.tenant_id = ledger.tenant_id AND m.source = ledger.source AND m.lost = '{}')
ORDER BY tenant_id, source LIMIT %(page)b
"""

_STRAY = """
SELECT DISTINCT tenant_id, source FROM memories m
WHERE source IS NOT NULL AND lost = '{}'
  AND NOT EXISTS (SELECT FROM ledger l WHERE l.tenant_id = m.tenant_id AND l.source = m.source)
"""

_REMOVE = "DELETE FROM memories WHERE tenant_id = %(tenant_id)b AND id = ANY(%(ids)b::uuid[])"


class Inventory:
    """The rows of the index.

    Args:
        connector: connects as a role that may see every tenant.
    """

    def __init__(self, connector: Connector) -> None:
        self._connector = connector

    def rows(self, sources: Sequence[str]) -> Sequence[StoredChunk]:
        """Return the rows of these items, under whatever tenant they lie."""

        def read(connection: Connection) -> Sequence[StoredChunk]:
            found = _in_current(connection, _ROWS, {"sources": list(sources)})
            return [
                StoredChunk(tenant_id, source, id_, user_id, content, tuple(members or ()), retained)
                for tenant_id, source, id_, user_id, content, members, retained in found
            ]

        return self._connector.read(read)

    def everything(self) -> Sequence[StoredChunk]:
        """Return every row that belongs to an item."""
        with self._connector.connection() as connection:
            sources = [source for (source,) in connection.execute(_SOURCES, binary=True)]
        return self.rows(sources)

    def present(self) -> Iterator[tuple[str, str, datetime | None]]:
        """Yield tenant, source and expiry of every item with rows that are not merely retained."""
        last = ("", "")
        while True:
            with self._connector.connection() as connection:
                parameters = {"tenant_id": last[0], "source": last[1], "page": PAGE}
                page = _in_current(connection, _PRESENT, parameters)
            yield from page
            if len(page) < PAGE:
                break
            last = (page[-1][0], page[-1][1])
        with self._connector.connection() as connection:
            strays = _in_current(connection, _STRAY, {})
        yield from ((tenant_id, source, None) for tenant_id, source in strays)

    def remove(self, tenant_id: str, ids: Sequence[str]) -> None:
        """Delete rows that lie under a tenant they do not belong to."""
        with self._connector.connection() as connection:
            _in_current(connection, _REMOVE, {"tenant_id": tenant_id, "ids": list(ids)})


def _in_current(
    connection: Connection, statement: str, parameters: Mapping[str, Any]
) -> list[tuple[Any, ...]]:
    """Run a statement on the tables of the space that answers; return its rows, if it gives any."""
    with connection.transaction():
        connection.execute(PATH_OF_CURRENT)
        done = connection.execute(statement, parameters, binary=True)
        return done.fetchall() if done.description else []
