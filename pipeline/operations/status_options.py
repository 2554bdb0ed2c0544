"""The options of ``vector-memory status``; nothing heavy is imported here."""

import argparse

from pipeline.operations.common_options import add_json, add_where


def add_arguments(status: argparse.ArgumentParser) -> None:
    """Say which options there are."""
    add_where(status)
    status.add_argument("--minutes", type=int, default=15, help="how far back (default: %(default)s)")
    add_json(status)
