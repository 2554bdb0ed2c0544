"""How far the spaces are in step, across tenants. Needs a role that may see every tenant."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, LiteralString

from psycopg import sql

from pipeline.source.documents import ItemKey
from pipeline.stores.pgvector.connection import Connection, Connector
from pipeline.stores.pgvector.sight import check_sight
from pipeline.stores.pgvector.spaces import SETTLE_SECONDS, Register, RegisteredSpace, read_register

PAGE = 200

# As in pipeline.embedding.tokens, where a character is either one byte or three.
_TOKENS: LiteralString = """
((3 * char_length(h.content) - octet_length(h.content)) / 8 + (octet_length(h.content) - char_length(h.content)) / 2)
"""
_LACKS: LiteralString = (
    "NOT EXISTS (SELECT FROM {there}.memories t WHERE t.tenant_id = h.tenant_id AND t.id = h.id)"
)

_COUNT: LiteralString = """
SELECT count(*), count(*) FILTER (WHERE h.source IS NULL), count(*) FILTER (WHERE h.lacks),
       count(DISTINCT (h.tenant_id, h.source)) FILTER (WHERE h.lacks), COALESCE(sum(h.tokens) FILTER (WHERE h.lacks), 0)::int8,
       count(*) FILTER (WHERE h.lacks AND COALESCE(l.indexed_at < clock_timestamp() - make_interval(secs => %(seconds)b), true))
FROM (SELECT h.tenant_id, h.source, {tokens} AS tokens, h.source IS NOT NULL AND {lacks} AS lacks
      FROM {here}.memories h) h
LEFT JOIN ledger l ON l.tenant_id = h.tenant_id AND l.source = h.source
"""

_ITEMS: LiteralString = """
SELECT h.tenant_id, h.source, l.item_key, sum({tokens})::int8
FROM {here}.memories h LEFT JOIN ledger l ON l.tenant_id = h.tenant_id AND l.source = h.source
WHERE (h.tenant_id, h.source) > (%(tenant_id)b, %(source)b) AND h.source IS NOT NULL AND {lacks}
GROUP BY h.tenant_id, h.source, l.item_key ORDER BY h.tenant_id, h.source LIMIT %(page)b
"""

# What is withheld is nobody's to ask with.
_SAMPLE: LiteralString = """
SELECT h.tenant_id, h.user_id, h.id, h.content, h.metadata FROM {here}.memories h
WHERE h.source IS NOT NULL AND h.user_id <> '' AND NOT ({lacks}) ORDER BY random() LIMIT %(count)b
"""


@dataclass(frozen=True, slots=True)
class SpaceProgress:
    """What one space has, and the other lacks.

    Args:
        chunks: rows there are.
        own: those of them that the chat app wrote itself, which ingest leaves alone.
        behind: rows the other space lacks, without those.
        items: the items they are of.
        tokens: of them, estimated.
        overdue: those of them that ought to be there by now: indexed longer ago than a moment.
    """

    chunks: int
    own: int
    behind: int
    items: int
    tokens: int
    overdue: int


@dataclass(frozen=True, slots=True)
class BehindItem:
    """An item with rows that the other space lacks.

    Args:
        key: ``None`` if the ledger does not know it: no notice can name it.
        tokens: to be embedded, estimated.
    """

    tenant_id: str
    source: str
    key: ItemKey | None
    tokens: int


@dataclass(frozen=True, slots=True)
class Sample:
    """A stored text to ask with."""

    tenant_id: str
    user_id: str
    id: str
    content: str = field(repr=False)
    metadata: dict[str, Any] = field(repr=False)


class Spaces:
    """Reads what the spaces hold.

    Args:
        connector: connects as a role that may see every tenant.
    """

    def __init__(self, connector: Connector) -> None:
        self._connector = connector

    def register(self) -> Register:
        """Return the spaces there are.

        Raises:
            SettingsError: the role sees no tenants, and all would seem empty.
        """
        check_sight(self._connector)
        return self._connector.read(read_register)

    def progress(self, here: RegisteredSpace, there: RegisteredSpace) -> SpaceProgress:
        """Count what ``here`` has and ``there`` lacks."""
        [row] = self._rows(_COUNT, here, there, {"seconds": SETTLE_SECONDS})
        return SpaceProgress(*row)

    def behind(self, here: RegisteredSpace, there: RegisteredSpace) -> Iterator[Sequence[BehindItem]]:
        """Yield pages of the items of which ``there`` lacks something."""
        last = ("", "")
        while True:
            parameters = {"tenant_id": last[0], "source": last[1], "page": PAGE}
            page = [
                BehindItem(tenant_id, source, ItemKey(*key) if key else None, tokens)
                for tenant_id, source, key, tokens in self._rows(_ITEMS, here, there, parameters)
            ]
            if page:
                yield page
                last = (page[-1].tenant_id, page[-1].source)
            if len(page) < PAGE:
                return

    def sample(self, here: RegisteredSpace, there: RegisteredSpace, count: int) -> Sequence[Sample]:
        """Return some texts that both have, at random."""
        rows = self._rows(_SAMPLE, here, there, {"count": count})
        return [Sample(tenant_id, user_id, str(id_), *columns) for tenant_id, user_id, id_, *columns in rows]

    def _rows(
        self,
        statement: LiteralString,
        here: RegisteredSpace,
        there: RegisteredSpace,
        parameters: dict[str, Any],
    ) -> list[tuple[Any, ...]]:
        names = {"here": sql.Identifier(here.schema), "there": sql.Identifier(there.schema)}
        query = sql.SQL(statement).format(
            **names, tokens=sql.SQL(_TOKENS), lacks=sql.SQL(_LACKS).format(**names)
        )

        def read(connection: Connection) -> list[tuple[Any, ...]]:
            return connection.execute(query, parameters, binary=True).fetchall()

        return self._connector.read(read)
