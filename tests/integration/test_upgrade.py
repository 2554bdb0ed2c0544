"""A database of any released version becomes one of today, with what it holds."""

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import make_conninfo
from support.chunks import axis, chunk, held, put
from support.words import SPACE

from pipeline.local.postgres import Postgres
from pipeline.packaging.release import RELEASED, SCHEMA, record
from pipeline.stores.pgvector import migrations
from pipeline.stores.pgvector.connection import Connector
from pipeline.stores.pgvector.store import PgVectorStore
from pipeline.stores.search_requests import SearchRequest

pytestmark = pytest.mark.integration
TODAY = "today"
"""The schema as it is, kept as a release keeps it: before the first release the only one, and later one more."""
VERSIONS = [*sorted(path.name for path in RELEASED.glob("*/")), TODAY]
COLUMNS = """
SELECT table_name, column_name, data_type, is_nullable, column_default FROM information_schema.columns
WHERE table_schema = 'public' ORDER BY 1, 2
"""
INDEXES = "SELECT indexdef FROM pg_indexes WHERE schemaname = 'public' ORDER BY 1"
POLICIES = "SELECT tablename, policyname, cmd, qual, with_check FROM pg_policies ORDER BY 1, 2"


@pytest.fixture
def empty(postgres: Postgres, request: pytest.FixtureRequest) -> Iterator[str]:
    name = f"upgrade_{abs(hash(request.node.nodeid)) % 10**8}"
    with psycopg.connect(postgres.conninfo(), autocommit=True) as owner:
        owner.execute(sql.SQL("CREATE DATABASE {} TEMPLATE template0").format(sql.Identifier(name)))
    yield make_conninfo(postgres.conninfo(), dbname=name)
    with psycopg.connect(postgres.conninfo(), autocommit=True) as owner:
        owner.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


def catalog(conninfo: str) -> list[list[tuple[object, ...]]]:
    with psycopg.connect(conninfo) as owner:
        return [owner.execute(query).fetchall() for query in (COLUMNS, INDEXES, POLICIES)]


def released(version: str, tmp_path: Path) -> Path:
    if version != TODAY:
        return RELEASED / version
    record(SCHEMA, tmp_path / TODAY)
    return tmp_path / TODAY


@pytest.mark.parametrize("version", VERSIONS)
def test_a_database_of_a_released_version_becomes_one_of_today(
    version: str,
    empty: str,
    database: Callable[..., str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    folder = released(version, tmp_path)
    with monkeypatch.context() as then:
        then.setattr(migrations, "migrations", partial(migrations.migrations, folder / "migrations"))
        then.setattr(migrations, "SPACE_SQL", folder / "space.sql")
        assert migrations.migrate(empty, SPACE) != []
    store = PgVectorStore(Connector(lambda: empty), SPACE, "exact")
    put(store, (chunk(1, "said before the upgrade"), axis(0)))
    revision = held(store).revision

    migrations.migrate(empty, SPACE)
    assert migrations.migrate(empty, SPACE) == []
    assert catalog(empty) == catalog(database())
    store = PgVectorStore(Connector(lambda: empty), SPACE, "exact")
    assert held(store).revision == revision
    [hit] = store.search(SearchRequest("acme", "mika", axis(0), 5)).hits
    assert hit.content == "said before the upgrade"


def test_a_database_of_a_later_version_is_left_alone(empty: str) -> None:
    migrations.migrate(empty, SPACE)
    with psycopg.connect(empty) as owner:
        owner.execute("INSERT INTO schema_version (version) VALUES (9999)")
    before = catalog(empty)
    with pytest.raises(migrations.SettingsError, match="newer than this program"):
        migrations.migrate(empty, SPACE)
    assert catalog(empty) == before
