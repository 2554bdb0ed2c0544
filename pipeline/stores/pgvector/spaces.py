"""Two spaces in one database: made, filled, switched between, dropped. The statements and the one row that decides.

Each space has a schema of its own. ``index_space`` says which is active. Whoever writes memories reads it in the same
transaction; whoever changes it holds it alone, so that no write is under way that knows less (:func:`fenced`). Whoever
asks may be some seconds late: the space that was current before is kept as it is until it is dropped, and a question is
always embedded in the space it is asked in.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import psycopg
from psycopg import sql

from pipeline.embedding.vectors import EmbeddingSpace
from pipeline.errors import StoreUnavailableError
from pipeline.stores.pgvector.connection import Connector

REGISTER = "SELECT schema, number, state, since, model, dimensions FROM index_space ORDER BY number"
"""What fences compare."""

PATH = "SELECT memory_look_in(%(path)b)"
"""Statements name no schema: the space's own comes first."""

PATH_OF_ACTIVE = """
SELECT memory_look_in(quote_ident(schema) || ', ' || current_setting('search_path'))
FROM index_space WHERE state = 'active'
"""

SETTLE_SECONDS = 60.0
"""How long after a switch the old space must stay: many times what a function takes to notice, and any request lasts."""

NOTICE_SECONDS = 5.0
"""How old a function's belief about which space is active may be when a question comes in."""


@dataclass(frozen=True, slots=True)
class RegisteredSpace:
    """A space, where it lies, and since when it is active or not.

    Args:
        number: counts up; the one with the higher number is the newer one.
    """

    schema: str
    number: int
    active: bool
    since: datetime
    space: EmbeddingSpace


@dataclass(frozen=True, slots=True)
class Register:
    """The spaces there are: one, or two while re-embedding."""

    rows: tuple[RegisteredSpace, ...]

    @property
    def active(self) -> RegisteredSpace | None:
        """Return the space that answers."""
        return next((row for row in self.rows if row.active), None)

    @property
    def standby(self) -> RegisteredSpace | None:
        """Return the other one."""
        return next((row for row in self.rows if not row.active), None)

    def of(self, space: EmbeddingSpace) -> RegisteredSpace | None:
        """Return where ``space`` lies."""
        return next((row for row in self.rows if row.space == space), None)

    def other(self, registered_space: RegisteredSpace) -> RegisteredSpace | None:
        """Return the one that ``registered_space`` is not."""
        return next((row for row in self.rows if row.schema != registered_space.schema), None)


def register_of(rows: Sequence[tuple[Any, ...]]) -> Register:
    """Read what :data:`REGISTER` gave."""
    return Register(
        tuple(
            RegisteredSpace(schema, number, state == "active", since, EmbeddingSpace(model, dimensions))
            for schema, number, state, since, model, dimensions in rows
        )
    )


def read_register(connection: psycopg.Connection[tuple[Any, ...]]) -> Register:
    """Read which spaces there are."""
    return register_of(connection.execute(REGISTER).fetchall())


def fenced(before: Register, rows: Sequence[tuple[Any, ...]]) -> None:
    """Refuse to go on with a transaction that began with another register than what it was planned with.

    Raises:
        StoreUnavailableError: a space was made, switched to or dropped meanwhile; the same notice succeeds next time.
    """
    if register_of(rows) != before:
        raise StoreUnavailableError(
            "the spaces changed meanwhile: this happens once a switch, and is tried again"
        )


def path(schema: str, rest: str) -> str:
    """Return a search path that looks into ``schema`` first."""
    return f"{sql.Identifier(schema).as_string(None)}, {rest}"


class SpaceWatch:
    """Tells when the spaces changed.

    Args:
        connector: hands out the connection.
        clock: epoch seconds; goes on while a function is frozen.
    """

    def __init__(self, connector: Connector, clock: Callable[[], float]) -> None:
        self._connector = connector
        self._clock = clock
        self._seen: Register | None = None
        self._seen_at = 0.0

    @property
    def register(self) -> Register:
        """The spaces as last seen.

        Raises:
            StoreUnavailableError: never seen yet, and the database is away.
        """
        if self._seen is None:
            self._look()
        return self._seen or Register(())

    def changed(self, max_age_seconds: float) -> bool:
        """Look again if the last look is older than that; tell whether anything is another way than before.

        A database that is away changes nothing: whatever asks it next says so.
        """
        before = self._seen
        if before is not None and self._clock() - self._seen_at < max_age_seconds:
            return False
        try:
            self._look()
        except StoreUnavailableError:
            return False
        return before is not None and self._seen != before

    def _look(self) -> None:
        self._seen = self._connector.read(read_register)
        self._seen_at = self._clock()
