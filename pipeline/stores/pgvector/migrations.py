"""Versioned SQL files, applied in order, once, by one at a time; then the functions and privileges that are always set anew."""

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg
from psycopg import sql
from tenacity import Retrying, retry_if_exception_type, stop_after_attempt, wait_fixed

from pipeline.embedding.vectors import EmbeddingSpace
from pipeline.errors import SettingsError
from pipeline.stores.pgvector.connection import Result, connect_as_owner, translated
from pipeline.stores.pgvector.graph_index import make_graph
from pipeline.stores.pgvector.privileges import (
    Owner,
    differences,
    home_and_types,
    make_roles,
    settle,
    statements,
)
from pipeline.stores.pgvector.review import review
from pipeline.stores.pgvector.sparse_terms import RESERVED_USER_BYTES, WORD_DIMENSIONS
from pipeline.stores.pgvector.strategies import functions

FOLDER = Path(__file__).parent / "migrations"
SPACE_SQL = Path(__file__).parent / "space.sql"
LOCK = 0x766D656D  # "vmem": two runs at once wait for each other

LEAST_PGVECTOR = (0, 8)
"""The first whose graph index goes on when a filter leaves too little of what it found."""
_OFFERED = "SELECT default_version, installed_version FROM pg_available_extensions WHERE name = %s"

SESSION_SQL = Path(__file__).with_name("session.sql")

LOCK_TIMEOUT = "2s"
"""Whoever waits for a lock keeps others waiting behind: give up soon, and try again."""
ATTEMPTS = 15

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
        with connect_as_owner(conninfo) as connection:
            [(begun,)] = connection.execute("SELECT to_regclass('schema_version') IS NOT NULL").fetchall()
            return [migration.name for migration in (_due(connection) if begun else migrations())]
    except psycopg.Error as error:
        raise translated(error) from None


def due_privileges(conninfo: str) -> Sequence[str]:
    """Return the statements by which :func:`migrate` would set privileges of what is there now; changes nothing.

    Raises:
        StoreUnavailableError: the database is away.
    """
    try:
        with connect_as_owner(conninfo) as connection:
            [(begun,)] = connection.execute("SELECT to_regclass('index_space') IS NOT NULL").fetchall()
            surplus, lacking = differences(connection, _other_spaces(connection)) if begun else ([], [])
            return statements("REVOKE", surplus) + statements("GRANT", lacking)
    except psycopg.Error as error:
        raise translated(error) from None


def migrate(
    conninfo: str, space: EmbeddingSpace, *, graph: bool = False, tell: Callable[[str], None] = lambda _: None
) -> Sequence[str]:
    """Bring the schema up to date, as its owner.

    Args:
        graph: make the graph index too, for the strategy ``hnsw``; writes then take about 30 times as long.
        tell: is given sentences: which grants were taken away, and what an operator should run.

    Returns:
        names of the migrations that were applied; none if the schema was up to date.

    Raises:
        SettingsError: the database holds another space, or a newer schema, or this role may not do it all.
        StoreUnavailableError: the database is away.
        StoreBusyError: tables were in use all the time.
    """
    applied, notes = patiently(lambda: _migrated(conninfo, space))
    for note in notes:
        tell(note)
    return [*applied, *(make_graph(conninfo) if graph else ())]


def patiently(work: Callable[[], Result]) -> Result:
    """Run ``work``, again while a lock it wants is taken.

    Raises:
        StoreUnavailableError, StoreBusyError: whatever else the database says.
    """
    retrying = Retrying(
        retry=retry_if_exception_type(psycopg.errors.LockNotAvailable),
        stop=stop_after_attempt(ATTEMPTS),
        wait=wait_fixed(0.2),
        reraise=True,
    )
    try:
        return retrying(work)
    except psycopg.Error as error:
        raise translated(error) from None


def _migrated(conninfo: str, space: EmbeddingSpace) -> tuple[Sequence[str], Sequence[str]]:
    with connect_as_owner(conninfo) as connection:
        with _alone(connection):
            make_roles(
                connection
            )  # they stay, whatever comes: an administrator may be asked to grant them something
        with _alone(connection):
            applied = _apply(connection, space)
            return applied, [*settle_all(connection), *review(connection)]


@contextmanager
def _alone(connection: Owner) -> Iterator[None]:
    with connection.transaction():
        connection.execute("SELECT pg_advisory_xact_lock(%s)", [LOCK])
        connection.execute("SELECT set_config('lock_timeout', %s, true)", [LOCK_TIMEOUT])
        yield


def settle_all(connection: Owner) -> list[str]:
    """Set the functions that transactions begin with, and the privileges of everything; return what was taken away."""
    connection.execute(_session_sql(home_and_types(connection)).encode())
    return settle(connection, _other_spaces(connection))


def _other_spaces(connection: Owner) -> list[str]:
    """Return the schemas of the embedding spaces that have one of their own."""
    query = "SELECT schema FROM index_space WHERE schema <> current_schema() ORDER BY number"
    return [schema for (schema,) in connection.execute(query)]


def _session_sql(schemas: Sequence[str]) -> str:
    text = SESSION_SQL.read_text("utf-8")
    listed = ", ".join(sql.Literal(schema).as_string(None) for schema in schemas)
    path = ", ".join(
        sql.Literal(sql.Identifier(schema).as_string(None)).as_string(None) for schema in schemas
    )
    return text.replace("${schemas}", f"ARRAY[{listed}]").replace("${path}", path)


def _apply(connection: Owner, space: EmbeddingSpace) -> Sequence[str]:
    require_extension(connection)
    _look_into_types(connection)
    connection.execute(
        "CREATE TABLE IF NOT EXISTS schema_version (version integer PRIMARY KEY, applied_at timestamptz DEFAULT now())"
    )
    due = _due(connection)
    for migration in due:
        connection.execute(filled(migration.sql, space).encode())
        connection.execute("INSERT INTO schema_version (version) VALUES (%s)", [migration.version])
    _settle_space(connection, space)
    return [migration.name for migration in due]


def _look_into_types(connection: Owner) -> None:
    """Let this transaction find pgvector's types and operators, wherever the extension lies."""
    for schema in home_and_types(connection)[1:]:
        connection.execute(
            "SELECT set_config('search_path', current_setting('search_path') || ', ' || quote_ident(%s), true)",
            [schema],
        )


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


def filled(text: str, space: EmbeddingSpace) -> str:
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


def _settle_space(connection: Owner, space: EmbeddingSpace) -> None:
    """Note the first space; later ones come by :mod:`pipeline.stores.pgvector.cutover`."""
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
