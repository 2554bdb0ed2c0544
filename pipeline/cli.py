"""The command line: ``vector-memory <command>``."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from pipeline.errors import VectorMemoryError


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; return its exit status."""
    parser = _parser()
    options = parser.parse_args(arguments)
    try:
        return int(options.run(options))
    except VectorMemoryError as error:
        print(f"vector-memory: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="vector-memory", description="Semantic memory for chat agents on AWS."
    )
    commands = parser.add_subparsers(required=True, metavar="command")
    demo = commands.add_parser("demo", help="run the whole pipeline on this machine and ask it questions")
    demo.add_argument("--check", action="store_true", help="unattended; exit non-zero if anything is missing")
    demo.add_argument(
        "--from", dest="path", type=Path, metavar="FILE", help="JSON lines of DynamoDB items, or LoCoMo"
    )
    demo.set_defaults(run=_demo)
    migrate = commands.add_parser("migrate", help="bring the database schema up to date, as its owner")
    migrate.add_argument("--database-url", help="default: the setting DATABASE_URL or DATABASE_SECRET_ARN")
    migrate.set_defaults(run=_migrate)
    return parser


def _demo(options: argparse.Namespace) -> int:
    from pipeline.local import demo  # noqa: PLC0415  # each command loads only what it needs

    return demo.run(check=options.check, path=options.path)


def _migrate(options: argparse.Namespace) -> int:
    from pipeline import bootstrap  # noqa: PLC0415  # each command loads only what it needs
    from pipeline.embedding.vectors import Space  # noqa: PLC0415  # the same
    from pipeline.stores.pgvector.migrations import migrate  # noqa: PLC0415  # the same

    chosen = bootstrap.settings().embedding
    applied = migrate(options.database_url or bootstrap.conninfo(), Space(chosen.model, chosen.dimensions))
    print("\n".join(f"applied {name}" for name in applied) or "the schema is up to date")
    return 0


if __name__ == "__main__":
    sys.exit(main())
