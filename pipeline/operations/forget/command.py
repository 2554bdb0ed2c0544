"""The options of ``vector-memory forget``; nothing heavy is imported here."""

import argparse
from typing import TYPE_CHECKING

from pipeline.operations.registry import Command
from pipeline.operations.terminal.options import add_json, add_where

if TYPE_CHECKING:
    from pipeline.operations.terminal.outcome import Outcome


def _add_options(forget: argparse.ArgumentParser) -> None:
    forget.add_argument("--tenant", required=True)
    forget.add_argument("--user", help="everything of this user up to now; with --session, only that session")
    forget.add_argument("--session", help="everything of the session with this key up to now")
    add_where(forget)
    add_json(forget)


def _run(options: argparse.Namespace) -> "Outcome":
    from pipeline.operations.forget.run import run_forget  # noqa: PLC0415  # each command loads only what it needs
    from pipeline.operations.stack.container import container_of  # noqa: PLC0415  # the same

    container = container_of(options.stack)
    who = (options.tenant, options.user, options.session)
    return run_forget(container.forget_executor, container.backend.inventory, *who, as_json=options.json)


COMMAND = Command("forget", "forget a user or a session, for good", _add_options, _run)
