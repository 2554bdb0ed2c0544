"""A store in memory, for tests: the same promises, no database. Exact, and slow by design."""

import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from pipeline.embedding.vectors import EmbeddingSpace, Vector, placeholder
from pipeline.lexical.terms import counts
from pipeline.source.documents import ItemKey
from pipeline.stores.chunks import NOBODY, Chunk, HeldChunk, ListedChunk, StoredText
from pipeline.stores.forget_requests import ForgetRequest, Forgotten, Markers, Scope, session_of
from pipeline.stores.index_state import IndexDetail, IndexState, PlannedWrite
from pipeline.stores.message_rows import ItemFacts, MessageRow
from pipeline.stores.search_requests import SEEDS, Filters, Hit, SearchRequest, SearchResult


@dataclass(slots=True)
class _Row:
    source: str
    chunk: Chunk
    vector: Vector


@dataclass(slots=True)
class _Entry:
    """What the ledger holds of an item."""

    revision: int = 0
    facts: ItemFacts = field(default_factory=ItemFacts)
    messages: dict[str, MessageRow] = field(default_factory=dict)
    key: ItemKey | None = None
    name: str | None = None
    until: datetime | None = None


class InMemoryStore:
    """Keeps everything in dictionaries.

    Args:
        space: the space its vectors are in.
    """

    several = None

    def __init__(self, space: EmbeddingSpace) -> None:
        self.space = space
        self._revision = 0
        self._ledger: dict[tuple[str, str], _Entry] = {}
        self._rows: dict[tuple[str, str], _Row] = {}
        self._leases: dict[tuple[str, str], float] = {}
        self._epochs: dict[str, int] = {}
        self._markers: dict[str, dict[tuple[Scope, str], list[datetime]]] = {}
        self._forgotten: dict[tuple[str, str], Forgotten] = {}

    def read(self, tenant_id: str, named: Mapping[str, AbstractSet[str]]) -> Mapping[str, IndexState]:
        """Return what is held of each item."""
        return {source: self._state(tenant_id, source, names) for source, names in named.items()}

    def detail(
        self, tenant_id: str, named: Mapping[str, AbstractSet[str] | None]
    ) -> Mapping[str, IndexDetail]:
        """Return what planning needs of each item."""
        return {source: self._detail(tenant_id, source, names) for source, names in named.items()}

    def lease(self, tenant_id: str, revisions: Mapping[str, int], seconds: float) -> Mapping[str, int]:
        """Take the leases that are free."""
        now = time.monotonic()
        free = {
            source: revision
            for source, revision in revisions.items()
            if self._leases.get((tenant_id, source), 0.0) <= now
            and self._revision_of(tenant_id, source) == revision
        }
        for source in free:
            self._leases[tenant_id, source] = now + seconds
        return free

    def release(self, tenant_id: str, revisions: Mapping[str, int]) -> None:
        """Give leases back."""
        for source in revisions:
            self._leases.pop((tenant_id, source), None)

    def apply(self, tenant_id: str, writes: Sequence[PlannedWrite]) -> frozenset[str]:
        """Write each whose expected revision and epoch still stand."""
        return frozenset(write.source for write in writes if not self._apply(tenant_id, write))

    def texts(self, tenant_id: str, source: str, ids: Sequence[str]) -> Mapping[str, StoredText]:
        """Return what is stored of these chunks."""
        rows = {id_: row for id_ in ids if (row := self._rows.get((tenant_id, id_))) and row.source == source}
        found = {id_: row.chunk for id_, row in rows.items()}
        return {
            id_: StoredText(chunk.text, chunk.user_id, _time(chunk), chunk.metadata)
            for id_, chunk in found.items()
        }

    def markers(self, tenant_id: str, users: AbstractSet[str], sessions: AbstractSet[str]) -> Markers:
        """Return the forget markers of these users and sessions."""
        own = {("user_session", session_of(user, session)) for user in users for session in sessions}
        asked = {("user", user) for user in users} | {("session", session) for session in sessions} | own
        held = self._markers.get(tenant_id, {})
        return Markers({subject: times for subject, times in held.items() if subject in asked})

    def mark(self, request: ForgetRequest) -> int:
        """Set a marker and move the epoch. There are no rows of the chat app's own."""
        markers = self._markers.setdefault(request.tenant_id, {})
        subject = (request.scope, request.subject)
        times = markers.setdefault(subject, [])
        times += [] if request.asked_at in times else [request.asked_at]
        self._epochs[request.tenant_id] = self._epochs.get(request.tenant_id, 0) + 1
        return 0

    def items_of(self, request: ForgetRequest, owner: str | None = None) -> Sequence[ItemKey]:
        """Return the items with messages that the request may cover."""
        return [
            entry.key
            for (tenant_id, _), entry in self._ledger.items()
            if tenant_id == request.tenant_id
            and entry.key
            and request.session_key in {None, entry.name}
            and _may_cover(request, owner, entry)
        ]

    def finish(self, request: ForgetRequest, deleted: int) -> Forgotten:
        """Write down that a request was carried out."""
        done = Forgotten(request, deleted, datetime.now(UTC))
        return self._forgotten.setdefault((request.tenant_id, request.id), done)

    def overdue(self, before: float, limit: int) -> Sequence[tuple[str, ItemKey]]:
        """Return the items with a message hidden for so long."""
        found = [
            (tenant_id, entry.key)
            for (tenant_id, _), entry in self._ledger.items()
            if entry.key and entry.facts.hidden_since is not None and entry.facts.hidden_since <= before
        ]
        return found[:limit]

    def forgotten(self, tenant_id: str, request_id: str) -> Forgotten | None:
        """Return what became of a request."""
        return self._forgotten.get((tenant_id, request_id))

    def indexed_until(self, tenant_id: str, user_id: str, session_key: str | None) -> datetime | None:
        """Return how fresh a user's session, or all of the user's memory, is."""
        times = (
            entry.until
            for (owner, _), entry in self._ledger.items()
            if owner == tenant_id and entry.facts.user_id == user_id and session_key in {None, entry.name}
        )
        return max((time for time in times if time), default=None)

    def indexed_until_when_searched(
        self, tenant_id: str, user_id: str, session_key: str | None
    ) -> Callable[[], datetime | None]:
        """Ask right away how fresh the memory is."""
        until = self.indexed_until(tenant_id, user_id, session_key)
        return lambda: until

    def wait_until_searchable(self, tenant_id: str, user_id: str, timeout_seconds: float) -> bool:  # noqa: ARG002  # nothing to wait for
        """Return at once: what was applied is visible."""
        return True

    def check(self) -> None:
        """Return: it is always there."""

    def search(self, request: SearchRequest) -> SearchResult:
        """Return the closest chunks of one user and those that share words, closest first; ties by id."""
        rows = [row for row in self._of(request.tenant_id, request.user_id) if _meets(request.filters, row)]
        found = [_hit(row, request) for row in rows]
        closest = sorted(found, key=lambda hit: (_unembedded(hit), -hit.similarity, hit.id))
        wordy = sorted((hit for hit in found if hit.lexical > 0), key=lambda hit: (-hit.lexical, hit.id))
        seeds = {hit.id for hit in (*closest[:SEEDS][: request.top_k], *wordy[:SEEDS][: request.top_k])}
        chosen = {hit.id for hit in (*closest[: request.top_k], *wordy[: request.top_k])}
        chosen |= set(_neighbours(rows, seeds, request.around))
        told = [hit for hit in closest if hit.id in chosen or len(closest) <= request.whole]
        return SearchResult(sorted(told, key=lambda hit: (-hit.similarity, hit.id)), "exact")

    def _of(self, tenant_id: str, user_id: str) -> list[_Row]:
        return [
            row
            for (owner, _), row in self._rows.items()
            if owner == tenant_id and row.chunk.user_id == user_id
        ]

    def passages(
        self, tenant_id: str, user_id: str, filters: Filters, limit: int, *, oldest_first: bool = False
    ) -> Sequence[ListedChunk]:
        """Return one user's chunks, newest or oldest first; ties by id."""
        found = [
            ListedChunk(
                row.chunk.id, row.chunk.text, _time(row.chunk), row.chunk.metadata, row.chunk.status != "live"
            )
            for row in self._of(tenant_id, user_id)
            if _meets(filters, row)
        ]
        by_id = sorted(found, key=lambda passage: passage.id)
        return sorted(by_id, key=lambda passage: passage.created_at, reverse=not oldest_first)[:limit]

    def _state(self, tenant_id: str, source: str, names: AbstractSet[str]) -> IndexState:
        epoch = self._epochs.get(tenant_id, 0)
        entry = self._ledger.get((tenant_id, source))
        if entry is None:
            return IndexState(epoch=epoch)
        rows = tuple(row for row in entry.messages.values() if row.state != "kept" or row.name in names)
        pending = any(not chunk.fingerprint for chunk in self._chunks(tenant_id, source))
        return IndexState(entry.revision, epoch, entry.facts, rows, pending)

    def _detail(self, tenant_id: str, source: str, names: AbstractSet[str] | None) -> IndexDetail:
        entry = self._ledger.get((tenant_id, source), _Entry())
        withheld = {
            id_
            for chunk in self._chunks(tenant_id, source)
            if chunk.user_id == NOBODY
            for id_ in chunk.members
        }
        kept = {
            id_: row
            for id_, row in entry.messages.items()
            if row.state == "kept" and (names is None or row.name in names or id_ in withheld)
        }
        chunks = tuple(
            HeldChunk(
                chunk.id, chunk.members, chunk.fingerprint, chunk.user_id, chunk.status, chunk.line_lengths
            )
            for chunk in self._chunks(tenant_id, source)
            if chunk.status != "kept" or chunk.user_id == NOBODY or not kept.keys().isdisjoint(chunk.members)
        )
        return IndexDetail(tuple(kept.values()), chunks)

    def _chunks(self, tenant_id: str, source: str) -> Iterator[Chunk]:
        for (owner, _), row in self._rows.items():
            if owner == tenant_id and row.source == source:
                yield row.chunk

    def _revision_of(self, tenant_id: str, source: str) -> int:
        return self._ledger.get((tenant_id, source), _Entry()).revision

    def _apply(self, tenant_id: str, write: PlannedWrite) -> bool:
        if self._revision_of(tenant_id, write.source) != write.expected_revision:
            return False
        if self._epochs.get(tenant_id, 0) != write.expected_epoch:
            return False
        self._revision += 1
        self._leases.pop((tenant_id, write.source), None)
        entry = self._ledger.setdefault((tenant_id, write.source), _Entry())
        entry.revision, entry.facts = self._revision, write.facts
        entry.key, entry.name = write.key or entry.key, write.name or entry.name
        entry.messages |= {row.id: row for row in write.messages}
        for id_ in write.purged:
            entry.messages.pop(id_, None)
        if write.reflected:
            entry.until = (write.updated_at if write.facts.present else None) or write.saved_at or entry.until
        self._write_chunks(tenant_id, write)
        return True

    def _write_chunks(self, tenant_id: str, write: PlannedWrite) -> None:
        for id_ in write.deletes:
            self._rows.pop((tenant_id, id_), None)
        for chunk, vector in write.upserts:
            own = placeholder(self.space) if vector is None else vector
            self._rows[tenant_id, chunk.id] = _Row(write.source, chunk, own)
        for id_, move in write.moves.items():
            if row := self._rows.get((tenant_id, id_)):
                row.chunk = replace(row.chunk, user_id=move.user_id, status=move.status)


def _may_cover(request: ForgetRequest, owner: str | None, entry: _Entry) -> bool:
    rows = [row for row in entry.messages.values() if row.state != "erased"]
    named = owner is not None and any(owner in {event.before, event.after} for event in entry.facts.events)
    return any(named or request.user_id in {None, row.user_id} for row in rows)


def _meets(filters: Filters, row: _Row) -> bool:
    return filters.admit(row.chunk.metadata, _time(row.chunk))


def _neighbours(rows: Sequence[_Row], seeds: AbstractSet[str], around: int) -> Iterator[str]:
    """Yield the ids of chunks at most ``around`` places away from one of ``seeds`` in the same item."""
    items: dict[str, list[_Row]] = {}
    for row in sorted(rows, key=_place):
        items.setdefault(row.source, []).append(row)
    for item in items.values():
        for spot, row in enumerate(item):
            if row.chunk.id in seeds:
                yield from (near.chunk.id for near in item[max(0, spot - around) : spot + around + 1])


def _place(row: _Row) -> tuple[datetime, int, int]:
    metadata = row.chunk.metadata
    return _time(row.chunk), int(metadata.get("place", 0)), int(metadata.get("part", 0))


def _hit(row: _Row, request: SearchRequest) -> Hit:
    return Hit(
        row.chunk.id,
        row.chunk.text,
        0.0 if row.chunk.metadata.get("embedded") is False else cosine(row.vector, request.vector),
        _time(row.chunk),
        row.chunk.metadata,
        float(len(set(request.terms) & counts(row.chunk.text).keys())),
    )


def _unembedded(hit: Hit) -> bool:
    return hit.metadata.get("embedded") is False


def cosine(one: Vector, two: Vector) -> float:
    """Return the cosine of the angle between two vectors, from -1 to 1."""
    dot = math.fsum(a * b for a, b in zip(one, two, strict=True))
    return dot / (math.sqrt(math.fsum(a * a for a in one)) * math.sqrt(math.fsum(b * b for b in two)))


def _time(chunk: Chunk) -> datetime:
    return chunk.created_at or datetime.fromtimestamp(0, UTC)
