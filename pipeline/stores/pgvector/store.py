"""Talks to Postgres: runs the statements of :mod:`write_sql`, converts rows, nothing else."""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from datetime import datetime

from pipeline.embedding.vectors import EmbeddingSpace
from pipeline.errors import StoreUnavailableError
from pipeline.settings import Strategy
from pipeline.source.documents import ItemKey
from pipeline.stores.chunks import ListedChunk, StoredText
from pipeline.stores.forget_requests import ForgetRequest, Forgotten, Markers, Scope, bounded, session_of
from pipeline.stores.hit_columns import HitColumns
from pipeline.stores.index_state import IndexDetail, IndexState, PlannedWrite
from pipeline.stores.pgvector import reading, spaces, write_sql
from pipeline.stores.pgvector.connection import Along, Connector
from pipeline.stores.pgvector.found_columns import found_columns
from pipeline.stores.pgvector.parameters import (
    filtering,
    forget_row,
    question,
    revisions_of,
)
from pipeline.stores.pgvector.several import SeveralTenants
from pipeline.stores.pgvector.space_connector import SpaceConnector
from pipeline.stores.pgvector.strategies import Explanation
from pipeline.stores.search_requests import Filters, SearchRequest, SearchResult


class PgVectorStore:
    """The index in Postgres.

    Args:
        connector: hands out the connection.
        space: the database must hold it. What it searches is this space; what it writes reaches every space that the
            database holds, and only the active one may be written.
        strategy: how to search.
    """

    def __init__(self, connector: Connector, space: EmbeddingSpace, strategy: Strategy = "auto") -> None:
        self._connector = connector
        self._there = SpaceConnector(connector, space)
        self._strategy = strategy
        self.space = space
        self.several = SeveralTenants(self._there)

    def read(self, tenant_id: str, named: Mapping[str, AbstractSet[str]]) -> Mapping[str, IndexState]:
        """Return what is held of each item, in one round trip."""
        return self.several.read({tenant_id: named})[tenant_id]

    def detail(
        self, tenant_id: str, named: Mapping[str, AbstractSet[str] | None]
    ) -> Mapping[str, IndexDetail]:
        """Return what planning needs of each item, in one round trip."""
        return self.several.detail({tenant_id: named})[tenant_id]

    def lease(self, tenant_id: str, revisions: Mapping[str, int], seconds: float) -> Mapping[str, int]:
        """Take the leases that are free."""
        return self.several.lease({tenant_id: revisions}, seconds)[tenant_id]

    def release(self, tenant_id: str, revisions: Mapping[str, int]) -> None:
        """Give leases back."""
        with self._connector.tenant(tenant_id) as connection:
            connection.execute(write_sql.RELEASE, revisions_of({tenant_id: revisions}))

    def apply(self, tenant_id: str, writes: Sequence[PlannedWrite]) -> frozenset[str]:
        """Move the ledger, then write what belongs to the rows that moved; one transaction."""
        return self.several.apply({tenant_id: writes})[tenant_id]

    def search(self, request: SearchRequest) -> SearchResult:
        """Return the closest chunks of one user, closest first; ties by id."""
        self._there.check()
        parameters = question(request, self._strategy)
        [(*columns, told)] = self._connector.question(
            request.tenant_id, self._there.binding.search, parameters
        )
        hits = found_columns(request.terms, columns) if columns[0] else HitColumns()
        strategy = told if hits else None  # the function says which one it took
        return SearchResult(hits, strategy or self._strategy)

    def explain(self, tenant_id: str, user_id: str) -> Explanation:
        """Return how a question about this user is searched, and why."""
        parameters = {"tenant_id": tenant_id, "user_id": user_id, "strategy": self._strategy}
        [(strategy, counted)] = self._there.rows(tenant_id, write_sql.STRATEGY, parameters)
        return Explanation(strategy, counted)

    def passages(
        self, tenant_id: str, user_id: str, filters: Filters, limit: int, *, oldest_first: bool = False
    ) -> Sequence[ListedChunk]:
        """Return one user's chunks, newest or oldest first; ties by id."""
        query = write_sql.OLDEST_PASSAGES if oldest_first else write_sql.NEWEST_PASSAGES
        scope = {"tenant_id": tenant_id, "user_id": user_id, "limit": limit, **filtering(filters)}
        rows = self._there.rows(tenant_id, query, scope)
        return [ListedChunk(str(id_), *columns) for id_, *columns in rows]

    def texts(self, tenant_id: str, source: str, ids: Sequence[str]) -> Mapping[str, StoredText]:
        """Return what is stored of these chunks."""
        parameters = {"tenant_id": tenant_id, "source": source, "ids": list(ids)}
        self._there.check()
        rows = self._there.rows(tenant_id, self._there.binding.writing.texts, parameters)
        return {str(id_): StoredText(*columns) for id_, *columns in rows}

    def markers(self, tenant_id: str, users: AbstractSet[str], sessions: AbstractSet[str]) -> Markers:
        """Return the forget markers of these users and sessions."""
        own = sorted(session_of(user, session) for user in users for session in sessions)
        parameters = {
            "tenant_id": tenant_id,
            "users": sorted(users),
            "sessions": sorted(sessions),
            "own": own,
        }
        with self._connector.tenant(tenant_id) as connection:
            rows = connection.execute(write_sql.MARKERS, parameters, binary=True).fetchall()
        times: defaultdict[tuple[Scope, str], list[datetime]] = defaultdict(list)
        for scope, subject, time in rows:
            times[scope, subject].append(time)
        return Markers(times)

    def mark(self, request: ForgetRequest) -> int:
        """Move the epoch, then set the marker: in this order, in one transaction.

        Two at once of one tenant wait for each other at the epoch.
        """
        parameters = forget_row(request)
        with self._there.writing([request.tenant_id]) as connection:
            connection.execute(write_sql.MOVE_EPOCH, parameters)
            connection.execute(write_sql.SET_MARKER, parameters)
            foreign = self._there.binding.writing.forget_foreign if request.scope == "user" else ()
            deleted = [connection.execute(statement, parameters) for statement in foreign]
        return sum(done.rowcount for done in deleted)

    def items_of(self, request: ForgetRequest, owner: str | None = None) -> Sequence[ItemKey]:
        """Return the items of which the ledger has messages of the request's user or session."""
        statement = write_sql.ITEMS_OF_SESSION if request.user_id is None else write_sql.ITEMS_OF_USER
        parameters = forget_row(request, owner)
        rows = self._connector.read_as(
            request.tenant_id,
            lambda connection: connection.execute(statement, parameters, binary=True).fetchall(),
        )
        return [ItemKey(*key) for (key,) in rows]

    def finish(self, request: ForgetRequest, deleted: int) -> Forgotten:
        """Write down that a request was carried out, once."""
        with self._connector.tenant(request.tenant_id) as connection:
            connection.execute(write_sql.FINISH, {**forget_row(request), "deleted": deleted})
            done = reading.forgotten(connection, request.tenant_id, request.id)
        if done is None:
            raise StoreUnavailableError("a request to forget was written and cannot be read back")
        return done

    def overdue(self, before: float, limit: int) -> Sequence[tuple[str, ItemKey]]:
        """Return items of whatever tenant with a message hidden since ``before`` or longer, the longest first."""
        rows = self._connector.ask("", write_sql.OVERDUE, {"before": float(before), "limit": limit})
        return [(tenant_id, ItemKey(*key)) for tenant_id, key in rows]

    def forgotten(self, tenant_id: str, request_id: str) -> Forgotten | None:
        """Return what became of a request."""
        return self._connector.read_as(
            tenant_id, lambda connection: reading.forgotten(connection, tenant_id, request_id)
        )

    def indexed_until(self, tenant_id: str, user_id: str, session_key: str | None) -> datetime | None:
        """Return how fresh a user's session, or all of the user's memory, is."""
        name = None if session_key is None else bounded(session_key)
        parameters = {"tenant_id": tenant_id, "user_id": user_id, "name": name}
        rows = self._connector.ask(tenant_id, write_sql.INDEXED_UNTIL, parameters)
        return rows[0][0] if rows else None

    def indexed_until_when_searched(
        self, tenant_id: str, user_id: str, session_key: str | None
    ) -> Callable[[], datetime | None]:
        """Let the next search bring along how fresh the memory is; what none brought is asked by itself."""
        name = None if session_key is None else bounded(session_key)
        parameters = {"tenant_id": tenant_id, "user_id": user_id, "name": name}
        told: list[datetime | None] = []
        self._connector.send_along(
            Along(
                tenant_id,
                write_sql.INDEXED_UNTIL,
                lambda: parameters,
                lambda rows: told.append(rows[0][0]),
                before=True,
            )
        )
        return lambda: told[0] if told else self.indexed_until(tenant_id, user_id, session_key)

    def wait_until_searchable(self, tenant_id: str, user_id: str, timeout_seconds: float) -> bool:  # noqa: ARG002  # nothing to wait for
        """Return at once: what was applied is visible."""
        return True

    def check(self) -> None:
        """Ask the database one thing."""
        self._connector.read(spaces.read_register)
        self._there.check()
