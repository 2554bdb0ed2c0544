"""The loop that makes the index match the items, for all notices of an invocation at once.

Per item: read the ledger, skip what it already reflects, read the item, plan, lease the item and embed what is missing,
apply under the revision that was read. A conflict, or a lease that another worker holds, starts the item again after a
pause. Every reconcile commits a revision, even with nothing to
write: otherwise a slow worker could write back what a faster one had undone.

Everything that fails is the failure of some items and leaves the others alone. No transaction is open while
anything is embedded.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import partial
from typing import Protocol

from pipeline.embedding.tokens import estimate_tokens
from pipeline.embedding.vectors import Embedder, Vector
from pipeline.errors import (
    CapReachedError,
    ConflictError,
    EmbeddingRejectedError,
    MalformedItemError,
    RetryableError,
    StoreUnavailableError,
    VectorMemoryError,
    describe,
)
from pipeline.ingest.chunking import Chunker
from pipeline.ingest.notices import Notice, moment
from pipeline.ingest.plan import make_plan, reflects
from pipeline.ingest.remainders import Remainders
from pipeline.ingest.work import Reading, Report, Work
from pipeline.source.documents import Document, ItemKey
from pipeline.source.layouts import Item, Layouts
from pipeline.stores.protocol import Held, Markers, Store
from pipeline.stores.usage import Meter, Uncounted, seconds_left

PAUSES_SECONDS = (0.05, 0.1, 0.2, 0.4)
"""Before each further try of an item: together longer than most embeddings take. After the last it is put off, so that
its neighbours in the batch do not wait for a worker that may be dead."""

LEASE_SECONDS = 10.0
"""Longer than embedding takes, short enough that a worker that died is not missed for long."""


class Source(Protocol):
    """Reads an item as it is now."""

    def get(self, key: ItemKey) -> Item | None:
        """Return the item; see :class:`pipeline.source.table.SourceTable`."""
        ...


@dataclass(frozen=True, slots=True)
class Reconciler:
    """Makes the index match items. Holds no state between calls.

    Args:
        layouts: parses items.
        source: reads them.
        chunker: cuts documents.
        embedder: embeds what is missing.
        store: holds the index.
        sleep: waits, in seconds.
        meter: counts what is asked of the embedder, and knows caps.
        now: the time.
    """

    layouts: Layouts
    source: Source
    chunker: Chunker
    embedder: Embedder
    store: Store
    sleep: Callable[[float], None]
    meter: Meter = field(default_factory=lambda: Meter(Uncounted()))
    now: Callable[[], datetime] = lambda: datetime.now(UTC)

    @property
    def _remainders(self) -> Remainders:
        return Remainders(self.chunker, self.store)

    def run(self, notices: Mapping[str, Notice]) -> Report:
        """Reconcile every item that ``notices`` (source → notice) name."""
        report = Report(items=len(notices))
        pending = self._round(notices, report)
        for pause in PAUSES_SECONDS:
            if not pending:
                return report
            self.sleep(pause)
            pending = self._round(pending, report)
        for source in pending:
            report.failures[source] = ConflictError("other workers were at the same item all the time")
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
        leased = self._lease(works)
        vectors = self._embed(leased, report)
        settled = partial(self._settled, failures=report.failures, vectors=vectors)
        ready = [work for work in map(settled, leased) if work]
        self._release([work for work in leased if work.source not in {other.source for other in ready}])
        busy = {work.source for work in works} - {work.source for work in leased}
        lost = {
            source
            for tenant_id, group in _grouped(ready).items()
            for source in self._apply(tenant_id, group, vectors, report)
        }
        self._release([work for work in ready if work.source in lost])
        put_off = {source for source in lost if isinstance(report.failures.get(source), RetryableError)}
        again = busy | (lost - put_off)  # those come again anyhow, with all they forget
        report.conflicts += len(again)
        return {source: notice for source, notice in pending.items() if source in again}

    def _lease(self, works: Sequence[Work]) -> list[Work]:
        """Return the works that may go on: those that embed nothing, and those whose item we got the lease of."""
        needy = _grouped(work for work in works if work.plan.missing)
        revisions = {
            source: revision
            for tenant_id, group in needy.items()
            for source, revision in self.store.lease(tenant_id, _revisions(group), LEASE_SECONDS).items()
        }
        return [
            replace(work, held=replace(work.held, revision=revisions.get(work.source, work.held.revision)))
            for work in works
            if not work.plan.missing or work.source in revisions
        ]

    def _release(self, works: Sequence[Work]) -> None:
        for tenant_id, group in _grouped(works).items():
            self.store.release(tenant_id, _revisions(group))

    def _prepare(self, tenant_id: str, notices: Sequence[Notice], report: Report) -> list[Work]:
        by_source = {notice.address.key.source: notice for notice in notices}
        held = self.store.read(tenant_id, sorted(by_source))
        readings = [self._read(notice, held[source], report) for source, notice in by_source.items()]
        read = [reading for reading in readings if reading is not None]
        markers = self._markers(tenant_id, read)
        works = [self._plan(reading, markers, report) for reading in read]
        return [work for work in works if work is not None]

    def _read(self, notice: Notice, held: Held, report: Report) -> Reading | None:
        source = notice.address.key.source
        if not notice.look and reflects(held, notice.position, notice.facts, moment(notice.created_at)):
            report.skipped += 1
            return None
        try:
            report.reads += 1
            item = self.source.get(notice.address.key)
            return Reading(notice, held, item is not None, self._parse(notice, item, report))
        except Exception as error:  # noqa: BLE001  # a bug met by one item must not stop its neighbours
            report.failures[source] = _ours(error)
            return None

    def _markers(self, tenant_id: str, read: Sequence[Reading]) -> Markers:
        """Return the forget markers of the users and sessions read; most tenants have none, and no question is asked."""
        documents = [reading.document for reading in read if reading.document and reading.held.epoch]
        if not documents:
            return Markers()
        return self.store.markers(
            tenant_id, {document.user_id for document in documents}, {d.name for d in documents}
        )

    def _plan(self, reading: Reading, markers: Markers, report: Report) -> Work | None:
        notice, held, document = reading.notice, reading.held, reading.document
        try:
            banned = markers.banned(document, held.created_at, notice.created_at) if document else frozenset()
            plan = make_plan(
                _trusted(held, notice), document, notice.position, notice.facts, self.chunker, banned
            )
            plan = self._remainders.completed(notice, held, plan)
        except Exception as error:  # noqa: BLE001  # a bug met by one item must not stop its neighbours
            report.failures[reading.source] = _ours(error)
            return None
        reflected = reading.source not in report.failures
        if not reflected:
            plan = replace(plan, position=held.position)  # the same notice may come again
        return Work(notice, held, reading.present, plan, document, reflected)

    def _settled(
        self, work: Work, failures: Mapping[str, VectorMemoryError], vectors: Mapping[str, Vector]
    ) -> Work | None:
        """Return what can be applied of ``work``: all; what it forgets, if its text must wait or is refused; or nothing yet."""
        if all(chunk.embedded in vectors for chunk in work.plan.missing):
            return work
        rejected = isinstance(failures.get(work.source), EmbeddingRejectedError)
        if not (rejected or work.plan.withdrawn):
            return None
        return self._remainders.forgetting_only(work, rejected=rejected)

    def _parse(self, notice: Notice, item: Item | None, report: Report) -> Document | None:
        """Parse the item. One that cannot be read is reported, and its facts still apply."""
        key = notice.address.key
        try:
            document = self.layouts.parse(key.table, item, key.to_dynamodb()) if item is not None else None
            report.notice(document)
            return document  # noqa: TRY300  # the document that was counted
        except MalformedItemError as error:
            report.failures[notice.address.key.source] = error
            return None

    def _embed(self, works: Sequence[Work], report: Report) -> dict[str, Vector]:
        tenants = {chunk.embedded: work.tenant_id for work in works for chunk in work.plan.missing}
        try:
            vectors = self._vectors(tenants, works, report) if tenants else {}
        except EmbeddingRejectedError as error:
            needy = [work for work in works if work.plan.missing and work.source not in report.failures]
            if len(needy) == 1:
                report.failures[needy[0].source] = error  # what it forgets is still applied
                return {}
            return {text: vector for work in needy for text, vector in self._embed([work], report).items()}
        except Exception as error:  # noqa: BLE001  # what needs no embedding goes on, whatever it is
            fault = _ours(error)
            report.failures.update({work.source: fault for work in works if work.plan.missing})
            return {}
        report.chunks_embedded += len(vectors)
        return vectors

    def _vectors(
        self, tenants: Mapping[str, str], works: Sequence[Work], report: Report
    ) -> dict[str, Vector]:
        """Embed texts (text → tenant) and count them, but for tenants whose cap is reached; those works fail."""
        now, estimates = self.now(), _estimates(tenants)
        capped = self.meter.reserve(estimates, now.date())
        fault = CapReachedError("the tenant's daily cap is reached", retry_after_seconds=seconds_left(now))
        report.failures.update(
            {work.source: fault for work in works if work.plan.missing and work.tenant_id in capped}
        )
        texts = [text for text, tenant_id in tenants.items() if tenant_id not in capped]
        before = self.embedder.usage.tokens
        try:
            return dict(zip(texts, self.embedder.embed(texts), strict=True)) if texts else {}
        finally:
            asked = {tenant_id: tokens for tenant_id, tokens in estimates.items() if tenant_id not in capped}
            self.meter.settle(asked, self.embedder.usage.tokens - before, now.date())

    def _apply(
        self, tenant_id: str, works: Sequence[Work], vectors: Mapping[str, Vector], report: Report
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
        done = [work for work in works if work.source not in conflicts]
        report.indexed |= {work.source for work in done if work.reflected}
        report.chunks_kept += sum(work.plan.kept for work in done)
        report.chunks_deleted += sum(len(work.plan.deletes) for work in done)
        return conflicts


def _trusted(held: Held, notice: Notice) -> Held:
    """Return ``held`` with no fingerprint for chunks the notice doubts: they are made again, or go."""
    chunks = (
        replace(chunk, fingerprint="", members=()) if chunk.id in notice.doubts else chunk
        for chunk in held.chunks
    )
    return replace(held, chunks=tuple(chunks))


def _estimates(tenants: Mapping[str, str]) -> dict[str, int]:
    estimates: defaultdict[str, int] = defaultdict(int)
    for text, tenant_id in tenants.items():
        estimates[tenant_id] += estimate_tokens(text)
    return dict(estimates)


def _ours(error: Exception) -> VectorMemoryError:
    return error if isinstance(error, VectorMemoryError) else VectorMemoryError(describe(error))


def _by_tenant(notices: Iterable[Notice]) -> dict[str, list[Notice]]:
    grouped: defaultdict[str, list[Notice]] = defaultdict(list)
    for notice in notices:
        grouped[notice.address.tenant_id].append(notice)
    return grouped


def _grouped(works: Iterable[Work]) -> dict[str, list[Work]]:
    grouped: defaultdict[str, list[Work]] = defaultdict(list)
    for work in works:
        grouped[work.tenant_id].append(work)
    return grouped


def _revisions(works: Iterable[Work]) -> dict[str, int]:
    return {work.source: work.held.revision for work in works}
