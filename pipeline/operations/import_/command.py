"""The options of ``vector-memory import``; nothing heavy is imported here."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.operations.registry import Command
from pipeline.operations.terminal.options import LONGEST_SECONDS, add_tables, add_where, amount

if TYPE_CHECKING:
    from pipeline.operations.terminal.outcome import Outcome


def _add_options(import_: argparse.ArgumentParser) -> None:
    import_.add_argument("file", type=Path, help="what vector-memory export wrote")
    import_.add_argument(
        "--wait",
        type=amount(LONGEST_SECONDS),
        default=900.0,
        metavar="SECONDS",
        help="how long indexing may stand still before the import gives up (default: %(default)s)",
    )
    add_where(import_)
    add_tables(import_, "a table of the chat app's, or OLD=NEW where several have the same keys")


def _run(options: argparse.Namespace) -> "Outcome":
    from pipeline.operations.import_.run import run_import  # noqa: PLC0415  # each command loads only what it needs

    return run_import(options)


COMMAND = Command("import", "bring exported memory into another deployment", _add_options, _run)
