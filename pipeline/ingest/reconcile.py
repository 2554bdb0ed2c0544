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

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from pipeline.embedding.vectors import Embedder
from pipeline.errors import ConflictError, LostTextError, StoreUnavailableError
from pipeline.ingest.chunking import Chunker
from pipeline.ingest.item_snapshots import SnapshotReader, Source
from pipeline.ingest.notices import Notice
from pipeline.ingest.planner import Planner
from pipeline.ingest.work import ItemWork, Report
from pipeline.ingest.writer import Writer
from pipeline.source.layouts import Layouts
from pipeline.stores.protocol import Store
from pipeline.stores.usage import Meter, Uncounted

PAUSES_SECONDS = (0.05, 0.1, 0.2, 0.4)
"""Before each further try of an item: together longer than most embeddings take. After the last it is retried later, so
that its neighbours in the batch do not wait for a worker that may be dead."""

MAX_CHUNKS = 1_000
"""So many are written in one transaction, give or take one item."""


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
        run = self._run(notices)
        pending = run.round(notices)
        for pause in PAUSES_SECONDS:
            if not pending:
                return run.report
            self.sleep(pause)
            pending = run.round(pending)
        run.give_up(pending)
        return run.report

    def planned(self, notices: Sequence[Notice]) -> tuple[Sequence[ItemWork], Report]:
        """Return what would be done for items, and do nothing; the report has those that cannot be read."""
        run = self._run(notice.address.key.source for notice in notices)
        works = [work for group in run.reader.groups(notices) for work in run.planner.works(group)]
        return works, run.report

    def _run(self, sources: Iterable[str]) -> "_Run":
        report = Report(frozenset(sources))
        reader = SnapshotReader(
            self.layouts, self.source, self.chunker, self.store, self.now, self.seconds_left, report
        )
        planner = Planner(self.layouts, self.chunker, self.store, self.all_rows, report)
        writer = Writer(self.embedder, self.meter, self.store, self.now, report)
        return _Run(reader, planner, writer, report)


@dataclass(frozen=True, slots=True)
class _Run:
    """One call: its parts write into one report."""

    reader: SnapshotReader
    planner: Planner
    writer: Writer
    report: Report

    def round(self, pending: Mapping[str, Notice]) -> dict[str, Notice]:
        """Do one try of all; return those that met a conflict."""
        for source in pending:
            self.report.failures.pop(source, None)
        again: set[str] = set()
        try:
            for works in self._prepared(pending.values()):
                again |= self.writer.finish(works)
        except StoreUnavailableError as error:
            self.report.fail(pending, error)  # one probe is enough
            return {}
        again |= {
            source for source, error in self.report.failures.items() if isinstance(error, ConflictError)
        }
        self.report.conflicts += len(again)
        return {source: notice for source, notice in pending.items() if source in again}

    def give_up(self, sources: Iterable[str]) -> None:
        """Report items at which others were all the time; for a text that is lost, that is the cause."""
        lost = {source for source in sources if isinstance(self.report.failures.get(source), LostTextError)}
        others = ConflictError("other workers were at the same item all the time")
        self.report.fail(set(sources) - lost, others)

    def _prepared(self, notices: Iterable[Notice]) -> Iterator[list[ItemWork]]:
        """Yield works, as many at once as memory allows."""
        works: list[ItemWork] = []
        for snapshots in self.reader.groups(notices):
            works += self.planner.works(snapshots)
            if sum(len(work.plan.missing) for work in works) >= MAX_CHUNKS:
                yield works
                works = []
        yield works
