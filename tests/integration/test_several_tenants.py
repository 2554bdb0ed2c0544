"""Several tenants in one transaction: as quick as one, as closed as one, and each one's trouble its own."""

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import date

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from support.chunks import FACTS, ITEM, UNKNOWN, axis, chunk, chunks, held, mid, planned, request, row, uid
from support.counting_proxy import CountingProxy
from support.words import SPACE

from pipeline.errors import StoreBusyError, VectorMemoryError
from pipeline.ingest.tenants import EachTenant
from pipeline.stores.index_state import IndexState, PlannedWrite
from pipeline.stores.pgvector.connection import Connector, Limits
from pipeline.stores.pgvector.store import PgVectorStore
from pipeline.stores.pgvector.usage import PgUsageLedger

pytestmark = pytest.mark.integration
Database = Callable[..., str]
TENANTS = ["zenith", "acme", "acme,zenith", '{"acme"}', "a'b", "back\\slash", "猫", 'quo"te', "NULL", " acme"]
DAY = date(2026, 11, 27)


@pytest.fixture
def store(database: Database) -> PgVectorStore:
    conninfo = database("memory_ingest")
    return PgVectorStore(Connector(lambda: conninfo, Limits(lock_seconds=1)), SPACE)


def writes_of(
    tenants: Sequence[str],
    number: int = 1,
    states: Mapping[str, IndexState] | None = None,
    text: str = "text",
) -> dict[str, list[PlannedWrite]]:
    """One chunk of the same id for each tenant; only the text says whose it is."""
    return {
        tenant: [
            planned(
                ITEM,
                (states or {}).get(tenant, UNKNOWN),
                facts=FACTS,
                upserts=[(chunk(number, f"{text} of {tenant}"), axis(number))],
                messages=[row(number)],
            )
        ]
        for tenant in tenants
    }


def states_of(store: PgVectorStore, tenants: Sequence[str]) -> dict[str, IndexState]:
    found = store.several.read({tenant: {ITEM: set()} for tenant in tenants})
    return {tenant: found[tenant][ITEM] for tenant in tenants}


def texts_of(store: PgVectorStore, tenant: str, number: int = 1) -> list[str]:
    return [text.content for text in store.texts(tenant, ITEM, [uid(number)]).values()]


@pytest.fixture
def locked(database: Database) -> Iterator[Callable[[str, str], None]]:
    """Hold a row of a tenant in somebody else's transaction for as long as the test lasts."""
    opened = []

    def lock(table: str, tenant: str) -> None:
        opened.append(psycopg.connect(database(), options=f"-c app.tenant_id={tenant}"))
        assert (
            opened[-1].execute(f"SELECT FROM {table} WHERE tenant_id = %s FOR UPDATE", [tenant]).rowcount == 1
        )

    yield lock
    for connection in opened:
        connection.close()


def test_each_tenant_gets_its_own_rows_and_no_others(store: PgVectorStore) -> None:
    assert store.several.apply(writes_of(TENANTS)) == dict.fromkeys(TENANTS, frozenset())
    details = store.several.detail({tenant: {ITEM: None} for tenant in TENANTS})
    for tenant in TENANTS:
        assert texts_of(store, tenant) == [f"text of {tenant}"]
        assert [one.id for one in details[tenant][ITEM].chunks] == [uid(1)]
        assert [one.id for one in held(store, ITEM, tenant).messages] == [mid(1)]
    assert texts_of(store, "nobody") == []


def test_a_deletion_of_one_tenant_leaves_the_others_rows(store: PgVectorStore) -> None:
    store.several.apply(writes_of(["acme", "zenith"]))
    states = states_of(store, ["acme", "zenith"])
    gone = [planned(ITEM, states["acme"], facts=FACTS, deletes=[uid(1)], purged=[mid(1)])]
    new = writes_of(["zenith"], 2, states)
    assert store.several.apply({"acme": gone, **new}) == {"acme": frozenset(), "zenith": frozenset()}
    assert chunks(store, ITEM, "acme") == {}
    assert held(store, ITEM, "acme").messages == ()
    assert texts_of(store, "zenith") == ["text of zenith"]
    assert {one.id for one in held(store, ITEM, "zenith").messages} == {mid(1), mid(2)}


def test_a_transaction_of_several_sees_those_and_nobody_else(store: PgVectorStore) -> None:
    store.several.apply(writes_of(TENANTS))
    with store._connector.tenants(TENANTS[1:4]) as connection:
        for table in ("memories", "memory_words", "message", "ledger", "tenant_epoch"):
            found = connection.execute(f"SELECT DISTINCT tenant_id FROM {table}").fetchall()
            assert {tenant for (tenant,) in found} == set(TENANTS[1:4])
    with store._connector.connection() as connection:
        assert connection.execute("SELECT count(*) FROM memories").fetchone() == (0,)


def test_it_writes_for_nobody_whom_it_does_not_name(store: PgVectorStore) -> None:
    with pytest.raises(VectorMemoryError), store._connector.tenants(["acme", "zenith"]) as connection:
        connection.execute("INSERT INTO tenant_epoch (tenant_id) VALUES ('other')")


@pytest.mark.parametrize("named", ["{}", "", "{NULL}"])
def test_naming_nobody_shows_nothing(store: PgVectorStore, named: str) -> None:
    store.several.apply(writes_of(TENANTS))
    with store._connector.connection() as connection, connection.transaction():
        connection.execute("SELECT set_config('app.tenant_ids', %s, true)", [named])
        assert connection.execute("SELECT count(*) FROM memories").fetchone() == (0,)


@pytest.mark.parametrize("role", ["memory_query", "memory_app"])
def test_only_ingest_may_name_several(store: PgVectorStore, database: Database, role: str) -> None:
    store.several.apply(writes_of(["acme", "zenith"]))
    with psycopg.connect(database(role)) as connection:
        connection.execute("SELECT set_config('app.tenant_ids', '{acme,zenith}', true)")
        assert connection.execute("SELECT count(*) FROM memories").fetchone() == (0,)
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute("SELECT memory_begin_for('{acme}', 0, 0)")


def test_a_conflict_is_its_own_tenants(store: PgVectorStore) -> None:
    store.several.apply(writes_of(["acme", "zenith"]))
    states = states_of(store, ["acme", "zenith"])
    store.apply("acme", writes_of(["acme"], 3, states)["acme"])  # another worker was first
    outcomes = EachTenant(store).apply(writes_of(["acme", "zenith"], 2, states))
    assert outcomes == {"acme": frozenset({ITEM}), "zenith": frozenset()}
    assert texts_of(store, "acme", 2) == []
    assert texts_of(store, "zenith", 2) == ["text of zenith"]


def test_a_marker_set_meanwhile_stops_its_own_tenant_only(store: PgVectorStore) -> None:
    states = states_of(store, ["acme", "zenith"])
    store.mark(request(user_id="mika"))
    outcomes = EachTenant(store).apply(writes_of(["acme", "zenith"], 1, states))
    assert outcomes == {"acme": frozenset({ITEM}), "zenith": frozenset()}
    assert texts_of(store, "acme") == []


@pytest.mark.parametrize("table", ["ledger", "tenant_epoch"])
def test_a_lock_is_its_own_tenants(
    store: PgVectorStore, locked: Callable[[str, str], None], table: str
) -> None:
    tenants = [f"tenant-{number}" for number in range(8)]
    store.several.apply(writes_of(tenants))
    states = states_of(store, tenants)
    locked(table, "tenant-3")
    outcomes = EachTenant(store).apply(writes_of(tenants, 2, states))
    assert isinstance(outcomes.pop("tenant-3"), StoreBusyError)
    assert set(outcomes.values()) == {frozenset()}
    assert [texts_of(store, tenant, 2) == [] for tenant in tenants].count(True) == 1


def test_a_row_being_made_by_somebody_else_holds_up_its_own_tenant(
    store: PgVectorStore, database: Database
) -> None:
    tenants = [f"tenant-{number}" for number in range(4)]
    with psycopg.connect(database(), options="-c app.tenant_id=tenant-2") as other:
        other.execute("INSERT INTO ledger (tenant_id, source) VALUES ('tenant-2', %s)", [ITEM])
        outcomes = EachTenant(store).apply(writes_of(tenants))
        leases = EachTenant(store).lease({tenant: {"new": 0} for tenant in tenants}, 10)
    assert isinstance(outcomes.pop("tenant-2"), StoreBusyError)
    assert set(outcomes.values()) == {frozenset()}
    assert all(not isinstance(lease, VectorMemoryError) and "new" in lease for lease in leases.values())


def test_a_text_that_is_refused_is_its_own_tenants(store: PgVectorStore) -> None:
    tenants = [f"tenant-{number}" for number in range(5)]
    writes = writes_of(tenants) | writes_of(["tenant-1"], text="nul \0")
    outcomes = EachTenant(store).apply(writes)
    assert isinstance(outcomes.pop("tenant-1"), VectorMemoryError)
    assert set(outcomes.values()) == {frozenset()}
    assert texts_of(store, "tenant-1") == []


def test_workers_at_the_same_tenants_in_any_order_do_not_deadlock(database: Database) -> None:
    conninfo, tenants = database("memory_ingest"), [f"tenant-{number}" for number in range(20)]
    barrier = threading.Barrier(4)

    def work(number: int) -> int:
        store = PgVectorStore(Connector(lambda: conninfo), SPACE)
        own = tenants[number:] + tenants[:number] if number % 2 else tenants[::-1]
        written = 0
        for turn in range(10):
            barrier.wait(30)
            states = states_of(store, own)
            outcomes = EachTenant(store).apply(writes_of(own, 100 * number + turn, states))
            errors = [one for one in outcomes.values() if isinstance(one, VectorMemoryError)]
            assert not errors, errors
            written += sum(outcome == frozenset() for outcome in outcomes.values())
        return written

    with ThreadPoolExecutor(4) as workers:
        assert sum(workers.map(work, range(4))) >= 10 * len(tenants)  # of those that began together one wins


def test_leases_are_taken_for_all_at_once(store: PgVectorStore) -> None:
    tenants = ["zenith", "acme"]
    leased = store.several.lease({tenant: {ITEM: 0} for tenant in tenants}, 60)
    assert [set(leased[tenant]) for tenant in tenants] == [{ITEM}, {ITEM}]
    assert store.several.lease(leased, 60) == {"zenith": {}, "acme": {}}
    store.release("acme", leased["acme"])
    assert store.several.lease(leased, 60) == {"zenith": {}, "acme": leased["acme"]}


def test_fifty_tenants_take_as_many_round_trips_as_one(database: Database) -> None:
    direct = database("memory_ingest")
    proxy = CountingProxy(int(conninfo_to_dict(direct)["port"] or 0))
    through = make_conninfo(direct, host="127.0.0.1", port=proxy.port)
    store = PgVectorStore(Connector(lambda: through), SPACE)
    tenants = [f"tenant-{number}" for number in range(50)]
    trips = []
    for own in (tenants[:1], tenants):
        states, before = states_of(store, own), proxy.round_trips
        written = store.several.apply(writes_of(own, len(own), states))
        assert set(written.values()) == {frozenset()}
        trips.append(proxy.round_trips - before)
    proxy.close()
    assert trips[1] <= trips[0]


def test_use_is_counted_for_all_at_once_within_each_ones_cap(database: Database) -> None:
    conninfo = database("memory_ingest")
    ledger = PgUsageLedger(Connector(lambda: conninfo), "model", 1.0, daily_cap=100)
    assert ledger.several.reserve({"zenith": 60, "acme": 100}, DAY) == {"zenith": True, "acme": True}
    assert ledger.several.reserve({"zenith": 60, "acme": 1}, DAY) == {"zenith": True, "acme": False}
    ledger.several.correct({"zenith": -60, "acme": -50}, DAY)
    assert ledger.several.reserve({"zenith": 1, "acme": 1}, DAY) == {"zenith": True, "acme": True}
    with psycopg.connect(database()) as owner:
        owner.execute("SET ROLE memory_operations")
        found = owner.execute("SELECT tenant_id, tokens FROM usage ORDER BY 1").fetchall()
    assert found == [("acme", 51), ("zenith", 61)]
