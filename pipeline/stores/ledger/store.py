"""What the stores have in common that keep their ledger in DynamoDB."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from pipeline.stores.ledger.ledger import Ledger
from pipeline.stores.protocol import Held


class LedgerStore:
    """A store whose ledger answers for it.

    Args:
        ledger: of this index.
    """

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    def read(self, tenant_id: str, sources: Sequence[str]) -> Mapping[str, Held]:
        """Return what is held of each item."""
        return self._ledger.read(tenant_id, sources)

    def lease(self, tenant_id: str, revisions: Mapping[str, int], seconds: float) -> Mapping[str, int]:
        """Take the leases that are free."""
        return self._ledger.lease(tenant_id, revisions, seconds)

    def release(self, tenant_id: str, revisions: Mapping[str, int]) -> None:
        """Give leases back."""
        self._ledger.release(tenant_id, revisions)

    def indexed_until(self, tenant_id: str, user_id: str, session_key: str | None) -> datetime | None:
        """Return how fresh a user's session, or all of the user's memory, is in the ledger."""
        return self._ledger.indexed_until(tenant_id, user_id, session_key)
