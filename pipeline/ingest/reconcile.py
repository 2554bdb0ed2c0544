"""The loop that makes the index match the items, for all notices of an invocation.

Per item: read the ledger, skip what it already reflects, read the item, settle its messages, plan its chunks, lease the
item and embed what is missing, apply under the revision and the epoch that were read. A conflict, or a lease that another
worker holds, starts the item again after a pause. Every reconcile commits a revision, even with nothing to write:
otherwise a slow worker could write back what a faster one had undone.

What cannot be embedded is written without a vector: its words find it, and nothing that must be forgotten waits for a
provider. So the transitions of a notice are stored with the first commit, and the copy of one that is retried needs none.

Everything that fails is the failure of some items and leaves the others alone. No transaction is open while anything is
embedded.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import partial
from itertools import islice
from typing import Protocol, TypeVar

from pipeline.embedding.vectors import Embedder
from pipeline.errors import (
    BusyError,
    ConflictError,
    LostTextError,
    MalformedItemError,
    StoreBusyError,
    StoreUnavailableError,
    VectorMemoryError,
    describe,
)
from pipeline.ingest.chunking import Chunker, message_id
from pipeline.ingest.embedding_work import EmbeddingWork
from pipeline.ingest.item_evidence import ItemEvidence, ItemReading
from pipeline.ingest.message_ledger import needs_all, settle, would_change
from pipeline.ingest.notices import Notice
from pipeline.ingest.ownership import Ownership
from pipeline.ingest.plan import IndexedItem, make_plan, needs_text
from pipeline.ingest.tenants import EachTenant
from pipeline.ingest.work import ItemSnapshot, ItemWork, Report, Vectors
from pipeline.source.documents import ItemKey
from pipeline.source.layouts import Item, Layouts
from pipeline.stores.protocol import IndexDetail, IndexState, Markers, Store
from pipeline.stores.usage import Meter, Uncounted

Result = TypeVar("Result")

PAUSES_SECONDS = (0.05, 0.1, 0.2, 0.4)
"""Before each further try of an item: together longer than most embeddings take. After the last it is retried later, so
that its neighbours in the batch do not wait for a worker that may be dead."""

LEASE_SECONDS = 10.0
"""Longer than embedding takes, short enough that a worker that died is not missed for long."""

MAX_ITEMS, MAX_MESSAGES, MAX_CHUNKS = 100, 2_000, 1_000
"""So much is held in memory at once, and written in one transaction, give or take one item: the largest has some 10,000
messages."""

RESERVE_SECONDS = 12.0
"""No further item is taken on when an invocation has less left than a slow embedding takes."""


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
        seconds_left: how long the invocation may go on.
        all_rows: look at every kept message, not only at those that are named: a forget request may cover any.
    """

    layouts: Layouts
    source: Source
    chunker: Chunker
    embedder: Embedder
    store: Store
    sleep: Callable[[float], None]
    meter: Meter = field(default_factory=lambda: Meter(Uncounted()))
    now: Callable[[], datetime] = lambda: datetime.now(UTC)
    seconds_left: Callable[[], float] = lambda: float("inf")
    all_rows: bool = False

    def run(self, notices: Mapping[str, Notice]) -> Report:
        """Reconcile every item that ``notices`` (source → notice) name."""
        report = Report(frozenset(notices))
        pending = self._round(notices, report)
        for pause in PAUSES_SECONDS:
            if not pending:
                return report
            self.sleep(pause)
            pending = self._round(pending, report)
        lost = {source for source in pending if isinstance(report.failures.get(source), LostTextError)}
        report.fail(pending.keys() - lost, ConflictError("other workers were at the same item all the time"))
        return report

    def planned(self, notices: Sequence[Notice]) -> tuple[Sequence[ItemWork], Report]:
        """Return what would be done for items, and do nothing; the report has those that cannot be read."""
        report = Report(frozenset(notice.address.key.source for notice in notices))
        works = [
            work
            for snapshots in self._snapshots(notices, report)
            for work in self._planned(snapshots, report)
        ]
        return works, report

    def _round(self, pending: Mapping[str, Notice], report: Report) -> dict[str, Notice]:
        """Do one try of all; return those that met a conflict."""
        for source in pending:
            report.failures.pop(source, None)
        again: set[str] = set()
        try:
            for works in self._prepared(pending.values(), report):
                again |= self._finish(works, report)
        except StoreUnavailableError as error:
            report.fail(pending, error)  # one probe is enough
            return {}
        again |= {source for source, error in report.failures.items() if isinstance(error, ConflictError)}
        report.conflicts += len(again)
        return {source: notice for source, notice in pending.items() if source in again}

    def _prepared(self, notices: Iterable[Notice], report: Report) -> Iterator[list[ItemWork]]:
        """Yield works, as many at once as memory allows."""
        works: list[ItemWork] = []
        for snapshots in self._snapshots(notices, report):
            works += self._planned(snapshots, report)
            if sum(len(work.plan.missing) for work in works) >= MAX_CHUNKS:
                yield works
                works = []
        yield works

    def _snapshots(self, notices: Iterable[Notice], report: Report) -> Iterator[list[ItemSnapshot]]:
        waiting = iter(notices)
        while group := list(islice(waiting, MAX_ITEMS)):
            yield from self._snapshots_of(group, report)

    def _snapshots_of(self, notices: Sequence[Notice], report: Report) -> Iterator[list[ItemSnapshot]]:
        named: defaultdict[str, dict[str, frozenset[str]]] = defaultdict(dict)
        for notice in notices:
            named[notice.address.tenant_id][notice.address.key.source] = notice.names
        states = _told(EachTenant(self.store).read(named), named, report)
        snapshots: list[ItemSnapshot] = []
        for notice in notices:
            snapshot = self._snapshot(notice, states.get(notice.address.key.source), report)
            snapshots += [snapshot] if snapshot else []
            if sum(len(each.reading.entries) for each in snapshots) >= MAX_MESSAGES:
                yield snapshots
                snapshots = []
        yield snapshots

    def _snapshot(self, notice: Notice, state: IndexState | None, report: Report) -> ItemSnapshot | None:
        source = notice.address.key.source
        if state is None:
            return None
        if _skips(state, notice):
            report.skipped.add(source)
            return None
        if self.seconds_left() < RESERVE_SECONDS:
            report.fail([source], BusyError("the invocation has no time left for this item"))
            return None
        return _guarded(lambda: self._read(notice, state, report), [source], report)

    def _read(self, notice: Notice, state: IndexState, report: Report) -> ItemSnapshot:
        began = self.now().timestamp()
        report.reads += 1
        item = self.source.get(notice.address.key)
        reading = self._reading(notice, item, began, report)
        report.notice(reading.document)
        return ItemSnapshot(notice, state, reading)

    def _reading(self, notice: Notice, item: Item | None, began: float, report: Report) -> ItemReading:
        """Parse the item. One that cannot be read is reported, and its transitions still apply."""
        key = notice.address.key
        try:
            document = self.layouts.parse(key.table, item, key.to_dynamodb()) if item is not None else None
        except MalformedItemError as error:
            report.failures[key.source] = error
            return ItemReading("unreadable", began, notice.position)
        if document is None:
            return ItemReading("absent", began, notice.position)
        return ItemReading(
            "present",
            began,
            notice.position,
            replace(document, entries=self.chunker.eligible(document)),
        )

    def _planned(self, snapshots: Sequence[ItemSnapshot], report: Report) -> list[ItemWork]:
        details = self._details(snapshots, report)
        works: list[ItemWork] = []
        for tenant_id, group in _grouped(each for each in snapshots if each.source in details).items():
            sources = [each.source for each in group]
            markers = _guarded(partial(self._markers, tenant_id, group, details), sources, report)
            works += self._plans(group, details, markers, report) if markers is not None else []
        return works

    def _plans(
        self,
        snapshots: Sequence[ItemSnapshot],
        details: Mapping[str, IndexDetail],
        markers: Markers,
        report: Report,
    ) -> list[ItemWork]:
        plans = (
            _guarded(partial(self._plan, each, details[each.source], markers), [each.source], report)
            for each in snapshots
        )
        return [work for work in plans if work is not None]

    def _details(self, snapshots: Sequence[ItemSnapshot], report: Report) -> Mapping[str, IndexDetail]:
        names: defaultdict[str, dict[str, frozenset[str] | None]] = defaultdict(dict)
        for each in snapshots:
            every = self.all_rows or each.notice.redact
            names[each.tenant_id][each.source] = None if every else _names(each)
        return _told(EachTenant(self.store).detail(names), names, report)

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

    def _finish(self, works: Sequence[ItemWork], report: Report) -> set[str]:
        """Lease, embed and apply; return the sources that must be tried again."""
        unreadable = frozenset(report.failures)  # their transitions must be stored all the same
        leased = self._lease(works, report)
        failed = report.failures.keys() - unreadable
        busy = {work.source for work in works} - {work.source for work in leased} - failed
        embedding = EmbeddingWork(self.embedder, self.meter, self.now)
        vectors = embedding.vectors(leased, report)
        moved = self._apply(leased, vectors, report)
        self._release([work for work in leased if work.source in moved and work.plan.missing], report)
        return busy | moved

    def _lease(self, works: Sequence[ItemWork], report: Report) -> list[ItemWork]:
        """Return the works that may go on: those that embed nothing, and those whose item we got the lease of."""
        groups = _grouped(work for work in works if work.plan.missing)
        wanted = {tenant: {work.source: work.revision for work in group} for tenant, group in groups.items()}
        revisions = _told(EachTenant(self.store).lease(wanted, LEASE_SECONDS), wanted, report)
        return [
            replace(work, revision=revisions.get(work.source, work.revision))
            for work in works
            if not work.plan.missing or work.source in revisions
        ]

    def _release(self, works: Sequence[ItemWork], report: Report) -> None:
        for tenant_id, group in _grouped(works).items():
            leased = {work.source: work.revision for work in group}
            _guarded(partial(self.store.release, tenant_id, leased), leased, report)

    def _apply(self, works: Sequence[ItemWork], vectors: Vectors, report: Report) -> set[str]:
        groups = _grouped(works)
        writes = {
            tenant: [work.write(vectors, reflected=work.source not in report.failures) for work in group]
            for tenant, group in groups.items()
        }
        moved: set[str] = set()
        for tenant, outcome in EachTenant(self.store).apply(writes).items():
            moved |= self._became(groups[tenant], outcome, vectors, report)
        return moved

    def _became(
        self,
        works: Sequence[ItemWork],
        outcome: frozenset[str] | VectorMemoryError,
        vectors: Vectors,
        report: Report,
    ) -> AbstractSet[str]:
        """Note what became of one tenant's writes; return the sources that must be tried again."""
        if not isinstance(outcome, VectorMemoryError):
            self._count([work for work in works if work.source not in outcome], report)
            return outcome
        # Item by item each would wait for the same lock; what else is refused must not stop its neighbours.
        if isinstance(outcome, StoreBusyError) or len(works) == 1:
            report.failures |= {work.source: outcome for work in works}
            return frozenset()
        return set().union(*(self._apply([work], vectors, report) for work in works))

    @staticmethod
    def _count(done: Sequence[ItemWork], report: Report) -> None:
        report.applied |= {work.source for work in done}
        report.indexed |= {work.source for work in done if work.source not in report.failures}
        report.chunks_kept += sum(work.plan.kept for work in done)
        report.chunks_deleted += sum(len(work.plan.deletes) for work in done)
        report.erased += sum(work.settled.erased for work in done)


def _guarded(work: Callable[[], Result], sources: Iterable[str], report: Report) -> Result | None:
    """Return what ``work`` returns; what it raises is the failure of these items only, unless the store is away."""
    try:
        return work()
    except StoreUnavailableError:
        raise
    except Exception as error:  # noqa: BLE001  # a bug met by one item must not stop its neighbours
        report.fail(sources, _ours(error))
        return None


def _skips(state: IndexState, notice: Notice) -> bool:
    """Tell, without reading the item, that a notice has nothing to add.

    The index reflects a read made after its own position was known, hence every change up to there; what is left to a late
    notice is to settle what has left the item, and to say when something came.
    """
    if notice.force_read or state.pending or state.in_progress or not notice.position:
        return False
    return state.facts.position >= notice.position and not would_change(state, notice.transitions)


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


def _ours(error: Exception) -> VectorMemoryError:
    return error if isinstance(error, VectorMemoryError) else VectorMemoryError(describe(error))


Owned = TypeVar("Owned", ItemSnapshot, ItemWork)


def _grouped(works: Iterable[Owned]) -> dict[str, list[Owned]]:
    grouped: defaultdict[str, list[Owned]] = defaultdict(list)
    for work in works:
        grouped[work.tenant_id].append(work)
    return grouped


def _told(
    outcomes: Mapping[str, Mapping[str, Result] | VectorMemoryError],
    asked: Mapping[str, Iterable[str]],
    report: Report,
) -> dict[str, Result]:
    """Return item → what was told of it; a tenant's error is the failure of its items."""
    found: dict[str, Result] = {}
    for tenant, outcome in outcomes.items():
        if isinstance(outcome, VectorMemoryError):
            report.fail(asked[tenant], outcome)
        else:
            found |= outcome
    return found
