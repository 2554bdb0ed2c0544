"""The Postgres store against a real Postgres."""

import random
import signal
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import psycopg
import pytest
from psycopg import RawCursor
from psycopg.conninfo import make_conninfo
from support.chunks import ITEM, held, planned, put
from support.words import SPACE

from pipeline.embedding.vectors import EmbeddingSpace, float32
from pipeline.errors import SettingsError, StoreUnavailableError, VectorMemoryError
from pipeline.local.postgres import Postgres
from pipeline.local.processes import new_run_folder
from pipeline.search.ranking import rank
from pipeline.settings import Strategy
from pipeline.stores.chunks import Chunk
from pipeline.stores.pgvector.connection import Connector
from pipeline.stores.pgvector.migrations import migrate, plan, require_extension
from pipeline.stores.pgvector.store import PgVectorStore
from pipeline.stores.search_requests import SearchRequest

pytestmark = pytest.mark.integration
VECTOR = float32([1.0] + [0.0] * 15)
CHUNK = Chunk(
    "00000000-0000-0000-0000-000000000001", "mika", "secret text", ("m",), "f", None, {"key": "chat:1"}
)
Database = Callable[..., str]

PROPOSED_INSERT = """INSERT INTO memories (user_id, content, embedding, created_at)
             VALUES ($1, $2, $3, NOW())"""
PROPOSED_SEARCH = """SELECT content, 1 - (embedding <=> $1) as similarity
             FROM memories
             WHERE user_id = $2
             ORDER BY embedding <=> $1
             LIMIT $3"""


def store_at(conninfo: str) -> PgVectorStore:
    return PgVectorStore(Connector(lambda: conninfo), SPACE)


def test_the_proposals_own_sql_runs_verbatim(database: Database) -> None:
    with psycopg.connect(database(), options="-c app.tenant_id=acme") as connection:
        cursor = RawCursor(connection)
        cursor.execute(PROPOSED_INSERT, ["mika", "ships on Friday", str([1.0] + [0.0] * 15)])
        cursor.execute(PROPOSED_INSERT, ["mika", "likes tea", str([0.6, 0.8] + [0.0] * 14)])
        cursor.execute(PROPOSED_SEARCH, [str([1.0] + [0.0] * 15), "mika", 5])
        assert cursor.fetchall() == [("ships on Friday", 1.0), ("likes tea", pytest.approx(0.6))]


WIDE = EmbeddingSpace("wide", 1536)
OUT_OF_LINE = """
SELECT pg_relation_size(reltoastrelid) FROM pg_class WHERE oid = 'memories'::regclass
"""


@pytest.mark.parametrize("database", [WIDE], indirect=True)
def test_a_chunks_text_stands_in_its_row_unless_it_is_long(database: Database) -> None:
    conninfo, vector = database("memory_ingest"), float32([1.0] * WIDE.dimensions)
    store, draws = PgVectorStore(Connector(lambda: conninfo), WIDE), random.Random(1)
    usual, long = (
        replace(CHUNK, text=draws.randbytes(size).hex(), members=tuple(f"{n:032}" for n in range(8)))
        for size in (350, 4_000)
    )
    for chunk, outside in ((usual, False), (long, True)):
        put(store, (chunk, vector))
        with psycopg.connect(database()) as owner:
            assert [size > 0 for (size,) in owner.execute(OUT_OF_LINE)] == [outside]
        assert store.search(SearchRequest("acme", "mika", vector)).hits[0].content == chunk.text


def test_a_row_without_a_tenant_is_refused(database: Database) -> None:
    with psycopg.connect(database()) as connection, pytest.raises(psycopg.errors.NotNullViolation):
        RawCursor(connection).execute(PROPOSED_INSERT, ["mika", "text", str([1.0] * 16)])


def test_rows_of_the_chat_app_itself_survive_ingest(database: Database) -> None:
    with psycopg.connect(database(), options="-c app.tenant_id=acme") as connection:
        RawCursor(connection).execute(PROPOSED_INSERT, ["mika", "its own", str([1.0] * 16)])
    store = store_at(database("memory_ingest"))
    put(store, (CHUNK, VECTOR))
    put(store, deletes=[CHUNK.id])
    for whole in (0, 10):
        hits = store.search(SearchRequest("acme", "mika", VECTOR, 5, ("its", "own"), whole=whole)).hits
        assert [(hit.content, hit.lexical, hit.counts) for hit in hits] == [("its own", 0.0, {})]


@pytest.mark.parametrize("strategy", ["auto", "exact", "bq"])
def test_a_row_of_the_chat_app_with_a_vector_of_no_length_is_like_nothing(
    database: Database, strategy: Strategy
) -> None:
    with psycopg.connect(database(), options="-c app.tenant_id=acme") as connection:
        for vector in ([0.0] * 16, [-1.0] + [0.0] * 15):
            RawCursor(connection).execute(PROPOSED_INSERT, ["mika", "its own", str(vector)])
    conninfo = database("memory_query")
    store = PgVectorStore(Connector(lambda: conninfo), SPACE, strategy)
    hits = store.search(SearchRequest("acme", "mika", VECTOR, 5, whole=5)).hits
    assert [hit.similarity for hit in hits] == [0.0, -1.0]
    assert [one.hit.similarity for one in rank(hits)] == [0.0, -1.0]


def test_migrating_twice_does_nothing_the_second_time(database: Database) -> None:
    assert migrate(database(), SPACE) == []


def test_a_plan_says_what_would_be_applied_and_applies_nothing(postgres: Postgres) -> None:
    with psycopg.connect(postgres.conninfo(), autocommit=True) as owner:
        owner.execute("CREATE DATABASE planned TEMPLATE template0")
    planned = make_conninfo(postgres.conninfo(), dbname="planned")
    due = plan(planned)
    assert due == ["0001_memories"]
    assert migrate(planned, SPACE) == due
    assert plan(planned) == []


def test_the_graph_index_is_made_once_and_only_when_asked_for(database: Database) -> None:
    assert migrate(database(), SPACE, graph=True) == ["the graph index"]
    assert migrate(database(), SPACE, graph=True) == []


@pytest.mark.parametrize(
    ("name", "least", "advice"),
    [
        ("no_such_extension", (0, 8), "this server has no pgvector"),
        ("vector", (99,), "a newer pgvector on the server"),
    ],
)
def test_a_missing_or_old_pgvector_says_how_to_get_it(
    database: Database, name: str, least: tuple[int, ...], advice: str
) -> None:
    with psycopg.connect(database()) as owner, pytest.raises(SettingsError, match=advice):
        require_extension(owner, name, least)


def test_a_role_that_may_not_create_the_extension_is_told_who_can(
    postgres: Postgres, database: Database
) -> None:
    with psycopg.connect(postgres.conninfo(), autocommit=True) as owner:
        owner.execute("CREATE DATABASE unprivileged TEMPLATE template0")
    with psycopg.connect(database("memory_query"), dbname="unprivileged") as nobody:
        nobody.execute("SET TRANSACTION READ WRITE")
        with pytest.raises(SettingsError, match="administrator"):
            require_extension(nobody)


def test_two_migrations_at_once_apply_each_file_once(postgres: Postgres) -> None:
    with psycopg.connect(postgres.conninfo(), autocommit=True) as owner:
        owner.execute("CREATE DATABASE racing TEMPLATE template0")
    racing = make_conninfo(postgres.conninfo(), dbname="racing")
    with ThreadPoolExecutor(4) as pool:
        applied = [name for names in pool.map(lambda _: migrate(racing, SPACE), range(4)) for name in names]
    assert applied
    assert len(applied) == len(set(applied))


def test_a_newer_schema_is_refused(database: Database) -> None:
    with psycopg.connect(database()) as owner:
        owner.execute("INSERT INTO schema_version (version) VALUES (9999)")
    with pytest.raises(SettingsError, match="newer than this program"):
        migrate(database(), SPACE)


def test_another_space_is_refused_at_migration_and_at_use(database: Database) -> None:
    other = EmbeddingSpace("another-model", 16)
    with pytest.raises(SettingsError, match="cannot join them"):
        migrate(database(), other)
    conninfo = database("memory_ingest")
    with pytest.raises(StoreUnavailableError, match="not in space"):
        held(PgVectorStore(Connector(lambda: conninfo), other))


def test_a_connection_that_died_is_replaced(database: Database) -> None:
    store = store_at(database("memory_ingest"))
    held(store)
    with psycopg.connect(database(), autocommit=True) as owner:
        owner.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND datname = current_database()"
        )
    assert held(store).revision == 0


def test_a_database_that_is_away_is_a_retryable_error_and_comes_back() -> None:
    server = Postgres(new_run_folder() / "postgres").start()
    migrate(server.conninfo(), SPACE)
    store = store_at(server.conninfo())
    held(store)
    server.stop(signal.SIGQUIT)
    with pytest.raises(StoreUnavailableError, match="check that it runs"):
        held(store)
    server.start()
    assert held(store).revision == 0
    server.stop()


def test_a_missing_schema_says_how_to_get_it(postgres: Postgres) -> None:
    with psycopg.connect(postgres.conninfo(), autocommit=True) as owner:
        owner.execute("CREATE DATABASE bare TEMPLATE template0")
    with pytest.raises(StoreUnavailableError, match="vector-memory migrate"):
        held(store_at(make_conninfo(postgres.conninfo(), dbname="bare")))


def test_a_wrong_password_says_where_to_look(postgres: Postgres) -> None:
    with pytest.raises(StoreUnavailableError):
        held(store_at(make_conninfo(postgres.conninfo(), password="wrong")))


def test_the_query_role_reads_and_cannot_write(database: Database) -> None:
    store_at(database("memory_ingest")).apply("acme", [planned(ITEM, upserts=[(CHUNK, VECTOR)])])
    query = store_at(database("memory_query"))
    assert len(query.search(SearchRequest("acme", "mika", VECTOR, 5)).hits) == 1
    with pytest.raises(StoreUnavailableError, match="lacks a privilege"):
        query.apply("acme", [planned(ITEM, expected_revision=1)])


def test_no_error_quotes_a_value(database: Database, caplog: pytest.LogCaptureFixture) -> None:
    store = store_at(database("memory_ingest"))
    wrong = Chunk("not-a-uuid secret text", "mika", "secret text", ("m",), "f", None, {})
    with pytest.raises(VectorMemoryError) as caught:
        store.apply("acme", [planned(ITEM, upserts=[(wrong, VECTOR)])])
    assert "secret text" not in str(caught.value)
    assert caught.value.__suppress_context__
    assert caplog.text == ""


def test_of_two_writers_of_one_item_one_wins(database: Database) -> None:
    conninfo = database("memory_ingest")
    stores = [store_at(conninfo) for _ in range(8)]
    change = planned(ITEM, upserts=[(CHUNK, VECTOR)])
    with ThreadPoolExecutor(8) as pool:
        outcomes = list(pool.map(lambda store: store.apply("acme", [change]), stores))
    assert outcomes.count(frozenset()) == 1
    assert outcomes.count(frozenset({ITEM})) == 7


def test_writers_of_the_same_items_in_other_orders_do_not_deadlock(database: Database) -> None:
    conninfo = database("memory_ingest")
    items = [f'["sessions", "acme", "chat:{number}"]' for number in range(20)]

    def write(order: list[str]) -> None:
        store = store_at(conninfo)
        for _ in range(10):
            states = store.read("acme", dict.fromkeys(order, frozenset[str]()))
            store.apply("acme", [planned(item, states[item]) for item in order])

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(write, [items, items[::-1]]))


def test_vectors_stay_in_line(database: Database) -> None:
    query = (
        "SELECT attstorage FROM pg_attribute WHERE attrelid = 'memories'::regclass AND attname = 'embedding'"
    )
    with psycopg.connect(database()) as owner:
        assert owner.execute(query).fetchone() == (b"p",) or owner.execute(query).fetchone() == ("p",)
