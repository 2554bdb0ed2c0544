"""Ctrl-C, and whatever else asks a run to end: it is acknowledged at once, and what ends then is not cut short."""

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@contextmanager
def ending_well() -> Iterator[None]:
    """Turn each of the signals into one KeyboardInterrupt; those that follow are ignored until the block is left."""
    before = {one: signal.signal(one, _end) for one in SIGNALS}
    try:
        yield
    finally:
        for one, handler in before.items():
            signal.signal(one, handler)


def _end(_number: int, _frame: FrameType | None) -> None:
    for one in SIGNALS:
        signal.signal(one, signal.SIG_IGN)
    os.write(sys.stderr.fileno(), b"\nEnding ...\n")  # no print: it may be what was interrupted
    raise KeyboardInterrupt
