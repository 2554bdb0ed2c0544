"""What ingest would do if it looked at some items now; nothing is written."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, replace

from pipeline.errors import LostTextError, MalformedItemError
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
        lost: source → ids of chunks without whose text nothing can be done for the item.
    """

    works: tuple[ItemWork, ...]
    malformed: tuple[str, ...]
    lost: Mapping[str, tuple[str, ...]]


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
    done = dry_run_of_damaged(reconciler, items)
    for ids in done.lost.values():
        raise LostTextError(ids)
    return done


def dry_run_of_damaged(reconciler: Reconciler, items: Items) -> DryRun:
    """Do the same; an item for which nothing can be done without a text that is lost stops no other.

    Raises:
        VectorMemoryError: an item could not be looked at, for another reason than what is in it, or what is lost.
    """
    full_reconciler = replace(reconciler, source=_Given(items), all_rows=True)
    by_tenant: defaultdict[str, list[Notice]] = defaultdict(list)
    for address, _ in items.values():
        by_tenant[address.tenant_id].append(Notice(address, force_read=True))
    works: list[ItemWork] = []
    malformed: list[str] = []
    lost: dict[str, tuple[str, ...]] = {}
    for notices in by_tenant.values():
        planned, report = full_reconciler.planned(notices)
        for source, error in report.failures.items():
            if isinstance(error, LostTextError):
                lost[source] = error.ids
            elif isinstance(error, MalformedItemError):
                malformed.append(source)
            else:
                raise error
        works += [work for work in planned if work.source not in report.failures]
    return DryRun(tuple(works), tuple(malformed), lost)
