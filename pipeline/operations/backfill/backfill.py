"""Brings what was saved before into the index: reads every item once, and announces those the index does not match.

Ingest does the rest as for any change, so a backfill may run during live traffic, be killed at any moment, and be run
again: what is indexed already is not embedded a second time. The checkpoint is written only after the queue took a
page's notices, so a kill costs at most that page's sending again. Nothing is kept of what was read.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Protocol

from pipeline.embedding.vectors import EmbeddingSpace
from pipeline.errors import QueueUnavailableError
from pipeline.ingest.notices import Notice
from pipeline.operations.backfill.checkpoint import Checkpoint, Totals
from pipeline.operations.backfill.embedding_estimate import EmbeddingEstimate, EmbeddingEstimator
from pipeline.operations.backfill.legacy_vectors import is_legacy, read_legacy, take_over
from pipeline.operations.backfill.parallel import side_by_side
from pipeline.operations.pacing.limits import Limits
from pipeline.operations.pacing.pacer import Pacer
from pipeline.source.layouts import Address, Item, Layouts
from pipeline.source.pages import Origin, Page
from pipeline.stores.protocol import Store

SEND_ATTEMPTS = 6
ROOM_POLL_SECONDS = 0.5
BYTES_PER_READ_UNIT = 4096


class Queue(Protocol):
    """Takes notices, see :class:`pipeline.ingest.queue.NoticeQueue`."""

    def send(self, notices: Sequence[Notice]) -> frozenset[str]: ...  # noqa: D102  # see the class

    def depth(self) -> int: ...  # noqa: D102  # see the class


@dataclass(frozen=True, slots=True)
class Import:
    """Takes legacy vectors over.

    Args:
        model: what made them, as whoever runs the backfill says.
    """

    store: Store
    model: str

    def run(self, table: str, item: Item, names: Mapping[str, str]) -> bool:
        """Take ``item`` over; tell whether the index holds it now."""
        space = self.store.space
        legacy = (
            read_legacy(table, item, names, space)
            if EmbeddingSpace(self.model, space.dimensions) == space
            else None
        )
        return legacy is not None and take_over(legacy, self.store)


@dataclass(frozen=True, slots=True)
class Backfill:
    """Announces what an origin holds.

    Args:
        queue: ``None`` only counts.
        legacy: ``None`` leaves legacy vectors out.
        note: called after each page with the checkpoint to keep.
        clock: epoch seconds; ``monotonic`` for pauses.
    """

    layouts: Layouts
    estimator: EmbeddingEstimator
    queue: Queue | None
    legacy: Import | None
    limits: Limits
    note: Callable[[Checkpoint], None]
    clock: Callable[[], float]
    monotonic: Callable[[], float]
    sleep: Callable[[float], None]

    def run(self, origin: Origin, checkpoint: Checkpoint) -> Checkpoint:
        """Go through ``origin`` from ``checkpoint`` on; return the last one.

        Raises:
            RetryableError: something is away; the last checkpoint noted is where to go on.
        """
        tokens = Pacer(self.limits.tokens if self.queue else None, self.monotonic, self.sleep)
        reads = Pacer(self.limits.read_units, self.monotonic, self.sleep)
        todo = [part for part in origin.parts() if checkpoint.cursors.get(part, "") is not None]

        def pages(part: str) -> Iterator[Page]:
            for page in origin.pages(part, checkpoint.cursors.get(part)):
                reads.spend(page.read_units)
                yield page

        with closing(side_by_side(pages, todo, self.limits.workers)) as found:
            for page in found:
                done = self._page(page, tokens, reads)
                checkpoint = checkpoint.after(page.part, page.cursor, done)
                self.note(checkpoint)
        return checkpoint

    def _page(self, page: Page, tokens: Pacer, reads: Pacer) -> Totals:
        entries = dict(self._entries(page))
        weights = self.estimator.estimate(entries)
        if self.queue and weights.tokens:
            reads.spend(sum(_read_units(entries[source][1]) for source in weights.tokens))
            self._announce(self.queue, entries, weights, tokens)
        legacy = [item for item in page.items if is_legacy(item, self.layouts.names)]
        imported = sum(self._imported(page.table, item) for item in legacy)
        return Totals(
            items=len(page.items),
            memory=len(entries),
            announced=len(weights.tokens),
            tokens=sum(weights.tokens.values()),
            malformed=len(weights.malformed),
            imported=imported,
            left_out=len(legacy) - imported,
            refused=tuple(page.refused),
        )

    def _entries(self, page: Page) -> Iterator[tuple[str, tuple[Address, Item]]]:
        for item in page.items:
            address = self.layouts.address(page.table, item)
            if address is not None:
                yield address.key.source, (address, item)

    def _imported(self, table: str, item: Item) -> bool:
        """Take over a legacy vector; one that was made of a secret is left out."""
        text = str(item.get(self.layouts.names["content"], {}).get("S", ""))
        if self.layouts.redactor.redact(text)[1]:
            return False
        return self.legacy is not None and self.legacy.run(table, item, self.layouts.names)

    def _announce(
        self,
        queue: Queue,
        entries: Mapping[str, tuple[Address, Item]],
        weights: EmbeddingEstimate,
        tokens: Pacer,
    ) -> None:
        while queue.depth() >= self.limits.waiting:
            self.sleep(ROOM_POLL_SECONDS)
        tokens.spend(sum(weights.tokens.values()))
        notices = [
            Notice(entries[source][0], force_read=True, first_sent_at=self.clock())
            for source in weights.tokens
        ]
        for attempt in range(SEND_ATTEMPTS):
            failed = queue.send(notices)
            notices = [notice for notice in notices if notice.address.key.source in failed]
            if not notices:
                return
            self.sleep(ROOM_POLL_SECONDS * 2**attempt)
        raise QueueUnavailableError(
            f"the notice queue did not take {len(notices)} notices: run the same command again to go on"
        )


def _read_units(item: Item) -> int:
    """Return what a consistent read of ``item`` takes, by the size of its strings."""
    size = sum(len(name) + sum(len(str(part)) for part in value.values()) for name, value in item.items())
    return max(1, -(-size // BYTES_PER_READ_UNIT))
