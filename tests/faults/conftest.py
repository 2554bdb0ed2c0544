"""One laboratory for all: each run empties its database."""

from collections.abc import Iterator

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from lab.index import Database
from lab.laboratory import Laboratory
from lab.workers import installed
from pipeline.local.postgres import Postgres


@pytest.fixture(scope="module")  # it patches the wiring: nothing of it may outlast the module
def _laboratory(postgres: Postgres) -> Iterator[Laboratory]:
    with psycopg.connect(postgres.conninfo(), autocommit=True) as owner:
        owner.execute("DROP DATABASE IF EXISTS laboratory WITH (FORCE)")
        owner.execute("CREATE DATABASE laboratory TEMPLATE template0")
    made = Laboratory(Database(make_conninfo(postgres.conninfo(), dbname="laboratory")))
    yield made
    made.close()


@pytest.fixture
def lab(_laboratory: Laboratory) -> Iterator[Laboratory]:
    with installed():  # for this test only: others wire the functions their own way
        yield _laboratory
