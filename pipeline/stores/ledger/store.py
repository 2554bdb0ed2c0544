"""What the stores have in common that keep their ledger in DynamoDB."""

from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from datetime import datetime

from pipeline.source.documents import ItemKey
from pipeline.stores.forget_requests import ForgetRequest, Forgotten
from pipeline.stores.ledger.forget_requests import ForgetRequests
from pipeline.stores.ledger.ledger import Ledger
from pipeline.stores.protocol import IndexDetail, IndexState, Markers


class LedgerStore:
    """A store whose ledger answers for it.

    Args:
        ledger: of this index.
        requests: to forget, of the same.
    """

    several = None

    def __init__(self, ledger: Ledger, requests: ForgetRequests) -> None:
        self._ledger, self._requests = ledger, requests

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
