"""The command ``vector-memory search`` as the command line has it; nothing heavy is imported here."""

import argparse
from typing import TYPE_CHECKING

from pipeline.operations.common_options import add_json, add_where

if TYPE_CHECKING:
    from pipeline.operations.common_options import Commands
    from pipeline.operations.outcome import Outcome


def add_command(commands: "Commands") -> None:
    """Add the command."""
    search = commands.add_parser("search", help="search one user's memory")
    add_where(search)
    search.add_argument("--tenant", required=True)
    search.add_argument("--user", help="default: the tenant itself")
    search.add_argument("--top-k", type=int, default=5, metavar="N")
    search.add_argument("--explain", action="store_true", help="say how it was searched, and why")
    search.add_argument(
        "--now",
        metavar="TIME",
        help='what "yesterday" is counted from, such as 2026-11-22T10:00:00+09:00; the now of an explanation gives it again',
    )
    search.add_argument(
        "--min-confidence", type=float, metavar="LEVEL", help="0 leaves out nothing; default: as it is set"
    )
    add_json(search)
    search.add_argument("query")
    search.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> "Outcome":
    from pipeline.operations.search_command import run_search  # noqa: PLC0415  # each command loads only what it needs

    return run_search(options)
