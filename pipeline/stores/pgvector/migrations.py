"""Versioned SQL files, applied in order, once, by one at a time."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import psycopg

from pipeline.embedding.vectors import Space
from pipeline.errors import SettingsError
from pipeline.stores.pgvector.connection import translated, with_defaults

FOLDER = Path(__file__).parent / "migrations"
LOCK = 0x766D656D  # "vmem": two runs at once wait for each other

MAX_PLAIN_DIMENSIONS = 1900
"""A row must fit a page of 8,160 bytes when its vector (4 bytes a dimension) stays in line."""


@dataclass(frozen=True, slots=True)
class Migration:
    """One file: its version and its SQL, to be filled in."""

    version: int
    name: str
    sql: str


def migrations(folder: Path = FOLDER) -> Sequence[Migration]:
    """Return all migrations in order."""
    found = [(re.match(r"(\d{4})_", path.name), path) for path in sorted(folder.glob("*.sql"))]
    return [Migration(int(match[1]), path.stem, path.read_text("utf-8")) for match, path in found if match]


def migrate(conninfo: str, space: Space) -> Sequence[str]:
    """Bring the schema up to date, as its owner.

    Returns:
        names of the migrations that were applied; none if the schema was up to date.

    Raises:
        SettingsError: the database holds another space, or a newer schema.
        StoreUnavailableError: the database is away.
    """
    try:
        with psycopg.connect(with_defaults(conninfo)) as connection, connection.transaction():
            connection.execute("SELECT pg_advisory_xact_lock(%s)", [LOCK])
            return _apply(connection, space)
    except psycopg.Error as error:
        raise translated(error) from None


def _apply(connection: "psycopg.Connection[tuple[object, ...]]", space: Space) -> Sequence[str]:
    connection.execute(
        "CREATE TABLE IF NOT EXISTS schema_version (version integer PRIMARY KEY, applied_at timestamptz DEFAULT now())"
    )
    applied = {version for (version,) in connection.execute("SELECT version FROM schema_version")}
    known = migrations()
    if unknown := applied - {migration.version for migration in known}:
        raise SettingsError(
            f"the database has schema version {max(map(str, unknown))}, newer than this program: update it"
        )
    due = [migration for migration in known if migration.version not in applied]
    for migration in due:
        connection.execute(_filled(migration.sql, space).encode())
        connection.execute("INSERT INTO schema_version (version) VALUES (%s)", [migration.version])
    _settle_space(connection, space)
    return [migration.name for migration in due]


def _filled(sql: str, space: Space) -> str:
    storage = "PLAIN" if space.dimensions <= MAX_PLAIN_DIMENSIONS else "EXTERNAL"
    # Template would trip over the dollar quotes of a DO block.
    return sql.replace("${dimensions}", str(int(space.dimensions))).replace("${storage}", storage)


def _settle_space(connection: "psycopg.Connection[tuple[object, ...]]", space: Space) -> None:
    connection.execute(
        "INSERT INTO index_space (model, dimensions) VALUES (%s, %s) ON CONFLICT DO NOTHING",
        [space.model, space.dimensions],
    )
    held = connection.execute("SELECT model, dimensions FROM index_space").fetchone()
    if held != (space.model, space.dimensions):
        raise SettingsError(
            f"the index holds vectors of {held}; vectors of {space.model}/{space.dimensions} cannot join them. "
            "Set EMBEDDING_MODEL and EMBEDDING_DIMENSIONS back, or migrate a new database and ingest again"
        )
