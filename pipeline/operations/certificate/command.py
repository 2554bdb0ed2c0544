"""The options of ``vector-memory certificate``; nothing heavy is imported here."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.operations.registry import Command
from pipeline.operations.terminal.options import LONGEST_SECONDS, add_tables, add_where, amount

if TYPE_CHECKING:
    from pipeline.operations.terminal.outcome import Outcome


def _add_options(certificate: argparse.ArgumentParser) -> None:
    actions = certificate.add_subparsers(required=True, dest="action", metavar="action")
    key = actions.add_parser("key", help="make the key that signs certificates; print its public half")
    key.add_argument("--out", type=Path, required=True, metavar="FILE", help="where the private key goes")
    issue = actions.add_parser(
        "issue", help="look for remains of what was forgotten; sign that there are none"
    )
    issue.add_argument("--tenant", required=True)
    issue.add_argument("--request", required=True, metavar="ID", help="of the request to forget")
    issue.add_argument("--key", type=Path, required=True, metavar="FILE", help="the private key, PEM")
    issue.add_argument("--issuer", default="vector-memory", metavar="NAME", help="who says it (%(default)s)")
    issue.add_argument("--out", type=Path, metavar="FILE", help="default: standard output")
    add_where(issue)
    add_tables(issue)
    issue.add_argument(
        "--wait",
        type=amount(LONGEST_SECONDS),
        default=60.0,
        metavar="SECONDS",
        help="look again so long while something is left: notices may be on their way (%(default)s)",
    )
    verify = actions.add_parser("verify", help="check a certificate, offline, and print what it says")
    verify.add_argument("file", type=Path)
    verify.add_argument("--public-key", type=Path, required=True, metavar="FILE", help="its issuer's, PEM")


def _run(options: argparse.Namespace) -> "Outcome":
    from pipeline.operations.certificate import run as certificate_command  # noqa: PLC0415  # each command loads only what it needs

    actions = {
        "key": certificate_command.make_key,
        "issue": certificate_command.issue,
        "verify": certificate_command.verify,
    }
    return actions[options.action](options)


COMMAND = Command("certificate", "a signed statement that what was forgotten is gone", _add_options, _run)
