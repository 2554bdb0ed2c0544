"""The index as it lies there, for audits. Pure."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol


@dataclass(frozen=True, slots=True)
class StoredChunk:
    """One row of an item.

    Args:
        retained: it is kept although the item no longer has all of it.
        session_key: the chat app's own name of the item, where the store says it.
    """

    tenant_id: str
    source: str
    id: str
    user_id: str
    content: str = field(repr=False)
    members: tuple[str, ...]
    retained: bool
    session_key: str = ""


class Inventory(Protocol):
    """Reads an index across tenants, and does not trust what ingest wrote down about itself."""

    def rows(self, sources: Sequence[str]) -> Sequence[StoredChunk]:
        """Return the rows of these items, under whatever tenant they lie."""
        ...

    def everything(self) -> Sequence[StoredChunk]:
        """Return every row that belongs to an item."""
        ...

    def present(self) -> Iterator[tuple[str, str, datetime | None]]:
        """Yield tenant, source and expiry of every item with rows that are not merely retained."""
        ...

    def remove(self, tenant_id: str, ids: Sequence[str]) -> None:
        """Delete rows that lie under a tenant they do not belong to."""
        ...
