"""The options of ``vector-memory dlq``; nothing heavy is imported here."""

import argparse
import signal
from typing import TYPE_CHECKING

from pipeline.operations.registry import Command
from pipeline.operations.terminal.options import add_json, add_where

if TYPE_CHECKING:
    from pipeline.operations.terminal.outcome import Outcome


def _add_options(dlq: argparse.ArgumentParser) -> None:
    actions = dlq.add_subparsers(required=True, dest="action", metavar="action")
    where, dry, which = (argparse.ArgumentParser(add_help=False) for _ in range(3))
    add_where(where)
    add_json(where, "JSON: of list an array, else an object")
    dry.add_argument("--dry-run", action="store_true", help="only say what would be done")
    which.add_argument("--cause", help="only dead letters of this cause, such as malformed_item or crashed")
    which.add_argument("--tenant", help="only dead letters of this tenant")
    actions.add_parser("list", parents=[where], help="every dead letter: cause, item, age, error")
    actions.add_parser("redrive", parents=[where, which, dry], help="send notices again")
    drop = actions.add_parser("drop", parents=[where, which, dry], help="delete dead letters")
    drop.add_argument("--yes", action="store_true", help="really delete")
    actions.add_parser(
        "replay-stream", parents=[where, dry], help="announce changes that the stream function failed at"
    )


def _run(options: argparse.Namespace) -> "Outcome":
    from pipeline.operations.dlq import run as dlq  # noqa: PLC0415  # each command loads only what it needs

    signal.signal(
        signal.SIGTERM, signal.default_int_handler
    )  # what was taken out is given back, as on Ctrl-C
    how = {"as_json": options.json}
    match options.action:
        case "list":
            return dlq.list_dead_letters(options.stack, **how)
        case "redrive":
            which = (options.stack, options.cause, options.tenant)
            return dlq.redrive_dead_letters(*which, dry_run=options.dry_run, **how)
        case "drop":
            which = (options.stack, options.cause, options.tenant)
            return dlq.drop_dead_letters(*which, dry_run=options.dry_run or not options.yes, **how)
        case _:
            return dlq.replay_stream(options.stack, dry_run=options.dry_run, **how)


COMMAND = Command(
    "dlq", "what could not become memory: look at it, send it again, drop it", _add_options, _run
)
