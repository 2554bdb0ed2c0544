"""Searches that know of what was just written through the same adapter."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from vector_memory.answers import Found
from vector_memory.client import MemoryClient

PATIENCE_SECONDS = 10.0
"""So long a search waits for what was written just before; most of it is indexed within a fraction of a second."""


@dataclass(slots=True)
class FreshSearch:
    """Searches, and waits for what was written.

    Args:
        patience_seconds: see :data:`PATIENCE_SECONDS`. What is not indexed by then is found by a later search.
    """

    client: MemoryClient
    patience_seconds: float = PATIENCE_SECONDS
    clock: Callable[[], float] = time.monotonic
    _written: dict[str, datetime] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def wrote(self, session_key: str, at: datetime) -> None:
        """Remember that a conversation was written."""
        with self._lock:
            self._written[session_key] = at

    def deleted(self, session_key: str) -> None:
        """Remember that there is nothing more to wait for."""
        with self._lock:
            self._written.pop(session_key, None)

    def search(self, query: str, **options: Any) -> Found:  # noqa: ANN401  # the client's own
        """Search as the client does, once it knows of everything that was written here."""
        deadline = self.clock() + self.patience_seconds
        with self._lock:
            written = dict(self._written)
        for session_key, at in written.items():
            self._wait(query, session_key, at, deadline)
        return self.client.search(query, **options)

    def _wait(self, query: str, session_key: str, at: datetime, deadline: float) -> None:
        while True:  # the service waits for up to 2 s each time
            found = self.client.search(query, top_k=1, session_key=session_key, min_updated_at=at)
            if not found.freshness.stale:
                break
            if self.clock() >= deadline:
                return
        with self._lock:
            if self._written.get(session_key) == at:
                del self._written[session_key]
