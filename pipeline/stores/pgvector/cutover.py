"""What an operator does with spaces, as the owner of the schema: makes one as standby, switches, drops.

Each is one transaction, which first holds the register alone: what is writing finishes before, and what comes after knows.
Nobody who searches waits for it longer than a row takes to be written. A second run finds what the first one did.
"""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from psycopg import sql

from pipeline.embedding.vectors import EmbeddingSpace
from pipeline.errors import SettingsError
from pipeline.stores.pgvector.connection import Result, connect_as_owner
from pipeline.stores.pgvector.migrations import LOCK, LOCK_TIMEOUT, SPACE_SQL, filled, patiently, settle_all
from pipeline.stores.pgvector.privileges import Owner
from pipeline.stores.pgvector.spaces import SETTLE_SECONDS, Register, RegisteredSpace, read_register

_TRIGGERS = """
CREATE TRIGGER also_gone AFTER DELETE ON {here}.memories REFERENCING OLD TABLE AS gone
    FOR EACH STATEMENT EXECUTE FUNCTION {home}.also_gone({there});
CREATE TRIGGER also_inserted AFTER INSERT ON {here}.memories REFERENCING NEW TABLE AS written
    FOR EACH STATEMENT EXECUTE FUNCTION {home}.also_changed({there});
CREATE TRIGGER also_updated AFTER UPDATE ON {here}.memories REFERENCING NEW TABLE AS written
    FOR EACH STATEMENT EXECUTE FUNCTION {home}.also_changed({there})
"""
# What searches one space must not depend on where the session looks first.
_PIN = """
ALTER FUNCTION memory_strategy SET search_path FROM CURRENT;
ALTER FUNCTION memory_search SET search_path FROM CURRENT
"""
_FUNCTIONS_OF_A_SPACE = """
SELECT oid::regprocedure::text FROM pg_proc
WHERE pronamespace = quote_ident(%s)::regnamespace AND proname IN ('memory_search', 'memory_strategy', 'drop_words', 'move_words')
"""

_UNTIE = """
DROP TRIGGER also_gone ON {here}.memories;
DROP TRIGGER also_inserted ON {here}.memories;
DROP TRIGGER also_updated ON {here}.memories
"""
_NOTE = (
    "INSERT INTO index_space (schema, number, state, model, dimensions) VALUES (%s, %s, 'standby', %s, %s)"
)
_FLIP = """
UPDATE index_space SET state = CASE WHEN schema = %s THEN 'active' ELSE 'standby' END, since = clock_timestamp()
"""


def registered(conninfo: str) -> Register:
    """Return the spaces there are."""
    return _alone(conninfo, lambda _, register: register)


def make_standby(conninfo: str, space: EmbeddingSpace, *, graph: bool = False) -> RegisteredSpace:
    """Make ``space`` as standby, empty; or find it made.

    Raises:
        SettingsError: it is the active one, or another one is standby.
    """

    def make(connection: Owner, register: Register) -> RegisteredSpace:
        active, found = _active(register), register.of(space)
        if found:
            if found.active:
                raise SettingsError(
                    f"{_said(space)} is the active space: set NEXT_EMBEDDING_MODEL to another"
                )
            return found
        if register.standby:
            raise SettingsError(f"{_said(register.standby.space)} is standby already: drop it first")
        return _make(connection, active, space, graph=graph)

    return _alone(conninfo, make)


def switch(conninfo: str, *, newer: bool) -> tuple[RegisteredSpace, bool]:
    """Make the newer (or the older) of the two spaces the active one, in one transaction.

    Returns:
        the space that is active now, and whether it was so before.

    Raises:
        SettingsError: there is only one.
    """

    def flip(connection: Owner, register: Register) -> tuple[RegisteredSpace, bool]:
        if len(register.rows) < 2:  # noqa: PLR2004  # a switch is between two
            raise SettingsError("there is no space to switch to: run `vector-memory reembed start` first")
        wanted = max(register.rows, key=lambda row: row.number if newer else -row.number)
        if not wanted.active:
            connection.execute(_FLIP, [wanted.schema])
        return wanted, wanted.active

    return _alone(conninfo, flip)


def drop_standby(conninfo: str, settle_seconds: float = SETTLE_SECONDS) -> RegisteredSpace | None:
    """Drop the space that is not current, with all its vectors; ``None`` if there is none.

    Raises:
        SettingsError: it was current a moment ago, and functions may still ask it.
    """

    def drop(connection: Owner, register: Register) -> RegisteredSpace | None:
        standby = register.standby
        if standby is None:
            return None
        [(now,)] = connection.execute("SELECT clock_timestamp()").fetchall()
        if now - standby.since < timedelta(seconds=settle_seconds):
            raise SettingsError(
                f"functions may still ask it: a space is dropped no sooner than {settle_seconds:.0f} s after a switch"
            )
        _drop(connection, _active(register), standby)
        return standby

    return _alone(conninfo, drop)


def _alone(conninfo: str, work: Callable[[Owner, Register], Result]) -> Result:
    """Run ``work`` in one transaction that holds the register alone."""
    return patiently(lambda: _once(conninfo, work))


def _once(conninfo: str, work: Callable[[Owner, Register], Result]) -> Result:
    with connect_as_owner(conninfo) as connection, connection.transaction():
        connection.execute("SELECT pg_advisory_xact_lock(%s)", [LOCK])
        connection.execute("SELECT set_config('lock_timeout', %s, true)", [LOCK_TIMEOUT])
        connection.execute("LOCK TABLE index_space IN ACCESS EXCLUSIVE MODE")
        return work(connection, read_register(connection))


def _make(
    connection: Owner, active: RegisteredSpace, space: EmbeddingSpace, *, graph: bool
) -> RegisteredSpace:
    [(home, path, number)] = connection.execute(
        "SELECT current_schema(), current_setting('search_path'), nextval('space_number')"
    ).fetchall()
    schema = f"memory_{number}"
    name = sql.Identifier(schema)
    connection.execute(sql.SQL("CREATE SCHEMA {}").format(name))
    roles = "memory_ingest, memory_query, memory_app, memory_operations"
    connection.execute(sql.SQL("GRANT USAGE ON SCHEMA {} TO " + roles).format(name))
    connection.execute("SELECT set_config('search_path', %s, true)", [f"{schema}, {path}"])
    connection.execute(filled(SPACE_SQL.read_text("utf-8"), space).encode())
    connection.execute(_PIN)
    if graph:
        connection.execute(
            "CREATE INDEX memories_by_graph ON memories USING hnsw (embedding vector_cosine_ops)"
        )
    connection.execute("SELECT set_config('search_path', %s, true)", [path])
    for here, there in ((active.schema, schema), (schema, active.schema)):
        _run(connection, _TRIGGERS, here, there, home)
    connection.execute(_NOTE, [schema, number, space.model, space.dimensions])
    settle_all(connection)
    made = read_register(connection).of(space)
    if made is None:
        raise SettingsError("the space was made and cannot be read back: does the owner see index_space?")
    return made


def _drop(connection: Owner, active: RegisteredSpace, standby: RegisteredSpace) -> None:
    _run(connection, _UNTIE, active.schema, standby.schema, "")
    connection.execute("DELETE FROM index_space WHERE schema = %s", [standby.schema])
    if standby.number > 1:
        connection.execute(sql.SQL("DROP SCHEMA {} CASCADE").format(sql.Identifier(standby.schema)))
        return
    for table in ("memories", "memory_words"):  # the first space's schema holds what belongs to all as well
        connection.execute(sql.SQL("DROP TABLE {}").format(sql.Identifier(standby.schema, table)))
    for (function,) in connection.execute(_FUNCTIONS_OF_A_SPACE, [standby.schema]).fetchall():
        connection.execute(f"DROP FUNCTION {function}".encode())  # a signature as the catalogue quotes it


def _run(connection: Owner, statements: str, here: str, there: str, home: str) -> None:
    for statement in statements.split(";"):
        names: dict[str, Any] = {
            "here": sql.Identifier(here),
            "there": sql.Literal(there),
            "home": sql.Identifier(home or here),
        }
        connection.execute(sql.SQL(statement).format(**names))


def _active(register: Register) -> RegisteredSpace:
    if register.active is None:
        raise SettingsError("the database holds no space: run `vector-memory migrate` first")
    return register.active


def _said(space: EmbeddingSpace) -> str:
    return f"{space.model}/{space.dimensions}"
