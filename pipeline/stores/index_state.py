"""What the index holds of an item, and what one reconcile writes of it. Pure.

Writers read the state, decide, and apply under the revision they read; if it moved meanwhile nothing of theirs is written.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from pipeline.embedding.vectors import Vector
from pipeline.source.documents import ItemKey
from pipeline.stores.chunks import Chunk, ChunkMove, HeldChunk
from pipeline.stores.message_rows import ItemFacts, MessageRow


@dataclass(frozen=True, slots=True)
class IndexState:
    """What the index holds of an item, as far as it tells whether there is anything to do.

    Args:
        revision: 0 if there is no ledger row; never reused.
        epoch: how often the tenant was asked to forget a user or a session.
        messages: every row that is not kept, and the kept ones whose names were asked for.
        pending: a chunk of it waits to be embedded.
        in_progress: a write was begun and not finished, and whoever reads the item next must finish it.
    """

    revision: int = 0
    epoch: int = 0
    facts: ItemFacts = field(default_factory=ItemFacts)
    messages: tuple[MessageRow, ...] = ()
    pending: bool = False
    in_progress: bool = False


@dataclass(frozen=True, slots=True)
class IndexDetail:
    """What planning needs besides.

    Args:
        kept: the kept rows whose names were asked for, and those of messages in withheld chunks.
        chunks: those with a message that is not kept, those that are withheld, and those that hold one of ``kept``.
    """

    kept: tuple[MessageRow, ...] = ()
    chunks: tuple[HeldChunk, ...] = ()


@dataclass(frozen=True, slots=True)
class PlannedWrite:
    """What one reconcile writes of one item, under the revision and the epoch it read.

    Args:
        messages: rows of the message ledger, new or changed.
        purged: ids of rows that go.
        upserts: chunks, each with its vector; ``None`` for one that is found by its words only.
        moves: chunk id → its new owner and status.
        deletes: chunk ids.
        saved_at: when the newest change it reflects was saved, if known.
        updated_at: the chat app's own time of the version it reflects.
        expires_at: when DynamoDB's TTL may take the item away, if it may.
        key: where the item lives.
        name: the chat app's own name of the item.
        reflected: whether the index reflects the item with this; ``saved_at`` and ``updated_at`` count only then.
    """

    source: str
    expected_revision: int
    expected_epoch: int
    facts: ItemFacts
    messages: Sequence[MessageRow] = ()
    purged: Sequence[str] = ()
    upserts: Sequence[tuple[Chunk, Vector | None]] = ()
    moves: Mapping[str, ChunkMove] = field(default_factory=dict)
    deletes: Sequence[str] = ()
    saved_at: datetime | None = None
    updated_at: datetime | None = None
    expires_at: datetime | None = None
    key: ItemKey | None = None
    name: str | None = None
    reflected: bool = True
