"""The options of ``vector-memory status``; nothing heavy is imported here."""

import argparse


def add_arguments(status: argparse.ArgumentParser) -> None:
    """Say which options there are."""
    status.add_argument("--stack", metavar="NAME", required=True, help="the deployed stack")
    status.add_argument("--minutes", type=int, default=15, help="how far back (default: %(default)s)")
    status.add_argument("--json", action="store_true", help="one JSON object")
