"""Options that several commands share; nothing heavy is imported here."""

import argparse
import os

STACK = "VECTOR_MEMORY_STACK"


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
