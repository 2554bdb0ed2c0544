"""A row of the table: what was measured, and what it should be. Pure."""

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Row:
    """One measurement.

    Args:
        value: in the unit that ``name`` says, or a ratio.
        least: the target, if higher is better.
        most: the target, if lower is better.
        detail: the figures behind a ratio.
    """

    name: str
    value: float
    least: float | None = None
    most: float | None = None
    detail: str = ""

    @property
    def target(self) -> str:
        """The target in words."""
        if self.least is not None:
            return f">= {self.least:g}"
        return "report" if self.most is None else f"<= {self.most:g}"

    @property
    def met(self) -> bool | None:
        """Whether the target is met; ``None`` where there is none."""
        if self.least is not None:
            return self.value >= self.least
        return None if self.most is None else self.value <= self.most

    def as_json(self) -> dict[str, object]:
        """Return the row for a program."""
        return {
            "name": self.name,
            "value": self.value,
            "target": self.target,
            "met": self.met,
            "detail": self.detail,
        }


def table(rows: Sequence[Row]) -> str:
    """Return the rows for a person."""
    verdicts = {True: "met", False: "MISSED", None: ""}
    lines = [
        f"{row.name:<66} {row.value:>9.3g}  {row.target:<9} {verdicts[row.met]:<7} {row.detail}".rstrip()
        for row in rows
    ]
    return "\n".join(lines)


def median_ms(work: Callable[[int], object], repeats: int, clock: Callable[[], float]) -> float:
    """Return the median time of ``work(number)`` in milliseconds."""
    return percentile([_timed(work, number, clock) for number in range(repeats)], 50)


def percentile(times: Sequence[float], percent: int) -> float:
    """Return a percentile of at least two ``times``."""
    return statistics.quantiles(times, n=100, method="inclusive")[percent - 1]


def times_ms(work: Callable[[int], object], repeats: int, clock: Callable[[], float]) -> list[float]:
    """Return how long each ``work(number)`` took, in milliseconds."""
    return [_timed(work, number, clock) for number in range(repeats)]


def interleaved_ms(
    works: Sequence[Callable[[int], object]], repeats: int, clock: Callable[[], float]
) -> list[float]:
    """Return the median of each of ``works`` in milliseconds, taken in turns: what slows the machine slows them all."""
    return [percentile(own, 50) for own in interleaved_times_ms(works, repeats, clock)]


def interleaved_times_ms(
    works: Sequence[Callable[[int], object]], repeats: int, clock: Callable[[], float]
) -> list[list[float]]:
    """Return all times of each of ``works`` in milliseconds, taken in turns."""
    times: list[list[float]] = [[] for _ in works]
    for number in range(repeats):
        for own, work in zip(times, works, strict=True):
            own.append(_timed(work, number, clock))
    return times


def _timed(work: Callable[[int], object], number: int, clock: Callable[[], float]) -> float:
    started = clock()
    work(number)
    return (clock() - started) * 1000
