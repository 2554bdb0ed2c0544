"""The usage ledger in DynamoDB, of the stores that keep their ledger there."""

from collections.abc import Callable
from datetime import date

import pytest
from support.local_aws import Tables

from pipeline.local.aws import LocalAws
from pipeline.stores.ledger.usage import DynamoDbUsageBook, DynamoDbUsageLedger

pytestmark = pytest.mark.integration
DAY, NEXT = date(2026, 11, 22), date(2026, 11, 23)
Opened = Callable[..., DynamoDbUsageLedger]


@pytest.fixture
def tables(local_aws: LocalAws) -> Tables:
    return Tables(local_aws.client("dynamodb"))


@pytest.fixture
def book(tables: Tables) -> DynamoDbUsageBook:
    return DynamoDbUsageBook(tables.calls(), tables.ledger)


@pytest.fixture
def ledger(tables: Tables) -> Opened:
    def opened(
        model: str = "small", price: float | None = 0.02, cap: int | None = None
    ) -> DynamoDbUsageLedger:
        return DynamoDbUsageLedger(tables.calls(), tables.ledger, model, price, cap)

    return opened


def test_reservations_and_corrections_add_up_in_tokens_and_dollars(
    ledger: Opened, book: DynamoDbUsageBook
) -> None:
    own = ledger()
    assert own.reserve("acme", 1_000_000, DAY)
    own.correct("acme", -250_000, DAY)
    ledger("chat", 1.25).correct("acme", 4, DAY)
    own.correct("acme", 7, NEXT)
    own.correct("zebra", 10, DAY)
    rows = [(row.day, row.tenant_id, row.model, row.tokens, row.dollars) for row in book.report(DAY)]
    assert rows == [
        (DAY, "acme", "chat", 4, 5e-6),
        (DAY, "acme", "small", 750_000, 0.015),
        (DAY, "zebra", "small", 10, 2e-7),
        (NEXT, "acme", "small", 7, 1.4e-7),
    ]


def test_the_report_begins_at_a_day_and_may_be_of_one_tenant_however_long_its_name(
    ledger: Opened, book: DynamoDbUsageBook
) -> None:
    long = "t" * 3_000
    for tenant in ("acme", long):
        ledger().correct(tenant, 1, DAY)
        ledger().correct(tenant, 2, NEXT)
        book.cap(tenant, 100)  # a row of the same partition that is no day
    assert [(row.tenant_id, row.tokens) for row in book.report(NEXT)] == [("acme", 2), (long, 2)]
    assert [(row.day, row.tenant_id) for row in book.report(DAY, long)] == [(DAY, long), (NEXT, long)]


def test_a_tenants_own_cap_comes_first_and_can_be_taken_away(ledger: Opened, book: DynamoDbUsageBook) -> None:
    own = ledger(cap=100)
    assert own.reserve("acme", 120, DAY)
    assert not own.reserve("acme", 1, DAY)
    assert own.reserve("acme", 1, NEXT)
    book.cap("acme", 1_000)
    assert own.reserve("acme", 1, DAY)
    book.cap("acme", None)
    assert not own.reserve("acme", 1, DAY)
