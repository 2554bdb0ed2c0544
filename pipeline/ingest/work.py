"""What is read and planned of one item, and what became of an invocation's items. Pure."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import TypeVar

from pipeline.embedding.vectors import Vector
from pipeline.errors import StoreUnavailableError, VectorMemoryError, describe
from pipeline.ingest.item_evidence import ItemReading
from pipeline.ingest.message_ledger import Settled
from pipeline.ingest.notices import Notice, moment
from pipeline.ingest.plan import REFUSED, Plan
from pipeline.source.documents import Document
from pipeline.stores.chunks import Chunk, ChunkStatus, HeldChunk
from pipeline.stores.index_state import IndexState, PlannedWrite

Result = TypeVar("Result")


@dataclass(slots=True)
class Report:
    """What became of the notices of one invocation: each is skipped, applied, or failed.

    Args:
        sources: the items.
        skipped: those that needed no look.
        applied: those whose transitions are stored, whatever else failed.
        indexed: those of ``applied`` that the index reflects now, and did not before.
        failures: source → what went wrong.
        erased: messages that forget requests took away.
        unreadable: source → messages of a shape that is not understood, of the items that were read.
        redacted: source → secrets that were left out of its text.
    """

    sources: frozenset[str] = frozenset()
    skipped: set[str] = field(default_factory=set)
    applied: set[str] = field(default_factory=set)
    indexed: set[str] = field(default_factory=set)
    failures: dict[str, VectorMemoryError] = field(default_factory=dict)
    reads: int = 0
    conflicts: int = 0
    chunks_embedded: int = 0
    chunks_kept: int = 0
    chunks_deleted: int = 0
    erased: int = 0
    unreadable: dict[str, int] = field(default_factory=dict)
    redacted: dict[str, int] = field(default_factory=dict)

    @property
    def unaccounted(self) -> frozenset[str]:
        """Items of which nobody says what became of them: a bug, and their notices must come again."""
        return self.sources.difference(self.skipped, self.applied, self.failures)

    def fail(self, sources: Iterable[str], error: VectorMemoryError) -> None:
        """Note that these items failed, but for those that are done with."""
        self.failures |= {
            source: error for source in sources if source not in self.applied and source not in self.skipped
        }

    def guarded(self, work: Callable[[], Result], sources: Iterable[str]) -> Result | None:
        """Return what ``work`` returns; what it raises is the failure of these items only, unless the store is away."""
        try:
            return work()
        except StoreUnavailableError:
            raise
        except Exception as error:  # noqa: BLE001  # a bug met by one item must not stop its neighbours
            self.fail(
                sources,
                error if isinstance(error, VectorMemoryError) else VectorMemoryError(describe(error)),
            )
            return None

    def answered(
        self,
        outcomes: Mapping[str, Mapping[str, Result] | VectorMemoryError],
        asked: Mapping[str, Iterable[str]],
    ) -> dict[str, Result]:
        """Return item → what the store said of it; a tenant's error is the failure of its items."""
        found: dict[str, Result] = {}
        for tenant, outcome in outcomes.items():
            if isinstance(outcome, VectorMemoryError):
                self.fail(asked[tenant], outcome)
            else:
                found |= outcome
        return found

    def add(self, other: "Report") -> None:
        """Take in what became of other items."""
        self.sources |= other.sources
        self.skipped |= other.skipped
        self.applied |= other.applied
        self.indexed |= other.indexed
        self.failures |= other.failures
        self.unreadable |= other.unreadable
        self.redacted |= other.redacted
        for name in _COUNTERS:
            setattr(self, name, getattr(self, name) + getattr(other, name))

    @property
    def unreadable_messages(self) -> int:
        """How many messages have a shape that is not understood."""
        return sum(self.unreadable.values())

    @property
    def secrets_redacted(self) -> int:
        """How many secrets were left out."""
        return sum(self.redacted.values())

    def notice(self, document: Document | None) -> None:
        """Keep what was noticed while ``document`` was parsed; an item that is read twice counts once."""
        if document is not None and document.unreadable:
            self.unreadable[document.key.source] = document.unreadable
        if document is not None and document.redacted:
            self.redacted[document.key.source] = document.redacted

    def counts(self) -> dict[str, int]:
        """Return what a log line says."""
        return {
            "items": len(self.sources),
            "skipped": len(self.skipped),
            "applied": len(self.applied),
            "unaccounted": len(self.unaccounted),
            **{name: getattr(self, name) for name in _COUNTERS},
            "unreadable_messages": self.unreadable_messages,
            "secrets_redacted": self.secrets_redacted,
        }


_COUNTERS = (
    "reads",
    "conflicts",
    "chunks_embedded",
    "chunks_kept",
    "chunks_deleted",
    "erased",
)


@dataclass(frozen=True, slots=True)
class ItemSnapshot:
    """An item and what the index held of it."""

    notice: Notice
    state: IndexState
    reading: ItemReading

    @property
    def source(self) -> str:
        """The item's name."""
        return self.notice.address.key.source

    @property
    def tenant_id(self) -> str:
        """Whose item it is."""
        return self.notice.address.tenant_id


@dataclass(frozen=True, slots=True)
class Vectors:
    """What came of embedding.

    Args:
        of: text → vector.
        refused: texts that the provider refuses.
    """

    of: Mapping[str, Vector] = field(default_factory=dict)
    refused: frozenset[str] = frozenset()

    def upsert(self, chunk: Chunk) -> tuple[Chunk, Vector | None]:
        """Return a chunk as it is written: with its vector, or as one that only its words find."""
        vector = self.of.get(chunk.embedded)
        if vector is not None and "embedded" not in chunk.metadata:
            return chunk, vector
        if vector is not None:
            metadata = {name: value for name, value in chunk.metadata.items() if name != "embedded"}
            return replace(chunk, metadata=metadata), vector
        if chunk.embedded in self.refused:
            return without_vector(replace(chunk, fingerprint=REFUSED + chunk.fingerprint)), None
        status: ChunkStatus = "mixed" if chunk.status == "kept" else chunk.status  # it is looked at again
        return without_vector(replace(chunk, fingerprint="", status=status)), None


def without_vector(chunk: Chunk) -> Chunk:
    """Return ``chunk`` as one that says that only its words find it."""
    return replace(chunk, metadata={**chunk.metadata, "embedded": False})


@dataclass(frozen=True, slots=True)
class ItemWork:
    """What is to be done for one item.

    Args:
        revision: what the write expects: a lease may have made a row.
        chunks: that were held of it, as far as they were looked at.
    """

    snapshot: ItemSnapshot
    settled: Settled
    plan: Plan
    revision: int
    chunks: tuple[HeldChunk, ...] = ()

    @property
    def source(self) -> str:
        """The item's name."""
        return self.snapshot.source

    @property
    def tenant_id(self) -> str:
        """Whose item it is."""
        return self.snapshot.tenant_id

    @property
    def texts(self) -> list[str]:
        """What must be embedded."""
        return [chunk.embedded for chunk in self.plan.missing]

    def write(self, vectors: Vectors, *, reflected: bool) -> PlannedWrite:
        """Return what the store is asked for."""
        notice, document = self.snapshot.notice, self.snapshot.reading.document
        return PlannedWrite(
            source=self.source,
            expected_revision=self.revision,
            expected_epoch=self.snapshot.state.epoch,
            facts=self.settled.facts,
            messages=self.settled.changed,
            purged=self.settled.purged,
            upserts=[
                *map(vectors.upsert, self.plan.missing),
                *((without_vector(chunk), None) for chunk in self.plan.stand_ins),
            ],
            moves=self.plan.moves,
            deletes=self.plan.deletes,
            saved_at=moment(notice.saved_at),
            updated_at=document.updated_at if document else None,
            expires_at=document.expires_at if document else None,
            key=notice.address.key,
            name=notice.address.key.range_value,
            reflected=reflected,
        )
