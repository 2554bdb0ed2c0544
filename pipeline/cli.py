"""The command line: ``vector-memory <command>``."""

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, get_args

from pipeline.errors import SettingsError, VectorMemoryError
from pipeline.operations import (
    audit_options,
    backfill_options,
    certificate_options,
    dead_letter_options,
    export_options,
    forget_options,
    migrate_options,
    reembed_options,
    search_options,
    status_options,
    usage_options,
)
from pipeline.operations.advised import placed, where_of
from pipeline.operations.common_options import Commands, add_json
from pipeline.store_settings import StoreName

if TYPE_CHECKING:
    from typing import TextIO

    from pipeline.operations.outcome import Outcome


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; return its exit status."""
    options = parser().parse_args(arguments)
    where = ""
    try:
        _enter(options)
        where = where_of(getattr(options, "stack", None), demo=getattr(options, "demo", False))
        done = options.run(options)
        return done if isinstance(done, int) else _say(done, where)
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:  # whoever read our output has enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except Exception as error:
        said = _explanation(error)
        if said is None:
            raise
        _print(f"vector-memory: {placed(said, where)}", sys.stderr)
        return 2


def _enter(options: argparse.Namespace) -> None:
    """Work with the demo, if it is meant; else let AWS_REGION count, which boto3 does not read."""
    if getattr(options, "demo", False):
        _enter_demo(options)
    elif os.environ.get("AWS_REGION"):  # boto3 reads AWS_DEFAULT_REGION from the environment itself
        os.environ.setdefault("AWS_DEFAULT_REGION", os.environ["AWS_REGION"])


def _enter_demo(options: argparse.Namespace) -> None:
    from pipeline import bootstrap  # noqa: PLC0415  # each command loads only what it needs
    from pipeline.local import connection  # noqa: PLC0415  # the same

    told = connection.running(os.environ.get(connection.CHOICE))
    connection.sign_in(os.environ, told)  # boto3 reads AWS_* from the environment itself
    bootstrap.read_from({**os.environ, **told})
    options.stack, options.demo_function = told[connection.STACK], told[connection.FUNCTION]


def _explanation(error: Exception) -> str | None:
    """Return what to tell of an error; ``None`` if it is a bug."""
    if isinstance(error, VectorMemoryError):
        return str(error)
    from pipeline.operations.aws_errors import explanation  # noqa: PLC0415  # boto3 takes a while to import

    return explanation(error)


def parser() -> argparse.ArgumentParser:
    """Return what reads a command line."""
    made = argparse.ArgumentParser(
        prog="vector-memory", description="Semantic memory for chat agents on AWS."
    )
    made.add_argument("--version", action=_Version, help="say which version this is")
    commands = made.add_subparsers(required=True, metavar="command")
    for add in ADDED:
        add(commands)
    for name, command in commands.choices.items():
        command.add_argument("--version", action=_Version, help=argparse.SUPPRESS)
        command.set_defaults(command=name)
    return made


def _add_demo(commands: Commands) -> None:
    demo = commands.add_parser("demo", help="run the whole pipeline on this machine and ask it questions")
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
    demo.set_defaults(run=_demo)


def _demo(options: argparse.Namespace) -> "int | Outcome":
    if options.action == "env":
        from pipeline.local.connection import run_env  # noqa: PLC0415  # each command loads only what it needs
        from pipeline.operations.outcome import Outcome  # noqa: PLC0415  # the same

        return Outcome(run_env(as_json=options.json))
    from pipeline.local import demo  # noqa: PLC0415  # each command loads only what it needs

    return demo.run(check=options.check, path=options.path, store=options.store)


def _add_mcp(commands: Commands) -> None:
    mcp = commands.add_parser(
        "mcp", help="serve one user's memory to an agent: MCP over standard input and output"
    )
    try:
        from vector_memory.mcp_command import add_arguments  # noqa: PLC0415  # an extra
    except ImportError:
        mcp.add_argument("options", nargs=argparse.REMAINDER)
        mcp.set_defaults(run=_without_client)
        return
    way = add_arguments(mcp)
    way.add_argument("--demo", action="store_true", help="the demo that runs on this machine")
    mcp.set_defaults(run=_mcp)


def _mcp(options: argparse.Namespace) -> int:
    from vector_memory import errors, mcp_command  # noqa: PLC0415  # an extra

    if options.demo:
        options.function = options.demo_function
    try:
        return mcp_command.run(options)
    except errors.VectorMemoryError as error:
        raise SettingsError(str(error)) from None


def _without_client(_: argparse.Namespace) -> int:
    raise SettingsError("the client is not installed: pip install 'vector-memory[agent]'")


class _Version(argparse.Action):
    """Says the version of the installed package, which takes a moment to look up."""

    def __init__(self, option_strings: Sequence[str], dest: str, help: str | None = None) -> None:  # noqa: A002  # argparse's
        super().__init__(option_strings, dest, nargs=0, help=help)

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        from importlib.metadata import version  # noqa: PLC0415  # see above

        _print(f"vector-memory {version('vector-memory')}", sys.stdout)
        parser.exit()


def _say(outcome: "Outcome", where: str = "") -> int:
    """Print the answer, and what else there is to know beside it; return the exit status.

    Args:
        where: the option that commands take which the answer advises.
    """
    if outcome.text:
        _print(placed(outcome.text, where), sys.stdout)
    for note in outcome.notes:
        _print(f"vector-memory: {placed(note, where)}", sys.stderr)
    return outcome.status


def _print(text: str, stream: "TextIO") -> None:
    """Print; whatever a stored text holds, a terminal gets nothing from it to obey."""
    from pipeline.operations.text import safe_lines  # noqa: PLC0415  # each command loads only what it needs

    print(safe_lines(text), file=stream)


ADDED: Sequence[Callable[[Commands], None]] = (
    _add_demo,
    migrate_options.add_command,
    search_options.add_command,
    dead_letter_options.add_command,
    audit_options.add_command,
    forget_options.add_command,
    export_options.add_commands,
    certificate_options.add_command,
    backfill_options.add_command,
    usage_options.add_command,
    status_options.add_command,
    reembed_options.add_command,
    _add_mcp,
)
"""A command is one line here, in the order of the help; what it needs is imported when it runs."""


if __name__ == "__main__":
    sys.exit(main())
