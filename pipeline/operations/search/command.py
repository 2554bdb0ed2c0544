"""The options of ``vector-memory search``; nothing heavy is imported here."""

import argparse
from typing import TYPE_CHECKING

from pipeline.operations.registry import Command
from pipeline.operations.terminal.options import add_json, add_where

if TYPE_CHECKING:
    from pipeline.operations.terminal.outcome import Outcome


def _add_options(search: argparse.ArgumentParser) -> None:
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


def _run(options: argparse.Namespace) -> "Outcome":
    from pipeline.operations.search.run import run_search  # noqa: PLC0415  # each command loads only what it needs

    return run_search(options)


COMMAND = Command("search", "search one user's memory", _add_options, _run)
