"""The options of ``vector-memory export``; nothing heavy is imported here."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.operations.registry import Command
from pipeline.operations.terminal.options import add_tables, add_where

if TYPE_CHECKING:
    from pipeline.operations.terminal.outcome import Outcome


def _add_options(export: argparse.ArgumentParser) -> None:
    export.add_argument("--tenant", required=True)
    export.add_argument("--user", help="only this user's memory (default: all of the tenant's)")
    export.add_argument("--out", type=Path, metavar="FILE", help="default: standard output")
    add_where(export)
    add_tables(export)


def _run(options: argparse.Namespace) -> "Outcome":
    from pipeline.operations.export.run import run_export  # noqa: PLC0415  # each command loads only what it needs

    return run_export(options)


COMMAND = Command("export", "write down what memory holds of a tenant or a user", _add_options, _run)
