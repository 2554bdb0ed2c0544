"""Reads the index as it lies there, across tenants, for the audit. Needs a role that may see every tenant."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from psycopg import sql

from pipeline.source.documents import ItemKey
from pipeline.stores.inventory import LyingRow, StoredChunk, StoredItem
from pipeline.stores.message_rows import MessageRow
from pipeline.stores.pgvector import write_sql
from pipeline.stores.pgvector.connection import Connection, Connector
from pipeline.stores.pgvector.reading import facts_of
from pipeline.stores.pgvector.spaces import PATH_OF_ACTIVE

PAGE = 1_000

_STORED = (
    "SELECT tenant_id, source, id::text, user_id, content, members, status, metadata->>'key' FROM memories"
)
_ROWS = f"{_STORED} WHERE source = ANY(%(sources)b)"
_EVERY = f"""
{_STORED} WHERE (tenant_id, id) > (%(tenant_id)b, %(id)b::uuid) AND source IS NOT NULL ORDER BY tenant_id, id LIMIT %(page)b
"""
_FIRST_ID = "00000000-0000-0000-0000-000000000000"

_MESSAGES = f"SELECT m.tenant_id, {write_sql.MESSAGE} FROM message m WHERE m.source = ANY(%(sources)b)"  # noqa: S608  # constants

_ITEMS = """
SELECT tenant_id, source, item_key, expires_at, position, read_at, present, found, user_id, events, hidden_since
FROM ledger WHERE (tenant_id, source) > (%(tenant_id)b, %(source)b) AND indexed_at IS NOT NULL
ORDER BY tenant_id, source LIMIT %(page)b
"""

_LYING = """
SELECT CASE state WHEN 'active' THEN 'index' ELSE 'standby space' END, m.source, m.id::text, m.user_id, m.content, m.created_at
FROM {schema}.memories m, index_space WHERE schema = %(name)s AND m.tenant_id = %(tenant_id)s
UNION ALL
SELECT 'words', NULL, w.id::text, w.user_id, '', NULL FROM {schema}.memory_words w
WHERE w.tenant_id = %(tenant_id)s AND NOT EXISTS (
    SELECT FROM {schema}.memories m WHERE m.tenant_id = w.tenant_id AND m.id = w.id)
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
        """Return the chunks of these items, under whatever tenant they lie."""

        def read(connection: Connection) -> Sequence[StoredChunk]:
            return list(map(_stored, _in_active(connection, _ROWS, {"sources": list(sources)})))

        return self._connector.read(read)

    def everything(self) -> Iterator[StoredChunk]:
        """Yield every chunk that belongs to an item."""
        last = ("", _FIRST_ID)
        while True:
            with self._connector.connection() as connection:
                parameters = {"tenant_id": last[0], "id": last[1], "page": PAGE}
                page = _in_active(connection, _EVERY, parameters)
            yield from map(_stored, page)
            if len(page) < PAGE:
                return
            last = (page[-1][0], page[-1][2])

    def lying(self, tenant_id: str) -> Iterator[LyingRow]:
        """Yield every row that lies under a tenant, in every space, and words of rows that are gone."""
        with self._connector.connection() as connection:
            for (schema,) in connection.execute("SELECT schema FROM index_space ORDER BY number").fetchall():
                statement = sql.SQL(_LYING).format(schema=sql.Identifier(schema))
                found = connection.execute(statement, {"name": schema, "tenant_id": tenant_id})
                yield from (LyingRow(*row) for row in found)

    def messages(self, sources: Sequence[str]) -> Sequence[tuple[str, str, MessageRow]]:
        """Return tenant, source and row of every message of these items, under whatever tenant they lie."""

        def read(connection: Connection) -> Sequence[tuple[str, str, MessageRow]]:
            found = _in_active(connection, _MESSAGES, {"sources": list(sources)})
            return [(tenant_id, source, MessageRow(*columns)) for tenant_id, source, *columns in found]

        return self._connector.read(read)

    def items(self) -> Iterator[StoredItem]:
        """Yield every item to which something was applied, of whatever tenant."""
        last = ("", "")
        while True:
            with self._connector.connection() as connection:
                parameters = {"tenant_id": last[0], "source": last[1], "page": PAGE}
                page = _in_active(connection, _ITEMS, parameters)
            for tenant_id, source, key, expires_at, *facts in page:
                yield tenant_id, source, ItemKey(*key) if key else None, facts_of(*facts), expires_at
            if len(page) < PAGE:
                return
            last = (page[-1][0], page[-1][1])

    def remove(self, tenant_id: str, ids: Sequence[str]) -> None:
        """Delete chunks that lie under a tenant they do not belong to."""
        with self._connector.connection() as connection:
            _in_active(connection, _REMOVE, {"tenant_id": tenant_id, "ids": list(ids)})

    def mend(self, tenant_id: str, source: str, ids: Sequence[str]) -> None:
        """Do nothing: the rows themselves are the list of what there is."""


def _stored(row: tuple[Any, ...]) -> StoredChunk:
    tenant_id, source, id_, user_id, content, members, status, name = row
    return StoredChunk(tenant_id, source, id_, user_id, content, tuple(members or ()), status, name or "")


def _in_active(
    connection: Connection, statement: str, parameters: Mapping[str, Any]
) -> list[tuple[Any, ...]]:
    """Run a statement on the tables of the space that answers; return its rows, if it gives any."""
    with connection.transaction():
        connection.execute(PATH_OF_ACTIVE)
        done = connection.execute(statement, parameters, binary=True)
        return done.fetchall() if done.description else []
