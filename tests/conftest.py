"""What every kind of test may need."""

from collections.abc import Callable, Iterator
from functools import cache
from itertools import count
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import make_conninfo
from support.real_opensearch import url
from support.tiers import is_long
from support.words import SPACE, WordEmbedder

from pipeline.embedding.vectors import EmbeddingSpace
from pipeline.local.aws import LocalAws
from pipeline.local.postgres import Postgres
from pipeline.local.processes import new_run_folder
from pipeline.stores.pgvector.migrations import migrate

if TYPE_CHECKING:
    from support.deployed_stack import DeployedStack

    from pipeline.local.stack import Stack


@pytest.hookimpl(tryfirst=True)  # before pytest looks at the markers
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if is_long(item.nodeid):
            item.add_marker(pytest.mark.long)


def pytest_make_parametrize_id(val: object, argname: str) -> str | None:
    """Name bytes by their argument: they may be others in the next process (an archive holds the time), and say nothing."""
    return argname if isinstance(val, bytes) else None


@pytest.hookimpl(optionalhook=True)  # pytest-xdist's
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    from support.side_by_side import Scheduling  # noqa: PLC0415  # only where there are two processes

    return Scheduling(config, log)


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
def local_aws() -> Iterator[LocalAws]:
    """A local AWS with nothing deployed to it; whoever makes tables there names them anew."""
    aws = LocalAws(new_run_folder()).start()
    yield aws
    aws.stop()


@pytest.fixture(scope="session")
def opensearch_url() -> Iterator[str]:
    yield from url()


@pytest.fixture(scope="session")
def _numbers() -> Iterator[int]:
    return count(1)


@pytest.fixture(scope="session")
def _template_of(postgres: Postgres, _numbers: Iterator[int]) -> Callable[[EmbeddingSpace], str]:
    """Name a database that holds what ``migrate`` makes for a space: made once, copied for each test."""

    @cache
    def template(space: EmbeddingSpace) -> str:
        name = f"template_{next(_numbers)}"
        _create(postgres, name, "template0")
        migrate(make_conninfo(postgres.conninfo(), dbname=name), space)
        return name

    return template


def _create(postgres: Postgres, name: str, template: str) -> None:
    made = sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(sql.Identifier(name), sql.Identifier(template))
    with psycopg.connect(postgres.conninfo(), autocommit=True) as owner:
        owner.execute(made)


@pytest.fixture
def database(
    postgres: Postgres,
    _template_of: Callable[[EmbeddingSpace], str],
    _numbers: Iterator[int],
    request: pytest.FixtureRequest,
) -> Iterator[Callable[..., str]]:
    """Give a migrated database of one's own; call it with a role's name to connect as a member of that role.

    An indirect parameter is its space.
    """
    name = f"test_{next(_numbers)}"
    _create(postgres, name, _template_of(getattr(request, "param", SPACE)))
    own = make_conninfo(postgres.conninfo(), dbname=name)

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


@pytest.fixture(scope="session")
def stack() -> "Iterator[Stack]":
    from pipeline.local.stack import Stack  # noqa: PLC0415  # a quarter of what any test would need to start

    with Stack() as running:
        yield running


@pytest.fixture
def deployed(stack: "Stack") -> "DeployedStack":
    from support.deployed_stack import DeployedStack  # noqa: PLC0415  # the same

    return DeployedStack(stack, f"tenant-{uuid4().hex[:8]}")
