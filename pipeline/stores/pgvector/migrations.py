"""Versioned SQL files, applied in order, once, by one at a time."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql

from pipeline.embedding.vectors import Space
from pipeline.errors import SettingsError
from pipeline.stores.pgvector.connection import translated, with_defaults
from pipeline.stores.pgvector.strategies import functions
from pipeline.stores.pgvector.words import RESERVED_USER_BYTES, WORD_DIMENSIONS

FOLDER = Path(__file__).parent / "migrations"
SPACE_SQL = Path(__file__).parent / "space.sql"
LOCK = 0x766D656D  # "vmem": two runs at once wait for each other

LEAST_PGVECTOR = (0, 8)
"""The first whose graph index goes on when a filter leaves too little of what it found."""
_OFFERED = "SELECT default_version, installed_version FROM pg_available_extensions WHERE name = %s"

Owner = psycopg.Connection[tuple[Any, ...]]

MAX_PLAIN_DIMENSIONS = 1800
"""A row must fit a page of 8,160 bytes when its vector (4 bytes and a bit a dimension) stays in line."""

MAX_TUPLE_TARGET = 8160
"""Bytes of a row up to which nothing of it goes out of line: the most that the storage parameter takes
(postgresql.org/docs/current/sql-createtable.html, toast_tuple_target)."""


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


def plan(conninfo: str) -> Sequence[str]:
    """Return names of the migrations that :func:`migrate` would apply; changes nothing.

    Raises:
        SettingsError: the database holds a newer schema.
        StoreUnavailableError: the database is away.
    """
    try:
        with psycopg.connect(with_defaults(conninfo)) as connection:
            [(begun,)] = connection.execute("SELECT to_regclass('schema_version') IS NOT NULL").fetchall()
            return [migration.name for migration in (_due(connection) if begun else migrations())]
    except psycopg.Error as error:
        raise translated(error) from None


def migrate(conninfo: str, space: Space, *, graph: bool = False) -> Sequence[str]:
    """Bring the schema up to date, as its owner.

    Args:
        graph: make the graph index too, for the strategy ``hnsw``; writes then take about 30 times as long.

    Returns:
        names of the migrations that were applied; none if the schema was up to date.

    Raises:
        SettingsError: the database holds another space, or a newer schema.
        StoreUnavailableError: the database is away.
    """
    try:
        with psycopg.connect(with_defaults(conninfo)) as connection, connection.transaction():
            connection.execute("SELECT pg_advisory_xact_lock(%s)", [LOCK])
            applied = _apply(connection, space)
            return [*applied, *(_make_graph(connection) if graph else ())]
    except psycopg.Error as error:
        raise translated(error) from None


def _apply(connection: Owner, space: Space) -> Sequence[str]:
    require_extension(connection)
    connection.execute(
        "CREATE TABLE IF NOT EXISTS schema_version (version integer PRIMARY KEY, applied_at timestamptz DEFAULT now())"
    )
    due = _due(connection)
    for migration in due:
        connection.execute(filled(migration.sql, space).encode())
        connection.execute("INSERT INTO schema_version (version) VALUES (%s)", [migration.version])
    _settle_space(connection, space)
    return [migration.name for migration in due]


def _due(connection: Owner) -> Sequence[Migration]:
    applied = {int(version) for (version,) in connection.execute("SELECT version FROM schema_version")}
    known = migrations()
    if unknown := applied - {migration.version for migration in known}:
        raise SettingsError(
            f"the database has schema version {max(unknown)}, newer than this program: update it"
        )
    return [migration for migration in known if migration.version not in applied]


def require_extension(
    connection: Owner, name: str = "vector", least: tuple[int, ...] = LEAST_PGVECTOR
) -> None:
    """Have the extension made if it is not there.

    Raises:
        SettingsError: it cannot be had, or is too old; the message says how to get it.
    """
    wanted = ".".join(map(str, least))
    offered = connection.execute(_OFFERED, [name]).fetchone()
    if offered is None:
        raise SettingsError(
            f"this server has no pgvector: install {wanted} or newer (Debian: postgresql-NN-pgvector; RDS, Aurora and "
            "Supabase have it in their newer versions)"
        )
    default, installed = offered
    if _numbers(installed or default) < least:
        how = (
            f"ALTER EXTENSION {name} UPDATE"
            if _numbers(default) >= least
            else "a newer pgvector on the server"
        )
        raise SettingsError(f"pgvector is {installed or default}, and {wanted} or newer is needed: {how}")
    if installed is None:
        _create_extension(connection, name)


def _create_extension(connection: Owner, name: str) -> None:
    try:
        connection.execute(sql.SQL("CREATE EXTENSION {}").format(sql.Identifier(name)))
    except psycopg.errors.InsufficientPrivilege:
        raise SettingsError(
            f"this role may not create extensions: have an administrator run CREATE EXTENSION {name}"
        ) from None


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(number) for number in re.findall(r"\d+", version))


def _make_graph(connection: Owner) -> Sequence[str]:
    if connection.execute("SELECT to_regclass('memories_by_graph')").fetchone() != (None,):
        return []
    connection.execute("CREATE INDEX memories_by_graph ON memories USING hnsw (embedding vector_cosine_ops)")
    return ["the graph index"]


def filled(text: str, space: Space) -> str:
    """Return SQL with what depends on the space."""
    storage = "PLAIN" if space.dimensions <= MAX_PLAIN_DIMENSIONS else "EXTERNAL"
    # Template would trip over the dollar quotes of a DO block.
    for name, value in (
        ("space", SPACE_SQL.read_text("utf-8")),
        ("search_functions", functions()),
        ("dimensions", str(int(space.dimensions))),
        ("word_dimensions", str(WORD_DIMENSIONS)),
        ("storage", storage),
        ("tuple_target", str(MAX_TUPLE_TARGET)),
        ("reserved_user_bytes", str(RESERVED_USER_BYTES)),
    ):
        text = text.replace(f"${{{name}}}", value)
    return text


def _settle_space(connection: Owner, space: Space) -> None:
    """Note the first space; later ones come by :mod:`pipeline.stores.pgvector.switching`."""
    connection.execute(
        "INSERT INTO index_space (model, dimensions) SELECT %s, %s WHERE NOT EXISTS (SELECT FROM index_space)",
        [space.model, space.dimensions],
    )
    held = connection.execute("SELECT model, dimensions FROM index_space ORDER BY state DESC").fetchall()
    if (space.model, space.dimensions) not in held:
        raise SettingsError(
            f"the index holds vectors of {held[0]}; vectors of {space.model}/{space.dimensions} cannot join them. "
            "Set EMBEDDING_MODEL and EMBEDDING_DIMENSIONS back; `vector-memory reembed` goes over to another space"
        )
