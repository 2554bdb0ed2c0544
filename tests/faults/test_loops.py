"""No notice, copy or forget request circles or multiplies for ever, and a long outage dead-letters nothing: in virtual time."""

import random
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest
from support.lambda_queue import START, LambdaQueue
from support.one_table import LAYOUTS, OneTable
from support.sam import source
from support.wiring import contained

from pipeline.errors import CapReachedError, StoreUnavailableError
from pipeline.handlers import ingest
from pipeline.ingest.forget_messages import new_forget_message, new_id
from pipeline.ingest.notices import Notice, decode_notice
from pipeline.ingest.queue import NoticeQueue
from pipeline.ingest.retry_policy import MAX_ATTEMPTS, DeadLetter, Retry, retry_decision
from pipeline.ingest.work import Report
from pipeline.stores.forget_requests import ForgetRequest

HOUR, DAY = 3600, 86_400
ITEMS, FORGET_REQUESTS = 12, 4


@dataclass(frozen=True)
class Dependencies:
    """A store that is away until a time, and what was done once it was back."""

    queue: LambdaQueue
    back_at: float
    seconds_left: Callable[[], float] = lambda: float("inf")
    indexed: set[str] = field(default_factory=set)
    forgotten: set[str] = field(default_factory=set)

    def run(self, notices: Mapping[str, Notice]) -> Report:
        self._check()
        self.indexed.update(notices)
        return Report(frozenset(notices), applied=set(notices), indexed=set(notices))

    def carry_out(self, request: ForgetRequest) -> None:
        self._check()
        self.forgotten.add(request.id)

    def _check(self) -> None:
        if self.queue.now < self.back_at:
            raise StoreUnavailableError("Postgres was not reached")


Begin = Callable[..., tuple[LambdaQueue, Dependencies]]


@pytest.fixture(scope="module")
def queue_settings() -> dict[str, Any]:
    resources = source()["Resources"]
    queue, function = resources["NoticeQueue"]["Properties"], resources["IngestFunction"]["Properties"]
    return {
        "visibility_seconds": queue["VisibilityTimeout"],
        "max_receives": queue["RedrivePolicy"]["maxReceiveCount"],
        "loops_allowed": function.get("RecursiveLoop") == "Allow",
    }


@pytest.fixture
def begin(monkeypatch: pytest.MonkeyPatch, queue_settings: dict[str, Any]) -> Begin:
    def make(
        outage_seconds: float, items: int = ITEMS, forget_messages: int = FORGET_REQUESTS, **changes: Any
    ) -> tuple[LambdaQueue, Dependencies]:
        queue = LambdaQueue(**{**queue_settings, **changes})
        there, client, dice = Dependencies(queue, START + outage_seconds), queue, random.Random(1)
        boto3_client: Any = client
        monkeypatch.setattr(ingest, "time", SimpleNamespace(time=lambda: queue.now, perf_counter=lambda: 0.0))
        monkeypatch.setattr(ingest, "random", dice)
        monkeypatch.setattr(ingest, "emit", lambda *_: None)
        queues = NoticeQueue(boto3_client, "queue", "dead")
        services = {"reconciler": there, "forget_executor": there, "notice_queue": queues}
        contained(monkeypatch, addresses=LAYOUTS, **services)
        monkeypatch.setattr(ingest, "logger", SimpleNamespace(info=_say_nothing, warning=_say_nothing))
        _fill(queue, items, forget_messages)
        return queue, there

    return make


def _say_nothing(*_: Any, **__: Any) -> None:
    """Take the place of a logger's methods."""


def _fill(queue: LambdaQueue, items: int, forget_messages: int) -> None:
    table = OneTable()
    for number in range(items):
        address = table.put(f"chat:{number}", "hello").address
        queue.add(Notice(address, first_sent_at=START).encode())
    for number in range(forget_messages):
        now = datetime.fromtimestamp(START, UTC)
        queue.add(
            new_forget_message(new_id(now, f"{number:024x}"), now, "acme", f"user{number}", None).encode()
        )


def _names(queue: LambdaQueue) -> Counter[str]:
    """Return how many messages there are about each item or forget request, dead ones not counted."""
    return Counter(
        body if '"forget"' in body else decode_notice(body, LAYOUTS).address.key.source
        for body in (one.body.partition(',"first_sent_at"')[0] if '"forget"' in one.body else one.body for one in queue.messages)
    )  # fmt: skip


def test_after_an_outage_of_26_hours_nothing_is_dead_and_every_forget_request_is_carried_out(
    begin: Begin,
) -> None:
    queue, there = begin(26 * HOUR)
    queue.run_until(START + 26 * HOUR + 600)
    print(f"\n26 hours away: {queue.invocations} invocations, {len(queue.dead)} dead letters")
    assert (len(there.indexed), len(there.forgotten)) == (ITEMS, FORGET_REQUESTS)
    assert queue.dead == []
    assert queue.messages == []


def test_if_lambda_ended_the_loops_the_same_outage_would_dead_letter_everything(begin: Begin) -> None:
    queue, there = begin(26 * HOUR, loops_allowed=False)
    queue.run_until(START + 26 * HOUR + 600)
    assert len(queue.dead) == ITEMS + FORGET_REQUESTS
    assert there.forgotten == set()


def test_an_outage_in_which_every_first_invocation_dies_dead_letters_nothing(begin: Begin) -> None:
    """Dead before they sent anything, as at a database that swallows packets: the messages come again, and wait in place."""
    queue, there = begin(26 * HOUR)
    for one in queue.messages:
        one.received, one.visible_at = 1, START + 360
    queue.run_until(START + 26 * HOUR + 7 * HOUR)
    assert (len(there.indexed), len(there.forgotten)) == (ITEMS, FORGET_REQUESTS)
    assert queue.dead == []
    assert queue.messages == []


def test_if_every_invocation_is_killed_after_its_retries_messages_grow_by_one_a_round_and_no_more(
    begin: Begin,
) -> None:
    queue, there = begin(8 * DAY, items=1, forget_messages=1, dies=lambda: queue.now < START + 12 * HOUR)
    grown = []
    for hour in (3, 6, 12):
        queue.run_until(START + hour * HOUR)
        grown.append(max(_names(queue).values()))
    print(f"\nmost messages about one item after 3, 6 and 12 hours of kills: {grown}")
    assert grown[-1] <= 12 * HOUR / (300 / 2) + 10  # a round takes half the longest delay at least
    assert grown[1] <= 2.5 * grown[0]
    assert grown[2] <= 2.5 * grown[1]
    queue.run_until(START + 9 * DAY)
    assert queue.messages == []  # the age bound ended them all
    assert queue.dead
    assert there.indexed == there.forgotten == set()


def test_the_kills_over_everything_is_carried_out_and_nothing_is_left(begin: Begin) -> None:
    queue, there = begin(3 * HOUR, items=2, forget_messages=2, dies=lambda: queue.now < START + 3 * HOUR)
    queue.run_until(START + DAY)
    assert (len(there.indexed), len(there.forgotten)) == (2, 2)
    assert queue.messages == []
    assert queue.dead == []


def test_a_notice_that_waits_for_its_tenants_cap_ends_after_its_last_attempt() -> None:
    limits: dict[str, Any] = {"now": START, "jitter": 1.0, "max_delay_seconds": 300, "max_age_seconds": 60}
    notice = OneTable().put("chat:1", "hello")
    waits = Notice(notice.address, first_sent_at=1.0, attempts=MAX_ATTEMPTS - 1)
    assert isinstance(retry_decision(CapReachedError("cap"), waits, **limits), Retry)
    assert isinstance(retry_decision(CapReachedError("cap"), waits.retried(START), **limits), DeadLetter)


def test_no_message_is_copied_twice_however_often_it_is_received() -> None:
    limits: dict[str, Any] = {"now": START, "jitter": 0.0, "max_delay_seconds": 300, "max_age_seconds": DAY}
    notice = OneTable().put("chat:1", "hello")
    decisions = [
        retry_decision(StoreUnavailableError("away"), notice, **limits, received=count)
        for count in range(1, 40)
    ]
    assert [isinstance(decision, Retry) for decision in decisions] == [True] + [False] * 38
