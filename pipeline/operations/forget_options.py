"""The command ``vector-memory forget`` as the command line has it; nothing heavy is imported here."""

import argparse
from typing import TYPE_CHECKING

from pipeline.operations.common_options import add_json, add_where

if TYPE_CHECKING:
    from pipeline.operations.common_options import Commands
    from pipeline.operations.outcome import Outcome


def add_command(commands: "Commands") -> None:
    """Add the command."""
    forget = commands.add_parser("forget", help="forget a user or a session, for good")
    forget.add_argument("--tenant", required=True)
    forget.add_argument("--user", help="everything of this user up to now; with --session, only that session")
    forget.add_argument("--session", help="everything of the session with this key up to now")
    add_where(forget)
    add_json(forget)
    forget.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> "Outcome":
    from pipeline.operations.forget_command import run_forget  # noqa: PLC0415  # each command loads only what it needs
    from pipeline.operations.stack_settings import container_of  # noqa: PLC0415  # the same

    container = container_of(options.stack)
    who = (options.tenant, options.user, options.session)
    return run_forget(container.forget_executor, container.backend.inventory, *who, as_json=options.json)
