"""The options of ``vector-memory usage``; nothing heavy is imported here."""

import argparse
from typing import TYPE_CHECKING

from pipeline.operations.registry import Command
from pipeline.operations.terminal.options import add_json, add_where, whole

MAX_DAYS = 36_500
MAX_COUNT = 10**15
"""Of tokens: more than anybody pays for, and what a database holds in a bigint."""

if TYPE_CHECKING:
    from pipeline.operations.terminal.outcome import Outcome


def _add_options(usage: argparse.ArgumentParser) -> None:
    add_where(usage)
    usage.add_argument("--tenant", help="only this tenant")
    usage.add_argument(
        "--days", type=whole(1, MAX_DAYS), default=7, help="today and the days before (default: %(default)s)"
    )
    add_json(usage, "a JSON array; of a cap, an object")
    cap = usage.add_mutually_exclusive_group()
    cap.add_argument(
        "--cap", type=whole(0, MAX_COUNT), metavar="TOKENS", help="let the tenant have so many embedded a day"
    )
    cap.add_argument(
        "--no-cap", action="store_true", help="take the tenant's own cap away: the setting holds"
    )


def _run(options: argparse.Namespace) -> "Outcome":
    from pipeline.operations.usage.run import run_usage  # noqa: PLC0415  # each command loads only what it needs

    return run_usage(options)


COMMAND = Command("usage", "tokens and dollars, a tenant and day; caps", _add_options, _run)
