"""The options of ``vector-memory status``; nothing heavy is imported here."""

import argparse
from typing import TYPE_CHECKING

from pipeline.operations.common_options import add_json, add_where

if TYPE_CHECKING:
    from pipeline.operations.common_options import Commands
    from pipeline.operations.outcome import Outcome


def add_command(commands: "Commands") -> None:
    """Add the command."""
    status = commands.add_parser("status", help="how it goes, and what to do next")
    add_arguments(status)
    status.set_defaults(run=_run)


def add_arguments(status: argparse.ArgumentParser) -> None:
    """Say which options there are."""
    add_where(status)
    status.add_argument("--minutes", type=int, default=15, help="how far back (default: %(default)s)")
    add_json(status)


def _run(options: argparse.Namespace) -> "Outcome":
    from pipeline.operations.status_command import run_status  # noqa: PLC0415  # each command loads only what it needs

    return run_status(options)
