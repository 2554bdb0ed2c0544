"""Puts what one space has and the other lacks into the other: the same rows with other vectors.

A row is put only while the row it is made of stands, unchanged since it was read, and stays so until the transaction
ends; whoever deletes or changes that one later takes this one along, by triggers. So nothing forgotten comes back,
whatever the order.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from psycopg import sql

from pipeline.embedding.vectors import Vector
from pipeline.stores.pgvector import wire_format
from pipeline.stores.pgvector.connection import SET_TENANT, Connection, Connector
from pipeline.stores.pgvector.spaces import RegisteredSpace
from pipeline.stores.pgvector.wire_format import Binary

_VECTOR = "SELECT to_regtype('vector')::oid::int8"

_BEHIND = """
SELECT h.source, h.id, h.user_id, h.content, h.metadata, COALESCE(h.fingerprint, '')
FROM {here}.memories h
WHERE h.tenant_id = %(tenant_id)b AND h.source = ANY(%(sources)b)
  AND NOT EXISTS (SELECT FROM {there}.memories t WHERE t.tenant_id = h.tenant_id AND t.id = h.id)
ORDER BY h.source, h.created_at, h.id
"""

_PUT = """
WITH given AS (
    SELECT * FROM unnest(%(ids)b::uuid[], %(vectors)b::vector[], %(read)b::text[], %(fingerprints)b::text[])
        AS g (id, vector, read, fingerprint)
), standing AS (
    SELECT h.*, g.vector, g.fingerprint AS own
    FROM {here}.memories h JOIN given g ON g.id = h.id
    WHERE h.tenant_id = %(tenant_id)b AND COALESCE(h.fingerprint, '') = g.read
    ORDER BY h.id FOR SHARE OF h
)
INSERT INTO {there}.memories (tenant_id, id, user_id, content, embedding, created_at, metadata, source, members, line_lengths,
                              tokens, status, fingerprint)
SELECT tenant_id, id, user_id, content, vector, created_at, metadata - 'embedded', source, members, line_lengths, tokens, status,
       own
FROM standing
ON CONFLICT (tenant_id, id) DO NOTHING
RETURNING id
"""

_PUT_WORDS = """
INSERT INTO {there}.memory_words (tenant_id, id, part, user_id, words)
SELECT w.tenant_id, w.id, w.part, w.user_id, w.words FROM {here}.memory_words w
JOIN {there}.memories t ON t.tenant_id = w.tenant_id AND t.id = w.id
WHERE w.tenant_id = %(tenant_id)b AND w.id = ANY(%(ids)b::uuid[])
ON CONFLICT DO NOTHING
"""


@dataclass(frozen=True, slots=True)
class Lacking:
    """A row that the other space has not.

    Args:
        read: its fingerprint as it was read.
    """

    source: str
    id: str
    user_id: str
    content: str = field(repr=False)
    metadata: Mapping[str, Any] = field(repr=False)
    read: str


class SpaceCopy:
    """Fills one space from the other, as ingest's role.

    Args:
        here: the space that has the rows.
        there: the space that lacks them.
    """

    def __init__(self, connector: Connector, here: RegisteredSpace, there: RegisteredSpace) -> None:
        self._connector = connector
        names = {"here": sql.Identifier(here.schema), "there": sql.Identifier(there.schema)}
        self._behind, self._put, self._put_words = (
            sql.SQL(statement).format(**names) for statement in (_BEHIND, _PUT, _PUT_WORDS)
        )

    def behind(self, tenant_id: str, sources: Sequence[str]) -> Sequence[Lacking]:
        """Return the rows of these items that are not there yet."""
        parameters = {"tenant_id": tenant_id, "sources": list(sources)}

        def read(connection: Connection) -> Sequence[Lacking]:
            rows = connection.execute(self._behind, parameters, binary=True).fetchall()
            return [Lacking(source, str(id_), *columns) for source, id_, *columns in rows]

        return self._connector.read_as(tenant_id, read)

    def put(self, tenant_id: str, rows: Sequence[tuple[Lacking, Vector, str]]) -> int:
        """Put rows there, each with its vector and its fingerprint there; return how many.

        A row that went or changed since it was read, or is there by now, is left out.
        """
        with self._connector.connection() as connection, connection.transaction():
            connection.execute(SET_TENANT, [tenant_id])
            oid = connection.execute(_VECTOR).fetchall()[0][0]
            ids = [row.id for row, _, _ in rows]
            parameters = {
                "tenant_id": tenant_id,
                "ids": ids,
                "vectors": Binary(
                    wire_format.array_of(oid, [wire_format.vector(vector) for _, vector, _ in rows])
                ),
                "read": [row.read for row, _, _ in rows],
                "fingerprints": [own for _, _, own in rows],
            }
            put = connection.execute(self._put, parameters).fetchall()
            connection.execute(self._put_words, {"tenant_id": tenant_id, "ids": [id_ for (id_,) in put]})
        return len(put)
