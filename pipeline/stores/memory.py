"""A store in memory, for tests: the same promises, no database. Exact, and slow by design."""

import math
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from pipeline.embedding.vectors import Space, Vector
from pipeline.lexical.terms import counts
from pipeline.source.documents import ItemKey
from pipeline.stores.forgetting import ForgetRequest, Forgotten, Scope, session_of
from pipeline.stores.protocol import (
    SEEDS,
    Change,
    Chunk,
    Filters,
    Held,
    HeldChunk,
    Hit,
    Markers,
    Passage,
    SearchRequest,
    StoredText,
)

SKEW = timedelta(minutes=1)
"""How far the clocks of those who ask and those who index may be apart."""


@dataclass(slots=True)
class _Row:
    source: str
    chunk: Chunk
    vector: Vector
    lost: Mapping[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class _Fresh:
    """How fresh an item is, as the ledger knows it."""

    key: ItemKey | None = None
    name: str | None = None
    user_id: str | None = None
    until: datetime | None = None
    indexed_at: datetime | None = None


class InMemoryStore:
    """Keeps everything in dictionaries.

    Args:
        space: the space its vectors are in.
    """

    def __init__(self, space: Space) -> None:
        self.space = space
        self.searched: Counter[str] = Counter()
        self._revision = 0
        self._ledger: dict[tuple[str, str], tuple[int, str]] = {}
        self._rows: dict[tuple[str, str], _Row] = {}
        self._leases: dict[tuple[str, str], float] = {}
        self._created: dict[tuple[str, str], datetime] = {}
        self._epochs: dict[str, int] = {}
        self._markers: dict[str, dict[tuple[Scope, str], datetime]] = {}
        self._forgotten: dict[tuple[str, str], Forgotten] = {}
        self._fresh: dict[tuple[str, str], _Fresh] = {}

    def read(self, tenant_id: str, sources: Sequence[str]) -> Mapping[str, Held]:
        """Return what is held of each item."""
        return {source: self._held(tenant_id, source) for source in sources}

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

    def apply(self, tenant_id: str, changes: Sequence[Change]) -> frozenset[str]:
        """Write each change whose expected revision still stands."""
        return frozenset(change.source for change in changes if not self._apply(tenant_id, change))

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
        return Markers({subject: time for subject, time in held.items() if subject in asked})

    def forget(self, request: ForgetRequest) -> Forgotten:
        """Set a marker, then delete what it covers; a request comes once."""
        tenant_id = request.tenant_id
        if known := self.forgotten(tenant_id, request.id):
            return known
        markers = self._markers.setdefault(tenant_id, {})
        subject = (request.scope, request.subject)
        markers[subject] = max(request.asked_at, markers.get(subject, request.asked_at))
        gone = [key for key, row in self._rows.items() if key[0] == tenant_id and _covers(request, row.chunk)]
        sources = sorted({self._rows.pop(key).source for key in gone})
        self._epochs[tenant_id] = self._epochs.get(tenant_id, 0) + 1
        again = tuple(key for source in sources for key in self._indexed_since(request, source))
        done = Forgotten(request, len(gone), datetime.now(UTC), again)
        self._forgotten[tenant_id, request.id] = done
        return done

    def forgotten(self, tenant_id: str, request_id: str) -> Forgotten | None:
        """Return what became of a request."""
        return self._forgotten.get((tenant_id, request_id))

    def indexed_until(self, tenant_id: str, user_id: str, session_key: str | None) -> datetime | None:
        """Return how fresh a user's session, or all of the user's memory, is."""
        times = (
            fresh.until
            for (owner, _), fresh in self._fresh.items()
            if owner == tenant_id and fresh.user_id == user_id and session_key in {None, fresh.name}
        )
        return max((time for time in times if time), default=None)

    def wait_until_searchable(self, tenant_id: str, user_id: str, timeout_seconds: float) -> bool:  # noqa: ARG002  # nothing to wait for
        """Return at once: what was applied is visible."""
        return True

    def check(self) -> None:
        """Return: it is always there."""

    def search(self, request: SearchRequest) -> Sequence[Hit]:
        """Return the closest chunks of one user and those that share words, closest first; ties by id."""
        self.searched["exact"] += 1
        rows = [row for row in self._of(request.tenant_id, request.user_id) if _meets(request.filters, row)]
        found = [_hit(row, request) for row in rows]
        closest = sorted(found, key=lambda hit: (-hit.similarity, hit.id))
        wordy = sorted((hit for hit in found if hit.lexical > 0), key=lambda hit: (-hit.lexical, hit.id))
        seeds = {hit.id for hit in (*closest[:SEEDS][: request.top_k], *wordy[:SEEDS][: request.top_k])}
        chosen = {hit.id for hit in (*closest[: request.top_k], *wordy[: request.top_k])}
        chosen |= set(_beside(rows, seeds, request.around))
        return [hit for hit in closest if hit.id in chosen or len(closest) <= request.whole]

    def _of(self, tenant_id: str, user_id: str) -> list[_Row]:
        return [
            row
            for (owner, _), row in self._rows.items()
            if owner == tenant_id and row.chunk.user_id == user_id
        ]

    def passages(
        self, tenant_id: str, user_id: str, filters: Filters, limit: int, *, oldest_first: bool = False
    ) -> Sequence[Passage]:
        """Return one user's chunks, newest or oldest first; ties by id."""
        found = [
            Passage(row.chunk.id, row.chunk.text, _time(row.chunk), row.chunk.metadata, bool(row.lost))
            for row in self._of(tenant_id, user_id)
            if _meets(filters, row)
        ]
        by_id = sorted(found, key=lambda passage: passage.id)
        return sorted(by_id, key=lambda passage: passage.created_at, reverse=not oldest_first)[:limit]

    def _held(self, tenant_id: str, source: str) -> Held:
        revision, position = self._ledger.get((tenant_id, source), (0, ""))
        chunks = tuple(
            HeldChunk(row.chunk.id, row.chunk.members, row.chunk.fingerprint, row.lost, row.chunk.spans)
            for (owner, _), row in self._rows.items()
            if owner == tenant_id and row.source == source
        )
        created_at = self._created.get((tenant_id, source))
        return Held(revision, position, chunks, self._epochs.get(tenant_id, 0), created_at)

    def _revision_of(self, tenant_id: str, source: str) -> int:
        return self._ledger.get((tenant_id, source), (0, ""))[0]

    def _apply(self, tenant_id: str, change: Change) -> bool:
        if self._revision_of(tenant_id, change.source) != change.expected_revision:
            return False
        if self._epochs.get(tenant_id, 0) != change.expected_epoch:
            return False
        if change.created_at is not None:
            key = (tenant_id, change.source)
            self._created[key] = max(change.created_at, self._created.get(key, change.created_at))
        self._revision += 1
        self._leases.pop((tenant_id, change.source), None)
        self._ledger[tenant_id, change.source] = (self._revision, change.position)
        self._note_freshness(self._fresh.setdefault((tenant_id, change.source), _Fresh()), change)
        for id_ in change.deletes:
            self._rows.pop((tenant_id, id_), None)
        for chunk, vector in change.upserts:
            self._rows[tenant_id, chunk.id] = _Row(change.source, chunk, vector)
        for id_, lost in change.lost.items():
            if (tenant_id, id_) in self._rows:
                self._rows[tenant_id, id_].lost = dict(lost)
        return True

    def _note_freshness(self, fresh: _Fresh, change: Change) -> None:
        fresh.indexed_at, fresh.key = datetime.now(UTC), change.key or fresh.key
        fresh.name, fresh.user_id = change.name or fresh.name, change.user_id or fresh.user_id
        if change.reflected:
            fresh.until = (change.updated_at if change.present else None) or change.saved_at or fresh.until

    def _indexed_since(self, request: ForgetRequest, source: str) -> Iterator[ItemKey]:
        fresh = self._fresh.get((request.tenant_id, source))
        if fresh and fresh.key and fresh.indexed_at and fresh.indexed_at >= request.asked_at - SKEW:
            yield fresh.key


def _covers(request: ForgetRequest, chunk: Chunk) -> bool:
    of_user = request.user_id in {None, chunk.user_id}
    return of_user and request.session_key in {None, chunk.metadata.get("key")}


def _meets(filters: Filters, row: _Row) -> bool:
    return filters.admit(row.chunk.metadata, _time(row.chunk))


def _beside(rows: Sequence[_Row], seeds: AbstractSet[str], around: int) -> Iterator[str]:
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
        cosine(row.vector, request.vector),
        _time(row.chunk),
        row.chunk.metadata,
        float(len(set(request.terms) & counts(row.chunk.text).keys())),
    )


def cosine(one: Vector, two: Vector) -> float:
    """Return the cosine of the angle between two vectors, from -1 to 1."""
    dot = math.fsum(a * b for a, b in zip(one, two, strict=True))
    return dot / (math.sqrt(math.fsum(a * a for a in one)) * math.sqrt(math.fsum(b * b for b in two)))


def _time(chunk: Chunk) -> datetime:
    return chunk.created_at or datetime.fromtimestamp(0, UTC)
