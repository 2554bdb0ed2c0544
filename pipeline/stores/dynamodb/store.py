"""Talks to the vector table and the ledger's. Searches are exact, over one user's chunks, kept while nothing changes."""

from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from pipeline.embedding.vectors import EmbeddingSpace
from pipeline.errors import StoreUnavailableError
from pipeline.stores.chunks import ListedChunk, StoredText
from pipeline.stores.dynamodb.matrix import UserMatrix
from pipeline.stores.dynamodb.vector_table import VectorTable, place_of
from pipeline.stores.dynamodb.vectors import KEY_PREFIX, VectorRow, row_key, stored_text, vector_row
from pipeline.stores.forget_requests import ForgetRequest
from pipeline.stores.index_state import PlannedWrite
from pipeline.stores.ledger.client import Client
from pipeline.stores.ledger.forget_requests import ForgetRequests
from pipeline.stores.ledger.ledger import READ_AGAIN_SECONDS, Ledger, Runtime
from pipeline.stores.ledger.records import Item, UserState, user_weight
from pipeline.stores.ledger.store import LedgerStore, Listed
from pipeline.stores.search_requests import Filters, SearchRequest, SearchResult

FEW = 100
"""Chunks that one page may hold: read in one range."""
CACHE_BYTES = 400_000_000
CACHE_AGE = timedelta(minutes=5)
"""So long a memory is kept unread. Of our own writes its state tells at once; of rows that the chat app writes itself, nothing does."""

Mapper = Callable[[Callable[[Any], list[Item]], Iterable[Any]], Iterable[list[Item]]]


@dataclass(frozen=True, slots=True)
class _Cached:
    """A user's memory.

    Args:
        read_at: before the first of its rows was read.
    """

    state: UserState
    matrix: UserMatrix
    read_at: datetime

    def stands(self, state: UserState, now: datetime) -> bool:
        """Tell whether it may be shown: nothing of ours has changed, and it is not old."""
        age = now - self.read_at
        return self.state == state and not state.applying and timedelta(0) <= age < CACHE_AGE


class DynamoDbStore(LedgerStore):
    """The index in DynamoDB.

    Args:
        table: of the vectors, in the chat app's format; keys ``tenant_id`` and ``session_key``.
        map_concurrently: as the builtin ``map``, in threads or not: reads the ranges of a large memory.
    """

    def __init__(  # noqa: PLR0913, PLR0917  # its collaborators
        self,
        client: Client,
        table: str,
        ledger: Ledger,
        space: EmbeddingSpace,
        runtime: Runtime,
        map_concurrently: Mapper,
    ) -> None:
        super().__init__(ledger, ForgetRequests(client, ledger.table, runtime))
        self._client, self._table, self.space = client, table, space
        self._runtime, self._map_concurrently = runtime, map_concurrently
        self._rows = VectorTable(client, table, runtime)
        self._cache: OrderedDict[tuple[str, str], _Cached] = OrderedDict()

    def apply(self, tenant_id: str, writes: Sequence[PlannedWrite]) -> frozenset[str]:
        """Write each by itself: one transaction, or several that a successor can take over from."""
        return frozenset(
            write.source
            for write in writes
            if not self._ledger.apply(tenant_id, write, self._rows.operations)
        )

    def texts(self, tenant_id: str, source: str, ids: Sequence[str]) -> Mapping[str, StoredText]:
        """Return what is stored of these chunks."""
        records = self._ledger.chunks(tenant_id, ((source, id_) for id_ in ids)).values()
        names = ("session_key", "content", "timestamp", "said_at", "metadata", "memory_of")
        found = self._client.get_all(self._table, [place_of(tenant_id, one) for one in records], names)
        return {item["session_key"]["S"].removeprefix(KEY_PREFIX): stored_text(item) for item in found}

    def _lost(self, tenant_id: str, source: str, listed: Listed) -> Mapping[str, StoredText | None]:  # noqa: ARG002  # the row says it
        """Return the chunks whose row is not there at the version that is listed: with it, its text is lost."""
        places = [place_of(tenant_id, record) for record in listed.values()]
        rows = self._client.get_all(self._table, places, ("session_key", "version"))
        there = {
            (row["session_key"]["S"].removeprefix(KEY_PREFIX), row.get("version", {}).get("S"))
            for row in rows
        }
        return {id_: None for id_, record in listed.items() if (id_, record.version) not in there}

    def mark(self, request: ForgetRequest) -> int:
        """Set the marker and move the epoch, then delete the user's rows that the chat app wrote itself before T."""
        self._requests.mark(request)
        deleted = self._rows.delete_foreign(request)
        if request.user_id is not None:  # also if there were none: one before us may have died here
            self._ledger.outdate(request.tenant_id, request.user_id)
        return deleted

    def wait_until_searchable(self, tenant_id: str, user_id: str, timeout_seconds: float) -> bool:  # noqa: ARG002  # nothing to wait for
        """Return at once: what was applied is visible."""
        return True

    def check(self) -> None:
        """Ask both tables one thing."""
        self._ledger.check()
        self._client.get(self._table, row_key("", "", ""))

    def search(self, request: SearchRequest) -> SearchResult:
        """Return the closest chunks of one user and those that share words, closest first; ties by id.

        Raises:
            StoreUnavailableError: an item of the user's is half written at this moment.
        """
        hits = self._matrix(request.tenant_id, request.user_id).hits(request)
        return SearchResult(hits, "exact")

    def passages(
        self, tenant_id: str, user_id: str, filters: Filters, limit: int, *, oldest_first: bool = False
    ) -> Sequence[ListedChunk]:
        """Return one user's chunks, newest or oldest first; ties by id."""
        rows = [
            row for row in self._matrix(tenant_id, user_id).rows if filters.admit(row.metadata, row.said_at)
        ]
        rows.sort(key=lambda row: row.said_at, reverse=not oldest_first)
        return [
            ListedChunk(row.id, row.content, row.said_at, row.metadata, row.retained) for row in rows[:limit]
        ]

    def _matrix(self, tenant_id: str, user_id: str) -> UserMatrix:
        """Return the user's memory as of a moment when no item of it was half written."""
        self._ledger.check_space()
        for pause in (*READ_AGAIN_SECONDS, None):
            state = self._ledger.state(tenant_id, user_id)
            cached = self._cached(tenant_id, user_id, state)
            if cached:
                return cached
            if not state.applying:
                begun = self._runtime.now()
                rows = self._read(tenant_id, user_id, state)
                if _adds_up(rows, state) or pause is None:
                    matrix = UserMatrix(rows, self.space.dimensions)
                    if state.revision and _adds_up(rows, state):
                        self._keep((tenant_id, user_id), _Cached(state, matrix, begun))
                    return matrix
            if pause is not None:
                self._runtime.sleep(pause)
        raise StoreUnavailableError("an item of this memory is being written", retry_after_seconds=1.0)

    def _cached(self, tenant_id: str, user_id: str, state: UserState) -> UserMatrix | None:
        cached = self._cache.get((tenant_id, user_id))
        if cached is None or not cached.stands(state, self._runtime.now()):
            return None
        self._cache.move_to_end((tenant_id, user_id))
        return cached.matrix

    def _keep(self, owner: tuple[str, str], memory: _Cached) -> None:
        """Keep a user's memory for the next question, the least used ones making room."""
        self._cache[owner] = memory
        self._cache.move_to_end(owner)
        while (
            len(self._cache) > 1 and sum(one.matrix.size_bytes for one in self._cache.values()) > CACHE_BYTES
        ):
            self._cache.popitem(last=False)

    def _read(self, tenant_id: str, user_id: str, state: UserState) -> list[VectorRow]:
        ranges = self._rows.ranges(tenant_id, user_id, few=state.chunks <= FEW)
        pages = self._map_concurrently(self._rows.range, ranges)
        items = {item["session_key"]["S"]: item for page in pages for item in page}
        rows = (vector_row(item, self.space.dimensions) for item in items.values())
        return [row for row in rows if row is not None]


def _adds_up(rows: Sequence[VectorRow], state: UserState) -> bool:
    """Tell whether these are the rows that the state was written with; those of the app itself do not count."""
    ours = [row for row in rows if row.version]
    return sum(user_weight(row.id, row.version) for row in ours) == state.total
