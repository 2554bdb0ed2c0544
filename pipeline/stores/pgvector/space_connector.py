"""Transactions in which statements mean one embedding space's tables."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from pipeline.embedding.vectors import EmbeddingSpace
from pipeline.errors import StoreUnavailableError
from pipeline.stores.pgvector import spaces
from pipeline.stores.pgvector.connection import Connection, Connector, Result
from pipeline.stores.pgvector.schema_binding import SchemaBinding, bind_schema


class SpaceConnector:
    """Hands out the connection, with the space's tables in view.

    Args:
        space: the database must hold it.
    """

    def __init__(self, connector: Connector, space: EmbeddingSpace) -> None:
        self.connector = connector
        self.space = space
        self.binding = SchemaBinding()
        self._checked: Connection | None = None

    def check(self) -> None:
        """Find where the space lies, and refuse to mix spaces: once a connection."""
        if self._checked is None or self.connector.kept is not self._checked:
            self.connector.read(self._compare_space)

    def _compare_space(self, connection: Connection) -> None:
        self.binding, self._checked = bind_schema(connection, self.space), connection

    def read_as(self, tenant_ids: Sequence[str], work: Callable[[Connection], Result]) -> Result:
        """Run ``work``, which only reads, in a transaction of these tenants."""

        def registered_space(connection: Connection) -> Result:
            self.binding.enter(connection)
            return work(connection)

        self.check()
        return self.connector.read_as_tenants(tenant_ids, registered_space)

    def rows(self, tenant_id: str, statement: str, parameters: dict[str, Any]) -> list[tuple[Any, ...]]:
        """Return what one statement reads of one tenant."""
        return self.read_as(
            [tenant_id],
            lambda connection: connection.execute(statement.encode(), parameters, binary=True).fetchall(),
        )

    @contextmanager
    def writing(self, tenant_ids: Sequence[str]) -> Iterator[Connection]:
        """Give a transaction that begins with the spaces as they are believed to be, and so ends, or is undone."""
        self.check()
        try:
            with self.connector.tenants(tenant_ids) as connection:
                fence = connection.execute(spaces.REGISTER)
                self.binding.enter(connection)
                yield connection
                self.binding.still(fence.fetchall())
        except StoreUnavailableError:
            self._checked = None
            raise
