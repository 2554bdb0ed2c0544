"""Waits a little for a save to be indexed, and never longer."""

from datetime import UTC, datetime, timedelta

import pytest
from support.chunks import put

from pipeline.search.freshness import MAX_WAIT_SECONDS, FreshnessGate, IndexFreshness
from pipeline.stores.memory import InMemoryStore

T = datetime(2026, 11, 22, 10, 0, tzinfo=UTC)
LATER = T + timedelta(microseconds=1)


class Pipeline:
    """Indexes a later version during the wait."""

    def __init__(self, store: InMemoryStore, after: int) -> None:
        self.store, self.after = store, after
        self.slept: list[float] = []

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        if len(self.slept) == self.after:
            self.index(LATER)

    def index(self, at: datetime) -> None:
        put(self.store, source="s", name="chat:1", updated_at=at)


@pytest.fixture
def pipeline(store: InMemoryStore) -> Pipeline:
    made = Pipeline(store, after=3)
    made.index(T)
    return made


def test_without_a_forget_request_nothing_waits(pipeline: Pipeline) -> None:
    gate = FreshnessGate(pipeline.store, pipeline.sleep)
    assert gate.fresh("acme", "mika", "chat:1", None) == IndexFreshness(T, stale=False)
    assert gate.fresh("acme", "ken", "chat:1", None) == IndexFreshness(None, stale=False)
    assert gate.fresh("acme", "mika", "chat:1", T) == IndexFreshness(T, stale=False)
    assert pipeline.slept == []


def test_a_save_that_is_indexed_in_time_is_waited_for(pipeline: Pipeline) -> None:
    gate = FreshnessGate(pipeline.store, pipeline.sleep)
    assert gate.fresh("acme", "mika", "chat:1", LATER) == IndexFreshness(LATER, stale=False)
    assert len(pipeline.slept) == 3


@pytest.mark.parametrize(("key", "until"), [("chat:1", LATER), ("chat:2", None)])
def test_one_that_is_not_is_said_to_be_missing(pipeline: Pipeline, key: str, until: datetime | None) -> None:
    gate = FreshnessGate(pipeline.store, pipeline.sleep)
    assert gate.fresh("acme", "mika", key, LATER + timedelta(days=1)) == IndexFreshness(until, stale=True)
    assert sum(pipeline.slept) == pytest.approx(MAX_WAIT_SECONDS)
