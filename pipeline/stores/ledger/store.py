"""What the stores have in common that keep their ledger in DynamoDB."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import replace
from datetime import datetime

from pipeline.source.documents import ItemKey
from pipeline.stores.chunks import Chunk, StoredText
from pipeline.stores.forget_requests import ForgetRequest, Forgotten, Markers
from pipeline.stores.index_state import IndexDetail, IndexState, PlannedWrite
from pipeline.stores.ledger.forget_requests import ForgetRequests
from pipeline.stores.ledger.ledger import Ledger
from pipeline.stores.ledger.records import ChunkRecord

Mend = Callable[[str, str, Sequence[str]], None]
"""Tenant, source and ids of chunks, see :meth:`LedgerStore.mend`."""
Listed = Mapping[str, ChunkRecord]
"""Chunk id → what the ledger lists of it."""


class LedgerStore(ABC):
    """A store whose ledger answers for it.

    Args:
        ledger: of this index.
        requests: to forget, of the same.
    """

    several = None

    def __init__(self, ledger: Ledger, requests: ForgetRequests) -> None:
        self._ledger, self._requests = ledger, requests

    @abstractmethod
    def apply(self, tenant_id: str, writes: Sequence[PlannedWrite]) -> frozenset[str]:
        """Write each whose expected revision and epoch still stand."""

    @abstractmethod
    def _lost(self, tenant_id: str, source: str, listed: Listed) -> Mapping[str, StoredText | None]:
        """Return those of the chunks of which a row is not there as listed, each with its text if that can be read still."""

    def mend(self, tenant_id: str, source: str, ids: Sequence[str]) -> None:
        """Make what lies there and what the ledger lists agree again, where rows of an item's chunks were lost.

        A chunk whose text can be read still is written anew, found by its words and waiting to be embedded. Any other is
        listed no more, so that ingest makes it anew if the item has it. Where somebody else writes, nothing is done.
        """
        write = self._ledger.unchanged(tenant_id, source)
        found = self._ledger.chunks(tenant_id, ((source, id_) for id_ in ids))
        listed = {id_: record for (_, id_), record in found.items()}
        if write is None or not listed:
            return
        lost = self._lost_for_good(tenant_id, source, listed)
        anew = [(_waiting(listed[id_], text), None) for id_, text in lost.items() if text]
        gone = [id_ for id_, text in lost.items() if text is None]
        if lost:
            self.apply(tenant_id, [replace(write, upserts=anew, deletes=gone)])

    def _lost_for_good(self, tenant_id: str, source: str, listed: Listed) -> Mapping[str, StoredText | None]:
        """Return what is lost however often one looks: a row just written may be half visible."""
        lost = self._lost(tenant_id, source, listed)
        for _ in self._ledger.waits():
            if not lost:
                break
            lost = self._lost(tenant_id, source, {id_: listed[id_] for id_ in lost})
        return lost

    def read(self, tenant_id: str, named: Mapping[str, AbstractSet[str]]) -> Mapping[str, IndexState]:
        """Return what is held of each item."""
        return self._ledger.read(tenant_id, named)

    def detail(
        self, tenant_id: str, named: Mapping[str, AbstractSet[str] | None]
    ) -> Mapping[str, IndexDetail]:
        """Return what planning needs of each item."""
        return self._ledger.detail(tenant_id, named)

    def lease(self, tenant_id: str, revisions: Mapping[str, int], seconds: float) -> Mapping[str, int]:
        """Take the leases that are free."""
        return self._ledger.lease(tenant_id, revisions, seconds)

    def release(self, tenant_id: str, revisions: Mapping[str, int]) -> None:
        """Give leases back."""
        self._ledger.release(tenant_id, revisions)

    def indexed_until(self, tenant_id: str, user_id: str, session_key: str | None) -> datetime | None:
        """Return how fresh a user's session, or all of the user's memory, is in the ledger."""
        return self._ledger.indexed_until(tenant_id, user_id, session_key)

    def indexed_until_when_searched(
        self, tenant_id: str, user_id: str, session_key: str | None
    ) -> Callable[[], datetime | None]:
        """Ask right away how fresh the memory is."""
        until = self.indexed_until(tenant_id, user_id, session_key)
        return lambda: until

    def overdue(self, before: float, limit: int) -> Sequence[tuple[str, ItemKey]]:
        """Return items with a message hidden for long, those hidden longest first."""
        return self._ledger.overdue(before, limit)

    def markers(self, tenant_id: str, users: AbstractSet[str], sessions: AbstractSet[str]) -> Markers:
        """Return the forget markers of these users and sessions, and of these users' sessions."""
        return self._requests.markers(tenant_id, users, sessions)

    def mark(self, request: ForgetRequest) -> int:
        """Set the marker, then move the epoch. Nothing of the chat app's own lies here."""
        self._requests.mark(request)
        return 0

    def items_of(self, request: ForgetRequest, owner: str | None = None) -> Sequence[ItemKey]:
        """Return the items with messages that a request may cover."""
        return self._requests.items_of(request, owner)

    def finish(self, request: ForgetRequest, deleted: int) -> Forgotten:
        """Write down that a request was carried out, once."""
        return self._requests.finish(request, deleted)

    def forgotten(self, tenant_id: str, request_id: str) -> Forgotten | None:
        """Return what became of a request."""
        return self._requests.forgotten(tenant_id, request_id)


def _waiting(record: ChunkRecord, stored: StoredText) -> Chunk:
    """Return a chunk that waits to be embedded; one that memory alone has is looked at again, as after an outage."""
    return Chunk(
        record.id,
        record.user_id,
        stored.content,
        record.members,
        "",
        stored.created_at,
        {**stored.metadata, "embedded": False},
        record.line_lengths,
        status="mixed" if record.status == "kept" else record.status,
    )
