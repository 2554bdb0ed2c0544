"""Compares the tables with the index, item by item, without trusting what ingest wrote down about itself.

A finding may only mean that a save is on its way: an item with findings is read a second time, and what is found again
counts. Repair sends notices, so that ingest itself mends the item and embeds only what is missing or stale; rows under
a wrong tenant, which no notice can reach, are deleted.
"""

import time
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Literal, Protocol

from pipeline.errors import MalformedItemError
from pipeline.ingest.chunking import Chunker
from pipeline.ingest.notices import Notice
from pipeline.operations.differences import Finding, differences
from pipeline.source.documents import Document, ItemKey
from pipeline.source.layouts import Address, Item, Layouts
from pipeline.source.transitions import ForgetFact
from pipeline.stores.inventory import Inventory, StoredChunk
from pipeline.stores.protocol import Store

PAGE = 100
SETTLE_SECONDS = 2.0
"""How long a save in flight may take before a finding about its item is believed."""

EVER = "~"
"""A stream position after every real one."""

Assumption = Literal["list", "expired", "deleted"]


class Tables(Protocol):
    """Reads the chat app's tables, see :class:`pipeline.source.table.SourceTable`."""

    def scan(self, table: str, segment: int, segments: int) -> Iterator[Item]: ...  # noqa: D102  # see the class

    def get(self, key: ItemKey) -> Item | None: ...  # noqa: D102  # see the class

    def key_names(self, table: str) -> tuple[str, str]: ...  # noqa: D102  # see the class

    def key_types(self, table: str) -> tuple[str, str]: ...  # noqa: D102  # see the class


class Queue(Protocol):
    """Takes notices, see :class:`pipeline.ingest.queue.NoticeQueue`."""

    def send(self, notices: Sequence[Notice]) -> frozenset[str]: ...  # noqa: D102  # see the class


@dataclass(slots=True)
class AuditReport:
    """What was looked at and what was found; ``addresses`` are those of the items with findings."""

    items: int = 0
    findings: list[Finding] = field(default_factory=list)
    addresses: dict[str, Address] = field(default_factory=dict)

    @property
    def counts(self) -> dict[str, int]:
        """Return how many findings there are of each kind."""
        counts: defaultdict[str, int] = defaultdict(int)
        for finding in self.findings:
            counts[finding.kind] += 1
        return dict(counts)


@dataclass(frozen=True, slots=True)
class Audit:
    """Compares ``tables`` with the index.

    Args:
        settle_seconds: pause before what was found is looked at again.
    """

    tables: Tables
    layouts: Layouts
    chunker: Chunker
    store: Store
    inventory: Inventory
    settle_seconds: float = SETTLE_SECONDS

    def run(self, names: Sequence[str], segments: int = 4) -> AuditReport:
        """Audit every item of the tables called ``names``, and every row whose item is not there."""
        report = AuditReport()
        seen: set[str] = set()
        suspects: dict[str, Address] = {}
        for page in self._pages(names, segments):
            report.items += len(page)
            seen |= page.keys()
            suspects |= {finding.source: page[finding.source][0] for finding in self._compare(page)}
        report.findings = self._again(suspects, report)
        report.findings += self._vanished(names, seen, report)
        report.findings.sort()
        return report

    def _pages(self, names: Sequence[str], segments: int) -> Iterator[dict[str, tuple[Address, Item]]]:
        page: dict[str, tuple[Address, Item]] = {}
        for name in names:
            for segment in range(segments):
                for item in self.tables.scan(name, segment, segments):
                    address = self.layouts.address(name, item)
                    if address:
                        page[address.key.source] = (address, item)
                    if len(page) == PAGE:
                        yield page
                        page = {}
        if page:
            yield page

    def _compare(self, page: Mapping[str, tuple[Address, Item | None]]) -> Iterator[Finding]:
        rows: defaultdict[str, list[StoredChunk]] = defaultdict(list)
        for row in self.inventory.rows(sorted(page)):
            rows[row.source].append(row)
        for source, (address, item) in page.items():
            try:
                document = (
                    self.layouts.parse(address.key.table, item, address.key.to_dynamodb()) if item else None
                )
            except MalformedItemError:
                yield Finding("malformed", address.tenant_id, source)
                continue
            if document and document.unreadable:
                yield Finding("unreadable", address.tenant_id, source)
            banned = self._banned(document) if document else frozenset()
            yield from differences(address.tenant_id, source, document, rows[source], self.chunker, banned)

    def _banned(self, document: Document) -> frozenset[str]:
        source = document.key.source
        held = self.store.read(document.tenant_id, [source])[source]
        if not held.epoch:
            return frozenset()
        markers = self.store.markers(document.tenant_id, {document.user_id}, {document.name})
        return markers.banned(document, held.created_at, None)

    def _again(self, suspects: Mapping[str, Address], report: AuditReport) -> list[Finding]:
        if not suspects:
            return []
        time.sleep(self.settle_seconds)
        found: list[Finding] = []
        for source, address in suspects.items():
            findings = list(self._compare({source: (address, self.tables.get(address.key))}))
            if findings:
                report.addresses[source] = address
            found += findings
        return found

    def _vanished(self, names: Sequence[str], seen: set[str], report: AuditReport) -> list[Finding]:
        """Return what is indexed as if its item were there, and it is not."""
        found = []
        schemas = schemas_of(self.tables, names)
        for tenant_id, source, expires_at in self.inventory.present():
            address = address_of(source, schemas, self.layouts) if source not in seen else None
            if address is None or address.tenant_id != tenant_id:
                continue
            if self.tables.get(address.key) is None:
                passed = expires_at is not None and expires_at <= datetime.now(UTC)
                found.append(Finding("expired" if passed else "vanished", tenant_id, source))
                report.addresses[source] = address
        return found


Schemas = Mapping[str, tuple[tuple[str, str], tuple[str, str]]]
"""Table → names and types of its key attributes."""


def schemas_of(tables: Tables, names: Sequence[str]) -> Schemas:
    """Return the key schemas of some tables."""
    return {name: (tables.key_names(name), tables.key_types(name)) for name in names}


def address_of(source: str, schemas: Schemas, layouts: Layouts) -> Address | None:
    """Return the address of an item of one of the tables by its name in the index; ``None`` if it is none of theirs."""
    values = ItemKey.values_of(source)
    if values is None or values[0] not in schemas:
        return None
    names, types = schemas[values[0]]
    key = {name: {type_: value} for name, type_, value in zip(names, types, values[1:], strict=True)}
    return layouts.address(values[0], key)


def repair_notices(report: AuditReport, assume: Assumption, now: float) -> list[Notice]:
    """Return the notices that mend what was found.

    A vanished item is forgotten. One whose time to live has passed may have expired or been deleted before: ``assume``
    says which, or leaves it alone.
    """
    by_source: defaultdict[str, list[Finding]] = defaultdict(list)
    for finding in report.findings:
        by_source[finding.source].append(finding)
    notices = (_notice(report.addresses[source], found, assume, now) for source, found in by_source.items())
    return [notice for notice in notices if notice is not None]


def _notice(address: Address, findings: Sequence[Finding], assume: Assumption, now: float) -> Notice | None:
    kinds = {finding.kind for finding in findings}
    if kinds <= {"malformed", "wrong_tenant", "unreadable"} or (kinds == {"expired"} and assume == "list"):
        return None
    deleted = "vanished" in kinds or ("expired" in kinds and assume == "deleted")
    doubts = frozenset(finding.chunk_id for finding in findings if finding.kind in {"stale", "extra"})
    facts = (ForgetFact(EVER),) if deleted else ()
    return Notice(address, facts=facts, doubts=doubts, first_sent_at=now)


def repair(report: AuditReport, queue: Queue, inventory: Inventory, assume: Assumption) -> int:
    """Send the notices that mend what was found, and delete rows under wrong tenants; return how many notices failed."""
    astray: defaultdict[str, list[str]] = defaultdict(list)
    for finding in report.findings:
        if finding.kind == "wrong_tenant":
            astray[finding.tenant_id].append(finding.chunk_id)
    for tenant_id, ids in astray.items():
        inventory.remove(tenant_id, ids)
    return len(queue.send(repair_notices(report, assume, time.time())))
