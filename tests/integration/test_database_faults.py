"""Postgres as it really is: locks, deadlocks, failovers, limits; each met for real, on the real server."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from support.chunks import held, planned
from support.counting_proxy import CountingProxy
from support.words import SPACE

from pipeline.embedding.vectors import float32
from pipeline.errors import RetryableError, StoreBusyError, StoreUnavailableError
from pipeline.local.postgres import Postgres
from pipeline.stores.chunks import Chunk
from pipeline.stores.pgvector.connection import PATIENCE, Connector, Limits, connect
from pipeline.stores.pgvector.migrations import migrate
from pipeline.stores.pgvector.store import PgVectorStore

pytestmark = pytest.mark.integration
Database = Callable[..., str]
SHORT = Limits(statement_seconds=1, lock_seconds=1)
ITEM = '["sessions", "acme", "chat:1"]'
CHUNK = Chunk("00000000-0000-0000-0000-000000000001", "mika", "tea", ("m",), "f", None, {"key": "chat:1"})
CHANGE = planned(ITEM, upserts=[(CHUNK, float32([1.0] + [0.0] * 15))])
PID = "SELECT pg_backend_pid()"


def as_tenant(connector: Connector, statement: str, tenant: str = "acme") -> list[tuple[object, ...]]:
    with connector.tenant(tenant) as connection:
        return connection.execute(statement.encode()).fetchall()


@pytest.fixture
def ingest(database: Database) -> Iterator[Connector]:
    conninfo = database("memory_ingest")
    connector = Connector(lambda: conninfo, SHORT)
    yield connector
    connector.close()


@pytest.mark.parametrize("level", ["read committed", "repeatable read", "serializable"])
def test_each_transaction_is_read_committed_whatever_the_database_says(
    database: Database, level: str
) -> None:
    conninfo = database("memory_ingest")
    with psycopg.connect(database(), autocommit=True) as owner:
        name = conninfo_to_dict(conninfo)["dbname"]
        owner.execute(f"ALTER DATABASE {name} SET default_transaction_isolation = '{level}'")
    connector = Connector(lambda: conninfo)
    shown = "SELECT current_setting('transaction_isolation')"
    assert as_tenant(connector, shown) == [("read committed",)]
    assert connector.ask("acme", shown, {}) == [("read committed",)]
    assert connector.read(lambda connection: connection.execute(shown).fetchall()) == [("read committed",)]
    with connector.connection() as connection:
        assert connection.execute("SHOW default_transaction_isolation").fetchone() == (level,)


@pytest.mark.parametrize("level", ["repeatable read", "serializable"])
def test_two_migrations_at_once_apply_each_file_once_whatever_the_database_says(
    postgres: Postgres, level: str
) -> None:
    name = f"migrating_{level.replace(' ', '_')}"
    with psycopg.connect(postgres.conninfo(), autocommit=True) as owner:
        owner.execute(f"CREATE DATABASE {name} TEMPLATE template0")
        owner.execute(f"ALTER DATABASE {name} SET default_transaction_isolation = '{level}'")
    conninfo = make_conninfo(postgres.conninfo(), dbname=name)
    with ThreadPoolExecutor(4) as pool:
        applied = [one for names in pool.map(lambda _: migrate(conninfo, SPACE), range(4)) for one in names]
    assert applied
    assert len(applied) == len(set(applied))


def test_limits_hold_in_every_transaction_and_end_with_it(ingest: Connector) -> None:
    shown = "SELECT current_setting('statement_timeout'), current_setting('lock_timeout')"
    assert as_tenant(ingest, shown) == [("1s", "1s")]
    assert ingest.ask("acme", shown, {}) == [("1s", "1s")]
    assert ingest.read(lambda connection: connection.execute(shown).fetchall()) == [("1s", "1s")]
    with ingest.connection() as connection:
        assert connection.execute(shown).fetchall() == [("0", "0")]


def test_an_operators_reads_have_no_limit(database: Database) -> None:
    conninfo = database("memory_operations")
    connector = Connector(lambda: conninfo, Limits(None))
    shown = "SELECT current_setting('statement_timeout')"
    assert connector.read(lambda connection: connection.execute(shown).fetchall()) == [("0",)]


def test_a_vanished_peer_is_noticed_by_the_kernel(database: Database) -> None:
    with connect(make_conninfo(database(), keepalives_idle="99")) as connection:
        given = connection.info.get_parameters()
    assert given["keepalives_idle"] == "99"  # what the connection string says goes first
    assert {name: given[name] for name in ("tcp_user_timeout", "keepalives_count")} == {
        name: str(PATIENCE[name]) for name in ("tcp_user_timeout", "keepalives_count")
    }


def test_a_statement_that_takes_too_long_is_its_tenants_alone_and_costs_no_connection(
    ingest: Connector,
) -> None:
    before = as_tenant(ingest, PID)
    for slow in (
        lambda: as_tenant(ingest, "SELECT pg_sleep(30)"),
        lambda: ingest.ask("acme", "SELECT pg_sleep(30)", {}),
    ):
        with pytest.raises(StoreBusyError, match="57014: the statement took too long"):
            slow()
    assert as_tenant(ingest, PID) == before


def test_a_lock_that_is_not_free_is_not_waited_for_long(database: Database) -> None:
    conninfo = database("memory_ingest")
    store = PgVectorStore(Connector(lambda: conninfo, Limits(20, 1)), SPACE)
    store.apply("acme", [CHANGE])
    with psycopg.connect(database()) as holder:
        holder.execute("LOCK TABLE memories IN SHARE MODE")  # as CREATE INDEX does
        for tenant in ("acme", "zenith"):
            with pytest.raises(StoreBusyError, match="55P03: a lock was not free"):
                store.apply(tenant, [planned(ITEM, held(store, ITEM, tenant), upserts=CHANGE.upserts)])
        holder.rollback()
    assert not store.apply("zenith", [CHANGE])


def test_a_tenant_whose_rows_are_locked_holds_up_nobody_else(database: Database, ingest: Connector) -> None:
    store = PgVectorStore(ingest, SPACE)
    for tenant in ("alpha", "bravo"):
        store.apply(tenant, [CHANGE])
    with psycopg.connect(database()) as holder:
        holder.execute("SELECT FROM tenant_epoch WHERE tenant_id = 'alpha' FOR UPDATE")
        change = [planned(ITEM, held(store, ITEM, "alpha"))]
        with pytest.raises(StoreBusyError):
            store.apply("alpha", change)
        assert not store.apply("bravo", [planned(ITEM, held(store, ITEM, "bravo"))])
        holder.rollback()
    assert not store.apply("alpha", change)


def test_of_two_that_deadlock_one_goes_on_and_the_other_is_told_to_come_again(database: Database) -> None:
    with psycopg.connect(database(), autocommit=True) as owner:
        owner.execute("CREATE TABLE pair (id int PRIMARY KEY, x int DEFAULT 0)")
        owner.execute("INSERT INTO pair VALUES (1), (2)")
        owner.execute("GRANT SELECT, UPDATE ON pair TO memory_ingest")
    conninfo, meet = database("memory_ingest"), threading.Barrier(2)

    def update(order: tuple[int, int]) -> str:
        connector = Connector(lambda: conninfo, Limits(20, 20))
        try:
            with connector.tenant("acme") as connection:
                connection.execute(
                    "UPDATE pair SET x = x + 1 WHERE id = %s RETURNING x", [order[0]]
                ).fetchall()
                meet.wait(30)
                connection.execute(
                    "UPDATE pair SET x = x + 1 WHERE id = %s RETURNING x", [order[1]]
                ).fetchall()
        except StoreBusyError as error:
            return str(error)
        return "done"

    with ThreadPoolExecutor(2) as pool:
        ended = sorted(pool.map(update, [(1, 2), (2, 1)]))
    assert ended[1] == "done"
    assert "40P01: it waited for another transaction" in ended[0]


def test_a_replica_or_a_failover_is_the_servers_fault_and_names_the_writers_endpoint(
    database: Database,
) -> None:
    conninfo = make_conninfo(database("memory_ingest"), options="-c default_transaction_read_only=on")
    connector = Connector(lambda: conninfo)
    store = PgVectorStore(connector, SPACE)
    with pytest.raises(StoreUnavailableError, match="25006: it only reads: a failover"):
        store.apply("acme", [CHANGE])
    assert connector.kept is None  # the next one asks the endpoint anew, and may find the writer


def test_exhausted_connections_are_told_from_a_server_that_is_away(database: Database) -> None:
    conninfo = database("memory_query")
    with psycopg.connect(database(), autocommit=True) as owner:
        owner.execute(f"ALTER ROLE {conninfo_to_dict(conninfo)['user']} CONNECTION LIMIT 1")
    with (
        psycopg.connect(conninfo),
        pytest.raises(StoreUnavailableError, match="53300: it has no connection left"),
    ):
        Connector(lambda: conninfo).read(lambda connection: connection)


@pytest.mark.parametrize(
    ("state", "kind", "advice"),
    [
        ("53100", StoreUnavailableError, "its disk is full"),
        ("53200", StoreUnavailableError, "no memory left"),
        ("40001", StoreBusyError, "another transaction was first"),
        ("57P01", StoreUnavailableError, "restarted"),
    ],
)
def test_faults_that_cannot_be_caused_here_are_raised_by_the_server(
    ingest: Connector, database: Database, state: str, kind: type[RetryableError], advice: str
) -> None:
    with psycopg.connect(database(), autocommit=True) as owner:
        owner.execute(
            f"CREATE FUNCTION fails() RETURNS int LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'canary' USING ERRCODE = '{state}'; END $$"
        )
    for ask in (
        lambda: as_tenant(ingest, "SELECT fails()"),
        lambda: ingest.ask("acme", "SELECT fails()", {}),
    ):
        with pytest.raises(kind, match=f"{state}: .*{advice}") as caught:
            ask()
        assert "canary" not in str(caught.value)


def test_a_server_that_falls_silent_is_given_up_and_a_new_connection_is_tried(database: Database) -> None:
    server = conninfo_to_dict(database("memory_query"))
    proxy = CountingProxy(int(str(server["port"])))
    address = make_conninfo("", **{**server, "port": proxy.port, "connect_timeout": "2"})
    connector = Connector(lambda: address, SHORT)
    assert connector.ask("acme", "SELECT 1", {}) == [(1,)]
    proxy.silent.set()
    with pytest.raises(StoreUnavailableError, match="did not answer in time"):
        connector.ask("acme", "SELECT 1", {})
    assert proxy.connections == 2
    proxy.silent.clear()
    assert connector.ask("acme", "SELECT 1", {}) == [(1,)]
    proxy.close()


def test_a_connection_that_was_forgotten_on_the_way_is_replaced_within_the_question(
    database: Database,
) -> None:
    server = conninfo_to_dict(database("memory_query"))
    gone, well = (CountingProxy(int(str(server["port"]))) for _ in range(2))
    ports = iter([gone.port, well.port])
    connector = Connector(lambda: make_conninfo("", **{**server, "port": next(ports)}), SHORT)
    assert connector.ask("acme", "SELECT 1", {}) == [(1,)]
    gone.silent.set()
    assert connector.ask("acme", "SELECT 1", {}) == [(1,)]
    for proxy in (gone, well):
        proxy.close()


def test_the_graph_index_is_made_beside_writes(database: Database) -> None:
    """A write that begins while the index is being made is done before the index is."""
    conninfo = database("memory_ingest")
    store = PgVectorStore(Connector(lambda: conninfo), SPACE)
    store.apply("acme", [CHANGE])
    with psycopg.connect(database()) as old:
        old.execute("SELECT count(*) FROM memories")
        old.execute(
            "LOCK TABLE memories IN ROW EXCLUSIVE MODE"
        )  # a writer that is not done: the index waits for it
        with ThreadPoolExecutor(1) as pool:
            making = pool.submit(migrate, database(), SPACE, graph=True)
            try:
                _wait_for_index(database())
                assert not store.apply("zenith", [CHANGE])
                assert not making.done()
            finally:
                old.rollback()
            assert making.result(60) == ["the graph index"]


def _wait_for_index(conninfo: str) -> None:
    """Return once CREATE INDEX CONCURRENTLY waits for older transactions."""
    query = "SELECT FROM pg_stat_activity WHERE query LIKE 'CREATE INDEX CONCURRENTLY%%' AND wait_event_type = 'Lock'"
    with psycopg.connect(conninfo, autocommit=True) as connection:
        for _ in range(600):
            if connection.execute(query).fetchone() is not None:
                return
            connection.execute("SELECT pg_sleep(0.1)")
    pytest.fail("the index was never waited for")


def test_an_index_that_was_left_half_made_is_made_anew(database: Database) -> None:
    with psycopg.connect(database(), autocommit=True) as owner:
        migrate(database(), SPACE, graph=True)
        owner.execute(
            "UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'memories_by_graph'::regclass"
        )
        assert migrate(database(), SPACE, graph=True) == ["the graph index"]
        rows = owner.execute(
            "SELECT indisvalid FROM pg_index WHERE indexrelid = 'memories_by_graph'::regclass"
        ).fetchall()
        assert rows == [(True,)]


def test_a_connection_waits_no_longer_than_it_was_told(database: Database) -> None:
    connection = connect(database())
    connection.answer_seconds = 0.2
    with pytest.raises(psycopg.OperationalError, match="timeout expired"):
        connection.execute("SELECT pg_sleep(30)")
    connection.close()
