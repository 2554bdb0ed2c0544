"""The options of ``vector-memory usage``; nothing heavy is imported here."""

import argparse
from typing import TYPE_CHECKING

from pipeline.operations.common_options import add_json, add_where

if TYPE_CHECKING:
    from pipeline.operations.common_options import Commands
    from pipeline.operations.outcome import Outcome


def add_command(commands: "Commands") -> None:
    """Add the command."""
    usage = commands.add_parser("usage", help="tokens and dollars, a tenant and day; caps")
    add_arguments(usage)
    usage.set_defaults(run=_run)


def add_arguments(usage: argparse.ArgumentParser) -> None:
    """Say which options there are."""
    add_where(usage)
    usage.add_argument("--tenant", help="only this tenant")
    usage.add_argument("--days", type=int, default=7, help="today and the days before (default: %(default)s)")
    add_json(usage, "a JSON array; of a cap, an object")
    cap = usage.add_mutually_exclusive_group()
    cap.add_argument("--cap", type=int, metavar="TOKENS", help="let the tenant have so many embedded a day")
    cap.add_argument(
        "--no-cap", action="store_true", help="take the tenant's own cap away: the setting holds"
    )


def _run(options: argparse.Namespace) -> "Outcome":
    from pipeline.operations.usage_command import run_usage  # noqa: PLC0415  # each command loads only what it needs

    return run_usage(options)
