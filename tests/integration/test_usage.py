"""The usage ledger in Postgres, under the roles that use it."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import date

import psycopg
import pytest

from pipeline.stores.pgvector.connection import Connector
from pipeline.stores.pgvector.usage import PgUsageBook, PgUsageLedger

pytestmark = pytest.mark.integration
DAY = date(2026, 11, 22)


def ledger(conninfo: str, cap: int | None = None, price: float | None = 0.02) -> PgUsageLedger:
    return PgUsageLedger(Connector(lambda: conninfo), "small", price, cap)


def test_reservations_and_corrections_add_up_in_tokens_and_dollars(database: Callable[..., str]) -> None:
    own = ledger(database("memory_ingest"))
    assert own.reserve("acme", 1_000_000, DAY)
    own.correct("acme", -250_000, DAY)
    assert own.reserve("zebra", 10, DAY)
    rows = PgUsageBook(Connector(database)).report(DAY)
    assert [(row.tenant_id, row.tokens, row.dollars) for row in rows] == [
        ("acme", 750_000, 0.015),
        ("zebra", 10, 2e-7),
    ]


def test_a_cap_counts_all_models_of_the_day_and_a_tenants_own_one_comes_first(
    database: Callable[..., str],
) -> None:
    conninfo = database("memory_ingest")
    own, other = ledger(conninfo, cap=100), PgUsageLedger(Connector(lambda: conninfo), "large", 0.13, 100)
    assert own.reserve("acme", 60, DAY)
    assert other.reserve("acme", 60, DAY)
    assert not own.reserve("acme", 1, DAY)
    assert own.reserve("acme", 1, date(2026, 11, 23))
    book = PgUsageBook(Connector(database))
    book.cap("acme", 1_000)
    assert own.reserve("acme", 1, DAY)
    book.cap("acme", None)
    assert not own.reserve("acme", 1, DAY)


def test_many_workers_lose_nothing(database: Callable[..., str]) -> None:
    conninfo = database("memory_ingest")

    def work(_: int) -> None:
        own = ledger(conninfo)
        for _ in range(20):
            own.reserve("acme", 3, DAY)
            own.correct("acme", -1, DAY)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(work, range(4)))
    assert [row.tokens for row in PgUsageBook(Connector(database)).report(DAY)] == [160]


def test_the_query_role_counts_too_and_sees_only_the_tenant_it_names(database: Callable[..., str]) -> None:
    conninfo = database("memory_query")
    own = ledger(conninfo)
    own.reserve("acme", 5, DAY)
    own.reserve("zebra", 7, DAY)
    with psycopg.connect(conninfo) as connection:
        assert connection.execute("SELECT count(*) FROM usage").fetchone() == (0,)
        connection.execute("SELECT set_config('app.tenant_id', 'acme', true)")
        assert connection.execute("SELECT tenant_id, tokens FROM usage").fetchall() == [("acme", 5)]


def test_an_unknown_price_counts_tokens(database: Callable[..., str]) -> None:
    ledger(database("memory_ingest"), price=None).reserve("acme", 5, DAY)
    assert [(row.tokens, row.dollars) for row in PgUsageBook(Connector(database)).report(DAY)] == [(5, 0.0)]
