"""A store in memory, for tests: the same promises, no database. Exact, and slow by design."""

import math
import time
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from pipeline.embedding.vectors import Space, Vector
from pipeline.lexical.terms import counts
from pipeline.stores.protocol import (
    Change,
    Chunk,
    Filters,
    Held,
    HeldChunk,
    Hit,
    Markers,
    Passage,
    Scope,
    SearchRequest,
    StoredText,
)


@dataclass(slots=True)
class _Row:
    source: str
    chunk: Chunk
    vector: Vector
    lost: Mapping[str, str] = field(default_factory=dict)


class InMemoryStore:
    """Keeps everything in dictionaries.

    Args:
        space: the space its vectors are in.
    """

    def __init__(self, space: Space) -> None:
        self.space = space
        self._revision = 0
        self._ledger: dict[tuple[str, str], tuple[int, str]] = {}
        self._rows: dict[tuple[str, str], _Row] = {}
        self._leases: dict[tuple[str, str], float] = {}
        self._created: dict[tuple[str, str], datetime] = {}
        self._epochs: dict[str, int] = {}
        self._markers: dict[str, dict[tuple[Scope, str], datetime]] = {}

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

    def texts(self, tenant_id: str, ids: Sequence[str]) -> Mapping[str, StoredText]:
        """Return what is stored of these chunks."""
        found = {id_: self._rows[tenant_id, id_].chunk for id_ in ids if (tenant_id, id_) in self._rows}
        return {
            id_: StoredText(chunk.text, chunk.user_id, _time(chunk), chunk.metadata)
            for id_, chunk in found.items()
        }

    def markers(self, tenant_id: str, users: AbstractSet[str], sessions: AbstractSet[str]) -> Markers:
        """Return the forget markers of these users and sessions."""
        asked = {("user", user) for user in users} | {("session", session) for session in sessions}
        held = self._markers.get(tenant_id, {})
        return Markers({subject: time for subject, time in held.items() if subject in asked})

    def forget(self, tenant_id: str, scope: Scope, subject: str) -> int:
        """Set a marker, then delete what it covers."""
        self._markers.setdefault(tenant_id, {})[scope, subject] = datetime.now(UTC)
        gone = [
            key
            for key, row in self._rows.items()
            if key[0] == tenant_id
            and subject == (row.chunk.user_id if scope == "user" else row.chunk.metadata["key"])
        ]
        for key in gone:
            del self._rows[key]
        self._epochs[tenant_id] = self._epochs.get(tenant_id, 0) + 1
        return len(gone)

    def search(self, request: SearchRequest) -> Sequence[Hit]:
        """Return the closest chunks of one user and those that share words, closest first; ties by id."""
        found = [
            _hit(row, request)
            for (tenant_id, _), row in self._rows.items()
            if tenant_id == request.tenant_id
            and row.chunk.user_id == request.user_id
            and fits(request.filters, row.chunk.metadata, _time(row.chunk))
        ]
        closest = sorted(found, key=lambda hit: (-hit.similarity, hit.id))
        wordy = sorted((hit for hit in found if hit.lexical > 0), key=lambda hit: (-hit.lexical, hit.id))
        chosen = {hit.id for hit in (*closest[: request.top_k], *wordy[: request.top_k])}
        return [hit for hit in closest if hit.id in chosen]

    def passages(
        self, tenant_id: str, user_id: str, filters: Filters, limit: int, *, oldest_first: bool = False
    ) -> Sequence[Passage]:
        """Return one user's chunks, newest or oldest first; ties by id."""
        found = [
            Passage(row.chunk.id, row.chunk.text, _time(row.chunk), row.chunk.metadata, bool(row.lost))
            for (owner, _), row in self._rows.items()
            if owner == tenant_id
            and row.chunk.user_id == user_id
            and fits(filters, row.chunk.metadata, _time(row.chunk))
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
        for id_ in change.deletes:
            self._rows.pop((tenant_id, id_), None)
        for chunk, vector in change.upserts:
            self._rows[tenant_id, chunk.id] = _Row(change.source, chunk, vector)
        for id_, lost in change.lost.items():
            if (tenant_id, id_) in self._rows:
                self._rows[tenant_id, id_].lost = dict(lost)
        return True


def fits(filters: Filters, metadata: Mapping[str, Any], time: datetime) -> bool:
    """Tell whether a chunk is of the kind asked for."""
    key = metadata.get("key")
    return (
        (not filters.kinds or metadata.get("kind") in filters.kinds)
        and (not filters.roles or bool(filters.roles & set(metadata.get("roles", ()))))
        and (not filters.keys or key in filters.keys)
        and key not in filters.excluded_keys
        and (filters.since is None or time >= filters.since)
        and (filters.until is None or time < filters.until)
    )


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
