"""Talks to the vector table and the ledger's. Searches are exact, over one user's chunks, kept while nothing changes."""

from collections import Counter, OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

from pipeline.embedding.vectors import Space
from pipeline.errors import StoreUnavailableError
from pipeline.stores.dynamodb.matrix import UserMatrix
from pipeline.stores.dynamodb.vectors import (
    KEY_PREFIX,
    SEARCHED,
    VectorRow,
    partition,
    row_key,
    stored_text,
    to_item,
    vector_row,
)
from pipeline.stores.forgetting import ForgetRequest, Forgotten
from pipeline.stores.ledger.client import Client
from pipeline.stores.ledger.ledger import READ_AGAIN_SECONDS, Ledger, Runtime
from pipeline.stores.ledger.rows import Item, UserState, user_weight
from pipeline.stores.ledger.store import LedgerStore
from pipeline.stores.ledger.wishes import Wishes
from pipeline.stores.ledger.writes import Op, Write
from pipeline.stores.protocol import (
    Change,
    Filters,
    Hit,
    Markers,
    Passage,
    SearchRequest,
    StoredText,
)

SEGMENTS = "0123456789abcdef"
"""A user's rows are read in so many ranges at once: ids are hashes, so each has its share."""
FEW = 100
"""Chunks that one page may hold: read in one range."""
CACHE_BYTES = 400_000_000
_KEY = "tenant_id = :owner"

Mapper = Callable[[Callable[[str], list[Item]], Iterable[str]], Iterable[list[Item]]]


@dataclass(frozen=True, slots=True)
class _Cached:
    state: UserState
    matrix: UserMatrix


class DynamoDbStore(LedgerStore):
    """The index in DynamoDB.

    Args:
        table: of the vectors, in the chat app's format; keys ``tenant_id`` and ``session_key``.
        at_once: as the builtin ``map``, in threads or not: reads the ranges of a large memory.
    """

    def __init__(  # noqa: PLR0913, PLR0917  # its collaborators
        self, client: Client, table: str, ledger: Ledger, space: Space, runtime: Runtime, at_once: Mapper
    ) -> None:
        super().__init__(ledger)
        self._client, self._table, self.space = client, table, space
        self._runtime, self._at_once = runtime, at_once
        self.searched: Counter[str] = Counter()
        self._wishes = Wishes(client, ledger.table, ledger, runtime, self._own_rows)
        self._cache: OrderedDict[tuple[str, str], _Cached] = OrderedDict()

    def apply(self, tenant_id: str, changes: Sequence[Change]) -> frozenset[str]:
        """Write each change by itself: one transaction, or several that a successor can take over from."""
        return frozenset(
            change.source for change in changes if not self._ledger.apply(tenant_id, change, self._own_rows)
        )

    def texts(self, tenant_id: str, source: str, ids: Sequence[str]) -> Mapping[str, StoredText]:
        """Return what is stored of these chunks."""
        rows = self._ledger.chunks(tenant_id, ((source, id_) for id_ in ids)).values()
        keys = [row_key(tenant_id, row.user_id, row.id) for row in rows]
        names = ("session_key", "content", "timestamp", "said_at", "metadata", "memory_of")
        found = self._client.get_all(self._table, keys, names)
        return {item["session_key"]["S"].removeprefix(KEY_PREFIX): stored_text(item) for item in found}

    def markers(self, tenant_id: str, users: AbstractSet[str], sessions: AbstractSet[str]) -> Markers:
        """Return the forget markers of these users and sessions, and of these users' sessions."""
        return self._wishes.markers(tenant_id, users, sessions)

    def forget(self, request: ForgetRequest) -> Forgotten:
        """Set the marker first, then delete what it covers, item by item."""
        return self._wishes.forget(request, lambda: self._delete_foreign(request))

    def forgotten(self, tenant_id: str, request_id: str) -> Forgotten | None:
        """Return what became of a request."""
        return self._wishes.forgotten(tenant_id, request_id)

    def wait_until_searchable(self, tenant_id: str, user_id: str, timeout_seconds: float) -> bool:  # noqa: ARG002  # nothing to wait for
        """Return at once: what was applied is visible."""
        return True

    def check(self) -> None:
        """Ask both tables one thing."""
        self._ledger.check()
        self._client.get(self._table, row_key("", "", ""))

    def search(self, request: SearchRequest) -> Sequence[Hit]:
        """Return the closest chunks of one user and those that share words, closest first; ties by id.

        Raises:
            StoreUnavailableError: an item of the user's is half written at this moment.
        """
        hits = self._matrix(request.tenant_id, request.user_id).hits(request)
        self.searched["exact"] += 1
        return hits

    def passages(
        self, tenant_id: str, user_id: str, filters: Filters, limit: int, *, oldest_first: bool = False
    ) -> Sequence[Passage]:
        """Return one user's chunks, newest or oldest first; ties by id."""
        rows = [
            row for row in self._matrix(tenant_id, user_id).rows if filters.admit(row.metadata, row.said_at)
        ]
        rows.sort(key=lambda row: row.said_at, reverse=not oldest_first)
        known = self._ledger.chunks(tenant_id, ((row.source, row.id) for row in rows[:limit] if row.source))
        lost = {id_ for (_, id_), row in known.items() if row.lost}
        return [
            Passage(row.id, row.content, row.said_at, row.metadata, row.id in lost) for row in rows[:limit]
        ]

    def _delete_foreign(self, request: ForgetRequest) -> int:
        """Delete a user's rows that the chat app wrote itself, which belong to no session; return how many."""
        if request.user_id is None or request.session_key is not None:
            return 0
        owner = {":owner": {"S": partition(request.tenant_id, request.user_id)}}
        names = "tenant_id, session_key, version"
        found = self._client.query(self._table, _KEY, owner, ProjectionExpression=names)
        foreign = [row for row in found if "version" not in row]
        for row in foreign:
            self._client.delete(self._table, row)
        return len(foreign)

    def _own_rows(self, tenant_id: str, source: str, write: Write) -> list[Op]:
        """Return what happens to the vector row of a write: it goes, it moves to another user, it is put."""
        ops: list[Op] = []
        old, new = write.old, write.new
        if old and write.moves and (new is None or new.user_id != old.user_id):
            ops.append({"Delete": {"TableName": self._table, "Key": row_key(tenant_id, old.user_id, old.id)}})
        if write.content and new:
            item = to_item(tenant_id, source, *write.content, new.version, self._runtime.now())
            ops.append({"Put": {"TableName": self._table, "Item": item}})
        return ops

    def _matrix(self, tenant_id: str, user_id: str) -> UserMatrix:
        """Return the user's memory as of a moment when no item of it was half written."""
        self._ledger.check_space()
        for pause in (*READ_AGAIN_SECONDS, None):
            state = self._ledger.state(tenant_id, user_id)
            cached = self._cached(tenant_id, user_id, state)
            if cached:
                return cached
            if not state.applying:
                rows = self._rows(tenant_id, user_id, state)
                if _adds_up(rows, state) or pause is None:
                    return self._keep(tenant_id, user_id, state, rows)
            if pause is not None:
                self._runtime.sleep(pause)
        raise StoreUnavailableError("an item of this memory is being written", retry_after_seconds=1.0)

    def _cached(self, tenant_id: str, user_id: str, state: UserState) -> UserMatrix | None:
        cached = self._cache.get((tenant_id, user_id))
        if cached is None or cached.state != state or state.applying:
            return None
        self._cache.move_to_end((tenant_id, user_id))
        return cached.matrix

    def _keep(self, tenant_id: str, user_id: str, state: UserState, rows: Sequence[VectorRow]) -> UserMatrix:
        """Keep a user's memory for the next question, the least used ones making room."""
        matrix = UserMatrix(rows, self.space.dimensions)
        if state.revision and _adds_up(rows, state):
            self._cache[tenant_id, user_id] = _Cached(state, matrix)
            self._cache.move_to_end((tenant_id, user_id))
        while (
            len(self._cache) > 1 and sum(one.matrix.size_bytes for one in self._cache.values()) > CACHE_BYTES
        ):
            self._cache.popitem(last=False)
        return matrix

    def _rows(self, tenant_id: str, user_id: str, state: UserState) -> list[VectorRow]:
        owner = partition(tenant_id, user_id)
        ranges = SEGMENTS if state.chunks > FEW else ("",)
        pages = self._at_once(lambda segment: self._range(owner, segment), ranges)
        items = {item["session_key"]["S"]: item for page in pages for item in page}
        rows = (vector_row(item, self.space.dimensions) for item in items.values())
        return [row for row in rows if row is not None]

    def _range(self, owner: str, segment: str) -> list[Item]:
        """Return the rows of one sixteenth of the ids; rows the app wrote itself lie in the first and the last."""
        values = {":owner": {"S": owner}}
        condition = _KEY
        if segment:
            at = SEGMENTS.index(segment)
            values |= {
                ":low": {"S": KEY_PREFIX + segment},
                ":high": {"S": KEY_PREFIX + SEGMENTS[at + 1 :][:1]},
            }
            condition = f"{_KEY} AND session_key BETWEEN :low AND :high"
            if at == 0:
                condition, _ = f"{_KEY} AND session_key < :high", values.pop(":low")
            elif at == len(SEGMENTS) - 1:
                condition, _ = f"{_KEY} AND session_key >= :low", values.pop(":high")
        names = {f"#{name}": name for name in SEARCHED}
        return list(
            self._client.query(
                self._table,
                condition,
                values,
                ProjectionExpression=", ".join(names),
                ExpressionAttributeNames=names,
            )
        )


def _adds_up(rows: Sequence[VectorRow], state: UserState) -> bool:
    """Tell whether these are the rows that the state was written with; those of the app itself do not count."""
    ours = [row for row in rows if row.version]
    return sum(user_weight(row.id, row.version) for row in ours) == state.total
