"""Options that several commands share; nothing heavy is imported here."""

import argparse
import math
import os
from collections.abc import Callable

STACK = "VECTOR_MEMORY_STACK"
LONGEST_SECONDS = 86_400.0
"""A day; no command waits longer."""


def add_where(parser: argparse.ArgumentParser) -> None:
    """Add which deployment is meant: a stack, or the demo."""
    which = parser.add_mutually_exclusive_group()
    which.add_argument(
        "--stack",
        metavar="NAME",
        default=os.environ.get(STACK),
        help=f"take tables, queues and settings from this stack (default: {STACK}, else the environment)",
    )
    which.add_argument("--demo", action="store_true", help="the demo that runs on this machine")


def add_tables(parser: argparse.ArgumentParser, what: str = "a table of the chat app's") -> None:
    """Add which tables are meant, as often as there are some."""
    parser.add_argument("--table", action="append", default=[], metavar="NAME", help=what)


def add_json(parser: argparse.ArgumentParser, what: str = "one JSON object") -> None:
    """Add the choice to answer in JSON."""
    parser.add_argument("--json", action="store_true", help=what)


def whole(least: int, most: int) -> Callable[[str], int]:
    """Return what reads a whole number from ``least`` to ``most``, for argparse."""

    def read(text: str) -> int:
        try:
            number = int(text)
        except ValueError:
            number = least - 1
        if not least <= number <= most:
            raise argparse.ArgumentTypeError(f"a whole number from {least} to {most} is expected")
        return number

    return read


def amount(most: float = math.inf) -> Callable[[str], float]:
    """Return what reads a finite number from 0 to ``most``, for argparse."""

    def read(text: str) -> float:
        try:
            number = float(text)
        except ValueError:
            number = math.nan
        if not (math.isfinite(number) and 0 <= number <= most):
            upper = f" to {most:g}" if math.isfinite(most) else ""
            raise argparse.ArgumentTypeError(f"a number from 0{upper} is expected")
        return number

    return read
