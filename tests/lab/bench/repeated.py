"""Several runs of the same rows → each row's median with its spread. Pure."""

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lab.bench.rows import Row, table


@dataclass(frozen=True, slots=True)
class Repeated:
    """A row of several runs.

    Args:
        row: the run's in the middle, with its own detail; of an even number the lower one of both.
        values: of all runs, in their order.
    """

    row: Row
    values: Sequence[float]

    @property
    def spread(self) -> tuple[float, float]:
        """The least and the most."""
        return min(self.values), max(self.values)

    def as_json(self) -> dict[str, object]:
        """Return the row for a program; :func:`read` takes it back."""
        return {**self.row.as_json(), "values": list(self.values)}


def repeated(runs: Sequence[Sequence[Row]]) -> list[Repeated]:
    """Return each row with the values of all ``runs``.

    Raises:
        ValueError: the runs have other rows than each other.
    """
    if len({tuple(row.name for row in run) for run in runs}) != 1:
        raise ValueError("the runs have other rows than each other")
    return [Repeated(_middle(rows), [row.value for row in rows]) for rows in zip(*runs, strict=True)]


def _middle(rows: Sequence[Row]) -> Row:
    median = statistics.median_low(row.value for row in rows)
    return next(row for row in rows if row.value == median)


def read(told: Mapping[str, Any]) -> Repeated:
    """Return the row that :meth:`Repeated.as_json` told."""
    sign, _, number = str(told["target"]).partition(" ")
    bounds = {">=": "least", "<=": "most"}
    bound = {bounds[sign]: float(number)} if sign in bounds else {}
    return Repeated(Row(told["name"], told["value"], detail=told["detail"], **bound), told["values"])


def printed(rows: Sequence[Repeated]) -> str:
    """Return the rows for a person, each with the least and the most of several runs."""
    lines = table([one.row for one in rows]).splitlines()
    if all(len(one.values) == 1 for one in rows):
        return "\n".join(lines)
    spreads = ["{:.3g} to {:.3g}".format(*one.spread) for one in rows]
    return "\n".join(f"{line}  [{spread}]" for line, spread in zip(lines, spreads, strict=True))
