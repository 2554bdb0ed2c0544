"""A question is one round trip: freshness, search and use; and what goes along never takes the answer along."""

from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from support.chunks import FACTS, ITEM, axis, chunk, planned, row, uid
from support.counting_proxy import CountingProxy
from support.words import SPACE

from pipeline.errors import StoreUnavailableError, VectorMemoryError
from pipeline.search.freshness import FreshnessGate, IndexFreshness
from pipeline.stores.pgvector.connection import Connector
from pipeline.stores.pgvector.store import PgVectorStore
from pipeline.stores.pgvector.usage import PgUsageLedger, UseAlong
from pipeline.stores.search_requests import SearchRequest
from pipeline.stores.usage import Meter

pytestmark = pytest.mark.integration
Database = Callable[..., str]
DAY = date(2026, 11, 27)
SAVED = datetime(2026, 11, 27, 9, tzinfo=UTC)
REQUEST = SearchRequest("acme", "mika", axis(1), 5)


class Asking:
    """A query function's way to the database, which counts its round trips."""

    def __init__(self, conninfo: str) -> None:
        self.proxy = CountingProxy(int(str(conninfo_to_dict(conninfo)["port"])))
        through = make_conninfo(conninfo, host="127.0.0.1", port=self.proxy.port)
        self.connector = Connector(lambda: through)
        self.store = PgVectorStore(self.connector, SPACE)
        self.gate = FreshnessGate(self.store, lambda _: None)
        self.meter = Meter(UseAlong(PgUsageLedger(self.connector, "model", 1.0)))
        self.store.search(REQUEST)  # the first looks where the space lies

    def ask(self, tokens: int = 7) -> tuple[list[str], IndexFreshness, int]:
        """Ask as the query function does; return what was found, how fresh it is, and the round trips."""
        before = self.proxy.round_trips
        fresh = self.gate.with_search("acme", "mika", None, None)
        self.meter.add({"acme": tokens}, DAY)
        found = [hit.id for hit in self.store.search(REQUEST).hits]
        told = fresh()
        return found, told, self.proxy.round_trips - before


@pytest.fixture
def asking(database: Database) -> Iterator[Asking]:
    ingesting = database("memory_ingest")
    store = PgVectorStore(Connector(lambda: ingesting), SPACE)
    write = planned(
        ITEM, facts=FACTS, upserts=[(chunk(1), axis(1))], messages=[row(1)], saved_at=SAVED, updated_at=SAVED
    )
    assert not store.apply("acme", [write])
    made = Asking(database("memory_query"))
    yield made
    made.connector.close()
    made.proxy.close()


def used(database: Database) -> int:
    with psycopg.connect(database(), options="-c app.tenant_id=acme") as owner:
        [(tokens,)] = owner.execute(
            "SELECT COALESCE(sum(tokens), 0)::int FROM usage WHERE tenant_id = 'acme'"
        )
    return int(tokens)


def test_search_freshness_and_use_are_one_round_trip(asking: Asking, database: Database) -> None:
    assert asking.ask() == ([uid(1)], IndexFreshness(SAVED, stale=False), 1)
    assert used(database) == 7


def test_a_use_row_that_somebody_holds_takes_no_answer_along(asking: Asking, database: Database) -> None:
    asking.ask()
    with psycopg.connect(database(), options="-c app.tenant_id=acme") as other:
        assert other.execute("SELECT FROM usage WHERE tenant_id = 'acme' FOR UPDATE").rowcount == 1
        assert asking.ask() == ([uid(1)], IndexFreshness(SAVED, stale=False), 1)
        assert used(database) == 7
    asking.ask()
    assert used(database) == 21  # what was owed came with the next question


def test_use_that_cannot_be_counted_at_all_takes_no_answer_along(asking: Asking, database: Database) -> None:
    with psycopg.connect(database(), autocommit=True) as owner:
        owner.execute("REVOKE INSERT, UPDATE ON usage FROM memory_query")
        for _ in range(3):
            assert asking.ask() == ([uid(1)], IndexFreshness(SAVED, stale=False), 1)
        owner.execute("GRANT INSERT, UPDATE ON usage TO memory_query")
    asking.ask()
    assert used(database) == 28


def test_another_tenants_use_does_not_go_along(asking: Asking, database: Database) -> None:
    asking.meter.add({"zenith": 5}, DAY)
    asking.ask()
    with psycopg.connect(database()) as owner:
        assert owner.execute("SELECT DISTINCT tenant_id FROM usage").fetchall() == [("acme",)]


def test_a_use_that_no_question_took_along_is_not_sent_with_a_later_one(asking: Asking) -> None:
    asking.store.indexed_until_when_searched("acme", "mika", None)
    asking.connector.drop_along()
    assert asking.connector._taken("acme") == []


def test_use_of_a_question_that_failed_is_counted_with_the_next(asking: Asking, database: Database) -> None:
    asking.meter.add({"acme": 5}, DAY)
    with pytest.raises((StoreUnavailableError, VectorMemoryError)):
        asking.store.search(SearchRequest("acme", "mika", [1.0], 5))  # of another dimension
    asking.connector.drop_along()
    assert used(database) == 0
    asking.ask()
    assert used(database) == 12
