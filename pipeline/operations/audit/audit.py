"""Compares the tables with the index, item by item, and has ingest look again at what a stream lost.

A difference may only mean that a save is on its way. So an item that differs is looked at a second time when everything
that was on its way has had time to arrive: it counts if it differs still, and nobody has changed it meanwhile. What is
hidden because nobody knows why it left is right as it is; it is counted apart.

Items are held a page at a time, however many differ: of a suspect only a digest is kept, which tells whether it changed.

Repair sends notices that carry no transition: they make ingest look, and cannot make it keep or forget anything.
"""

import hashlib
import json
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Protocol

from pipeline.ingest.notices import Notice
from pipeline.ingest.reconcile import Reconciler
from pipeline.operations.items.differences import Finding, differences
from pipeline.operations.items.dry_run import Items, dry_run_of_damaged
from pipeline.operations.items.tables import Schemas, Tables, address_of, schemas_of
from pipeline.source.layouts import Address, Item, Layouts
from pipeline.stores.inventory import Inventory, StoredChunk, StoredItem

PAGE = 100
SETTLE_SECONDS = 2.0
"""How long a save in flight may take before a difference is believed, where the streams do not lag."""


class Queue(Protocol):
    """Takes notices, see :class:`pipeline.ingest.queue.NoticeQueue`."""

    def send(self, notices: Sequence[Notice]) -> frozenset[str]: ...  # noqa: D102  # see the class


@dataclass(slots=True)
class AuditReport:
    """What was looked at and what was found.

    Args:
        unexplained: messages that are hidden until a record says why they left, or when they came; no finding.
        addresses: of the items with findings.
    """

    items: int = 0
    unexplained: int = 0
    findings: list[Finding] = field(default_factory=list)
    addresses: dict[str, Address] = field(default_factory=dict)

    @property
    def counts(self) -> dict[str, int]:
        """Return how many findings there are of each kind."""
        counts: defaultdict[str, int] = defaultdict(int)
        for finding in self.findings:
            counts[finding.kind] += 1
        return dict(counts)


Suspects = Mapping[str, tuple[Address, bytes]]
"""Source → address, and a digest of the item that differed."""


@dataclass(frozen=True, slots=True)
class Audit:
    """Compares ``tables`` with the index.

    Args:
        reconciler: says what ingest would do; it reads the items and writes nothing here.
        settle: waits until what is on its way has arrived, however long that takes.
    """

    tables: Tables
    layouts: Layouts
    reconciler: Reconciler
    inventory: Inventory
    settle: Callable[[], None] = lambda: time.sleep(SETTLE_SECONDS)

    def run(self, names: Sequence[str], segments: int = 4) -> AuditReport:
        """Audit every item of the tables called ``names``, and every item of the index that is not there."""
        report = AuditReport()
        seen: set[str] = set()
        suspects: dict[str, tuple[Address, bytes]] = {}
        for page in self._pages(names, segments):
            report.items += len(page)
            seen |= page.keys()
            suspects |= self._suspects(page)
        for page in self._vanished(names, seen, report):
            suspects |= self._suspects(page)
        report.findings = sorted(self._confirmed(suspects, report))
        return report

    def _pages(self, names: Sequence[str], segments: int) -> Iterator[dict[str, tuple[Address, Item | None]]]:
        page: dict[str, tuple[Address, Item | None]] = {}
        for name in names:
            keys = self.tables.key_names(name)
            for segment in range(segments):
                for item in self.tables.scan(name, segment, segments):
                    address = self.layouts.address(name, {key: item[key] for key in keys})
                    if address:
                        page[address.key.source] = (address, item)
                    if len(page) == PAGE:
                        yield page
                        page = {}
        yield page

    def _vanished(
        self, names: Sequence[str], seen: set[str], report: AuditReport
    ) -> Iterator[dict[str, tuple[Address, Item | None]]]:
        """Yield what the index has of items that the tables do not have."""
        schemas = schemas_of(self.tables, names)
        page: dict[str, tuple[Address, Item | None]] = {}
        for item in self.inventory.items():
            address = self._address(item, schemas)
            if address is None:
                continue
            report.unexplained += item[3].hidden_since is not None
            if address.key.source not in seen:
                page[address.key.source] = (address, None)
            if len(page) == PAGE:
                yield page
                page = {}
        yield page

    def _address(self, item: StoredItem, schemas: Schemas) -> Address | None:
        tenant_id, source, key, *_ = item
        if key is None or key.table not in schemas:
            address = address_of(source, schemas, self.layouts)
        else:
            address = self.layouts.address(key.table, key.to_dynamodb())
        return address if address and address.tenant_id == tenant_id else None

    def _suspects(self, page: Items) -> Suspects:
        found = {finding.source for finding in self._compare(page)}
        return {source: (page[source][0], _digest(page[source][1])) for source in sorted(found)}

    def _compare(self, items: Items) -> Iterator[Finding]:
        rows: defaultdict[str, list[StoredChunk]] = defaultdict(list)
        for row in self.inventory.rows(sorted(items)):
            rows[row.source].append(row)
        done = dry_run_of_damaged(self.reconciler, items)
        for work in done.works:
            yield from differences(work, rows[work.source])
        for source in done.malformed:
            yield Finding("malformed", items[source][0].tenant_id, source)
        for source, ids in done.lost.items():
            yield from (Finding("missing", items[source][0].tenant_id, source, id_) for id_ in ids)

    def _confirmed(self, suspects: Suspects, report: AuditReport) -> Iterator[Finding]:
        """Yield what is still found of the items that nobody has changed meanwhile."""
        if suspects:
            self.settle()
        ahead = iter(suspects.items())
        while page := dict(islice(ahead, PAGE)):
            now = ((source, address, self.tables.get(address.key)) for source, (address, _) in page.items())
            same = {
                source: (address, item) for source, address, item in now if _digest(item) == page[source][1]
            }
            for finding in self._compare(same):
                report.addresses[finding.source] = page[finding.source][0]
                yield finding


def _digest(item: Item | None) -> bytes:
    whole = json.dumps(item, sort_keys=True, default=repr).encode("utf-8", "surrogatepass")
    return hashlib.blake2b(whole, digest_size=16).digest()


def repair_notices(report: AuditReport, now: float) -> list[Notice]:
    """Return the notices that make ingest look at what was found; what cannot be read, or is lost, is left alone."""
    mendable = {
        finding.source
        for finding in report.findings
        if finding.kind not in {"malformed", "unreadable", "wrong_tenant", "lost"}
    }
    return [
        Notice(report.addresses[source], force_read=True, first_sent_at=now) for source in sorted(mendable)
    ]


def repair(report: AuditReport, queue: Queue, inventory: Inventory) -> int:
    """Send the notices that mend what was found; return how many failed.

    Rows under wrong tenants are deleted, and altered ones, whose text the item still has. A store that lists its rows apart
    looks at those that it lists and are gone, and at those that it does not list: ingest then finds missing what is.
    """
    astray: defaultdict[str, list[str]] = defaultdict(list)
    for finding in report.findings:
        if finding.kind == "wrong_tenant" or finding.altered:
            astray[finding.tenant_id].append(finding.chunk_id)
    for tenant_id, ids in astray.items():
        inventory.remove(tenant_id, ids)
    for (tenant_id, source), ids_ in _not_as_listed(report.findings).items():
        inventory.mend(tenant_id, source, ids_)
    return len(queue.send(repair_notices(report, time.time())))


def _not_as_listed(findings: Iterable[Finding]) -> Mapping[tuple[str, str], Sequence[str]]:
    """Return (tenant, source) → ids of the chunks whose rows are not there, or were just deleted, or should not be there."""
    found: defaultdict[tuple[str, str], list[str]] = defaultdict(list)
    for finding in findings:
        if finding.kind in {"missing", "extra"} or finding.altered:
            found[finding.tenant_id, finding.source].append(finding.chunk_id)
    return found
