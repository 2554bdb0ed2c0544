"""What every kind of test may need: a Postgres of its own, and vectors that need no model."""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from itertools import count

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import make_conninfo

from pipeline.embedding.vectors import Space, Usage, Vector, float32
from pipeline.local.postgres import Postgres
from pipeline.local.processes import new_run_folder
from pipeline.stores.pgvector.migrations import migrate

SPACE = Space("test-words", 16)


class WordEmbedder:
    """Counts words into buckets: the same words give the same vector, and nothing is downloaded."""

    def __init__(self, space: Space = SPACE) -> None:
        self.space = space
        self.usage = Usage()
        self.texts: list[str] = []

    def embed(self, texts: Sequence[str]) -> Sequence[Vector]:
        self.texts += texts
        self.usage.requests += 1
        self.usage.tokens += sum(len(text.split()) for text in texts)
        return [self._vector(text) for text in texts]

    def _vector(self, text: str) -> Vector:
        values = [0.0] * self.space.dimensions
        for word in text.lower().split() or ["nothing"]:
            values[hashlib.sha256(word.encode()).digest()[0] % self.space.dimensions] += 1.0
        return float32(values)


@pytest.fixture
def embedder() -> WordEmbedder:
    return WordEmbedder()


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    server = Postgres(new_run_folder() / "postgres").start()
    migrate(server.conninfo(), SPACE)
    yield server
    server.stop()


@pytest.fixture(scope="session")
def _numbers() -> Iterator[int]:
    return count(1)


@pytest.fixture
def database(postgres: Postgres, _numbers: Iterator[int]) -> Iterator[Callable[..., str]]:
    """Give a migrated database of one's own; call it with a role's name to connect as a member of that role."""
    name = f"test_{next(_numbers)}"
    with psycopg.connect(postgres.conninfo(), autocommit=True) as owner:
        owner.execute(sql.SQL("CREATE DATABASE {} TEMPLATE template0").format(sql.Identifier(name)))
    own = make_conninfo(postgres.conninfo(), dbname=name)
    migrate(own, SPACE)

    def connect_as(role: str | None = None) -> str:
        if role is None:
            return own
        login = f"{role}_{name}"
        with psycopg.connect(own, autocommit=True) as owner:
            owner.execute(
                sql.SQL("CREATE ROLE {} LOGIN PASSWORD 'secret' IN ROLE {}").format(
                    sql.Identifier(login), sql.Identifier(role)
                )
            )
        return make_conninfo(own, user=login, password="secret")

    yield connect_as
    with psycopg.connect(postgres.conninfo(), autocommit=True) as owner:
        owner.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))
