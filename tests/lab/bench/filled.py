"""A database of many tenants, all users with as many rows, and what wears it."""

import time
from collections.abc import Callable
from dataclasses import dataclass

from lab.bench.data import World
from lab.bench.database import Database
from pipeline.lexical.terms import terms
from pipeline.search.memory_search import AROUND, CANDIDATES, WHOLE
from pipeline.stores.search_requests import SearchRequest

ROWS_A_USER, USERS_A_TENANT = 100, 100
TABLES = ("memories", "memory_words")
FORGOTTEN, REWRITTEN = 50, 33
"""One user of so many is forgotten, and all rows of one of so many are written once more: 2 and 3%."""


@dataclass(frozen=True, slots=True)
class Filled:
    """A database with so many rows, a hundred a user, a hundred users a tenant.

    Args:
        step: one user of so many asks questions, or did lately.
    """

    database: Database
    rows: int
    step: int = 1

    @property
    def users(self) -> int:
        """How many users there are."""
        return self.rows // ROWS_A_USER

    @property
    def asking(self) -> range:
        """Numbers of the users who ask, as many of each tenant."""
        return range(0, self.users, self.step)

    def somebody(self, world: World) -> int:
        """Return the number of a user who asks."""
        return world.below(len(self.asking)) * self.step

    def stranger(self, world: World) -> int:
        """Return the number of a user who has not asked."""
        return self.somebody(world) + 1 + world.below(self.step - 1)


def request_of(world: World, number: int) -> SearchRequest:
    """Return what the query function asks the store for the user of a number."""
    user = f"user-{number}"
    asked, vector = terms(world.text(8)), world.friendly(user)
    return SearchRequest(tenant_of(user), user, vector, CANDIDATES, asked, around=AROUND, whole=WHOLE)


def tenant_of(user: str) -> str:
    """Return whose user it is."""
    return f"tenant-{int(user.removeprefix('user-')) // USERS_A_TENANT}"


def wear(database: Database, schema: str = "public") -> None:
    """Forget users, and write the rows of others once more."""
    number = "substr(user_id, 6)::int4"
    database.execute(f"DELETE FROM {schema}.memories WHERE {number} % {FORGOTTEN} = 0")  # constants
    database.execute(
        f"UPDATE {schema}.memories SET fingerprint = fingerprint WHERE {number} % {REWRITTEN} = 1"  # the same
    )
    database.execute("CHECKPOINT")


def seconds_of(work: Callable[[], object]) -> float:
    """Return how long ``work`` takes."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began
