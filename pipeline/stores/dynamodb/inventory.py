"""Reads the vector table as it lies there, across tenants. Its rows carry what an audit asks, so the ledger is not trusted."""

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from pipeline.stores.dynamodb.vectors import KEY_PREFIX, row_key
from pipeline.stores.inventory import StoredChunk
from pipeline.stores.ledger.client import Client
from pipeline.stores.ledger.ledger import Ledger

_NAMES = ("session_key", "content", "memory_of", "source", "members", "metadata")


class DynamoDbInventory:
    """The rows of the index. The whole table is scanned for every look: it has no index by item, on purpose.

    Args:
        table: of the vectors.
    """

    def __init__(self, client: Client, table: str, ledger: Ledger) -> None:
        self._client, self._table, self._ledger = client, table, ledger

    def rows(self, sources: Sequence[str]) -> Sequence[StoredChunk]:
        """Return the rows of these items, under whatever tenant they lie."""
        wanted = set(sources)
        return [row for row in self.everything() if row.source in wanted]

    def everything(self) -> list[StoredChunk]:
        """Return every row of ours."""
        retained = {(tenant, source, id_) for tenant, source, id_ in self._ledger.retained()}
        names = {f"#{name}": name for name in _NAMES}
        found = self._client.scan(
            self._table, ProjectionExpression=", ".join(names), ExpressionAttributeNames=names
        )
        return [_stored(item, retained) for item in found if "memory_of" in item]

    def present(self) -> Iterator[tuple[str, str, datetime | None]]:
        """Yield tenant, source and expiry of every item with rows that are not merely retained."""
        expiries = self._ledger.expiries()
        items = {(row.tenant_id, row.source) for row in self.everything() if not row.retained}
        yield from ((tenant, source, expiries.get((tenant, source))) for tenant, source in sorted(items))

    def remove(self, tenant_id: str, ids: Sequence[str]) -> None:
        """Delete rows that lie under a tenant they do not belong to."""
        for row in self.everything():
            if row.tenant_id == tenant_id and row.id in set(ids):
                self._client.delete(self._table, row_key(tenant_id, row.user_id, row.id))


def _stored(item: Mapping[str, Any], retained: set[tuple[str, str, str]]) -> StoredChunk:
    tenant_id, user_id = json.loads(item["memory_of"]["S"])
    source, id_ = item["source"]["S"], item["session_key"]["S"].removeprefix(KEY_PREFIX)
    members = tuple(filter(None, item["members"]["S"].split(",")))
    key = str(json.loads(item["metadata"]["S"]).get("key", ""))
    is_retained = (tenant_id, source, id_) in retained
    return StoredChunk(tenant_id, source, id_, user_id, item["content"]["S"], members, is_retained, key)
