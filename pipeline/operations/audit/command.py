"""The options of ``vector-memory audit``; nothing heavy is imported here."""

import argparse
from typing import TYPE_CHECKING

from pipeline.operations.registry import Command
from pipeline.operations.terminal.options import LONGEST_SECONDS, add_json, add_tables, add_where, amount

if TYPE_CHECKING:
    from pipeline.operations.terminal.outcome import Outcome

SETTLE_SECONDS = 60.0
"""How far DynamoDB's streams may lag on AWS."""
DEMO_SETTLE_SECONDS = 5.0
"""The same on this machine."""


def _add_options(audit: argparse.ArgumentParser) -> None:
    add_where(audit)
    add_tables(audit)
    audit.add_argument("--repair", action="store_true", help="send notices that mend what is found")
    audit.add_argument(
        "--settle",
        type=amount(LONGEST_SECONDS),
        metavar="SECONDS",
        help="how far the streams may lag: what differs is looked at again so long after the queue was empty "
        f"(default: {SETTLE_SECONDS:g}; of the demo {DEMO_SETTLE_SECONDS:g})",
    )
    audit.add_argument(
        "--redact",
        action="store_true",
        help="instead: find secrets in what is stored, and have their items looked at again",
    )
    add_json(audit)


def _run(options: argparse.Namespace) -> "Outcome":
    from pipeline.operations.audit.run import run_audit, run_redaction  # noqa: PLC0415  # each command loads only what it needs

    which = (options.stack, options.table)
    if options.redact:
        return run_redaction(*which, as_json=options.json)
    usual = DEMO_SETTLE_SECONDS if options.demo else SETTLE_SECONDS
    settle = usual if options.settle is None else options.settle
    return run_audit(*which, mend=options.repair, settle_seconds=settle, as_json=options.json)


COMMAND = Command(
    "audit", "compare the tables with the index, item by item; mend what differs", _add_options, _run
)
