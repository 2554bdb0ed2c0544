"""One connection, kept between warm invocations, replaced when dead, with errors that say what to do.

psycopg's messages can carry values of rows, so none of them is passed on: only the SQLSTATE and a sentence of ours.
"""

import json
import logging
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any, TypeVar

import psycopg
from psycopg.abc import Buffer
from psycopg.adapt import Dumper, Loader
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.pq import Format

from pipeline.errors import StoreUnavailableError, VectorMemoryError
from pipeline.settings import LOOPBACK_HOSTS
from pipeline.stores.pgvector.binary import Binary

logging.getLogger("psycopg").setLevel(logging.CRITICAL)  # its warnings pass on what the server said of a row

CONNECT_TIMEOUT_SECONDS = 5
SET_TENANT = "SELECT set_config('app.tenant_id', %b, true)"
"""What row-level security compares tenants with; without it there are no rows."""


class _BinaryDumper(Dumper):
    """Passes on what is binary already; the server takes the type from the statement."""

    format = Format.BINARY

    def dump(self, obj: Binary) -> bytes:
        return obj.payload


psycopg.adapters.register_dumper(Binary, _BinaryDumper)

_decoded = json.JSONDecoder().raw_decode


class _JsonbLoader(Loader):
    """Reads jsonb in half the time: the server says UTF-8 and writes no white space around it, so neither is looked for."""

    format = Format.BINARY

    def load(self, data: Buffer) -> object:
        return _decoded(str(data[1:], "utf-8"))[0]  # behind the format's version


Connection = psycopg.Connection[tuple[Any, ...]]
Result = TypeVar("Result")

_ADVICE = {
    "42P01": "the schema is missing: run `vector-memory migrate`",
    "42703": "the schema is of another version: run `vector-memory migrate`",
    "42704": "pgvector is missing or too old: run `vector-memory migrate`",
    "42883": "the schema is of another version, or pgvector is missing or too old: run `vector-memory migrate`",
    "42501": "the role lacks a privilege: run `vector-memory migrate` and grant the role memory_ingest or memory_query",
    "28P01": "the password was refused: check the database secret",
    "28000": "the role was refused: check the database secret",
    "3D000": "the database does not exist: check the database secret",
}
_PASSING_CLASSES = frozenset({"08", "25", "40", "53", "55", "57", "58"})
"""SQLSTATE classes of connections, read-only transactions, rollbacks, resources, locks, operators, systems."""


class Connector:
    """Hands out the one connection.

    Args:
        conninfo: returns the connection string; called at every new connection, so that a rotated password is found.
    """

    def __init__(self, conninfo: Callable[[], str]) -> None:
        self._conninfo = conninfo
        self._connection: Connection | None = None

    @contextmanager
    def connection(self) -> Iterator[Connection]:
        """Give the connection, outside any transaction.

        Raises:
            StoreUnavailableError: the database is away, or not ready for us; the connection is dropped.
        """
        try:
            yield self._open()
        except psycopg.Error as error:
            self.close()
            raise translated(error) from None

    @contextmanager
    def tenant(self, tenant_id: str) -> Iterator[Connection]:
        """Give the connection inside a transaction that sees and writes the rows of one tenant only.

        Statements travel together until a result is asked for. The setting ends with the transaction, so that
        neither a pooler nor the next user of the connection inherits it.
        """
        with self.connection() as connection, connection.pipeline(), connection.transaction():
            connection.execute(SET_TENANT, [tenant_id])
            yield connection

    def read(self, work: Callable[[Connection], Result]) -> Result:
        """Run ``work``, which only reads; once more if a kept connection turns out to be dead."""
        return self._twice(self.connection, work)

    def read_as(self, tenant_id: str, work: Callable[[Connection], Result]) -> Result:
        """Run ``work``, which only reads, as :meth:`tenant`; once more if a kept connection turns out to be dead."""
        return self._twice(lambda: self.tenant(tenant_id), work)

    def _twice(
        self, opened: Callable[[], AbstractContextManager[Connection]], work: Callable[[Connection], Result]
    ) -> Result:
        kept = self._connection is not None
        try:
            with opened() as connection:
                return work(connection)
        except StoreUnavailableError:
            if not kept:
                raise
        with opened() as connection:
            return work(connection)

    def close(self) -> None:
        """Drop the connection."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _open(self) -> Connection:
        if self._connection is None or self._connection.closed:
            self._connection = connect(self._conninfo())
        return self._connection


def connect(conninfo: str) -> Connection:
    """Open a connection that works through RDS Proxy and transaction poolers: no prepared statements."""
    connection = psycopg.connect(
        with_defaults(conninfo),
        autocommit=True,
        prepare_threshold=None,
        connect_timeout=CONNECT_TIMEOUT_SECONDS,
    )
    connection.adapters.register_loader("jsonb", _JsonbLoader)
    return connection


def with_defaults(conninfo: str) -> str:
    """Return ``conninfo`` with TLS verified, unless it says otherwise or stays on this machine."""
    given = conninfo_to_dict(conninfo)
    host = str(
        given.get("hostaddr") or given.get("host") or "/"
    )  # libpq connects to hostaddr where both are given
    if "sslmode" in given or host in LOOPBACK_HOSTS or host.startswith("/"):
        return conninfo
    return make_conninfo(
        conninfo, sslmode="verify-full", sslrootcert=str(given.get("sslrootcert") or "system")
    )


def translated(error: psycopg.Error) -> VectorMemoryError:
    """Return our error for psycopg's, without any value of a row."""
    state = error.sqlstate or ""
    advice = _ADVICE.get(state)
    if advice:
        return StoreUnavailableError(f"Postgres answered {state}: {advice}", refused=state.startswith("28"))
    if state[:2] in _PASSING_CLASSES:
        return StoreUnavailableError(f"Postgres answered {state}")
    if not state and isinstance(error, psycopg.OperationalError | psycopg.InterfaceError):
        return StoreUnavailableError(
            "Postgres was not reached: check that it runs and that the database secret fits"
        )
    return VectorMemoryError(f"Postgres refused a statement: {type(error).__name__} {state}")
