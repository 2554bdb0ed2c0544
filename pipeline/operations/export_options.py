"""The options of ``vector-memory export`` and ``import``; nothing heavy is imported here."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.operations.common_options import add_where

if TYPE_CHECKING:
    from pipeline.operations.common_options import Commands
    from pipeline.operations.outcome import Outcome


def add_commands(commands: "Commands") -> None:
    """Add both commands."""
    export = commands.add_parser("export", help="write down what memory holds of a tenant or a user")
    add_export(export)
    export.set_defaults(run=_run_export)
    import_ = commands.add_parser("import", help="bring exported memory into another deployment")
    add_import(import_)
    import_.set_defaults(run=_run_import)


def add_export(export: argparse.ArgumentParser) -> None:
    """Say which options an export has."""
    export.add_argument("--tenant", required=True)
    export.add_argument("--user", help="only this user's memory (default: all of the tenant's)")
    export.add_argument("--out", type=Path, metavar="FILE", help="default: standard output")
    _add_where(export)


def add_import(import_: argparse.ArgumentParser) -> None:
    """Say which options an import has."""
    import_.add_argument("file", type=Path, help="what vector-memory export wrote")
    import_.add_argument(
        "--wait",
        type=float,
        default=900.0,
        metavar="SECONDS",
        help="how long indexing may stand still before the import gives up (default: %(default)s)",
    )
    _add_where(import_)


def _add_where(parser: argparse.ArgumentParser) -> None:
    add_where(parser)
    parser.add_argument(
        "--table",
        action="append",
        default=[],
        metavar="NAME",
        help="a table of the chat app's; of an import also OLD=NEW, where several have the same keys",
    )


def _run_export(options: argparse.Namespace) -> "Outcome":
    from pipeline.operations.export_command import run_export  # noqa: PLC0415  # each command loads only what it needs

    return run_export(options)


def _run_import(options: argparse.Namespace) -> "Outcome":
    from pipeline.operations.export_command import run_import  # noqa: PLC0415  # each command loads only what it needs

    return run_import(options)
