"""Asks a store for several tenants at once where it can, and tells each one's failure from the others'. Pure."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

from pipeline.errors import VectorMemoryError
from pipeline.ingest.work import ItemSnapshot, ItemWork
from pipeline.stores.index_state import IndexDetail, IndexState, PlannedWrite
from pipeline.stores.outcomes import outcome_of, outcomes
from pipeline.stores.protocol import Store

Owned = TypeVar("Owned", ItemSnapshot, ItemWork)


def by_tenant(works: Iterable[Owned]) -> dict[str, list[Owned]]:
    """Return tenant → what is its own, in order."""
    grouped: defaultdict[str, list[Owned]] = defaultdict(list)
    for work in works:
        grouped[work.tenant_id].append(work)
    return grouped


@dataclass(frozen=True, slots=True)
class EachTenant:
    """A store, asked for all tenants of a batch.

    Every method takes tenant → what the store's method of that name is given, and returns tenant → what that returns, or
    what went wrong for this tenant alone. A batch that fails is asked again by halves, so that its neighbours do not
    wait for the one tenant whose row is locked or whose text is refused.

    Raises:
        StoreUnavailableError: nobody's request would succeed.
    """

    store: Store

    def read(
        self, named: Mapping[str, Mapping[str, AbstractSet[str]]]
    ) -> dict[str, Mapping[str, IndexState] | VectorMemoryError]:
        """Return what is held of items."""
        several = self.store.several
        return outcomes(named, self.store.read, several.read if several else None)

    def detail(
        self, named: Mapping[str, Mapping[str, AbstractSet[str] | None]]
    ) -> dict[str, Mapping[str, IndexDetail] | VectorMemoryError]:
        """Return what planning needs of items."""
        several = self.store.several
        return outcomes(named, self.store.detail, several.detail if several else None)

    def lease(
        self, revisions: Mapping[str, Mapping[str, int]], seconds: float
    ) -> dict[str, Mapping[str, int] | VectorMemoryError]:
        """Take leases."""
        several = self.store.several
        alone = lambda tenant, own: self.store.lease(tenant, own, seconds)  # noqa: E731  # a thunk
        return outcomes(revisions, alone, partial(several.lease, seconds=seconds) if several else None)

    def apply(
        self, writes: Mapping[str, Sequence[PlannedWrite]]
    ) -> dict[str, frozenset[str] | VectorMemoryError]:
        """Write; return the sources whose revision or epoch had moved.

        What is not written with the others, since somebody holds it or it is refused, is written by itself.
        """
        several = self.store.several
        left = outcomes(writes, lambda _, own: _sources(own), several.apply if several else None)
        rest = {tenant: _among(own, left[tenant]) for tenant, own in writes.items()}
        return {
            tenant: outcome_of(self.store.apply, tenant, own) if own else frozenset()
            for tenant, own in rest.items()
        }


def _sources(writes: Sequence[PlannedWrite]) -> frozenset[str]:
    return frozenset(write.source for write in writes)


def _among(
    writes: Sequence[PlannedWrite], sources: frozenset[str] | VectorMemoryError
) -> Sequence[PlannedWrite]:
    return [write for write in writes if isinstance(sources, VectorMemoryError) or write.source in sources]
