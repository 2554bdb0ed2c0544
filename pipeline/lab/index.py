"""The real Postgres under the laboratory: virtual time in its SQL, statements as points, rows for the oracle.

Leases are a matter of seconds, so the SQL must see virtual time: ``clock_timestamp()`` and ``now()`` are found in a
schema of ours before Postgres's own.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from contextlib import contextmanager
from typing import Any, cast

import psycopg
from psycopg.conninfo import make_conninfo

from pipeline.embedding.vectors import Space
from pipeline.lab.oracle import Row
from pipeline.lab.scheduler import Crashed, Scheduler, Verdict
from pipeline.stores.forgetting import ForgetRequest, Forgotten
from pipeline.stores.pgvector.connection import Connection, Connector, connect
from pipeline.stores.pgvector.inventory import Inventory
from pipeline.stores.pgvector.migrations import migrate
from pipeline.stores.pgvector.store import PgVectorStore
from pipeline.stores.protocol import Change, Held, Hit, Markers, SearchRequest

SPACE = Space("lab", 8)
_WORKER = "lab_worker"
_CLOCK = """
CREATE SCHEMA IF NOT EXISTS lab;
GRANT USAGE ON SCHEMA lab TO PUBLIC;
CREATE OR REPLACE FUNCTION lab.clock_timestamp() RETURNS timestamptz STABLE LANGUAGE sql
    AS $$ SELECT pg_catalog.to_timestamp(pg_catalog.current_setting('lab.now')::float8) $$;
CREATE OR REPLACE FUNCTION lab.now() RETURNS timestamptz STABLE LANGUAGE sql AS $$ SELECT lab.clock_timestamp() $$;
"""
_TRUNCATE_EVERY = 100
_LASTING = frozenset({"schema_version", "index_space"})


class Database:
    """A database of the laboratory's own.

    Args:
        conninfo: its owner's.
    """

    def __init__(self, conninfo: str) -> None:
        migrate(conninfo, SPACE)
        options = "-c search_path=lab,pg_catalog,public -c synchronous_commit=off -c lab.now=0 -c jit=off"
        self._owner = psycopg.connect(conninfo, autocommit=True, options="-c synchronous_commit=off")
        self._owner.execute(_CLOCK)
        if not self._owner.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [_WORKER]).fetchone():
            self._owner.execute(f"CREATE ROLE {_WORKER} LOGIN PASSWORD 'secret' IN ROLE memory_ingest")
        self.conninfo = make_conninfo(conninfo, user=_WORKER, password="secret", options=options)  # noqa: S106  # of a throw-away database
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
            self._owner.execute(f"DELETE FROM {name}")  # noqa: S608  # names that Postgres gave us

    def rows(self) -> Sequence[Row]:
        """Return the whole index."""
        return [
            Row(*row)
            for row in self._owner.execute(
                "SELECT tenant_id, user_id, content FROM memories ORDER BY 1, 2, 3"
            )
        ]

    def waiting(self) -> Sequence[str]:
        """Return the texts that wait for their vectors: none may, once everything is at rest."""
        found = self._owner.execute("SELECT content FROM memories WHERE fingerprint = '' ORDER BY 1")
        return [f"not embedded: {content}" for (content,) in found]

    def holds(self, text: str) -> bool:
        """Tell whether a row says just ``text``, behind its header if it has one."""
        query = """
            SELECT 1 FROM memories WHERE right(content, length(%(text)s)) = %(text)s
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
        self.verdict = Verdict.GO

    def set(self, verdict: Verdict, statements: int) -> None:
        """Blow after so many ``statements``."""
        self.verdict, self.statements = verdict, statements

    def burn(self) -> None:
        """Count a statement; raise if it is the one."""
        if self.verdict is Verdict.GO:
            return
        self.statements -= 1
        if self.statements >= 0:
            return
        verdict, self.verdict = self.verdict, Verdict.GO
        if verdict is Verdict.CRASH_INSIDE:
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

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401  # all else is the connection's
        return getattr(self._connection, name)

    def execute(self, query: Any, *arguments: Any, **options: Any) -> Any:  # noqa: ANN401  # psycopg's own
        if not self._inside:
            self._scheduler().pause()
        self._fuse.burn()
        self._tell(self._scheduler().wall_clock)
        return self._connection.execute(query, *arguments, **options)

    @contextmanager
    def transaction(self) -> Iterator[Any]:
        self._tell(self._scheduler().wall_clock)  # a rollback would take it back
        self._inside += 1
        try:
            with self._connection.transaction() as transaction:
                yield transaction
        finally:
            self._inside -= 1

    def _tell(self, now: float) -> None:
        if now != self._told:
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

    def _open(self) -> Connection:
        if self._connection is None or self._connection.closed:
            made = connect(self._conninfo())
            self._connection = cast("Connection", _Watched(made, self.fuse, self._scheduler))
        return self._connection


class WatchedStore:
    """The real store, each call a point."""

    def __init__(
        self, store: PgVectorStore, connector: WatchedConnector, scheduler: Callable[[], Scheduler]
    ) -> None:
        self._store, self._connector, self._scheduler = store, connector, scheduler
        self.space, self.searched = store.space, store.searched

    def read(self, tenant_id: str, sources: Sequence[str]) -> Mapping[str, Held]:
        """Read at a point."""
        held: Mapping[str, Held] = self._at("store.read", lambda: self._store.read(tenant_id, sources))
        return held

    def lease(self, tenant_id: str, revisions: Mapping[str, int], seconds: float) -> Mapping[str, int]:
        """Lease at a point."""
        leased: Mapping[str, int] = self._at(
            "store.lease", lambda: self._store.lease(tenant_id, revisions, seconds)
        )
        return leased

    def release(self, tenant_id: str, revisions: Mapping[str, int]) -> None:
        """Release at a point."""
        self._at("store.release", lambda: self._store.release(tenant_id, revisions))

    def apply(self, tenant_id: str, changes: Sequence[Change]) -> frozenset[str]:
        """Apply at a point."""
        conflicts: frozenset[str] = self._at(
            f"store.apply {len(changes)}", lambda: self._store.apply(tenant_id, changes)
        )
        return conflicts

    def markers(self, tenant_id: str, users: AbstractSet[str], sessions: AbstractSet[str]) -> Markers:
        """Read markers at a point."""
        markers: Markers = self._at("store.markers", lambda: self._store.markers(tenant_id, users, sessions))
        return markers

    def forget(self, request: ForgetRequest) -> Forgotten:
        """Forget at a point."""
        done: Forgotten = self._at("store.forget", lambda: self._store.forget(request))
        return done

    def search(self, request: SearchRequest) -> Sequence[Hit]:
        """Search; no point."""
        return self._store.search(request)

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401  # what a store may learn later
        return getattr(self._store, name)

    def _at(self, label: str, action: Callable[[], Any]) -> Any:  # noqa: ANN401  # the action's own
        scheduler, fuse = self._scheduler(), self._connector.fuse
        verdict = scheduler.point(label)
        if verdict is Verdict.CRASH_BEFORE:
            raise Crashed
        if verdict in {Verdict.FAIL_BEFORE, Verdict.FAIL_INSIDE, Verdict.FAIL_IN_PART, Verdict.CRASH_INSIDE}:
            fuse.set(verdict, scheduler.faults.number(0, 3))
        result = self._after(action, fuse)
        if verdict in {Verdict.CRASH_AFTER, Verdict.CRASH_INSIDE}:
            raise Crashed
        if verdict is Verdict.FAIL_AFTER:
            self._cut()
        return result

    def _after(self, action: Callable[[], Any], fuse: Fuse) -> Any:  # noqa: ANN401  # the action's own
        try:
            return action()
        finally:
            fuse.set(Verdict.GO, 0)

    def _cut(self) -> None:
        """Lose the connection after the commit was sent: it happened, and nobody was told."""
        with self._connector.connection():
            raise psycopg.OperationalError("the connection was cut")
