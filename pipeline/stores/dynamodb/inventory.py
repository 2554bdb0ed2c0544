"""Reads the vector table as it lies there, across tenants. Its rows carry what an audit asks, so the ledger is not trusted."""

import json
from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from contextlib import suppress
from typing import Any

from pipeline.stores.dynamodb.vectors import KEY_PREFIX, owner_of_partition, said_at
from pipeline.stores.inventory import LyingRow, StoredChunk, StoredItem
from pipeline.stores.ledger.client import Cancelled, Client
from pipeline.stores.ledger.ledger import Ledger
from pipeline.stores.ledger.mutations import Op
from pipeline.stores.ledger.records import Item
from pipeline.stores.ledger.store import Mend
from pipeline.stores.message_rows import MessageRow

_KEYS = ("tenant_id", "session_key")
_Version = tuple[str, str]
"""A chunk's id, and the version of its row."""
_NAMES = (*_KEYS, "content", "memory_of", "source", "members", "metadata", "status")


class DynamoDbInventory:
    """The rows of the index. The whole table is scanned for every look: it has no index by item, on purpose.

    Args:
        table: of the vectors.
        ledger: tells of items and messages.
        mend: see :meth:`pipeline.stores.ledger.store.LedgerStore.mend`.
    """

    def __init__(self, client: Client, table: str, ledger: Ledger, mend: Mend) -> None:
        self._client, self._table, self._ledger = client, table, ledger.inventory()
        self._listing, self._mend = ledger, mend

    def rows(self, sources: Sequence[str]) -> Sequence[StoredChunk]:
        """Return the chunks of these items, under whatever tenant they lie."""
        wanted = set(sources)
        return [row for row in self.everything() if row.source in wanted]

    def everything(self) -> Iterator[StoredChunk]:
        """Yield every chunk of ours."""
        return (_stored(item) for item in self._scan(_NAMES) if "memory_of" in item)

    def lying(self, tenant_id: str) -> Iterator[LyingRow]:
        """Yield every row that lies under a tenant, those too that the chat app wrote itself; there is one space."""
        for item in self._scan((*_NAMES, "timestamp")):
            if "memory_of" in item:
                row = _stored(item)
                if row.tenant_id == tenant_id:
                    yield LyingRow("index", row.source, row.id, row.user_id, row.content)
            else:
                owner = owner_of_partition(item["tenant_id"]["S"])
                if owner and owner[0] == tenant_id:
                    yield _foreign(item, owner[1])

    def messages(self, sources: Sequence[str]) -> Sequence[tuple[str, str, MessageRow]]:
        """Return tenant, source and row of every message of these items, under whatever tenant they lie."""
        return self._ledger.messages(sources)

    def items(self) -> Iterator[StoredItem]:
        """Yield every item to which something was applied, of whatever tenant."""
        return self._ledger.items()

    def remove(self, tenant_id: str, ids: Sequence[str]) -> None:
        """Delete chunks that lie under a tenant they do not belong to."""
        wanted = set(ids)
        for item in self._scan((*_KEYS, "memory_of")):
            if "memory_of" in item and _owner(item)[0] == tenant_id and _id(item) in wanted:
                self._client.delete(self._table, {name: item[name] for name in _KEYS})

    def mend(self, tenant_id: str, source: str, ids: Sequence[str]) -> None:
        """Have the ledger list no row that is lost, and delete the rows that it does not list."""
        self._mend(tenant_id, source, ids)
        for (_, version), key in self._unlisted(tenant_id, source, set(ids)).items():
            with suppress(Cancelled):  # it is another by now
                self._client.transact(self._table, [_delete(self._table, key, version)])

    def _unlisted(self, tenant_id: str, source: str, ids: AbstractSet[str]) -> Mapping[_Version, Item]:
        """Return the keys of those rows of an item that the ledger does not list, though it was asked again.

        A version that is not listed any more never is again: no two writes share one.
        """
        names = (*_KEYS, "memory_of", "source", "version")
        ours = (item for item in self._scan(names) if _owner(item)[0] == tenant_id and _id(item) in ids)
        rows = {
            (_id(item), item["version"]["S"]): {name: item[name] for name in _KEYS}
            for item in ours
            if item["source"]["S"] == source
        }
        for _ in self._listing.waits():
            found = self._listing.chunks(tenant_id, ((source, id_) for id_, _ in rows))
            listed = {(record.id, record.version) for record in found.values()}
            rows = {row: key for row, key in rows.items() if row not in listed}
            if not rows:
                break
        return rows

    def _scan(self, shown: Sequence[str]) -> Iterator[Mapping[str, Any]]:
        names = {f"#{name}": name for name in shown}
        return self._client.scan(
            self._table, ProjectionExpression=", ".join(names), ExpressionAttributeNames=names
        )


def _foreign(item: Mapping[str, Any], user_id: str) -> LyingRow:
    """Return a row that the chat app wrote itself; it is of no item of ours."""
    content = item.get("content", {}).get("S", "")
    return LyingRow("index", None, item["session_key"]["S"], user_id, content, said_at(item))


def _delete(table: str, key: Item, version: str) -> Op:
    condition = {
        "ConditionExpression": "#version = :version",
        "ExpressionAttributeNames": {"#version": "version"},
        "ExpressionAttributeValues": {":version": {"S": version}},
    }
    return {"Delete": {"TableName": table, "Key": key, **condition}}


def _owner(item: Mapping[str, Any]) -> tuple[str, str]:
    tenant_id, user_id = json.loads(item["memory_of"]["S"])
    return tenant_id, user_id


def _id(item: Mapping[str, Any]) -> str:
    return str(item["session_key"]["S"].removeprefix(KEY_PREFIX))


def _stored(item: Mapping[str, Any]) -> StoredChunk:
    tenant_id, user_id = _owner(item)
    members = tuple(filter(None, item["members"]["S"].split(",")))
    key = str(json.loads(item["metadata"]["S"]).get("key", ""))
    source, content, status = (item[name]["S"] for name in ("source", "content", "status"))
    return StoredChunk(tenant_id, source, _id(item), user_id, content, members, status, key)
