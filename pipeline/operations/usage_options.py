"""The options of ``vector-memory usage``; nothing heavy is imported here."""

import argparse

from pipeline.operations.common_options import add_json, add_where


def add_arguments(usage: argparse.ArgumentParser) -> None:
    """Say which options there are."""
    add_where(usage)
    usage.add_argument("--tenant", help="only this tenant")
    usage.add_argument("--days", type=int, default=7, help="today and the days before (default: %(default)s)")
    add_json(usage, "a JSON array; of a cap, an object")
    cap = usage.add_mutually_exclusive_group()
    cap.add_argument("--cap", type=int, metavar="TOKENS", help="let the tenant have so many embedded a day")
    cap.add_argument(
        "--no-cap", action="store_true", help="take the tenant's own cap away: the setting holds"
    )
