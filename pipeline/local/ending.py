"""Ctrl-C, and whatever else asks a run to end: it is acknowledged at once, and what ends then is not cut short."""

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@dataclass(slots=True)
class Ending:
    """Whether a run was asked to end: a KeyboardInterrupt can get lost, where Python ignores exceptions (a destructor).

    Args:
        asked: one of the signals came.
    """

    asked: bool = False

    def begin(self, _number: int, _frame: FrameType | None) -> None:
        """Acknowledge a signal, and interrupt what runs; those that follow are ignored."""
        self.asked = True
        for one in SIGNALS:
            signal.signal(one, signal.SIG_IGN)
        os.write(sys.stderr.fileno(), b"\nEnding ...\n")  # no print: it may be what was interrupted
        raise KeyboardInterrupt

    def check(self) -> None:
        """Raise KeyboardInterrupt if it was asked for: what waits for long looks from time to time."""
        if self.asked:
            raise KeyboardInterrupt


@contextmanager
def ending_well() -> Iterator[Ending]:
    """Turn each of the signals into one KeyboardInterrupt; those that follow are ignored until the block is left."""
    ending = Ending()
    before = {one: signal.signal(one, ending.begin) for one in SIGNALS}
    try:
        yield ending
    finally:
        for one, handler in before.items():
            signal.signal(one, handler)
