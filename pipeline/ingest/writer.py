"""Carries out works: leases the items, embeds what they lack, writes under the revision and the epoch that were read."""

from collections.abc import Callable, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial

from pipeline.embedding.vectors import Embedder
from pipeline.errors import StoreBusyError, VectorMemoryError
from pipeline.ingest.embedding_work import EmbeddingWork
from pipeline.ingest.tenants import EachTenant, by_tenant
from pipeline.ingest.work import ItemWork, Report, Vectors
from pipeline.stores.protocol import Store
from pipeline.stores.usage import Meter

LEASE_SECONDS = 10.0
"""Longer than embedding takes, short enough that a worker that died is not missed for long."""


@dataclass(frozen=True, slots=True)
class Writer:
    """Does what works say, and reports what became of them."""

    embedder: Embedder
    meter: Meter
    store: Store
    now: Callable[[], datetime]
    report: Report

    def finish(self, works: Sequence[ItemWork]) -> set[str]:
        """Lease, embed and apply; return the sources that must be tried again."""
        unreadable = frozenset(self.report.failures)  # their transitions must be stored all the same
        leased = self._lease(works)
        failed = self.report.failures.keys() - unreadable
        busy = {work.source for work in works} - {work.source for work in leased} - failed
        vectors = EmbeddingWork(self.embedder, self.meter, self.now, self.report).vectors(leased)
        moved = self._apply(leased, vectors)
        self._release([work for work in leased if work.source in moved and work.plan.missing])
        return busy | moved

    def _lease(self, works: Sequence[ItemWork]) -> list[ItemWork]:
        """Return the works that may go on: those that embed nothing, and those whose item we got the lease of."""
        groups = by_tenant(work for work in works if work.plan.missing)
        wanted = {tenant: {work.source: work.revision for work in group} for tenant, group in groups.items()}
        revisions = self.report.answered(EachTenant(self.store).lease(wanted, LEASE_SECONDS), wanted)
        return [
            replace(work, revision=revisions.get(work.source, work.revision))
            for work in works
            if not work.plan.missing or work.source in revisions
        ]

    def _release(self, works: Sequence[ItemWork]) -> None:
        for tenant_id, group in by_tenant(works).items():
            leased = {work.source: work.revision for work in group}
            self.report.guarded(partial(self.store.release, tenant_id, leased), leased)

    def _apply(self, works: Sequence[ItemWork], vectors: Vectors) -> set[str]:
        groups = by_tenant(works)
        writes = {
            tenant: [work.write(vectors, reflected=work.source not in self.report.failures) for work in group]
            for tenant, group in groups.items()
        }
        moved: set[str] = set()
        for tenant, outcome in EachTenant(self.store).apply(writes).items():
            moved |= self._became(groups[tenant], outcome, vectors)
        return moved

    def _became(
        self,
        works: Sequence[ItemWork],
        outcome: frozenset[str] | VectorMemoryError,
        vectors: Vectors,
    ) -> AbstractSet[str]:
        """Note what became of one tenant's writes; return the sources that must be tried again."""
        if not isinstance(outcome, VectorMemoryError):
            self._count([work for work in works if work.source not in outcome])
            return outcome
        # Item by item each would wait for the same lock; what else is refused must not stop its neighbours.
        if isinstance(outcome, StoreBusyError) or len(works) == 1:
            self.report.failures |= {work.source: outcome for work in works}
            return frozenset()
        return set().union(*(self._apply([work], vectors) for work in works))

    def _count(self, done: Sequence[ItemWork]) -> None:
        self.report.applied |= {work.source for work in done}
        self.report.indexed |= {work.source for work in done if work.source not in self.report.failures}
        self.report.chunks_kept += sum(work.plan.kept for work in done)
        self.report.chunks_deleted += sum(len(work.plan.deletes) for work in done)
        self.report.erased += sum(work.settled.erased for work in done)
