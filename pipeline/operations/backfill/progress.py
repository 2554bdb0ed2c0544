"""Shows how far a long command is: a bar on a terminal, a line now and then elsewhere."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TextIO

from pipeline.operations.backfill.checkpoint import Totals
from pipeline.operations.terminal.text import money

LINE_EVERY_SECONDS = 10.0

Show = Callable[[Totals], None]


def duration(seconds: float) -> str:
    """Return ``h:mm:ss``."""
    minutes, rest = divmod(int(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02}:{rest:02}"


@dataclass(slots=True)
class Pace:
    """How fast it goes, from what was done since the start.

    Args:
        total: items there are, if that is known.
        before: items done in earlier runs.
        price: dollars for a million tokens, if that is known.
        clock: monotonic, in seconds.
    """

    total: int | None
    before: int
    price: float | None
    clock: Callable[[], float]
    started: float = field(init=False)

    def __post_init__(self) -> None:
        self.started = self.clock()

    def text(self, totals: Totals) -> str:
        """Return rate, tokens, cost and time left."""
        seconds = max(self.clock() - self.started, 1e-9)
        rate = (totals.items - self.before) / seconds
        dollars = None if self.price is None else totals.tokens * self.price / 1_000_000
        left = ""
        if self.total and rate > 0:
            left = f", {duration(max(0.0, self.total - totals.items) / rate)} left"
        return f"{rate:,.0f} items/s, {totals.tokens:,} tokens, {money(dollars)}{left}"


@contextmanager
def shown(pace: Pace, stream: TextIO = sys.stderr) -> Iterator[Show]:
    """Give what is to be called with the totals as they grow."""
    try:
        from rich.console import Console  # noqa: PLC0415  # an extra: without it there are lines
    except ImportError:
        yield _lines(pace, stream)
        return
    if not stream.isatty():
        yield _lines(pace, stream)
        return
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn  # noqa: PLC0415  # the same

    columns = TextColumn("backfill"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[pace]}")
    with Progress(*columns, console=Console(file=stream)) as progress:
        task = progress.add_task("backfill", total=pace.total, completed=pace.before, pace="")
        yield lambda totals: progress.update(task, completed=totals.items, pace=pace.text(totals))


def _lines(pace: Pace, stream: TextIO) -> Show:
    last = [time.monotonic()]

    def show(totals: Totals) -> None:
        if time.monotonic() - last[0] >= LINE_EVERY_SECONDS:
            last[0] = time.monotonic()
            of = f" of about {pace.total:,}" if pace.total else ""
            stream.write(f"{totals.items:,}{of} items: {pace.text(totals)}\n")
            stream.flush()

    return show
