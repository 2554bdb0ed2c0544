"""How fresh an answer is, and a short wait for one that is fresh enough."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from pipeline.stores.protocol import Store

MAX_WAIT_SECONDS = 2.0
"""Most saves are searchable within a tenth of this; a caller who waits longer should rather ask again."""
PAUSES_SECONDS = (0.02, 0.03, 0.05, 0.1, 0.1, 0.2, 0.2, 0.3, 0.5, 0.5)
"""Together :data:`MAX_WAIT_SECONDS`."""


@dataclass(frozen=True, slots=True)
class IndexFreshness:
    """What an answer says of its own freshness.

    Args:
        indexed_until: see :meth:`pipeline.stores.protocol.Store.indexed_until`, read before the answer was made.
        stale: a save that the answer should know of was not indexed in time.
    """

    indexed_until: datetime | None
    stale: bool


@dataclass(frozen=True, slots=True)
class FreshnessGate:
    """Tells how fresh the index is, and waits a little where it must be fresher.

    Args:
        sleep: waits, in seconds.
    """

    store: Store
    sleep: Callable[[float], None]

    def with_search(
        self, tenant_id: str, user_id: str, session_key: str | None, wanted: datetime | None
    ) -> Callable[[], IndexFreshness]:
        """Return what tells the same once the memory was searched; who wants it fresher waits before that, and here."""
        if wanted is not None:
            waited = self.fresh(tenant_id, user_id, session_key, wanted)
            return lambda: waited
        until = self.store.indexed_until_when_searched(tenant_id, user_id, session_key)
        return lambda: IndexFreshness(until(), stale=False)

    def fresh(
        self, tenant_id: str, user_id: str, session_key: str | None, wanted: datetime | None
    ) -> IndexFreshness:
        """Return how fresh a session, or all of a user's memory, is: once it reaches ``wanted``, or the wait is over."""
        until = self.store.indexed_until(tenant_id, user_id, session_key)
        if wanted is None:
            return IndexFreshness(until, stale=False)
        for pause in PAUSES_SECONDS:
            if until is not None and until >= wanted:
                return IndexFreshness(until, stale=False)
            self.sleep(pause)
            until = self.store.indexed_until(tenant_id, user_id, session_key)
        return IndexFreshness(until, stale=until is None or until < wanted)
