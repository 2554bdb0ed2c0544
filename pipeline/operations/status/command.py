"""The options of ``vector-memory status``; nothing heavy is imported here."""

import argparse
from typing import TYPE_CHECKING

from pipeline.operations.registry import Command
from pipeline.operations.terminal.options import add_json, add_where

if TYPE_CHECKING:
    from pipeline.operations.terminal.outcome import Outcome


def _add_options(status: argparse.ArgumentParser) -> None:
    add_where(status)
    status.add_argument("--minutes", type=int, default=15, help="how far back (default: %(default)s)")
    add_json(status)


def _run(options: argparse.Namespace) -> "Outcome":
    from pipeline.operations.status.run import run_status  # noqa: PLC0415  # each command loads only what it needs

    return run_status(options)


COMMAND = Command("status", "how it goes, and what to do next", _add_options, _run)
