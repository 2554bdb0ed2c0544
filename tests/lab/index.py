"""The real Postgres under the laboratory: virtual time in its SQL, statements as points, rows for the oracle.

Leases are a matter of seconds, so the SQL must see virtual time: ``clock_timestamp()`` and ``now()`` are found in a
schema of ours before Postgres's own.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, cast

import psycopg
from psycopg.conninfo import make_conninfo

from lab.oracle import Row
from lab.scheduler import Crashed, FaultAction, Scheduler
from pipeline.embedding.vectors import EmbeddingSpace
from pipeline.source.documents import ItemKey
from pipeline.stores.pgvector.connection import Connection, Connector, connect
from pipeline.stores.pgvector.inventory import Inventory
from pipeline.stores.pgvector.migrations import migrate
from pipeline.stores.pgvector.store import PgVectorStore
from pipeline.stores.protocol import SeveralTenants

SPACE = EmbeddingSpace("lab", 8)
_WORKER = "lab_worker"
_CLOCK = """
CREATE SCHEMA IF NOT EXISTS lab;
GRANT USAGE ON SCHEMA lab TO PUBLIC;
CREATE OR REPLACE FUNCTION lab.clock_timestamp() RETURNS timestamptz STABLE LANGUAGE sql
    AS $$ SELECT pg_catalog.to_timestamp(pg_catalog.current_setting('lab.now')::float8) $$;
CREATE OR REPLACE FUNCTION lab.now() RETURNS timestamptz STABLE LANGUAGE sql AS $$ SELECT lab.clock_timestamp() $$;
"""
_WAITING = """
SELECT content FROM memories m
WHERE (fingerprint = '' AND user_id <> '') OR (fingerprint LIKE '~%' AND NOT EXISTS (
    SELECT FROM memories w WHERE w.tenant_id = m.tenant_id AND w.source = m.source AND w.user_id = ''))
ORDER BY 1
"""
POINTS = frozenset(
    [
        "read",
        "detail",
        "texts",
        "markers",
        "lease",
        "release",
        "apply",
        "mark",
        "items_of",
        "finish",
        "forgotten",
        "overdue",
        "indexed_until",
    ]
)
"""What workers call of a store: each is a point."""
_TRUNCATE_EVERY = 100
_LASTING = frozenset({"schema_version", "index_space"})


class Database:
    """A database of the laboratory's own.

    Args:
        conninfo: its owner's.
        virtual_time: its SQL sees the scheduler's time; else the true one.
    """

    def __init__(self, conninfo: str, *, virtual_time: bool = True) -> None:
        migrate(conninfo, SPACE)
        options = "-c synchronous_commit=off -c jit=off"
        if virtual_time:
            options += " -c search_path=lab,pg_catalog,public -c lab.now=0"
        self._owner = psycopg.connect(conninfo, autocommit=True, options="-c synchronous_commit=off")
        self._owner.execute(_CLOCK)
        if not self._owner.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [_WORKER]).fetchone():
            self._owner.execute(f"CREATE ROLE {_WORKER} LOGIN PASSWORD 'secret' IN ROLE memory_ingest")
        self.conninfo = make_conninfo(
            conninfo, user=_WORKER, password="secret", options=options
        )  # of a throw-away database
        self.inventory = Inventory(Connector(lambda: conninfo))
        self._cleared = 0
        found = self._owner.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY 1")
        self._tables = [name for (name,) in found if name not in _LASTING]

    def connector(self, scheduler: Callable[[], Scheduler]) -> "WatchedConnector":
        """Return a worker's way to it."""
        return WatchedConnector(self.conninfo, scheduler)

    def clear(self) -> None:
        """Empty every table of the index."""
        self._cleared += 1
        if self._cleared % _TRUNCATE_EVERY == 1:
            self._owner.execute(f"TRUNCATE {', '.join(self._tables)}")
            return
        for name in self._tables:
            self._owner.execute(f"DELETE FROM {name}")  # names that Postgres gave us

    def rows(self) -> Sequence[Row]:
        """Return the whole index."""
        return [
            Row(tenant, user, content, ItemKey.values_of(source) or ("", "", ""))
            for tenant, user, content, source in self._owner.execute(
                "SELECT tenant_id, user_id, content, source FROM memories ORDER BY 1, 2, 4, 3"
            )
        ]

    def waiting(self) -> Sequence[str]:
        """Return the texts that wait for their vectors, and stand-ins of nothing: only what is withheld may, at rest."""
        found = self._owner.execute(_WAITING)
        return [f"not embedded: {content}" for (content,) in found]

    def holds(self, text: str) -> bool:
        """Tell whether a row with a vector says just ``text``, behind its header if it has one."""
        query = """
            SELECT 1 FROM memories WHERE fingerprint <> '' AND fingerprint NOT LIKE '~%%'
            AND right(content, length(%(text)s)) = %(text)s
            AND left(content, -length(%(text)s)) ~ '^(\\[[^\\n]*\\]\\n)?$' LIMIT 1
        """
        found = self._owner.execute(query, {"text": text})
        return found.fetchone() is not None

    def close(self) -> None:
        """Disconnect."""
        self._owner.close()


class Fuse:
    """Blows at a statement: what the next operation on a connection meets."""

    def __init__(self) -> None:
        self.statements = 0
        self.fault_action = FaultAction.GO

    def set(self, fault_action: FaultAction, statements: int) -> None:
        """Blow after so many ``statements``."""
        self.fault_action, self.statements = fault_action, statements

    def burn(self) -> None:
        """Count a statement; raise if it is the one."""
        if self.fault_action is FaultAction.GO:
            return
        self.statements -= 1
        if self.statements >= 0:
            return
        fault_action, self.fault_action = self.fault_action, FaultAction.GO
        if fault_action is FaultAction.CRASH_INSIDE:
            raise Crashed
        raise psycopg.OperationalError("the connection was cut")


class _Watched:
    """A connection whose statements outside transactions are points, and that tells Postgres the virtual time.

    Inside a transaction nobody else runs: another worker might wait for its locks, and nobody would wake it.
    """

    def __init__(self, connection: Connection, fuse: Fuse, scheduler: Callable[[], Scheduler]) -> None:
        self._connection, self._fuse, self._scheduler = connection, fuse, scheduler
        self._inside = 0
        self._told = 0.0

    def __getattr__(self, name: str) -> Any:  # all else is the connection's
        return getattr(self._connection, name)

    def execute(self, query: Any, *arguments: Any, **options: Any) -> Any:  # psycopg's own
        if not self._inside:
            self._scheduler().pause()
        self._fuse.burn()
        self._tell()
        return self._connection.execute(query, *arguments, **options)

    def ask(self, begin: Any, statements: Any) -> Any:  # psycopg's own
        self._fuse.burn()
        self._tell()
        return self._connection.ask(begin, statements)

    @contextmanager
    def pipeline(self) -> Iterator[Any]:
        self._tell()  # a pipeline is one transaction, whose rollback would take it back
        with self._inside_of(self._connection.pipeline()) as pipeline:
            yield pipeline

    @contextmanager
    def transaction(self) -> Iterator[Any]:
        if not self._inside:
            self._tell()
        with self._inside_of(self._connection.transaction()) as transaction:
            yield transaction

    @contextmanager
    def _inside_of(self, context: Any) -> Iterator[Any]:  # psycopg's own
        self._inside += 1
        try:
            with context as inner:
                yield inner
        finally:
            self._inside -= 1

    def _tell(self) -> None:
        now = self._scheduler().wall_clock
        if now != self._told and not self._inside:
            self._connection.execute("SELECT set_config('lab.now', %s, false)", [str(now)])
            self._told = now


class WatchedConnector(Connector):
    """Hands out the one watched connection of a worker."""

    def __init__(self, conninfo: str, scheduler: Callable[[], Scheduler]) -> None:
        super().__init__(lambda: conninfo)
        self.fuse = Fuse()
        self._scheduler = scheduler

    def watched(self) -> "WatchedStore":
        """Return the real store on this connection, each of its calls a point."""
        return WatchedStore(PgVectorStore(self, SPACE), self, self._scheduler)

    def _connect(self) -> Connection:
        return cast("Connection", _Watched(connect(self._conninfo()), self.fuse, self._scheduler))


class _WatchedTenants:
    """What the real store does for several tenants in one transaction, each call a point."""

    def __init__(self, real: SeveralTenants, at: Callable[[str, Callable[[], Any]], Any]) -> None:
        self._real, self._at = real, at

    def __getattr__(self, name: str) -> Any:  # a method of the protocol
        real = getattr(self._real, name)
        return lambda *given, **options: self._at(f"store.{name}", lambda: real(*given, **options))


class WatchedStore:
    """The real store, each call a point."""

    def __init__(
        self, store: PgVectorStore, connector: WatchedConnector, scheduler: Callable[[], Scheduler]
    ) -> None:
        self._store, self._connector, self._scheduler = store, connector, scheduler
        self.space = store.space

    def __getattr__(self, name: str) -> Any:  # whatever a store has
        real = getattr(self._store, name)
        if name not in POINTS:
            return real

        def at_a_point(*given: Any, **options: Any) -> Any:  # the method's own
            return self._at(f"store.{name}", lambda: real(*given, **options))

        return at_a_point

    @property
    def several(self) -> "_WatchedTenants | None":
        """What the store does for several tenants at once, each call a point."""
        real: SeveralTenants | None = self._store.several
        return _WatchedTenants(real, self._at) if real else None

    def _at(self, label: str, action: Callable[[], Any]) -> Any:  # the action's own
        scheduler, fuse = self._scheduler(), self._connector.fuse
        fault_action = scheduler.point(label)
        if fault_action is FaultAction.CRASH_BEFORE:
            raise Crashed
        if fault_action in {
            FaultAction.FAIL_BEFORE,
            FaultAction.FAIL_INSIDE,
            FaultAction.FAIL_IN_PART,
            FaultAction.CRASH_INSIDE,
        }:
            fuse.set(fault_action, scheduler.faults.number(0, 3))
        result = self._after(action, fuse)
        if fault_action in {FaultAction.CRASH_AFTER, FaultAction.CRASH_INSIDE}:
            raise Crashed
        if fault_action is FaultAction.FAIL_AFTER:
            self._cut()
        return result

    def _after(self, action: Callable[[], Any], fuse: Fuse) -> Any:  # the action's own
        try:
            return action()
        finally:
            fuse.set(FaultAction.GO, 0)

    def _cut(self) -> None:
        """Lose the connection after the commit was sent: it happened, and nobody was told."""
        with self._connector.connection():
            raise psycopg.OperationalError("the connection was cut")
