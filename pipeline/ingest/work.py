"""What is read and planned of one item, and what became of an invocation's items. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from pipeline.embedding.vectors import Vector
from pipeline.errors import VectorMemoryError
from pipeline.ingest.notices import Notice, moment
from pipeline.ingest.plan import Plan
from pipeline.source.documents import Document
from pipeline.stores.protocol import Change, Chunk, Held


@dataclass(slots=True)
class Report:
    """What became of the notices of one invocation.

    Args:
        failures: source → what went wrong.
        indexed: sources that the index reflects now, and did not before.
        unreadable: source → messages of a shape that is not understood, of the items that were read.
        redacted: source → secrets that were left out of its text.
    """

    failures: dict[str, VectorMemoryError] = field(default_factory=dict)
    indexed: set[str] = field(default_factory=set)
    items: int = 0
    reads: int = 0
    skipped: int = 0
    conflicts: int = 0
    chunks_embedded: int = 0
    chunks_kept: int = 0
    chunks_deleted: int = 0
    unreadable: dict[str, int] = field(default_factory=dict)
    redacted: dict[str, int] = field(default_factory=dict)

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


@dataclass(frozen=True, slots=True)
class Reading:
    """What was read of one item.

    Args:
        document: ``None`` if the item is absent, or cannot be read.
    """

    notice: Notice
    held: Held
    present: bool
    document: Document | None

    @property
    def source(self) -> str:
        """The item's name."""
        return self.notice.address.key.source


@dataclass(frozen=True, slots=True)
class Work:
    """What is to be done for one item.

    Args:
        stubs: chunks that are written before they are embedded.
    """

    notice: Notice
    held: Held
    present: bool
    plan: Plan
    document: Document | None = None
    reflected: bool = True
    stubs: tuple[tuple[Chunk, Vector], ...] = ()

    @property
    def tenant_id(self) -> str:
        """Whose item it is."""
        return self.notice.address.tenant_id

    @property
    def source(self) -> str:
        """The item's name."""
        return self.notice.address.key.source

    def change(self, vectors: Mapping[str, Vector]) -> Change:
        """Return what the store is asked for; ``vectors`` (text → vector) has every text that is missing."""
        return Change(
            source=self.source,
            expected_revision=self.held.revision,
            expected_epoch=self.held.epoch,
            position=self.plan.position,
            present=self.present,
            saved_at=moment(self.notice.saved_at),
            created_at=moment(self.notice.created_at),
            expires_at=self.document.expires_at if self.document else None,
            key=self.notice.address.key,
            name=self.document.name if self.document else None,
            user_id=self.document.user_id if self.document else None,
            updated_at=self.document.updated_at if self.document else None,
            reflected=self.reflected,
            upserts=[
                *((chunk, vectors[chunk.embedded]) for chunk in self.plan.missing),
                *self.stubs,
            ],
            lost=self.plan.lost,
            deletes=self.plan.deletes,
        )
