"""Where a space lies in the database, and the statements that go with it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from psycopg import sql

from pipeline.embedding.vectors import EmbeddingSpace
from pipeline.errors import StoreUnavailableError
from pipeline.stores.pgvector import spaces, write_sql
from pipeline.stores.pgvector.connection import Connection
from pipeline.stores.pgvector.spaces import Register
from pipeline.stores.pgvector.write_sql import WriteSql

NOTHING = Register(())
ALONE = WriteSql()


@dataclass(frozen=True, slots=True)
class SchemaBinding:
    """What a store knows of its space.

    Args:
        register: the spaces there were when it looked.
        active: whether its space is the one that answers.
        path: what a transaction looks through first; ``None`` if the connection does so anyway.
        oids: of the types ``vector`` and ``sparsevec``.
    """

    register: Register = NOTHING
    active: bool = False
    path: str | None = None
    oids: tuple[int, int] = (0, 0)
    search: str = write_sql.SEARCH
    writing: WriteSql = ALONE

    def enter(self, connection: Connection) -> None:
        """Let the statements of this transaction mean this space's tables."""
        if self.path is not None:
            connection.execute(spaces.PATH, {"path": self.path})

    def still(self, rows: Sequence[tuple[Any, ...]]) -> None:
        """Refuse to write when the spaces are others than thought, or another one is active.

        Raises:
            StoreUnavailableError: they are; nothing may be committed.
        """
        spaces.fenced(self.register, rows)
        if not self.active:
            raise StoreUnavailableError(
                "another space is active now: a function notices by its next invocation"
            )


def bind_schema(connection: Connection, space: EmbeddingSpace) -> SchemaBinding:
    """Find where ``space`` lies.

    Raises:
        StoreUnavailableError: the database does not hold it.
    """
    rows = connection.execute(write_sql.READ_SPACES).fetchall()
    register = spaces.register_of([row[:6] for row in rows])
    own = register.of(space)
    if own is None:
        raise StoreUnavailableError(
            f"the index is not in space {space.model}/{space.dimensions}: set EMBEDDING_MODEL and "
            "EMBEDDING_DIMENSIONS to what `vector-memory migrate` was run with"
        )
    vector, sparse, default, rest = rows[0][6:]
    other = register.other(own)
    elsewhere = own.schema != default
    return SchemaBinding(
        register,
        own.active,
        spaces.path(own.schema, rest) if elsewhere else None,
        (vector, sparse),
        write_sql.SEARCH.replace("memory_search", _name(own.schema, "memory_search"))
        if elsewhere
        else write_sql.SEARCH,
        WriteSql.standby(_name(other.schema, "memories")) if other else ALONE,
    )


def _name(schema: str, name: str) -> str:
    return sql.Identifier(schema, name).as_string(None)
