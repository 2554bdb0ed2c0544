"""One connection, kept between warm invocations, replaced when dead, with errors that say what to do.

Every transaction says all it needs itself, so that nothing depends on how the role, the database or a pooler is set: its
isolation level with BEGIN, and its tenant, time limits and search path by one stored function (:data:`BEGIN`). Nothing is
kept in the session: poolers share it, and RDS Proxy would pin it.
"""

import json
import logging
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

import psycopg
from psycopg import IsolationLevel
from psycopg.abc import Buffer, PQGen
from psycopg.adapt import Dumper, Loader
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.generators import send
from psycopg.pq import Format, TransactionStatus

from pipeline.errors import StoreUnavailableError
from pipeline.stores.pgvector.faults import refuses_login, translated
from pipeline.stores.pgvector.tls import with_defaults
from pipeline.stores.pgvector.wire_format import Binary

__all__ = [
    "SET_TENANT",
    "Along",
    "Connection",
    "Connector",
    "Limits",
    "Result",
    "connect",
    "connect_as_owner",
    "translated",
    "with_defaults",
]

logging.getLogger("psycopg").setLevel(logging.CRITICAL)  # its warnings pass on what the server said of a row

PATIENCE: Mapping[str, int] = {
    "connect_timeout": 5,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 15_000,
}
"""When a peer counts as gone, unless the connection string says otherwise: seconds of connecting, without a word, between
probes; probes; milliseconds that what was sent may stay unacknowledged."""

SET_TENANT = "SELECT memory_begin(%b)"
"""What row-level security compares tenants with; without it there are no rows. Limits and search path come along."""
_BEGIN = "BEGIN ISOLATION LEVEL READ COMMITTED"
_LIMIT = "SELECT memory_begin(%b, %b::int4, %b::int4)"
_LIMIT_OF_SEVERAL = "SELECT memory_begin_for(%b::text[], %b::int4, %b::int4)"

SEVERAL_WAIT_MILLISECONDS = 100
"""How long a transaction of several tenants waits for one lock. Whoever holds it holds up one of them; the others go on
by themselves."""


@dataclass(frozen=True, slots=True)
class Limits:
    """How long the database may take.

    Args:
        statement_seconds: of one statement, by the server's clock; ``None`` is no limit, for an operator's long reads.
        lock_seconds: of waiting for one lock.
    """

    statement_seconds: int | None = 20
    lock_seconds: int = 2

    @property
    def answer_seconds(self) -> float | None:
        """Return how long an answer may be waited for by our own clock: past it the server is taken for gone.

        A transaction's statements travel together, so one answer may be the work of several.
        """
        return None if self.statement_seconds is None else 2.0 * self.statement_seconds

    @property
    def milliseconds(self) -> tuple[int, int]:
        """Return both limits as Postgres takes them: 0 is none."""
        return (self.statement_seconds or 0) * 1000, self.lock_seconds * 1000


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


Result = TypeVar("Result")


class Connection(psycopg.Connection[tuple[Any, ...]]):
    """A connection that waits for an answer for so long and no longer."""

    answer_seconds: float | None = None

    def wait(self, gen: PQGen[Result], interval: float = 0.1, timeout: float | None = None) -> Result:
        """Wait as psycopg does, but not without end: who swallows what we send may still acknowledge it.

        Whoever did not answer once is not asked again: leaving a transaction would wait for as long once more.
        """
        limit, began = timeout or self.answer_seconds, time.monotonic()
        try:
            return super().wait(gen, interval, limit)
        except psycopg.OperationalError:
            if limit is not None and time.monotonic() - began >= limit:
                self.pgconn.finish()
            raise

    def push(self) -> None:
        """Send all that a pipeline still holds back, so that the server works while what follows is prepared.

        A pipeline sends of a statement what fits the socket's buffer, and the rest with the next one.
        """
        self.wait(send(self.pgconn))

    def ask(
        self, begin: tuple[Any, ...], statements: Sequence[tuple[str, Mapping[str, Any]]]
    ) -> list[list[tuple[Any, ...]]]:
        """Run statements in a transaction of their own, in a single round trip; return the rows of each.

        Args:
            begin: what ``memory_begin`` is given: tenant, milliseconds of a statement and of a lock.
        """
        with self.pipeline():
            self.execute(_BEGIN)
            self.execute(_LIMIT, begin)
            query_terms = [
                self.execute(statement.encode(), parameters, binary=True)
                for statement, parameters in statements
            ]
            self.execute("COMMIT")
        return [one.fetchall() for one in query_terms]


@dataclass(frozen=True, slots=True)
class Along:
    """A statement that goes along with the next question of its tenant.

    Args:
        parameters: makes them when it is sent.
        told: is given its rows.
        before: the question is asked after it; otherwise before.
    """

    tenant_id: str
    statement: str
    parameters: Callable[[], Mapping[str, Any]]
    told: Callable[[list[tuple[Any, ...]]], object]
    before: bool


class Connector:
    """Hands out the one connection.

    Args:
        conninfo: returns the connection string; called at every new connection, so that a rotated password is found.
        limits: of each transaction.
        renewed: returns it once more when the login was refused; default: ``conninfo``, for a password that was changed a
            moment ago.
    """

    def __init__(
        self,
        conninfo: Callable[[], str],
        limits: Limits = Limits(),  # frozen
        renewed: Callable[[], str] | None = None,
    ) -> None:
        self._conninfo, self._renewed = conninfo, renewed or conninfo
        self._limits = limits
        self._connection: Connection | None = None
        self._along: list[Along] = []

    @contextmanager
    def connection(self) -> Iterator[Connection]:
        """Give the connection, outside any transaction, and so without limits but for the answer's.

        Raises:
            StoreBusyError: one transaction lost to others, or took too long; nothing of it was written.
            StoreUnavailableError: the database is away, or not ready for us; the connection is dropped.
        """
        try:
            yield self._open()
        except psycopg.Error as error:
            fault = translated(error)
            if isinstance(fault, StoreUnavailableError) or not self._rolled_back():
                self.close()  # a writer that only reads since a failover would go on doing so
            raise fault from None

    @contextmanager
    def tenant(self, tenant_id: str) -> Iterator[Connection]:
        """Give the connection inside a transaction that sees and writes the rows of one tenant only.

        Statements travel together until a result is asked for. The settings end with the transaction, so that
        neither a pooler nor the next user of the connection inherits them.
        """
        with self.connection() as connection, connection.pipeline(), connection.transaction():
            connection.execute(_LIMIT, (tenant_id, *self._limits.milliseconds))
            yield connection

    @contextmanager
    def tenants(self, tenant_ids: Sequence[str]) -> Iterator[Connection]:
        """Give the connection inside a transaction that sees and writes the rows of these tenants only; see :meth:`tenant`."""
        if len(tenant_ids) == 1:
            with self.tenant(tenant_ids[0]) as connection:
                yield connection
            return
        statement, lock = self._limits.milliseconds
        with self.connection() as connection, connection.pipeline(), connection.transaction():
            waits = min(lock, SEVERAL_WAIT_MILLISECONDS) or SEVERAL_WAIT_MILLISECONDS
            connection.execute(_LIMIT_OF_SEVERAL, (list(tenant_ids), statement, waits))
            yield connection

    def run(self, tenant_id: str, statement: str, parameters: Mapping[str, Any]) -> list[tuple[Any, ...]]:
        """Run one statement as :meth:`tenant`, in a single round trip; return its rows."""
        return self._run_all(tenant_id, [(statement, parameters)])[0]

    def _run_all(
        self, tenant_id: str, statements: Sequence[tuple[str, Mapping[str, Any]]]
    ) -> list[list[tuple[Any, ...]]]:
        with self.connection() as connection:
            return connection.ask((tenant_id, *self._limits.milliseconds), statements)

    def send_along(self, one: Along) -> None:
        """Let a statement go along with the next question of its tenant."""
        self._along.append(one)

    def question(
        self, tenant_id: str, statement: str, parameters: Mapping[str, Any]
    ) -> list[tuple[Any, ...]]:
        """Run a question as :meth:`ask`, and what is to go along, in one transaction and one round trip."""
        own = self._taken(tenant_id)
        first, last = [one for one in own if one.before], [one for one in own if not one.before]
        query_terms = [(statement, parameters)]
        sent = (
            [(one.statement, one.parameters()) for one in first],
            [(one.statement, one.parameters()) for one in last],
        )
        rows = self._again(lambda: self._run_all(tenant_id, [*sent[0], *query_terms, *sent[1]]))
        found = rows.pop(len(first))
        for one, told in zip((*first, *last), rows, strict=True):
            one.told(told)
        return found

    def drop_along(self) -> None:
        """Forget what no question took along: the request that it belonged to is over."""
        self._along.clear()

    def _taken(self, tenant_id: str) -> list[Along]:
        own = [one for one in self._along if one.tenant_id == tenant_id]
        self._along = [one for one in self._along if one.tenant_id != tenant_id]
        return own

    def ask(self, tenant_id: str, statement: str, parameters: Mapping[str, Any]) -> list[tuple[Any, ...]]:
        """Run one statement, which only reads, as :meth:`run`; once more if a kept connection turns out to be dead."""
        return self._again(lambda: self.run(tenant_id, statement, parameters))

    def read(self, work: Callable[[Connection], Result]) -> Result:
        """Run ``work``, which only reads, for no tenant, each answer at once; once more if a kept connection turns out to be dead."""

        def once() -> Result:
            with self.connection() as connection, connection.transaction():
                connection.execute(_LIMIT, ("", *self._limits.milliseconds))
                return work(connection)

        return self._again(once)

    def read_as(self, tenant_id: str, work: Callable[[Connection], Result]) -> Result:
        """Run ``work``, which only reads, as :meth:`tenant`; once more if a kept connection turns out to be dead."""
        return self.read_as_tenants([tenant_id], work)

    def read_as_tenants(self, tenant_ids: Sequence[str], work: Callable[[Connection], Result]) -> Result:
        """Run ``work``, which only reads, as :meth:`tenants`; once more if a kept connection turns out to be dead."""

        def once() -> Result:
            with self.tenants(tenant_ids) as connection:
                return work(connection)

        return self._again(once)

    def _again(self, read: Callable[[], Result]) -> Result:
        kept = self._connection is not None
        try:
            return read()
        except StoreUnavailableError:
            if not kept:
                raise
        return read()

    @property
    def kept(self) -> Connection | None:
        """The connection that the next call gets, unless it turns out to be dead; ``None`` if there is none."""
        connection = self._connection
        return None if connection is None or connection.closed else connection

    def close(self) -> None:
        """Drop the connection."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _open(self) -> Connection:
        if self.kept is None or self._connection is None:
            self._connection = self._connect()
            self._connection.answer_seconds = self._limits.answer_seconds
        return self._connection

    def _connect(self) -> Connection:
        """Connect; once more if the login was refused and has been renewed since."""
        given = self._conninfo()
        try:
            return connect(given)
        except psycopg.OperationalError as error:
            if not refuses_login(error) or (again := self._renewed()) == given:
                raise
            return connect(again)

    def _rolled_back(self) -> bool:
        """Bring the connection out of a transaction that failed; tell whether it is fit for the next."""
        connection = self.kept
        if connection is None:
            return False
        try:
            connection.rollback()
        except psycopg.Error:
            return False
        return connection.info.transaction_status == TransactionStatus.IDLE


def connect(conninfo: str) -> Connection:
    """Open a connection that works through RDS Proxy and transaction poolers: no prepared statements."""
    given = {**PATIENCE, **conninfo_to_dict(with_defaults(conninfo))}
    connection = Connection.connect(make_conninfo("", **given), autocommit=True, prepare_threshold=None)
    connection.isolation_level = IsolationLevel.READ_COMMITTED
    connection.adapters.register_loader("jsonb", _JsonbLoader)
    return connection


def connect_as_owner(conninfo: str) -> psycopg.Connection[tuple[Any, ...]]:
    """Open a connection for work on the schema, which may take its time: without limits, each statement by itself."""
    connection: psycopg.Connection[tuple[Any, ...]] = psycopg.connect(
        with_defaults(conninfo), autocommit=True, prepare_threshold=None
    )
    connection.isolation_level = IsolationLevel.READ_COMMITTED
    return connection
