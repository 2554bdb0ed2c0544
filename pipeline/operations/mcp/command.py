"""The options of ``vector-memory mcp``, which the client brings; nothing heavy is imported here."""

import argparse

from pipeline.errors import SettingsError
from pipeline.operations.registry import Command


def _add_options(mcp: argparse.ArgumentParser) -> None:
    try:
        from vector_memory.mcp_command import add_arguments  # noqa: PLC0415  # an extra
    except ImportError:
        mcp.add_argument("options", nargs=argparse.REMAINDER)
        return
    way = add_arguments(mcp)
    way.add_argument("--demo", action="store_true", help="the demo that runs on this machine")


def _run(options: argparse.Namespace) -> int:
    try:
        from vector_memory import errors, mcp_command  # noqa: PLC0415  # an extra
    except ImportError:
        raise SettingsError("the client is not installed: pip install 'vector-memory[agent]'") from None
    if options.demo:
        options.function = options.demo_function
    try:
        return mcp_command.run(options)
    except errors.VectorMemoryError as error:
        raise SettingsError(str(error)) from None


COMMAND = Command(
    "mcp", "serve one user's memory to an agent: MCP over standard input and output", _add_options, _run
)
