"""Plans what is to be done for items, of what was read of them: settles their messages, and cuts their chunks."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

from pipeline.errors import LostTextError
from pipeline.ingest.chunking import Chunker, message_id
from pipeline.ingest.item_evidence import ItemEvidence
from pipeline.ingest.message_ledger import needs_all, settle
from pipeline.ingest.ownership import Ownership
from pipeline.ingest.plan import IndexedItem, make_plan, needs_text
from pipeline.ingest.tenants import EachTenant, by_tenant
from pipeline.ingest.work import ItemSnapshot, ItemWork, Report
from pipeline.source.layouts import Layouts
from pipeline.stores.forget_requests import Markers
from pipeline.stores.index_state import IndexDetail
from pipeline.stores.protocol import Store


@dataclass(frozen=True, slots=True)
class Planner:
    """Makes works of snapshots.

    Args:
        all_rows: see :class:`pipeline.ingest.reconcile.Reconciler`.
    """

    layouts: Layouts
    chunker: Chunker
    store: Store
    all_rows: bool
    report: Report

    def works(self, snapshots: Sequence[ItemSnapshot]) -> list[ItemWork]:
        """Return what is to be done for items; those of which it cannot be told are reported."""
        details = self._details(snapshots)
        works: list[ItemWork] = []
        for tenant_id, group in by_tenant(each for each in snapshots if each.source in details).items():
            sources = [each.source for each in group]
            markers = self.report.guarded(partial(self._markers, tenant_id, group, details), sources)
            works += self._plans(group, details, markers) if markers is not None else []
        return works

    def _plans(
        self,
        snapshots: Sequence[ItemSnapshot],
        details: Mapping[str, IndexDetail],
        markers: Markers,
    ) -> list[ItemWork]:
        plans = (
            self.report.guarded(partial(self._plan, each, details[each.source], markers), [each.source])
            for each in snapshots
        )
        return [work for work in plans if work is not None]

    def _details(self, snapshots: Sequence[ItemSnapshot]) -> Mapping[str, IndexDetail]:
        names: defaultdict[str, dict[str, frozenset[str] | None]] = defaultdict(dict)
        for each in snapshots:
            every = self.all_rows or each.notice.redact
            names[each.tenant_id][each.source] = None if every else _names(each)
        return self.report.answered(EachTenant(self.store).detail(names), names)

    def _markers(
        self, tenant_id: str, snapshots: Sequence[ItemSnapshot], details: Mapping[str, IndexDetail]
    ) -> Markers:
        """Return the forget markers that may matter; most tenants have none, and no question is asked."""
        marked = [each for each in snapshots if each.state.epoch]
        users = {user for each in marked for user in _owners(each, details[each.source], self.layouts)}
        sessions = {each.notice.address.key.range_value for each in marked}
        return self.store.markers(tenant_id, users, sessions) if marked else Markers()

    def _plan(self, snapshot: ItemSnapshot, detail: IndexDetail, markers: Markers) -> ItemWork:
        name = (snapshot.tenant_id, snapshot.source)
        ownership = Ownership(
            partial(self.layouts.owner, snapshot.tenant_id),
            snapshot.notice.address.key.range_value,
            markers,
        )
        evidence = ItemEvidence.of(
            snapshot.state,
            snapshot.reading,
            snapshot.notice.transitions,
            ownership,
            partial(message_id, *name),
            detail.kept,
        )
        settled = settle(snapshot.state, detail.kept, evidence)
        clean = (lambda text: self.layouts.clean(text)[0]) if snapshot.notice.redact else None
        item = IndexedItem(name, settled, snapshot.reading.document, detail.chunks, clean=clean)
        if ids := needs_text(item):
            item = replace(item, texts=self.store.texts(*name, ids))
            if lacking := [id_ for id_ in ids if id_ not in item.texts]:
                raise LostTextError(lacking)
        plan = make_plan(item, self.chunker)
        return ItemWork(snapshot, settled, plan, snapshot.state.revision, detail.chunks)


def _names(snapshot: ItemSnapshot) -> frozenset[str] | None:
    """Return the texts whose kept rows matter: those that came or left, and those that transitions name."""
    transitions = snapshot.notice.transitions
    if needs_all(snapshot.state, snapshot.reading, transitions):
        return None
    said = Counter(entry.id for entry in snapshot.reading.entries)
    known = Counter(row.name for row in snapshot.state.messages if row.state == "live")
    changed = {name for name in (*said, *known) if said[name] != known[name]}
    return snapshot.notice.names | changed


def _owners(snapshot: ItemSnapshot, detail: IndexDetail, layouts: Layouts) -> set[str]:
    """Return whose forget markers may cover messages of an item."""
    rows = (*snapshot.state.messages, *detail.kept)
    document = snapshot.reading.document
    users = {row.user_id for row in rows} | ({document.user_id} if document else set())
    hashes = {layouts.owner(snapshot.tenant_id, user) for user in users}
    events = snapshot.state.facts.events
    hashes |= {hashed for event in events for hashed in (event.before, event.after) if hashed}
    for transition in snapshot.notice.transitions:
        hashes |= {hashed for hashed in (transition.owner_before, transition.owner_after) if hashed}
    return users | set(map(Ownership.subject, hashes))
