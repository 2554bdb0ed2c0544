"""One laboratory for all: each run empties its database."""

from collections.abc import Iterator

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from pipeline.lab.laboratory import Laboratory, laboratory
from pipeline.local.postgres import Postgres


@pytest.fixture(scope="module")  # it patches the wiring: nothing of it may outlast the module
def _laboratory(postgres: Postgres) -> Iterator[Laboratory]:
    with psycopg.connect(postgres.conninfo(), autocommit=True) as owner:
        owner.execute("DROP DATABASE IF EXISTS laboratory WITH (FORCE)")
        owner.execute("CREATE DATABASE laboratory TEMPLATE template0")
    with laboratory(make_conninfo(postgres.conninfo(), dbname="laboratory")) as made:
        yield made


@pytest.fixture
def lab(_laboratory: Laboratory) -> Laboratory:
    return _laboratory
