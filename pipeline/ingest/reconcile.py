"""The loop that makes the index match the items, for all notices of an invocation at once.

Per item: read the ledger, skip what it already reflects, read the item, plan, embed what is missing, apply under
the revision that was read. A conflict starts the item again. Every reconcile commits a revision, even with nothing to
write: otherwise a slow worker could write back what a faster one had undone.

Everything that fails is the failure of some items and leaves the others alone. No transaction is open while
anything is embedded.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Protocol

from pipeline.embedding.vectors import Embedder, Vector
from pipeline.errors import (
    ConflictError,
    EmbeddingRejectedError,
    MalformedItemError,
    StoreUnavailableError,
    VectorMemoryError,
    describe,
)
from pipeline.ingest.chunking import Chunker
from pipeline.ingest.notices import Notice
from pipeline.ingest.plan import Plan, make_plan, reflects
from pipeline.source.documents import Document, ItemKey
from pipeline.source.layouts import Item, Layouts
from pipeline.stores.protocol import Change, Held, Store

MAX_ROUNDS = 4


class Source(Protocol):
    """Reads an item as it is now."""

    def get(self, key: ItemKey) -> Item | None:
        """Return the item; see :class:`pipeline.source.table.SourceTable`."""
        ...


@dataclass(slots=True)
class Report:
    """What became of the notices of one invocation.

    Args:
        failures: source → what went wrong.
    """

    failures: dict[str, VectorMemoryError] = field(default_factory=dict)
    items: int = 0
    reads: int = 0
    skipped: int = 0
    conflicts: int = 0
    chunks_embedded: int = 0
    chunks_kept: int = 0
    chunks_deleted: int = 0


@dataclass(frozen=True, slots=True)
class _Work:
    notice: Notice
    held: Held
    present: bool
    plan: Plan

    @property
    def source(self) -> str:
        return self.notice.address.key.source

    def change(self, vectors: Mapping[str, Vector]) -> Change:
        saved_at = self.notice.saved_at
        return Change(
            source=self.source,
            expected_revision=self.held.revision,
            position=self.plan.position,
            present=self.present,
            saved_at=None if saved_at is None else datetime.fromtimestamp(saved_at, UTC),
            upserts=[(chunk, vectors[chunk.text]) for chunk in self.plan.missing],
            lost=self.plan.lost,
            deletes=self.plan.deletes,
        )


@dataclass(frozen=True, slots=True)
class Reconciler:
    """Makes the index match items. Holds no state between calls.

    Args:
        layouts: parses items.
        source: reads them.
        chunker: cuts documents.
        embedder: embeds what is missing.
        store: holds the index.
    """

    layouts: Layouts
    source: Source
    chunker: Chunker
    embedder: Embedder
    store: Store

    def run(self, notices: Mapping[str, Notice]) -> Report:
        """Reconcile every item that ``notices`` (source → notice) name."""
        report = Report(items=len(notices))
        pending = dict(notices)
        for _ in range(MAX_ROUNDS):
            pending = self._round(pending, report)
            if not pending:
                return report
        for source in pending:
            report.failures[source] = ConflictError(
                f"the ledger moved {MAX_ROUNDS} times under one reconcile"
            )
        return report

    def _round(self, pending: Mapping[str, Notice], report: Report) -> dict[str, Notice]:
        """Do one try of all; return those that met a conflict."""
        for source in pending:
            report.failures.pop(source, None)
        try:
            return self._try_all(pending, report)
        except StoreUnavailableError as error:
            report.failures.update(dict.fromkeys(pending, error))  # one probe is enough
            return {}

    def _try_all(self, pending: Mapping[str, Notice], report: Report) -> dict[str, Notice]:
        works = [
            work
            for tenant_id, notices in _by_tenant(pending.values()).items()
            for work in self._prepare(tenant_id, notices, report)
        ]
        vectors = self._embed(works, report)
        ready = [work for work in works if all(chunk.text in vectors for chunk in work.plan.missing)]
        conflicts: set[str] = set()
        for tenant_id, group in _works_by_tenant(ready).items():
            conflicts |= self._apply(tenant_id, group, vectors, report)
        report.conflicts += len(conflicts)
        return {source: pending[source] for source in conflicts}

    def _prepare(self, tenant_id: str, notices: Sequence[Notice], report: Report) -> list[_Work]:
        by_source = {notice.address.key.source: notice for notice in notices}
        held = self.store.read(tenant_id, sorted(by_source))
        works = [self._work(notice, held[source], report) for source, notice in by_source.items()]
        return [work for work in works if work is not None]

    def _work(self, notice: Notice, held: Held, report: Report) -> _Work | None:
        source = notice.address.key.source
        if reflects(held, notice.position, notice.facts):
            report.skipped += 1
            return None
        try:
            report.reads += 1
            item = self.source.get(notice.address.key)
            document = self._parse(notice, item, report)
            return _Work(
                notice,
                held,
                item is not None,
                make_plan(held, document, notice.position, notice.facts, self.chunker),
            )
        except Exception as error:  # noqa: BLE001  # a bug met by one item must not stop its neighbours
            report.failures[source] = _ours(error)
        return None

    def _parse(self, notice: Notice, item: Item | None, report: Report) -> Document | None:
        """Parse the item. One that cannot be read is reported, and its facts still apply."""
        key = notice.address.key
        try:
            return self.layouts.parse(key.table, item, key.to_dynamodb()) if item is not None else None
        except MalformedItemError as error:
            report.failures[notice.address.key.source] = error
            return None

    def _embed(self, works: Sequence[_Work], report: Report) -> dict[str, Vector]:
        texts = list(dict.fromkeys(chunk.text for work in works for chunk in work.plan.missing))
        try:
            vectors = dict(zip(texts, self.embedder.embed(texts), strict=True)) if texts else {}
        except EmbeddingRejectedError as error:
            needy = [work for work in works if work.plan.missing]
            if len(needy) == 1:
                report.failures[needy[0].source] = error
                return {}
            return {text: vector for work in needy for text, vector in self._embed([work], report).items()}
        except Exception as error:  # noqa: BLE001  # what needs no embedding goes on, whatever it is
            fault = _ours(error)
            report.failures.update({work.source: fault for work in works if work.plan.missing})
            return {}
        report.chunks_embedded += len(vectors)
        return vectors

    def _apply(
        self, tenant_id: str, works: Sequence[_Work], vectors: Mapping[str, Vector], report: Report
    ) -> frozenset[str]:
        try:
            conflicts = self.store.apply(tenant_id, [work.change(vectors) for work in works])
        except StoreUnavailableError:
            raise
        except Exception as error:  # noqa: BLE001  # one change that the store refuses must not stop its neighbours
            if len(works) == 1:
                report.failures[works[0].source] = _ours(error)
                return frozenset()
            return frozenset().union(*(self._apply(tenant_id, [work], vectors, report) for work in works))
        done = [work.plan for work in works if work.source not in conflicts]
        report.chunks_kept += sum(plan.kept for plan in done)
        report.chunks_deleted += sum(len(plan.deletes) for plan in done)
        return conflicts


def _ours(error: Exception) -> VectorMemoryError:
    return error if isinstance(error, VectorMemoryError) else VectorMemoryError(describe(error))


def _by_tenant(notices: Iterable[Notice]) -> dict[str, list[Notice]]:
    grouped: defaultdict[str, list[Notice]] = defaultdict(list)
    for notice in notices:
        grouped[notice.address.tenant_id].append(notice)
    return grouped


def _works_by_tenant(works: Iterable[_Work]) -> dict[str, list[_Work]]:
    grouped: defaultdict[str, list[_Work]] = defaultdict(list)
    for work in works:
        grouped[work.notice.address.tenant_id].append(work)
    return grouped
