"""Keeps a rate: so many units a second on average, whatever they are."""

from collections.abc import Callable
from dataclasses import dataclass, field
from threading import Lock


@dataclass(slots=True)
class Pacer:
    """Makes those that spend wait. Safe among threads.

    What is spent is often known only afterwards (a page's read units), so one spending may overdraw; the next one
    waits for it.

    Args:
        per_second: units a second; ``None`` never waits.
        clock: monotonic, in seconds.
        sleep: waits, in seconds.
    """

    per_second: float | None
    clock: Callable[[], float]
    sleep: Callable[[float], None]
    _free_at: float = field(default=0.0, init=False)
    _lock: Lock = field(default_factory=Lock, init=False, repr=False)

    def spend(self, units: float) -> None:
        """Wait until earlier spending is made good, then spend ``units``."""
        if self.per_second is None:
            return
        with self._lock:
            begins = max(self.clock(), self._free_at)
            self._free_at = begins + units / self.per_second
        pause = begins - self.clock()
        if pause > 0:
            self.sleep(pause)
