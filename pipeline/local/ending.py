"""Ctrl-C, and whatever else asks a run to end: it is acknowledged at once, and what ends then is not cut short."""

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
MOMENT_SECONDS = 0.05
_FINALIZER = "finalize.__call__"
"""Of weakref: Python prints and ignores its exceptions, as those of ``__del__``."""


@dataclass(slots=True)
class Ending:
    """Whether a run was asked to end.

    Args:
        asked: one of the signals came.
    """

    asked: bool = False
    _pending: bool = False

    def begin(self, number: int, frame: FrameType | None) -> None:
        """Acknowledge a signal, and interrupt what runs; those that follow are ignored."""
        self.asked = True
        for one in SIGNALS:
            signal.signal(one, signal.SIG_IGN)
        os.write(sys.stderr.fileno(), b"\nEnding ...\n")  # no print: it may be what was interrupted
        self._pending = True
        self._interrupt(number, frame)

    def _interrupt(self, _number: int, frame: FrameType | None) -> None:
        """Raise KeyboardInterrupt once, a moment later where it would get lost."""
        if self._pending and _in_a_destructor(frame):
            signal.signal(signal.SIGALRM, self._interrupt)
            signal.setitimer(signal.ITIMER_REAL, MOMENT_SECONDS)
        elif self._pending:
            self._pending = False
            raise KeyboardInterrupt

    def check(self) -> None:
        """Raise KeyboardInterrupt if one came and was lost all the same: what waits for long looks from time to time."""
        if self.asked:
            self._pending = False
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


def _in_a_destructor(frame: FrameType | None) -> bool:
    while frame is not None:
        if frame.f_code.co_qualname == _FINALIZER or frame.f_code.co_name == "__del__":
            return True
        frame = frame.f_back
    return False
