"""The options of ``vector-memory demo``; nothing heavy is imported here."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, get_args

from pipeline.operations.registry import Command
from pipeline.operations.terminal.options import add_json
from pipeline.store_settings import StoreName

if TYPE_CHECKING:
    from pipeline.operations.terminal.outcome import Outcome


def _add_options(demo: argparse.ArgumentParser) -> None:
    demo.add_argument(
        "action", nargs="?", choices=["env"], help="env: print how to reach the demo that is running"
    )
    demo.add_argument("--check", action="store_true", help="unattended; exit non-zero if anything is missing")
    demo.add_argument(
        "--from",
        dest="path",
        type=Path,
        metavar="FILE",
        help="your conversations: a scan's output, an export to S3, ChatGPT's or Claude's export, JSON, JSON lines, CSV",
    )
    demo.add_argument(
        "--store",
        choices=get_args(StoreName),
        default="pgvector",
        help="where memory is kept",
    )
    add_json(demo, "of env: one JSON object; --check says one anyway")


def _run(options: argparse.Namespace) -> "int | Outcome":
    if options.action == "env":
        from pipeline.local.connection import run_env  # noqa: PLC0415  # each command loads only what it needs
        from pipeline.operations.terminal.outcome import Outcome  # noqa: PLC0415  # the same

        return Outcome(run_env(as_json=options.json))
    from pipeline.local import demo  # noqa: PLC0415  # each command loads only what it needs

    return demo.run(check=options.check, path=options.path, store=options.store)


COMMAND = Command("demo", "run the whole pipeline on this machine and ask it questions", _add_options, _run)
