"""Carries events from the threads that watch to the tabs that listen; each person hears their own only."""

import asyncio
import contextlib
import threading
from collections import defaultdict
from collections.abc import AsyncIterator, Iterable
from typing import Any

from pipeline.local.page.people import Person

HEARTBEAT_SECONDS = 2.0
_Ear = tuple[asyncio.AbstractEventLoop, "asyncio.Queue[dict[str, Any] | None]"]


class EventBroker:
    """Publish from any thread; listen in an event loop."""

    def __init__(self, server: str) -> None:
        self._server = server
        self._lock = threading.Lock()
        self._ears: defaultdict[Person, set[_Ear]] = defaultdict(set)
        self._last: dict[Person, dict[str, Any]] = {}

    def publish(self, person: Person, told: dict[str, Any]) -> None:
        """Tell all of the person's tabs."""
        with self._lock:
            self._last[person] = told
            ears = list(self._ears[person])
        _tell(ears, told)

    def end(self) -> None:
        """Let everybody who listens come to an end: the server is about to stop."""
        with self._lock:
            ears = [ear for heard in self._ears.values() for ear in heard]
        _tell(ears, None)

    async def listen(self, person: Person) -> AsyncIterator[dict[str, Any]]:
        """Yield who speaks, the last events again, then what comes, and a sign of life when nothing does."""
        ear: _Ear = (asyncio.get_running_loop(), asyncio.Queue())
        with self._lock:
            self._ears[person].add(ear)
            last = self._last.get(person)
        try:
            yield {"type": "hello", "server": self._server}
            if last:
                yield {**last, "again": True}
            while True:
                try:
                    told = await asyncio.wait_for(ear[1].get(), HEARTBEAT_SECONDS)
                except TimeoutError:
                    told = {"type": "alive"}
                if told is None:
                    return
                yield told
        finally:
            with self._lock:
                self._ears[person].discard(ear)


def _tell(ears: Iterable[_Ear], told: dict[str, Any] | None) -> None:
    for loop, queue in ears:
        with contextlib.suppress(RuntimeError):  # its loop has ended: nobody listens there any more
            loop.call_soon_threadsafe(queue.put_nowait, told)
