"""The options of ``vector-memory reembed``; nothing heavy is imported here."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.operations.pacing.limits import MAX_WAITING, Limits
from pipeline.operations.registry import Command
from pipeline.operations.terminal.options import add_json, add_where, amount, whole

MAX_QUERIES = 100_000

if TYPE_CHECKING:
    from pipeline.operations.terminal.outcome import Outcome


def _add_options(reembed: argparse.ArgumentParser) -> None:
    actions = reembed.add_subparsers(required=True, dest="action", metavar="action")
    where, pace, gaps = (argparse.ArgumentParser(add_help=False) for _ in range(3))
    add_where(where)
    add_json(where)
    pace.add_argument(
        "--tokens-per-minute",
        type=amount(),
        default=600_000,
        help="most tokens a minute to be embedded (default: %(default)s; 0: no limit)",
    )
    pace.add_argument(
        "--max-waiting",
        type=whole(1, MAX_WAITING),
        default=Limits().waiting,
        help="wait while the queue holds this many notices (default: %(default)s)",
    )
    gaps.add_argument("--anyway", action="store_true", help="even if chunks are missing there")
    start = actions.add_parser(
        "start", parents=[where, pace], help="make the space of NEXT_EMBEDDING_… and fill it"
    )
    start.add_argument("--hnsw", action="store_true", help="with a graph index, for SEARCH_STRATEGY=hnsw")
    actions.add_parser("fill", parents=[where, pace], help="announce what is still missing there")
    actions.add_parser("status", parents=[where], help="what is missing, and what it costs")
    compare = actions.add_parser(
        "compare",
        parents=[where],
        help="ask both with stored texts, or your own questions: how alike are they?",
    )
    asked = compare.add_mutually_exclusive_group()
    asked.add_argument(
        "--queries", type=whole(1, MAX_QUERIES), default=50, metavar="N", help="default: %(default)s"
    )
    asked.add_argument(
        "--questions",
        type=Path,
        metavar="FILE",
        help='ask these instead: JSON lines of {"tenant_id", "user_id", "query"}',
    )
    actions.add_parser("switch", parents=[where, gaps], help="let the new space answer")
    actions.add_parser("rollback", parents=[where, gaps], help="let the old space answer again")
    drop = actions.add_parser("drop", parents=[where], help="drop the space that does not answer")
    drop.add_argument("--yes", action="store_true", help="really drop it")


def _run(options: argparse.Namespace) -> "Outcome":
    from pipeline.operations.reembed.run import run_reembed  # noqa: PLC0415  # each command loads only what it needs

    return run_reembed(options)


COMMAND = Command("reembed", "go over to another model or dimension, and back", _add_options, _run)
