"""The options of ``vector-memory backfill``; nothing heavy is imported here."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.operations.pacing.limits import MAX_WAITING, Limits
from pipeline.operations.registry import Command
from pipeline.operations.terminal.options import add_json, add_where, amount, whole

if TYPE_CHECKING:
    from pipeline.operations.terminal.outcome import Outcome

MAX_SEGMENTS = 256
"""Each is a thread; DynamoDB itself takes up to 1,000,000."""
CHECKPOINT = "vector-memory-backfill.json"


def _add_options(backfill: argparse.ArgumentParser) -> None:
    defaults = Limits()
    add = backfill.add_argument
    add_where(backfill)
    add(
        "--table", action="append", default=[], metavar="NAME", help="a table of the chat app's, as it is now"
    )
    add(
        "--export",
        action="append",
        default=[],
        metavar="WHERE",
        help="a DynamoDB export instead, s3://… or a folder: gives the keys",
    )
    add(
        "--from",
        dest="files",
        type=Path,
        action="append",
        default=[],
        metavar="FILE",
        help="a file instead: a scan's output gives the keys of --table; conversations (ChatGPT, Claude, JSON, CSV) are saved "
        "into --table for --tenant first, where no item has their key",
    )
    add("--tenant", metavar="ID", help="whose the conversations of --from are")
    add("--user", metavar="ID", help="the same; default: the tenant itself")
    add("--dry-run", action="store_true", help="only count: items, tokens, dollars")
    add("--checkpoint", type=Path, default=Path(CHECKPOINT), metavar="FILE", help="default: %(default)s")
    add(
        "--segments",
        type=whole(1, MAX_SEGMENTS),
        default=defaults.workers,
        help="parts read at once (default: %(default)s)",
    )
    add(
        "--read-units",
        type=amount(),
        default=defaults.read_units,
        help="most read units a second, ingest's own included (default: %(default)s; 0: no limit)",
    )
    add(
        "--tokens-per-minute",
        type=amount(),
        default=600_000,
        help="most tokens a minute to be embedded (default: %(default)s; 0: no limit)",
    )
    add(
        "--max-waiting",
        type=whole(1, MAX_WAITING),
        default=defaults.waiting,
        help="wait while the queue holds this many notices, so that live changes are not held up (default: %(default)s)",
    )
    add("--legacy-model", metavar="MODEL", help="import the chat app's own vectors, which this model made")
    add_json(backfill)


def _run(options: argparse.Namespace) -> "Outcome":
    from pipeline.operations.backfill.run import run_backfill  # noqa: PLC0415  # each command loads only what it needs

    return run_backfill(options)


COMMAND = Command("backfill", "make memory of what was saved before", _add_options, _run)
