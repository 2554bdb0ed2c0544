"""What goes wrong, and how often."""

import random
from collections.abc import Mapping
from dataclasses import dataclass

from lab.scheduler import FaultAction, Task

_CRASHES = (FaultAction.CRASH_BEFORE, FaultAction.CRASH_INSIDE, FaultAction.CRASH_AFTER)
_FAILURES = (
    FaultAction.FAIL_BEFORE,
    FaultAction.FAIL_INSIDE,
    FaultAction.FAIL_AFTER,
    FaultAction.FAIL_IN_PART,
)
_DELAYS_SECONDS = (0.01, 0.3, 2.0, 35.0, 400.0)
"""Among them longer than a lease, and longer than a message stays invisible."""


@dataclass(frozen=True, slots=True)
class FaultProfile:
    """Probabilities.

    Args:
        crash: a worker dies at an effect.
        fail: an effect fails.
        delay: an effect is held up.
        duplicate: a queue message is delivered twice.
        rewind: a stream is read again from an earlier place.
        split: a write splits its shard, perhaps several times.
        remake: before a write the table gets a new stream.
        audit: somebody asks to look at an item again, knowing no stream position, as backfill and audit do.
    """

    crash: float = 0.0
    fail: float = 0.0
    delay: float = 0.0
    duplicate: float = 0.0
    rewind: float = 0.0
    split: float = 0.0
    remake: float = 0.0
    audit: float = 0.0


NO_FAULTS = FaultProfile()
FREQUENT_FAULTS = FaultProfile(
    crash=0.015, fail=0.02, delay=0.03, duplicate=0.1, rewind=0.08, split=0.05, remake=0.02, audit=0.06
)
SLOW_WORKERS = FaultProfile(
    fail=0.005, delay=0.25, duplicate=0.1, rewind=0.2, split=0.05, remake=0.02, audit=0.25
)
"""Little breaks, but everybody is slow: what was read is old when it is used."""
PROFILES = (FREQUENT_FAULTS, FREQUENT_FAULTS, SLOW_WORKERS)


class RandomFaults:
    """Draws faults from a profile until it is cleared."""

    def __init__(self, profile: FaultProfile, source: random.Random) -> None:
        self.profile = profile
        self._random = source

    def clear(self) -> None:
        """Let nothing go wrong any more."""
        self.profile = NO_FAULTS

    def happens(self, probability: float) -> bool:
        """Tell whether something of ``probability`` happens now."""
        return probability > 0 and self._random.random() < probability

    def number(self, low: int, high: int) -> int:
        """Return a number from ``low`` to ``high``."""
        return self._random.randint(low, high)

    def delay(self, task: Task, label: str) -> float:  # noqa: ARG002  # every effect alike
        """Return how long an effect is held up, mostly not at all."""
        if task.fault_exempt or not self.happens(self.profile.delay):
            return 0.0
        return self._random.choice(_DELAYS_SECONDS)

    def fault_action(self, task: Task, label: str) -> FaultAction:  # noqa: ARG002  # every effect alike
        """Return what happens, mostly nothing."""
        if task.fault_exempt:
            return FaultAction.GO
        if self.happens(self.profile.crash):
            return self._random.choice(_CRASHES)
        if self.happens(self.profile.fail):
            return self._random.choice(_FAILURES)
        return FaultAction.GO


class ScriptedFaults(RandomFaults):
    """Faults at chosen effects only, counted from 1 over the whole run."""

    def __init__(self, script: Mapping[int, FaultAction]) -> None:
        super().__init__(NO_FAULTS, random.Random(0))  # a simulation
        self._script = dict(script)
        self.count = 0

    def fault_action(self, task: Task, label: str) -> FaultAction:  # noqa: ARG002  # by count alone
        """Return what the script says."""
        self.count += 1
        return self._script.get(self.count, FaultAction.GO)
