"""One tenant never sees another's rows: whoever asks, whatever is asked, even by a statement that forgot its tenant."""

import random
import re
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from uuid import UUID

import psycopg
import pytest
from psycopg import RawCursor
from psycopg.conninfo import make_conninfo
from support.chunks import FACTS, ITEM, chunks, held, key_of, messages, mid, planned, put, request, row
from support.pgbouncer import PgBouncer, require_pgbouncer
from support.words import SPACE

from pipeline.embedding.vectors import float32
from pipeline.lexical.terms import terms
from pipeline.stores.chunks import Chunk, ChunkMove
from pipeline.stores.forget_requests import ForgetRequest
from pipeline.stores.pgvector import schema_binding, write_sql
from pipeline.stores.pgvector.connection import Connector
from pipeline.stores.pgvector.inventory import Inventory
from pipeline.stores.pgvector.store import PgVectorStore
from pipeline.stores.search_requests import Filters, SearchRequest

pytestmark = pytest.mark.integration
Database = Callable[..., str]
VECTOR = float32([1.0] + [0.0] * 15)
TIME = datetime(2026, 11, 22, tzinfo=UTC)
PAIRS = 1_000
TENANTS = [
    "acme",
    "acme ",
    " acme",
    "ACME",
    "acme'",
    "acme' OR '1'='1",
    "acme\\",
    "acme%",
    "acm_",
    "acme#mika",
    "acme\N{NO-BREAK SPACE}",
    "ａｃｍｅ",
    "a",
    "*",
    "null",
    "''",
    "$1",
    "%(tenant_id)s",
    "{acme}",
    "acme,zenith",
    '"acme"',
    "\u0430cme",  # its first letter is Cyrillic
    "e\u0301",
    "\u00e9",
    "猫",
    "😀",
    "0",
    "x" * 1000,
    "x" * 1000 + "y",
    "app.tenant_id",
]
USERS = ["mika", "mika'", "*", "acme"]
FILTERS = [
    Filters(),
    Filters(kinds=frozenset({"session"})),
    Filters(roles=frozenset({"user", "x' OR true --"})),
    Filters(keys=frozenset({"chat:1"})),
    Filters(excluded_keys=frozenset({"acme", "%"})),
    Filters(since=datetime(1970, 1, 1, tzinfo=UTC), until=datetime(9999, 1, 1, tzinfo=UTC)),
]


def store_at(conninfo: str) -> PgVectorStore:
    return PgVectorStore(Connector(lambda: conninfo), SPACE)


def fill(store: PgVectorStore) -> None:
    """Give every tenant the same users, items, ids, vectors and words; only the text says whose it is."""
    for tenant in TENANTS:
        chunks = [
            Chunk(
                str(UUID(int=number)),
                user,
                f"tea of {tenant!r}",
                (mid(number),),
                "f",
                TIME,
                {"key": "chat:1", "kind": "session", "roles": ["user"]},
            )
            for number, user in enumerate(USERS)
        ]
        rows = [row(number, user_id=user) for number, user in enumerate(USERS)]
        upserts = [(chunk, VECTOR) for chunk in chunks]
        kept = [row(number + 100, "kept", name="kept", seen=tenant[:9]) for number in range(2)]
        key = key_of("chat:1", tenant[:9])
        write = planned(ITEM, upserts=upserts, messages=[*rows, *kept], key=key, name="chat:1")
        assert not store.apply(tenant, [write])


def foreign(store: PgVectorStore, draws: random.Random) -> tuple[int, int]:
    """Search for a tenant, user and filter drawn at random; return how many hits were its own, and how many not."""
    tenant, user = draws.choice(TENANTS), draws.choice([*USERS, *TENANTS])
    request = SearchRequest(tenant, user, VECTOR, 100, terms("tea of acme"), draws.choice(FILTERS))
    found = [hit.content for hit in store.search(request).hits]
    own = found.count(f"tea of {tenant!r}")
    return own, len(found) - own


def assert_isolated(conninfo: str) -> None:
    store, draws = store_at(conninfo), random.Random(4)
    drawn = [foreign(store, draws) for _ in range(PAIRS)]
    assert sum(others for _, others in drawn) == 0
    assert sum(own for own, _ in drawn) > PAIRS / 20


FORGETFUL = (
    "READ_LEDGER",
    "READ_MESSAGES",
    "READ_WAITING",
    "READ_EPOCH",
    "MARKERS",
    "NEWEST_PASSAGES",
    "FORGOTTEN",
    "ITEMS_OF_USER",
    "ITEMS_OF_SESSION",
)
FORGETFUL_PLACED = ("read_kept", "read_chunks", "texts")
READING = ["memory_search", "memory_strategy", "memory_indexed_until"]
_TENANT = re.compile(
    r"\b(?:\w+\.)?tenant_id = (?:%\(tenant_id\)b|p_tenant_id|[iawk]\.tenant_id|ANY\(%\(tenants\)b::text\[\]\))"
)


@contextmanager
def tenants_forgotten(conninfo: str, patch: pytest.MonkeyPatch) -> Iterator[None]:
    """Take the tenant out of every statement that reads, and out of the functions."""
    with psycopg.connect(conninfo) as owner:
        found = owner.execute(
            "SELECT pg_get_functiondef(oid) FROM pg_proc WHERE proname = ANY(%s)", [READING]
        ).fetchall()
        assert len(found) == len(READING)
        for (text,) in found:
            forgetful, taken = _TENANT.subn("true", text)
            assert taken
            owner.execute(forgetful.encode())
    with patch.context() as forgotten:
        for name in FORGETFUL:
            statement, taken = _TENANT.subn("true", getattr(write_sql, name))
            assert taken, name
            forgotten.setattr(write_sql, name, statement)
        writing = {
            name: _TENANT.subn("true", getattr(write_sql.WriteSql(), name)) for name in FORGETFUL_PLACED
        }
        assert all(taken for _, taken in writing.values())
        own = write_sql.WriteSql(**{name: statement for name, (statement, _) in writing.items()})
        forgotten.setattr(schema_binding, "ALONE", own)
        yield


def test_no_question_shows_a_tenant_anothers_rows(database: Database) -> None:
    fill(store_at(database("memory_ingest")))
    assert_isolated(database("memory_query"))


def test_nor_does_one_that_forgot_its_tenant(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    ingesting = database("memory_ingest")
    ingest = store_at(ingesting)
    fill(ingest)
    ids = [str(UUID(int=number)) for number in range(len(USERS))]
    forgetting = ForgetRequest("1", "zenith", TIME, "mika", None)
    ingest.mark(forgetting)
    ingest.finish(forgetting, 0)
    with tenants_forgotten(database(), monkeypatch):
        ingest = store_at(ingesting)  # which has not found its statements yet
        assert_isolated(database("memory_query"))
        assert {text.content for text in ingest.texts("acme", ITEM, ids).values()} == {"tea of 'acme'"}
        assert ingest.texts("nobody", ITEM, ids) == {}
        state = held(ingest, ITEM, "acme", "kept")
        assert (len(state.messages), state.epoch) == (len(USERS) + 2, 0)
        detail = ingest.detail("acme", {ITEM: None})[ITEM]
        assert (len(detail.kept), len(detail.chunks)) == (2, len(USERS))
        assert {kept.seen for kept in detail.kept} == {"acme"}
        for asked in ({"user_id": "mika"}, {"session_key": "chat:1"}):
            assert ingest.items_of(request(**asked)) == [key_of("chat:1", "acme")]
        assert ingest.markers("acme", {"mika"}, set()).times == {}
        assert ingest.forgotten("acme", "1") is None
        assert ingest.indexed_until("nobody", "mika", None) is None
        passages = ingest.passages("acme", "mika", Filters(), 100)
        assert {passage.content for passage in passages} == {"tea of 'acme'"}


def test_a_connection_that_served_a_tenant_shows_nothing_without_one(database: Database) -> None:
    ingest, query = Connector(lambda: ingesting), store_at(database("memory_query"))
    ingesting = database("memory_ingest")
    fill(PgVectorStore(ingest, SPACE))
    assert query.search(SearchRequest("acme", "mika", VECTOR, 5)).hits
    with query._connector.connection() as connection:
        assert connection.execute("SELECT count(*) FROM memories").fetchone() == (0,)
    with ingest.connection() as connection:
        for table in ("memories", "ledger", "message", "forget_marker", "tenant_epoch"):
            assert connection.execute(f"SELECT count(*) FROM {table}").fetchone() == (0,)
        assert connection.execute("DELETE FROM memories").rowcount == 0


def test_nobody_writes_under_another_tenant(database: Database) -> None:
    connector = Connector(lambda: conninfo)
    conninfo = database("memory_ingest")
    with connector.tenant("acme") as connection:
        connection.execute(write_sql.CREATE_EPOCH, {"tenants": ["acme"]})
    with psycopg.connect(conninfo) as connection:
        connection.execute("SELECT set_config('app.tenant_id', 'acme', true)")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute("INSERT INTO tenant_epoch (tenant_id) VALUES ('zenith')")


def test_every_table_that_names_a_tenant_is_protected_from_its_owner_too(database: Database) -> None:
    with psycopg.connect(database()) as owner:
        found = owner.execute(
            "SELECT c.relname, c.relrowsecurity AND c.relforcerowsecurity FROM pg_class c "
            "JOIN pg_attribute a ON a.attrelid = c.oid "
            "WHERE a.attname = 'tenant_id' AND c.relkind IN ('r', 'p') ORDER BY 1"
        ).fetchall()
    assert {"memories", "ledger", "message"} <= {name for name, _ in found}
    assert [name for name, protected in found if not protected] == []


def test_a_pooler_that_shares_connections_shares_no_tenant(database: Database) -> None:
    require_pgbouncer()
    fill(store_at(database("memory_ingest")))
    with PgBouncer(database("memory_query")) as pooler:
        assert_isolated(pooler.conninfo)
        served, other = store_at(pooler.conninfo), Connector(lambda: pooler.conninfo)
        assert served.search(SearchRequest("acme", "mika", VECTOR, 5)).hits
        with other.connection() as connection:  # the same server connection: there is only one
            assert connection.execute("SELECT count(*) FROM memories").fetchone() == (0,)


def test_ingest_works_through_a_pooler(database: Database) -> None:
    require_pgbouncer()
    with PgBouncer(database("memory_ingest")) as pooler:
        store = store_at(pooler.conninfo)
        fill(store)
        state = held(store)
        assert (len(state.messages), len(chunks(store))) == (len(USERS), len(USERS))
        leased = store.lease("acme", {ITEM: state.revision}, 60)
        store.release("acme", leased)
        assert store.mark(ForgetRequest("1", "acme", TIME, "mika", None)) == 0
        assert store.markers("acme", {"mika"}, set()).times


PROPOSED_INSERT = "INSERT INTO memories (user_id, content, embedding, created_at) VALUES ($1, $2, $3, NOW())"
PROPOSED_SEARCH = (
    "SELECT content, 1 - (embedding <=> $1) as similarity FROM memories "
    "WHERE user_id = $2 ORDER BY embedding <=> $1 LIMIT $3"
)


@pytest.fixture
def app(database: Database) -> Iterator[Callable[[str], "psycopg.Connection[tuple[object, ...]]"]]:
    """Connect as the chat app's own role of a tenant."""
    opened = []
    member = database("memory_app")

    def connect_as(tenant: str) -> "psycopg.Connection[tuple[object, ...]]":
        login = f"app_{len(opened)}_{random.randrange(10**9)}"
        with psycopg.connect(database(), autocommit=True) as owner:
            owner.execute(f"CREATE ROLE {login} LOGIN PASSWORD 'secret' IN ROLE memory_app")
            owner.execute(f"ALTER ROLE {login} SET app.tenant_id = '{tenant}'")
        opened.append(psycopg.connect(make_conninfo(member, user=login), autocommit=True))
        return opened[-1]

    yield connect_as
    for connection in opened:
        connection.close()


def proposed(connection: "psycopg.Connection[tuple[object, ...]]") -> list[object]:
    cursor = RawCursor(connection)
    cursor.execute(PROPOSED_SEARCH, [str(list(VECTOR)), "mika", 100])
    return [row[0] for row in cursor.fetchall()]


def test_the_proposals_sql_under_the_apps_role_sees_its_tenant_and_no_other(
    database: Database, app: Callable[[str], "psycopg.Connection[tuple[object, ...]]"]
) -> None:
    fill(store_at(database("memory_ingest")))
    acme, other = app("acme"), app("ACME")
    RawCursor(acme).execute(PROPOSED_INSERT, ["mika", "its own", str(list(VECTOR))])
    assert sorted(map(str, proposed(acme))) == ["its own", "tea of 'acme'"]
    assert proposed(other) == ["tea of 'ACME'"]


def test_the_apps_role_changes_its_own_rows_only(
    database: Database, app: Callable[[str], "psycopg.Connection[tuple[object, ...]]"]
) -> None:
    fill(store_at(database("memory_ingest")))
    acme = app("acme")
    RawCursor(acme).execute(PROPOSED_INSERT, ["mika", "its own", str(list(VECTOR))])
    assert acme.execute("UPDATE memories SET content = 'ours'").rowcount == 1
    assert acme.execute("DELETE FROM memories").rowcount == 1
    for statement in (
        "INSERT INTO memories (user_id, content, embedding, source) VALUES ('mika', 'x', %s, 'a source')",
        "INSERT INTO memories (user_id, content, embedding, tenant_id) VALUES ('mika', 'x', %s, 'zenith')",
    ):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            acme.execute(statement, [str(list(VECTOR))])
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        acme.execute("SELECT * FROM ledger")


def test_the_app_sees_no_withheld_rows_nor_their_words(
    database: Database, app: Callable[[str], "psycopg.Connection[tuple[object, ...]]"]
) -> None:
    store = store_at(database("memory_ingest"))
    fill(store)
    acme = app("acme")
    for table in ("memories", "memory_words"):
        assert acme.execute(f"SELECT count(*) FROM {table}").fetchone() == (len(USERS),)
    put(store, moves={str(UUID(int=0)): ChunkMove("", "live")})
    for table in ("memories", "memory_words"):
        assert acme.execute(f"SELECT count(*) FROM {table}").fetchone() == (len(USERS) - 1,)
    assert proposed(acme) == []


def test_only_who_says_so_sees_what_is_overdue_and_nothing_but_that(database: Database) -> None:
    ingesting, querying = database("memory_ingest"), database("memory_query")
    fill(store_at(ingesting))
    store = store_at(ingesting)
    put(store, facts=replace(FACTS, hidden_since=5.0))
    assert store.overdue(9.0, 10) == [("acme", key_of("chat:1", "acme"))]
    with psycopg.connect(ingesting, autocommit=True) as connection:
        with connection.transaction():
            asked = "SELECT tenant_id FROM memory_overdue(9, 9)"
            assert connection.execute(asked).fetchall() == [("acme",)]
            assert connection.execute("SELECT count(*) FROM ledger").fetchone() == (0,)
        seen, horizon = "SELECT tenant_id FROM ledger", "SELECT set_config('app.horizon', 'on', true)"
        assert connection.execute(seen).fetchall() == []
        with connection.transaction():
            connection.execute(horizon)
            assert connection.execute(seen).fetchall() == [("acme",)]
            assert connection.execute("SELECT count(*) FROM message").fetchone() == (0,)
            assert connection.execute("UPDATE ledger SET present = false").rowcount == 0
        assert connection.execute(seen).fetchall() == []
    with psycopg.connect(querying) as connection:
        connection.execute(horizon)
        assert connection.execute(seen).fetchall() == []
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute("SELECT * FROM memory_overdue(9, 9)")


def test_operations_see_every_tenant(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    acme = store_at(database("memory_ingest"))
    fill(acme)
    conninfo = database("memory_operations")
    inventory = Inventory(Connector(lambda: conninfo))
    assert {row.tenant_id for row in inventory.rows([ITEM])} == set(TENANTS)
    monkeypatch.setattr("pipeline.stores.pgvector.inventory.PAGE", 2)
    places = [(row.tenant_id, row.id) for row in inventory.everything()]
    assert sorted(places) == sorted((row.tenant_id, row.id) for row in inventory.rows([ITEM]))
    assert {tenant for tenant, *_ in inventory.items()} == set(TENANTS)
    told = inventory.messages([ITEM])
    assert Counter(tenant for tenant, _, _ in told) == dict.fromkeys(TENANTS, len(USERS) + 2)
    assert {(source, message) for tenant, source, message in told if tenant == "acme"} == {
        (ITEM, message) for message in messages(acme, "kept")
    }
    assert [one for tenant, *one in inventory.items() if tenant == "acme"] == [
        [ITEM, key_of("chat:1", "acme"), FACTS, None]
    ]
    inventory.remove("acme", [str(UUID(int=0))])
    assert len([row for row in inventory.rows([ITEM]) if row.tenant_id == "acme"]) == len(USERS) - 1
