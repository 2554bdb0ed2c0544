"""A sweep goes on where the last run stopped, whatever stopped it, and begins anew when it is due."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from pipeline.errors import StoreUnavailableError
from pipeline.stores.backend import Swept
from pipeline.stores.opensearch.queries import Found
from pipeline.stores.opensearch.sweep import PASS_EVERY, Progress, Sweep, next_run

NOON = datetime(2026, 11, 28, 12, tzinfo=UTC)
LATER = NOON + PASS_EVERY
PAGE = 2


def document(number: int) -> Found:
    return Found(f"d{number}", f"c{number}", "v", "item", "acme", sort=(f"c{number}", "v"))


class FakeCollection:
    """Five documents, two a page."""

    def __init__(self) -> None:
        self.documents = [document(number) for number in range(5)]
        self.looked_at: list[str] = []
        self.away = False

    def walk(self, _: Any, __: Any, ___: Any, after: Sequence[Any] | None) -> Iterator[list[Found]]:
        while page := [one for one in self.documents if after is None or list(one.sort) > list(after)][:PAGE]:
            self.looked_at += [one.document_id for one in page]
            after = page[-1].sort
            yield page

    def remove(self, ids: Sequence[str]) -> None:
        if self.away:
            raise StoreUnavailableError("OpenSearch was not reached")
        self.documents = [one for one in self.documents if one.document_id not in ids]


class FakeTable:
    """The ledger's table, with the one row."""

    def __init__(self) -> None:
        self.row: Mapping[str, Any] | None = None

    def get(self, _: str, __: Any) -> Mapping[str, Any] | None:
        return self.row

    def put(self, _: str, *, Item: Mapping[str, Any]) -> bool:  # noqa: N803  # AWS's name
        self.row = Item
        return True


class Clock:
    now = NOON

    def __call__(self) -> datetime:
        return self.now


class Index:
    """A sweep of the five documents, of which the ledger lists the first."""

    def __init__(self) -> None:
        self.collection, self.table, self.clock = FakeCollection(), FakeTable(), Clock()

    def run(self, seconds_left: float = 60.0) -> Swept:
        listed = {("item", "c0"): SimpleNamespace(version="v")}
        ledger: Any = SimpleNamespace(table="ledger", chunks=lambda *_: listed)
        runtime: Any = SimpleNamespace(now=self.clock)
        parts: tuple[Any, Any] = self.collection, self.table
        return Sweep(*parts, ledger, runtime, PASS_EVERY).run(lambda: seconds_left)

    @property
    def left(self) -> list[str]:
        return [one.document_id for one in self.collection.documents]


@pytest.fixture
def index() -> Index:
    return Index()


def test_everything_is_swept_at_once_where_there_is_time(index: Index) -> None:
    assert index.run() == Swept(4, finished=True)
    assert index.left == ["d0"]


def test_a_run_out_of_time_is_continued_and_looks_at_nothing_twice(index: Index) -> None:
    runs = [index.run(seconds_left=19) for _ in range(4)]
    assert runs == [Swept(1, finished=False), Swept(2, finished=False), Swept(1, finished=False), Swept(0, finished=True)]  # fmt: skip
    assert index.collection.looked_at == ["d0", "d1", "d2", "d3", "d4"]
    assert index.left == ["d0"]


def test_a_run_that_fails_is_continued_where_it_failed(index: Index) -> None:
    index.run(0)
    index.collection.away = True
    with pytest.raises(StoreUnavailableError):
        index.run()
    index.collection.away = False
    assert index.run() == Swept(3, finished=True)
    assert index.collection.looked_at == ["d0", "d1", "d2", "d3", "d2", "d3", "d4"]


def test_a_finished_pass_rests_until_the_next_is_due(index: Index) -> None:
    index.run()
    index.collection.documents.append(document(7))
    index.clock.now = LATER - timedelta(seconds=1)
    assert index.run() == Swept(0, finished=True)
    index.clock.now = LATER
    assert index.run() == Swept(1, finished=True)
    assert index.left == ["d0"]


def test_a_pass_that_took_longer_than_the_rest_is_followed_by_another(index: Index) -> None:
    index.run(0)
    index.clock.now = LATER
    assert index.run() == Swept(3, finished=True)
    index.collection.documents.append(document(7))
    assert index.run() == Swept(1, finished=True)


@pytest.mark.parametrize(
    ("known", "now", "expected"),
    [
        (None, NOON, Progress(NOON)),
        (Progress(NOON, ["c", "v"]), NOON, Progress(NOON, ["c", "v"])),
        (Progress(NOON, ["c", "v"]), LATER, Progress(NOON, ["c", "v"])),
        (Progress(NOON), LATER - timedelta(seconds=1), None),
        (Progress(NOON), LATER, Progress(LATER)),
    ],
    ids=["first", "under way", "under way for long", "not due", "due"],
)
def test_a_run_goes_on_begins_or_waits(
    known: Progress | None, now: datetime, expected: Progress | None
) -> None:
    assert next_run(known, now, PASS_EVERY) == expected
