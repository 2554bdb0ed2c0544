"""The service behind the digest function: every user's days that are over, each once, each user for themselves.

It reads daily logs and writes summaries, and never the other way round: a summary is no log, so nothing feeds itself. What a
forget marker covers is not summarised, and a summary whose log is gone, or forgotten, is taken back.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import Any, Protocol
from zoneinfo import ZoneInfo

from pipeline.digest.days import (
    Notes,
    fingerprint,
    is_ours,
    logs,
    orphans,
    over,
    sources_of,
    summary_key,
    zone_of,
)
from pipeline.digest.spending import ChatMeter, ChatUsage
from pipeline.digest.summarisers import Summariser
from pipeline.digest.text import as_note
from pipeline.errors import (
    MalformedItemError,
    SummariserUnavailableError,
    VectorMemoryError,
    describe,
    needs_mending,
)
from pipeline.source.documents import Document
from pipeline.source.layouts import Address, Item, Layouts
from pipeline.stores.protocol import Store

ANY_AGE = 36_500
MAX_FAILURES_IN_A_ROW = 5
"""Of the summariser; then it is away, and the next run goes on."""


class Tables(Protocol):
    """See :class:`pipeline.digest.tables.NoteTables`."""

    def users(self, table: str) -> Iterator[Notes]: ...  # noqa: D102  # see the class
    def get(self, table: str, key: Item) -> Item | None: ...  # noqa: D102  # see the class
    def put(self, table: str, item: Item) -> bool: ...  # noqa: D102  # see the class
    def delete(self, table: str, key: Item) -> None: ...  # noqa: D102  # see the class
    def key_of(self, table: str, item: Item) -> Item: ...  # noqa: D102  # see the class


@dataclass(slots=True)
class DigestReport:
    """What one run did; no keys, no text.

    Args:
        failures: cause → logs that could not be summarised.
        refused: of them, those that failed for a login, key, secret or setting of ours.
        used: what the chat model was asked for.
        unfinished: it stopped before the end; the next run goes on.
    """

    users: int = 0
    written: int = 0
    unchanged: int = 0
    deleted: int = 0
    failures: Counter[str] = field(default_factory=Counter)
    reasons: set[str] = field(default_factory=set)
    refused: int = 0
    unfinished: bool = False
    used: ChatUsage = field(default_factory=ChatUsage)
    dollars: float = 0.0


class _AwayError(Exception):
    """The summariser is away."""


@dataclass(slots=True)
class Digest:
    """Summarises.

    Args:
        names: of the tables to read.
        excluded_tenants: those that want no summaries.
        catch_up_days: how far back missed days are made up for.
        time_zone: where a user's notes name none.
    """

    tables: Tables
    layouts: Layouts
    summariser: Summariser
    store: Store
    meter: ChatMeter
    names: Sequence[str]
    time_zone: str
    catch_up_days: int
    excluded_tenants: frozenset[str] = frozenset()
    _in_a_row: int = field(default=0, init=False)

    def run(self, now: datetime, out_of_time: Callable[[], bool]) -> DigestReport:
        """Summarise what is due; stops early when ``out_of_time`` says so, or the summariser is away.

        Raises:
            SourceUnavailableError: a table cannot be read at all.
        """
        report, self._in_a_row = DigestReport(), 0
        try:
            for name in self.names:
                for notes in self.tables.users(name):
                    if out_of_time():
                        report.unfinished = True
                        return report
                    self._user(notes, now, report)
        except _AwayError:
            report.unfinished = True
        return report

    def _user(self, notes: Notes, now: datetime, report: DigestReport) -> None:
        report.users += 1
        zone = zone_of(notes, self.time_zone)
        key_of = partial(self.tables.key_of, notes.table)
        for address, item in logs(notes, self.layouts, key_of):
            if address.tenant_id not in self.excluded_tenants and self._due(notes, address, now, zone):
                self._carefully(partial(self._day, notes, address, item, now, report), report)
        for orphan in orphans(notes, self.layouts, key_of):
            self._carefully(partial(self._take_back, notes, orphan, report), report)

    def _due(self, notes: Notes, address: Address, now: datetime, zone: ZoneInfo) -> bool:
        """Tell whether a day is over and is to be summarised; one that was, however old, is looked at again."""
        summarised = summary_key(address)[address.key.range_name]["S"] in notes.items
        return over(address.date or "", now, zone, ANY_AGE if summarised else self.catch_up_days)

    def _carefully(self, work: Callable[[], None], report: DigestReport) -> None:
        """Let one log's failure be its own."""
        try:
            work()
        except Exception as error:  # noqa: BLE001  # whatever it is, the next user is not to blame
            report.failures[error.cause if isinstance(error, VectorMemoryError) else "internal"] += 1
            report.reasons.add(describe(error))
            report.refused += needs_mending(error)
            self._in_a_row += isinstance(
                error, SummariserUnavailableError
            )  # a table's faults are that item's
            if self._in_a_row >= MAX_FAILURES_IN_A_ROW:
                raise _AwayError from None
            return
        self._in_a_row = 0

    def _day(self, notes: Notes, address: Address, item: Item, now: datetime, report: DigestReport) -> None:
        document = self.layouts.parse(notes.table, item, address.key.to_dynamodb())
        if document is None or not document.entries:
            return
        key = summary_key(address)
        held = notes.items.get(key[address.key.range_name]["S"])
        if held is not None and not is_ours(held):  # the chat app has a summary of its own
            report.unchanged += 1
            return
        if self._forgotten(document):
            if held is not None:
                self.tables.delete(notes.table, key)
                report.deleted += 1
            return
        content, _ = self.layouts.clean(item[self.layouts.names["content"]]["S"])
        mark = fingerprint(content, self.summariser.name)
        if held is not None and held.get("source_hash", {}).get("S") == mark:
            report.unchanged += 1
            return
        points = self._points(address.tenant_id, content, now, report)
        summary = self._summary(address, item, points, mark, now)
        written = self.tables.put(notes.table, {**key, **summary})
        report.written += written
        report.unchanged += not written

    def _forgotten(self, document: Document) -> bool:
        """Tell whether something of a log is erased or hidden: a part cannot be told from the rest.

        A log that ingest has not looked at yet waits, where its user or its name was ever asked to be forgotten.
        """
        source = document.key.source
        state = self.store.read(document.tenant_id, {source: frozenset()})[source]
        if any(row.state in {"erased", "unexplained"} for row in state.messages):
            return True
        if state.messages or not state.epoch:
            return False
        return bool(self.store.markers(document.tenant_id, {document.user_id}, {document.name}).times)

    def _summary(self, address: Address, item: Item, points: str, mark: str, now: datetime) -> dict[str, Any]:
        source = address.key.range_value
        summary: dict[str, Any] = {
            self.layouts.names["content"]: {"S": as_note(address.date or "", points)},
            "updated_at": {"S": now.isoformat()},
            "sources": {"L": [{"S": source}]},
            "source_hash": {"S": mark},
            "summarised_by": {"S": self.summariser.name},
        }
        kept = (self.layouts.names["user_id"], self.layouts.names["ttl"])
        return summary | {name: item[name] for name in kept if name in item}

    def _points(self, tenant_id: str, content: str, now: datetime, report: DigestReport) -> str:
        before = self.summariser.usage
        try:
            points = self.summariser.summarise(content)
        finally:
            used = self.summariser.usage.since(before)
            report.used = report.used.plus(used)
            report.dollars += self.meter.add(tenant_id, used, now.date())
        if not points.strip():
            raise MalformedItemError("the summariser found nothing to say about a day's log")
        return points

    def _take_back(self, notes: Notes, orphan: Item, report: DigestReport) -> None:
        """Delete a summary, unless its log is there after all."""
        key = self.tables.key_of(notes.table, orphan)
        range_name = next(name for name in key if key[name]["S"] in notes.items)
        if any(
            self.tables.get(notes.table, {**key, range_name: {"S": source}}) for source in sources_of(orphan)
        ):
            return
        self.tables.delete(notes.table, key)
        report.deleted += 1
