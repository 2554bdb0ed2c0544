"""The options of ``vector-memory migrate``; nothing heavy is imported here."""

import argparse
from typing import TYPE_CHECKING

from pipeline.operations.registry import Command
from pipeline.operations.terminal.options import add_json

if TYPE_CHECKING:
    from pipeline.operations.terminal.outcome import Outcome


def _add_options(migrate: argparse.ArgumentParser) -> None:
    migrate.add_argument("--database-url", help="default: the setting DATABASE_URL or DATABASE_SECRET_ARN")
    migrate.add_argument("--dry-run", action="store_true", help="only say what would be applied")
    migrate.add_argument("--hnsw", action="store_true", help="make the graph index for SEARCH_STRATEGY=hnsw")
    add_json(migrate)


def _run(options: argparse.Namespace) -> "Outcome":
    from pipeline import bootstrap  # noqa: PLC0415  # each command loads only what it needs
    from pipeline.embedding.providers import space_of  # noqa: PLC0415  # the same
    from pipeline.operations.migrate.run import run_migrate  # noqa: PLC0415  # the same
    from pipeline.stores.pgvector.address import checked  # noqa: PLC0415  # the same
    from pipeline.stores.pgvector.login import Login  # noqa: PLC0415  # the same

    container = bootstrap.container()
    settings = container.settings
    given = options.database_url
    conninfo = checked(given, "--database-url") if given else Login(settings, container.account).conninfo()
    space = space_of(settings.embedding)
    how = {"dry_run": options.dry_run, "graph": options.hnsw, "as_json": options.json}
    return run_migrate(conninfo, space, **how)


COMMAND = Command("migrate", "bring the database schema up to date, as its owner", _add_options, _run)
