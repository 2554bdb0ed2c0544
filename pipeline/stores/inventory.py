"""The index as it lies there, for audits. Pure."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from pipeline.source.documents import ItemKey
from pipeline.stores.protocol import ChunkStatus, ItemFacts, MessageRow

StoredItem = tuple[str, str, ItemKey | None, ItemFacts, datetime | None]
"""Tenant, source, where it lives (``None``: nobody ever said), what is known of it, when TTL may take it away."""


@dataclass(frozen=True, slots=True)
class StoredChunk:
    """One row of an item.

    Args:
        user_id: :data:`pipeline.stores.protocol.NOBODY` while it is withheld.
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


class Inventory(Protocol):
    """Reads an index across tenants, and does not trust what ingest wrote down about itself."""

    def rows(self, sources: Sequence[str]) -> Sequence[StoredChunk]:
        """Return the chunks of these items, under whatever tenant they lie."""
        ...

    def everything(self) -> Sequence[StoredChunk]:
        """Return every chunk that belongs to an item."""
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
