"""Reads the collection as searches see it, across tenants: the documents that the ledger lists."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pipeline.stores.inventory import LyingRow, StoredChunk, StoredItem
from pipeline.stores.ledger.ledger import Ledger
from pipeline.stores.ledger.store import Mend
from pipeline.stores.message_rows import MessageRow
from pipeline.stores.opensearch.collection import Collection
from pipeline.stores.opensearch.queries import Found

_WALK = ({"chunk_id": "asc"}, {"version": "asc"})
_NAMES = ("chunk_id", "version", "source", "tenant_id", "user_id", "content")
_EVERY: Mapping[str, Any] = {"match_all": {}}


class OpenSearchInventory:
    """The documents of the index that count. What is hidden is the sweep's business.

    Args:
        ledger: says which they are.
        mend: see :meth:`pipeline.stores.ledger.store.LedgerStore.mend`.
    """

    def __init__(self, collection: Collection, ledger: Ledger, mend: Mend) -> None:
        self._collection, self._ledger, self._mend = collection, ledger, mend

    def rows(self, sources: Sequence[str]) -> Sequence[StoredChunk]:
        """Return the rows of these items, under whatever tenant they lie."""
        return [row for page in self._pages({"terms": {"source": list(sources)}}) for row in page]

    def everything(self) -> Iterator[StoredChunk]:
        """Yield every row."""
        return (row for page in self._pages(_EVERY) for row in page)

    def lying(self, tenant_id: str) -> Iterator[LyingRow]:
        """Yield every document under a tenant, those too that no search shows because the ledger lists them no more."""
        for page in self._collection.walk([{"term": {"tenant_id": tenant_id}}], _WALK, _NAMES):
            yield from (LyingRow("index", one.source, one.chunk_id, None, one.content) for one in page)

    def messages(self, sources: Sequence[str]) -> Sequence[tuple[str, str, MessageRow]]:
        """Return tenant, source and row of every message of these items, under whatever tenant they lie."""
        return self._ledger.inventory().messages(sources)

    def items(self) -> Iterator[StoredItem]:
        """Yield every item to which something was applied, of whatever tenant."""
        return self._ledger.inventory().items()

    def remove(self, tenant_id: str, ids: Sequence[str]) -> None:
        """Delete rows that lie under a tenant they do not belong to."""
        conditions: list[Mapping[str, Any]] = [
            {"term": {"tenant_id": tenant_id}},
            {"terms": {"chunk_id": list(ids)}},
        ]
        for page in self._collection.walk(conditions, _WALK, _NAMES):
            self._collection.remove([one.document_id for one in page])

    def mend(self, tenant_id: str, source: str, ids: Sequence[str]) -> None:
        """Write anew what the ledger lists and the collection lost; have it list nothing that cannot be."""
        self._mend(tenant_id, source, ids)

    def _pages(self, condition: Mapping[str, Any]) -> Iterator[list[StoredChunk]]:
        for page in self._collection.walk([condition], _WALK, _NAMES):
            yield [
                row
                for tenant_id in sorted({one.tenant_id for one in page})
                for row in self._listed(tenant_id, page)
            ]

    def _listed(self, tenant_id: str, page: Sequence[Found]) -> Iterator[StoredChunk]:
        ours = [one for one in page if one.tenant_id == tenant_id]
        rows = self._ledger.chunks(tenant_id, ((one.source, one.chunk_id) for one in ours))
        for one in ours:
            row = rows.get((one.source, one.chunk_id))
            if row and row.version == one.version:
                yield StoredChunk(
                    tenant_id,
                    one.source,
                    row.id,
                    row.user_id,
                    one.content,
                    row.members,
                    row.status,
                    row.session_key,
                )
