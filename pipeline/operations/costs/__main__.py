"""``scripts/costs``: what a deployment costs, where the stores cross, and which limit binds first."""

import argparse
import sys
from collections.abc import Iterator, Sequence
from dataclasses import fields, replace
from pathlib import Path

from pipeline.errors import SettingsError, VectorMemoryError
from pipeline.operations.costs.estimate import Bill, bills, crossovers
from pipeline.operations.costs.limits import limits
from pipeline.operations.costs.proposal import ROWS, differences, now
from pipeline.operations.costs.workload import Workload, demand
from pipeline.operations.terminal.text import aligned
from pipeline.prices import AWS, EMBEDDING, LIST_DATE, Region

SCALES = (10_000.0, 1_000_000.0, 100_000_000.0)
REGIONS: dict[str, Region] = {"virginia": "us-east-1", "tokyo": "ap-northeast-1"}
PARTS = ("lambda", "sqs", "dynamodb reads", "embeddings", "nat", "database", "storage")


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the estimate; return the exit status."""
    options = _parser().parse_args(arguments)
    work = Workload(**{each.name: getattr(options, each.name) for each in fields(Workload)})
    try:
        sys.stdout.write("\n".join(report(work, REGIONS[options.region], options.model)) + "\n")
        if options.chart:
            _draw(work, REGIONS[options.region], options.model, options.chart)
    except VectorMemoryError as error:
        sys.stderr.write(f"costs: {error}\n")
        return 2
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="scripts/costs", description=__doc__)
    for each in fields(Workload):
        name = "--" + each.name.replace("_", "-")
        kind = int if isinstance(each.default, int) else float
        parser.add_argument(name, type=kind, default=each.default, help="default: %(default)s")
    parser.add_argument("--region", choices=sorted(REGIONS), default="tokyo")
    parser.add_argument("--model", choices=sorted(EMBEDDING), default="text-embedding-3-small")
    parser.add_argument("--chart", type=Path, metavar="FILE", help="draw a PNG (needs the extra costs)")
    return parser


def report(work: Workload, region: Region, model: str) -> Iterator[str]:
    """Yield the lines of the estimate."""
    asked = demand(work)
    yield f"{work.users:,.0f} users, {region}, {model}, prices of {LIST_DATE}; dollars a month"
    yield (
        f"{asked.saves:,.0f} saves, {asked.tokens / 1e6:,.1f} million tokens, {asked.questions:,.0f} questions, "
        f"{asked.rows:,.0f} chunks held ({asked.stored_gigabytes:,.0f} GB)"
    )
    yield ""
    found = bills(work, region, model)
    yield aligned(("", *(one.store for one in found)), [*_rows(found)])
    yield ""
    yield from _crossovers(work, region, model)
    yield ""
    for users in SCALES:
        yield from _limits(replace(work, users=users))
    yield ""
    yield from _proposal(work, region, model)
    yield ""
    unverified = sorted(item for item, prices in AWS.items() if not prices[region].verified)
    yield f"Recalled, not looked up: {', '.join(unverified)}. Assumed: see pipeline/operations/costs/estimate.py."


def _proposal(work: Workload, region: Region, model: str) -> Iterator[str]:
    rows = [
        (
            row.name,
            f"{row.least:,.0f}" if row.least == row.most else f"{row.least:,.0f} to {row.most:,.0f}",
            f"{now(row, work, region, model):,.2f}",
        )
        for row in ROWS
    ]
    yield aligned(("database alone, 10,000 users", "proposed", "now"), rows)
    yield from differences(work, region)


def _rows(found: Sequence[Bill]) -> Iterator[tuple[str, ...]]:
    for part in PARTS:
        yield part, *(f"{one.parts.get(part, 0.0):,.2f}" for one in found)
    yield "total", *(f"{one.total:,.2f}" for one in found)


def _crossovers(work: Workload, region: Region, model: str) -> Iterator[str]:
    found = crossovers(work, region, model)
    if not found:
        yield "One store is the cheapest from 100 to a billion users."
    for users, below, above in found:
        yield f"From about {users:,.0f} users on {above} is cheaper than {below}."


def _limits(work: Workload) -> Iterator[str]:
    tight = limits(work)
    first = tight[0]
    conclusion = "binds" if first.load > 1 else "is the tightest"
    yield (
        f"{work.users:,.0f} users: {first.name} {conclusion} first, at {first.load:,.0%} of it "
        f"({first.demand:,.0f} of {first.limit:,.0f}); {first.raised}."
    )
    for limit in tight[1:]:
        if limit.load > 0.5:  # noqa: PLR2004  # worth a line
            yield f"    then {limit.name}: {limit.load:,.0%}; {limit.raised}."


def _draw(work: Workload, region: Region, model: str, path: Path) -> None:
    try:
        from pipeline.operations.costs.chart import draw  # noqa: PLC0415  # an extra
    except ImportError:
        raise SettingsError("--chart needs the extra: pip install 'vector-memory[costs]'") from None
    draw(work, region, model, path)


if __name__ == "__main__":
    sys.exit(main())
