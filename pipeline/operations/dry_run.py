"""What ingest would do if it looked at some items now; nothing is written."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, replace

from pipeline.errors import MalformedItemError
from pipeline.ingest.notices import Notice
from pipeline.ingest.reconcile import Reconciler
from pipeline.ingest.work import ItemWork
from pipeline.source.documents import ItemKey
from pipeline.source.layouts import Address, Item

Items = Mapping[str, tuple[Address, Item | None]]
"""Source → address and item; ``None`` if it is not there."""


@dataclass(frozen=True, slots=True)
class DryRun:
    """See the module.

    Args:
        malformed: sources of items that cannot be read.
    """

    works: tuple[ItemWork, ...]
    malformed: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Given:
    """Items that were read already."""

    items: Items

    def get(self, key: ItemKey) -> Item | None:
        """Return the item."""
        return self.items[key.source][1]


def dry_run(reconciler: Reconciler, items: Items) -> DryRun:
    """Return the work that each item makes.

    Raises:
        VectorMemoryError: an item could not be looked at, for another reason than what is in it.
    """
    full_reconciler = replace(reconciler, source=_Given(items), all_rows=True)
    by_tenant: defaultdict[str, list[Notice]] = defaultdict(list)
    for address, _ in items.values():
        by_tenant[address.tenant_id].append(Notice(address, force_read=True))
    works: list[ItemWork] = []
    malformed: list[str] = []
    for notices in by_tenant.values():
        planned, report = full_reconciler.planned(notices)
        for source, error in report.failures.items():
            if not isinstance(error, MalformedItemError):
                raise error
            malformed.append(source)
        works += [work for work in planned if work.source not in report.failures]
    return DryRun(tuple(works), tuple(malformed))
