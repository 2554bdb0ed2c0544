"""Reads what the index holds of items, and the items themselves, as many at once as memory allows."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import islice
from typing import Protocol

from pipeline.errors import BusyError, MalformedItemError
from pipeline.ingest.chunking import Chunker
from pipeline.ingest.item_evidence import ItemReading
from pipeline.ingest.message_ledger import would_change
from pipeline.ingest.notices import Notice
from pipeline.ingest.tenants import EachTenant
from pipeline.ingest.work import ItemSnapshot, Report
from pipeline.source.documents import ItemKey
from pipeline.source.layouts import Item, Layouts
from pipeline.stores.index_state import IndexState
from pipeline.stores.protocol import Store

MAX_ITEMS, MAX_MESSAGES = 100, 2_000
"""So much is held in memory at once, give or take one item: the largest has some 10,000 messages."""

RESERVE_SECONDS = 12.0
"""No further item is taken on when an invocation has less left than a slow embedding takes."""


class Source(Protocol):
    """Reads an item as it is now."""

    def get(self, key: ItemKey) -> Item | None:
        """Return the item; see :class:`pipeline.source.table.SourceTable`."""
        ...


@dataclass(frozen=True, slots=True)
class SnapshotReader:
    """Takes snapshots of items, and reports those that need none or cannot be read."""

    layouts: Layouts
    source: Source
    chunker: Chunker
    store: Store
    now: Callable[[], datetime]
    seconds_left: Callable[[], float]
    report: Report

    def groups(self, notices: Iterable[Notice]) -> Iterator[list[ItemSnapshot]]:
        """Yield the items' snapshots, so many at once."""
        waiting = iter(notices)
        while group := list(islice(waiting, MAX_ITEMS)):
            yield from self._group(group)

    def _group(self, notices: Sequence[Notice]) -> Iterator[list[ItemSnapshot]]:
        named: defaultdict[str, dict[str, frozenset[str]]] = defaultdict(dict)
        for notice in notices:
            named[notice.address.tenant_id][notice.address.key.source] = notice.names
        states = self.report.answered(EachTenant(self.store).read(named), named)
        snapshots: list[ItemSnapshot] = []
        for notice in notices:
            snapshot = self._snapshot(notice, states.get(notice.address.key.source))
            snapshots += [snapshot] if snapshot else []
            if sum(len(each.reading.entries) for each in snapshots) >= MAX_MESSAGES:
                yield snapshots
                snapshots = []
        yield snapshots

    def _snapshot(self, notice: Notice, state: IndexState | None) -> ItemSnapshot | None:
        source = notice.address.key.source
        if state is None:
            return None
        if _skips(state, notice):
            self.report.skipped.add(source)
            return None
        if self.seconds_left() < RESERVE_SECONDS:
            self.report.fail([source], BusyError("the invocation has no time left for this item"))
            return None
        return self.report.guarded(lambda: self._read(notice, state), [source])

    def _read(self, notice: Notice, state: IndexState) -> ItemSnapshot:
        began = self.now().timestamp()
        self.report.reads += 1
        item = self.source.get(notice.address.key)
        reading = self._reading(notice, item, began)
        self.report.notice(reading.document)
        return ItemSnapshot(notice, state, reading)

    def _reading(self, notice: Notice, item: Item | None, began: float) -> ItemReading:
        """Parse the item. One that cannot be read is reported, and its transitions still apply."""
        key = notice.address.key
        try:
            document = self.layouts.parse(key.table, item, key.to_dynamodb()) if item is not None else None
        except MalformedItemError as error:
            self.report.failures[key.source] = error
            return ItemReading("unreadable", began, notice.position)
        if document is None:
            return ItemReading("absent", began, notice.position)
        return ItemReading(
            "present",
            began,
            notice.position,
            replace(document, entries=self.chunker.eligible(document)),
        )


def _skips(state: IndexState, notice: Notice) -> bool:
    """Tell, without reading the item, that a notice has nothing to add.

    The index reflects a read made after its own position was known, hence every change up to there; what is left to a late
    notice is to settle what has left the item, and to say when something came.
    """
    if notice.force_read or state.pending or state.in_progress or not notice.position:
        return False
    return state.facts.position >= notice.position and not would_change(state, notice.transitions)
