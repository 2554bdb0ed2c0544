"""Talks to Postgres: runs the statements of :mod:`queries`, converts rows, nothing else."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from psycopg.types.json import Jsonb

from pipeline.embedding.vectors import Space
from pipeline.errors import StoreUnavailableError
from pipeline.settings import Strategy
from pipeline.source.documents import ItemKey
from pipeline.stores.forgetting import ForgetRequest, Forgotten, bounded, session_of
from pipeline.stores.pgvector import queries, spaces
from pipeline.stores.pgvector.binary import sparse_parts
from pipeline.stores.pgvector.connection import Connection, Connector, Result
from pipeline.stores.pgvector.parameters import (
    filtering,
    memory_rows,
    moving,
    question,
    revisions_of,
    word_rows,
)
from pipeline.stores.pgvector.place import Place, place_of
from pipeline.stores.pgvector.strategies import Explanation
from pipeline.stores.pgvector.words import Asked
from pipeline.stores.protocol import (
    Change,
    Filters,
    Held,
    HeldChunk,
    Hit,
    Markers,
    Passage,
    SearchRequest,
    StoredText,
)


class PgVectorStore:
    """The index in Postgres.

    Args:
        connector: hands out the connection.
        space: the database must hold it. What it searches is this space; what it writes reaches every space that the
            database holds, and only the current one may be written.
        strategy: how to search.
    """

    def __init__(self, connector: Connector, space: Space, strategy: Strategy = "auto") -> None:
        self._connector = connector
        self._strategy = strategy
        self.space = space
        self.searched: Counter[str] = Counter()
        self._checked: Connection | None = None
        self._place = Place()

    def read(self, tenant_id: str, sources: Sequence[str]) -> Mapping[str, Held]:
        """Return what is held of each item."""
        self._check_space()
        read_chunks = self._place.writing.read_chunks
        return self._read_as(
            tenant_id, lambda connection: _read(connection, tenant_id, list(sources), read_chunks)
        )

    def lease(self, tenant_id: str, revisions: Mapping[str, int], seconds: float) -> Mapping[str, int]:
        """Take the leases that are free."""
        parameters = {**revisions_of(tenant_id, revisions), "seconds": float(seconds)}
        with self._connector.tenant(tenant_id) as connection:
            return dict(connection.execute(queries.LEASE, parameters, binary=True).fetchall())

    def release(self, tenant_id: str, revisions: Mapping[str, int]) -> None:
        """Give leases back."""
        with self._connector.tenant(tenant_id) as connection:
            connection.execute(queries.RELEASE, revisions_of(tenant_id, revisions))

    def apply(self, tenant_id: str, changes: Sequence[Change]) -> frozenset[str]:
        """Move the ledger, then write what belongs to the rows that moved; one transaction."""
        with self._writing(tenant_id) as connection:
            connection.execute(queries.CREATE_EPOCH, {"tenant_id": tenant_id})
            moved = _move_ledger(connection, tenant_id, changes)
            _write(connection, tenant_id, [c for c in changes if c.source in moved], self._place)
        return frozenset(change.source for change in changes) - moved

    def search(self, request: SearchRequest) -> Sequence[Hit]:
        """Return the closest chunks of one user, closest first; ties by id."""
        self._check_space()
        parameters = question(request, self._strategy)
        rows = self._connector.ask(request.tenant_id, self._place.search, parameters)
        told = rows[0][-1] if rows else None  # the function says which strategy it took
        self.searched[told or self._strategy] += 1
        asked = Asked(request.terms)
        return [Hit(*(*row, asked.counts(sparse_parts(words or b"")))) for *row, words, _ in rows]

    def explain(self, tenant_id: str, user_id: str) -> Explanation:
        """Return how a question about this user is searched, and why."""
        parameters = {"tenant_id": tenant_id, "user_id": user_id, "strategy": self._strategy}
        self._check_space()
        [(strategy, counted)] = self._read_as(
            tenant_id,
            lambda connection: connection.execute(queries.STRATEGY, parameters, binary=True).fetchall(),
        )
        return Explanation(strategy, counted)

    def passages(
        self, tenant_id: str, user_id: str, filters: Filters, limit: int, *, oldest_first: bool = False
    ) -> Sequence[Passage]:
        """Return one user's chunks, newest or oldest first; ties by id."""
        query = queries.OLDEST_PASSAGES if oldest_first else queries.NEWEST_PASSAGES
        scope = {"tenant_id": tenant_id, "user_id": user_id, "limit": limit, **filtering(filters)}
        self._check_space()
        rows = self._read_as(
            tenant_id, lambda connection: connection.execute(query, scope, binary=True).fetchall()
        )
        return [Passage(str(id_), *columns) for id_, *columns in rows]

    def texts(self, tenant_id: str, source: str, ids: Sequence[str]) -> Mapping[str, StoredText]:
        """Return what is stored of these chunks."""
        self._check_space()
        parameters = {"tenant_id": tenant_id, "source": source, "ids": list(ids)}
        rows = self._read_as(
            tenant_id,
            lambda connection: connection.execute(
                self._place.writing.texts, parameters, binary=True
            ).fetchall(),
        )
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
            rows = connection.execute(queries.MARKERS, parameters, binary=True).fetchall()
        return Markers({(scope, subject): time for scope, subject, time in rows})

    def forget(self, request: ForgetRequest) -> Forgotten:
        """Move the epoch, set the marker, then delete what it covers: in this order, in one transaction.

        Two at once of one tenant wait for each other at the epoch.
        """
        parameters = {
            "tenant_id": request.tenant_id,
            "id": request.id,
            "scope": request.scope,
            "subject": request.subject,
            "user_id": request.user_id,
            "session_key": request.session_key,
            "asked_at": request.asked_at,
        }
        with self._writing(request.tenant_id) as connection:
            connection.execute(queries.MOVE_EPOCH, parameters)
            if known := _forgotten(connection, request.tenant_id, request.id):
                return known
            connection.execute(queries.SET_MARKER, parameters)
            connection.execute(self._place.writing.forget, parameters)
            done = _forgotten(connection, request.tenant_id, request.id)
        if done is None:
            raise StoreUnavailableError("a request to forget was written and cannot be read back")
        return done

    def forgotten(self, tenant_id: str, request_id: str) -> Forgotten | None:
        """Return what became of a request."""
        return self._connector.read_as(
            tenant_id, lambda connection: _forgotten(connection, tenant_id, request_id)
        )

    def indexed_until(self, tenant_id: str, user_id: str, session_key: str | None) -> datetime | None:
        """Return how fresh a user's session, or all of the user's memory, is."""
        name = None if session_key is None else bounded(session_key)
        parameters = {"tenant_id": tenant_id, "user_id": user_id, "name": name}
        rows = self._connector.ask(tenant_id, queries.INDEXED_UNTIL, parameters)
        return rows[0][0] if rows else None

    def wait_until_searchable(self, tenant_id: str, user_id: str, timeout_seconds: float) -> bool:  # noqa: ARG002  # nothing to wait for
        """Return at once: what was applied is visible."""
        return True

    def check(self) -> None:
        """Ask the database one thing."""
        self._connector.read(spaces.read_register)
        self._check_space()

    def _check_space(self) -> None:
        """Find where the space lies, and refuse to mix spaces: once a connection."""
        if self._checked is None or self._connector.kept is not self._checked:
            self._connector.read(self._compare_space)

    def _compare_space(self, connection: Connection) -> None:
        self._place, self._checked = place_of(connection, self.space), connection

    def _read_as(self, tenant_id: str, work: Callable[[Connection], Result]) -> Result:
        def placed(connection: Connection) -> Result:
            self._place.enter(connection)
            return work(connection)

        return self._connector.read_as(tenant_id, placed)

    @contextmanager
    def _writing(self, tenant_id: str) -> Iterator[Connection]:
        """Give a transaction that begins with the spaces as they are believed to be, and so ends, or is undone."""
        self._check_space()
        try:
            with self._connector.tenant(tenant_id) as connection:
                fence = connection.execute(spaces.REGISTER)
                self._place.enter(connection)
                yield connection
                self._place.still(fence.fetchall())
        except StoreUnavailableError:
            self._checked = None
            raise


def _read(connection: Connection, tenant_id: str, sources: list[str], read_chunks: str) -> Mapping[str, Held]:
    parameters = {"tenant_id": tenant_id, "sources": sources}
    connection.execute(queries.CREATE_EPOCH, parameters)
    epochs, ledger, held = (
        connection.execute(statement, parameters, binary=True)
        for statement in (queries.READ_EPOCH, queries.READ_LEDGER, read_chunks)
    )
    [(epoch,)] = epochs.fetchall()
    chunks: defaultdict[str, list[HeldChunk]] = defaultdict(list)
    for source, *columns in held:
        chunks[source].append(_held_chunk(*columns))
    unknown = {source: Held(chunks=tuple(chunks[source]), epoch=epoch) for source in sources}
    return unknown | {
        source: Held(revision, position, tuple(chunks[source]), epoch, created_at)
        for source, revision, position, created_at in ledger
    }


def _forgotten(connection: Connection, tenant_id: str, request_id: str) -> Forgotten | None:
    parameters = {"tenant_id": tenant_id, "id": request_id}
    row = connection.execute(queries.FORGOTTEN, parameters, binary=True).fetchone()
    if row is None:
        return None
    *request, deleted, done_at, again = row
    return Forgotten(ForgetRequest(*request), deleted, done_at, tuple(ItemKey(*key) for key in again))


def _held_chunk(
    id_: Any,  # noqa: ANN401  # UUID
    members: list[str],
    fingerprint: str,
    lost: dict[str, str],
    spans: list[int] | None,
) -> HeldChunk:
    return HeldChunk(str(id_), tuple(members or ()), fingerprint, lost, tuple(spans or ()))


def _move_ledger(connection: Connection, tenant_id: str, changes: Sequence[Change]) -> frozenset[str]:
    parameters = moving(tenant_id, changes)
    return frozenset(source for (source,) in connection.execute(queries.MOVE_LEDGER, parameters))


def _write(connection: Connection, tenant_id: str, changes: Sequence[Change], place: Place) -> None:
    deletes = [id_ for change in changes for id_ in change.deletes]
    for statement in place.writing.deletes if deletes else ():
        connection.execute(statement, {"tenant_id": tenant_id, "ids": deletes})
    upserts = [(change.source, chunk, vector) for change in changes for chunk, vector in change.upserts]
    if upserts:
        vector_oid, sparse_oid = place.oids
        connection.execute(queries.UPSERT, memory_rows(tenant_id, upserts, vector_oid))
        chunks = [chunk for _, chunk, _ in upserts]
        connection.execute(
            queries.DROP_WORDS, {"tenant_id": tenant_id, "ids": [chunk.id for chunk in chunks]}
        )
        connection.execute(queries.ADD_WORDS, word_rows(tenant_id, chunks, sparse_oid))
    lost = {id_: value for change in changes for id_, value in change.lost.items()}
    losts = [Jsonb(dict(value)) for value in lost.values()]
    for statement in place.writing.set_lost if lost else ():
        connection.execute(statement, {"tenant_id": tenant_id, "ids": list(lost), "losts": losts})
