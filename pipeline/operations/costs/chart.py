"""Draws the estimate: parts of each bill, and how the bills grow."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import matplotlib as mpl

mpl.use("Agg")
from matplotlib import pyplot as plt

from pipeline.operations.costs.estimate import STORES, bill, bills, crossovers
from pipeline.operations.costs.workload import Workload
from pipeline.prices import LIST_DATE, Region

COLOURS = ("#4878a8", "#9ab7d3", "#e8a33d", "#c0504d", "#8c8c8c", "#5b9a68", "#b9d8b4")
PARTS = ("lambda", "sqs", "dynamodb reads", "embeddings", "nat", "database", "storage")
EXPONENTS = range(40, 161)
"""Users from 100 to 100 million, in twentieths of a decade."""


def draw(work: Workload, region: Region, model: str, path: Path) -> None:
    """Write the chart to ``path`` as PNG, 1,600 by 700 pixels."""
    figure, (left, right) = plt.subplots(1, 2, figsize=(16, 7), dpi=100)
    _bars(left, work, region, model)
    _lines(right, work, region, model)
    figure.suptitle(f"vector-memory: dollars a month in {region}, prices of {LIST_DATE}")
    figure.tight_layout()
    figure.savefig(path, format="png")
    plt.close(figure)


def _bars(axes: Any, work: Workload, region: Region, model: str) -> None:  # noqa: ANN401  # matplotlib has no types
    found = bills(work, region, model)
    bottoms, names = [0.0] * len(found), [one.store.replace(" ", "\n") for one in found]
    for part, colour in zip(PARTS, COLOURS, strict=True):
        heights = [one.parts.get(part, 0.0) for one in found]
        axes.bar(names, heights, bottom=bottoms, label=part, color=colour)
        bottoms = [bottom + height for bottom, height in zip(bottoms, heights, strict=True)]
    for number, total in enumerate(bottoms):
        axes.annotate(f"${total:,.0f}", (number, total), ha="center", va="bottom")
    axes.set(title=f"{work.users:,.0f} users", ylabel="dollars a month")
    axes.legend()


def _lines(axes: Any, work: Workload, region: Region, model: str) -> None:  # noqa: ANN401  # the same
    users = [10 ** (exponent / 20) for exponent in EXPONENTS]
    for store in STORES:
        axes.plot(users, _totals(store, work, users, region, model), label=store)
    axes.set(xscale="log", yscale="log", xlabel="users", title="As users grow")
    axes.grid(visible=True, which="major", alpha=0.3)
    for number, (at, below, above) in enumerate(crossovers(work, region, model)):
        if at <= users[-1]:
            axes.axvline(at, linestyle=":", color="grey")
            place = (at, 0.02 + 0.07 * number)
            axes.annotate(
                f" {at:,.0f}: {below}\n → {above}", place, xycoords=axes.get_xaxis_transform(), fontsize=8
            )
    axes.legend()


def _totals(store: str, work: Workload, users: Sequence[float], region: Region, model: str) -> list[float]:
    return [bill(store, replace(work, users=count), region, model).total for count in users]
