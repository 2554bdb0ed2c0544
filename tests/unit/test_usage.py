import json
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import CapReachedError, ConflictError, EmbeddingUnavailableError, StoreUnavailableError
from pipeline.ingest.notices import Notice
from pipeline.ingest.reconcile import Reconciler
from pipeline.ingest.retry_policy import Retry, retry_decision
from pipeline.ingest.work import Report
from pipeline.settings import Settings
from pipeline.source.documents import ItemKey
from pipeline.source.layouts import Item, Layouts
from pipeline.source.transitions import Transition
from pipeline.stores.usage import Meter, apportioned, seconds_left

DAY = date(2026, 11, 22)
NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)


@dataclass
class Book:
    """A ledger in memory."""

    cap: int | None = None
    used: dict[tuple[str, date], int] = field(default_factory=dict)
    away: bool = False
    several = None

    def reserve(self, tenant_id: str, tokens: int, day: date) -> bool:
        if self.cap is not None and self.used.get((tenant_id, day), 0) >= self.cap:
            return False
        self.correct(tenant_id, tokens, day)
        return True

    def correct(self, tenant_id: str, tokens: int, day: date) -> None:
        if self.away:
            raise StoreUnavailableError("away")
        self.used[tenant_id, day] = self.used.get((tenant_id, day), 0) + tokens


@dataclass
class OperatorConsole:
    """A worker, and all it works with."""

    layouts: Layouts
    embedder: Any
    store: Any
    worker: Reconciler
    items: dict[str, Item]

    def put(self, tenant: str, key: str, *texts: str) -> Notice:
        messages = json.dumps([{"role": "user", "content": text} for text in texts])
        item: Item = {"tenant_id": {"S": tenant}, "session_key": {"S": key}, "messages": {"S": messages}}
        address = self.layouts.address("sessions", item)
        assert address
        self.items[address.key.source] = item
        return Notice(address, force_read=True)

    def run(self, *notices: Notice) -> Report:
        return self.worker.run({notice.address.key.source: notice for notice in notices})


class Table:
    """Sessions that are a dictionary."""

    def __init__(self, items: dict[str, Item]) -> None:
        self.items = items

    def get(self, key: ItemKey) -> Item | None:
        return self.items.get(key.source)


@pytest.fixture
def book() -> Book:
    return Book()


@pytest.fixture
def console(request: pytest.FixtureRequest, book: Book) -> OperatorConsole:
    layouts, chunker, embedder, store = map(
        request.getfixturevalue, ("layouts", "chunker", "embedder", "store")
    )
    items: dict[str, Item] = {}
    parts = layouts, Table(items), chunker, embedder, store, lambda _: None
    worker = Reconciler(*parts, meter=Meter(book), now=lambda: NOON)
    return OperatorConsole(layouts, embedder, store, worker, items)


@given(
    total=st.integers(0, 10**9),
    weights=st.dictionaries(st.text(max_size=3), st.integers(1, 10**6), min_size=1),
)
def test_shares_add_up_and_are_fair_to_one_token(total: int, weights: dict[str, int]) -> None:
    shares = apportioned(total, weights)
    assert sum(shares.values()) == total
    whole = sum(weights.values())
    assert all(abs(shares[name] * whole - total * weight) < whole for name, weight in weights.items())


def test_the_book_says_what_the_provider_was_asked_for_by_tenant(
    console: OperatorConsole, book: Book
) -> None:
    console.run(
        console.put("acme", "chat:1", "one two three"),
        console.put("zebra", "chat:1", "four " * 50),
    )
    console.run(console.put("acme", "chat:2", "five"))
    assert sum(book.used.values()) == console.embedder.usage.tokens
    assert 0 < book.used["acme", DAY] < book.used["zebra", DAY]


def test_the_cost_of_a_conflict_is_in_the_usage_book(
    console: OperatorConsole, book: Book, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, calls = console.store.apply, []

    def lose_once(tenant_id: str, changes: Any) -> Any:
        calls.append(1)
        return frozenset(c.source for c in changes) if len(calls) == 1 else real(tenant_id, changes)

    monkeypatch.setattr(console.store, "apply", lose_once, raising=False)
    report = console.run(console.put("acme", "chat:1", "one"))
    assert (report.failures, report.conflicts, len(console.embedder.calls)) == ({}, 1, 2)
    assert book.used["acme", DAY] == console.embedder.usage.tokens


def test_a_call_that_failed_leaves_nothing_in_the_book(console: OperatorConsole, book: Book) -> None:
    console.embedder.error = EmbeddingUnavailableError("down")
    console.run(console.put("acme", "chat:1", "one"))
    assert book.used == {("acme", DAY): 0}


def test_a_correction_the_ledger_did_not_take_is_made_with_the_next_one(book: Book) -> None:
    meter = Meter(book)
    meter.reserve({"acme": 10}, DAY)
    book.away = True
    meter.settle({"acme": 10}, 7, DAY)
    assert book.used["acme", DAY] == 10
    book.away = False
    meter.reserve({"zebra": 5}, DAY)
    meter.settle({"zebra": 5}, 5, DAY)
    assert book.used == {("acme", DAY): 7, ("zebra", DAY): 5}


def test_a_tenant_over_its_cap_waits_and_the_others_do_not(console: OperatorConsole, book: Book) -> None:
    book.cap = 1
    console.run(console.put("acme", "chat:1", "one"))
    notices = console.put("acme", "chat:2", "two"), console.put("zebra", "chat:1", "three")
    report = console.run(*notices)
    fault = report.failures[notices[0].address.key.source]
    assert isinstance(fault, CapReachedError)
    assert fault.retry_after_seconds == 12 * 3600
    assert list(report.failures) == [notices[0].address.key.source]
    assert not any("two" in text for text in console.embedder.texts)
    console.worker = replace(console.worker, now=lambda: datetime(2026, 11, 23, tzinfo=UTC))
    assert console.run(notices[0]).failures == {}
    assert any("two" in text for text in console.embedder.texts)


def test_over_the_cap_what_is_taken_away_is_forgotten_at_once_and_what_only_grows_stays(
    console: OperatorConsole, book: Book
) -> None:
    notice = console.put("acme", "chat:1", "secret " * 40, "short")
    console.run(notice)
    book.cap = 1
    edited = console.put("acme", "chat:1", "public " * 40, "short")
    transition = Transition("~", None, "modified", "edited", everything=True)
    report = console.run(replace(edited, transitions=(transition,)))
    assert isinstance(report.failures[edited.address.key.source], CapReachedError)
    texts = [row.chunk.text for row in console.store._rows.values()]
    assert not any("secret" in text for text in texts)
    assert any("short" in text for text in texts)


def test_a_capped_notice_never_grows_too_old(notice_of: Any) -> None:
    limits: dict[str, Any] = {"now": 1e9, "jitter": 1.0, "max_delay_seconds": 300, "max_age_seconds": 60}
    old = replace(notice_of("chat:1"), first_sent_at=1.0)
    assert retry_decision(CapReachedError("cap", retry_after_seconds=9e4), old, **limits) == Retry(300)
    assert not isinstance(retry_decision(ConflictError("busy"), old, **limits), Retry)


def test_the_day_ends_at_midnight_utc() -> None:
    assert seconds_left(NOON) == 12 * 3600


def test_prices_and_caps_are_settings() -> None:
    chosen = Settings.from_environment({"DAILY_TOKEN_CAP": "1000"}).embedding
    assert (chosen.dollars_per_million_tokens, chosen.daily_token_cap) == (0.02, 1000)
    own = Settings.from_environment(
        {"EMBEDDING_MODEL": "my-own", "EMBEDDING_DOLLARS_PER_MILLION_TOKENS": "0.5"}
    ).embedding
    assert (own.dollars_per_million_tokens, own.daily_token_cap) == (0.5, None)
    assert (
        Settings.from_environment({"EMBEDDING_MODEL": "my-own"}).embedding.dollars_per_million_tokens is None
    )
