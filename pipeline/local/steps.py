"""Says what goes on while the demo starts: a bar on a terminal; elsewhere a line, every few seconds while a step lasts."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

PULSE_SECONDS = 4.0
_WIDTH = 30

Advance = Callable[[int], None]
"""Takes how much is done by now."""


@dataclass(slots=True)
class Steps:
    """Leaves one line a step behind: what, how much, how long."""

    console: Console

    @contextmanager
    def step(self, what: str, total: int | None = None) -> Iterator[Advance]:
        """Show a step until the block ends.

        Args:
            total: of what the block tells to be done; ``None`` if it cannot be counted.
        """
        started, state = time.monotonic(), _State(what, total)
        with self._bar(state) if self.console.is_terminal else self._pulse(state, started):
            yield state.advance
        self.console.print(f"{state.line()}  {time.monotonic() - started:.1f} s", highlight=False)

    @contextmanager
    def _bar(self, state: "_State") -> Iterator[None]:
        columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(20), TimeElapsedColumn())
        with Progress(*columns, console=self.console, transient=True) as progress:
            task = progress.add_task(state.line(), total=state.total)
            state.changed = lambda: progress.update(task, completed=state.done, description=state.line())
            yield

    @contextmanager
    def _pulse(self, state: "_State", started: float) -> Iterator[None]:
        ended = threading.Event()

        def tell() -> None:
            while not ended.wait(PULSE_SECONDS):
                seconds = time.monotonic() - started
                self.console.print(f"{state.line()}  {seconds:.0f} s ...", highlight=False)

        thread = threading.Thread(target=tell, daemon=True)
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()


@dataclass(slots=True)
class _State:
    what: str
    total: int | None
    done: int = 0
    changed: Callable[[], None] = field(default=lambda: None)

    def advance(self, done: int) -> None:
        self.done = done
        self.changed()

    def line(self) -> str:
        return f"{self.what:<{_WIDTH}}" + ("" if self.total is None else f"{self.done}/{self.total}")
