"""The command line: ``vector-memory <command>``."""

import argparse
import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from pipeline.errors import NotSetError, VectorMemoryError
from pipeline.operations.registry import commands
from pipeline.operations.terminal.advised_commands import placed, where_of

if TYPE_CHECKING:
    from typing import TextIO

    from pipeline.operations.terminal.outcome import Outcome


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
        said = _explanation(error, options)
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


def _explanation(error: Exception, options: argparse.Namespace) -> str | None:
    """Return what to tell of an error; ``None`` if it is a bug."""
    if isinstance(error, NotSetError):
        return f"{error}{_way_to_set(options)}"
    if isinstance(error, VectorMemoryError):
        return str(error)
    from pipeline.operations.stack.aws_errors import explanation  # noqa: PLC0415  # boto3 takes a while to import

    return explanation(error)


def _way_to_set(options: argparse.Namespace) -> str:
    """Return which option of the command brings what is not set, if one does."""
    if getattr(options, "stack", "given"):
        return ": give --database-url" if hasattr(options, "database_url") else ""
    return ": set it, or name the deployed stack with --stack NAME"


def parser() -> argparse.ArgumentParser:
    """Return what reads a command line."""
    made = argparse.ArgumentParser(
        prog="vector-memory", description="Semantic memory for chat agents on AWS."
    )
    made.add_argument("--version", action=_Version, help="say which version this is")
    choices = made.add_subparsers(required=True, metavar="command")
    for command in commands():
        added = choices.add_parser(command.name, help=command.help)
        command.add_options(added)
        added.add_argument("--version", action=_Version, help=argparse.SUPPRESS)
        added.set_defaults(run=command.run)
    return made


class _Version(argparse.Action):
    """Says the version of the installed package, which takes a moment to look up."""

    def __init__(self, option_strings: Sequence[str], dest: str, help: str | None = None) -> None:  # noqa: A002  # argparse's
        super().__init__(option_strings, dest, nargs=0, help=help)

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        from importlib.metadata import version  # noqa: PLC0415  # see above

        _print(f"vector-memory {version('vector-memory')}", sys.stdout)
        parser.exit()


def _say(outcome: "Outcome", where: str = "") -> int:
    """Print the answer, and what else there is to know; return the exit status.

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
    from pipeline.operations.terminal.text import safe_lines  # noqa: PLC0415  # each command loads only what it needs

    print(safe_lines(text), file=stream)


if __name__ == "__main__":
    sys.exit(main())
