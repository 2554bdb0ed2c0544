"""The index as it lies there, for audits. Pure."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from pipeline.source.documents import ItemKey
from pipeline.stores.chunks import ChunkStatus
from pipeline.stores.message_rows import ItemFacts, MessageRow

StoredItem = tuple[str, str, ItemKey | None, ItemFacts, datetime | None]
"""Tenant, source, where it lives (``None``: nobody ever said), what is known of it, when TTL may take it away."""


@dataclass(frozen=True, slots=True)
class StoredChunk:
    """One row of an item.

    Args:
        user_id: :data:`pipeline.stores.chunks.NOBODY` while it is withheld.
        members: ids of the messages whose text it holds.
        session_key: the chat app's own name of the item, where the store says it.
    """

    tenant_id: str
    source: str
    id: str
    user_id: str
    content: str = field(repr=False)
    members: tuple[str, ...]
    status: ChunkStatus
    session_key: str = ""


@dataclass(frozen=True, slots=True)
class LyingRow:
    """One row under a tenant, whether or not the ledger knows of it.

    Args:
        place: ``index``, ``standby space``, or ``words`` (words of a row that is gone).
        source: ``None`` if it belongs to no item: the chat app wrote it itself.
        user_id: ``None`` if the store does not say.
    """

    place: str
    source: str | None
    id: str
    user_id: str | None
    content: str = field(repr=False)
    created_at: datetime | None = None


class Inventory(Protocol):
    """Reads an index across tenants, and does not trust what ingest wrote down about itself."""

    def rows(self, sources: Sequence[str]) -> Sequence[StoredChunk]:
        """Return the chunks of these items, under whatever tenant they lie."""
        ...

    def everything(self) -> Iterator[StoredChunk]:
        """Yield every chunk that belongs to an item; only a page of them is held at a time."""
        ...

    def lying(self, tenant_id: str) -> Iterator[LyingRow]:
        """Yield every row that lies under a tenant, in every space, whoever wrote it and whatever lists it."""
        ...

    def messages(self, sources: Sequence[str]) -> Sequence[tuple[str, str, MessageRow]]:
        """Return tenant, source and row of every message of these items, under whatever tenant they lie."""
        ...

    def items(self) -> Iterator[StoredItem]:
        """Yield every item to which something was applied, of whatever tenant."""
        ...

    def remove(self, tenant_id: str, ids: Sequence[str]) -> None:
        """Delete chunks that lie under a tenant they do not belong to."""
        ...

    def mend(self, tenant_id: str, source: str, ids: Sequence[str]) -> None:
        """Make what lies there and what is listed agree again, where rows of an item's chunks were lost."""
        ...
