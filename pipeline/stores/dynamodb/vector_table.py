"""Talks to the vector table: what becomes of a chunk's row, and the ranges in which a user's rows are read."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from pipeline.stores.chunks import NOBODY
from pipeline.stores.dynamodb.vectors import (
    KEY_PREFIX,
    SEARCHED,
    memory_of,
    partition,
    row_key,
    said_at,
    to_item,
    words_partition,
)
from pipeline.stores.forget_requests import ForgetRequest
from pipeline.stores.ledger.client import Client
from pipeline.stores.ledger.ledger import Runtime
from pipeline.stores.ledger.mutations import ChunkMutation, Op, PartialReadError
from pipeline.stores.ledger.records import ChunkRecord, Item

SEGMENTS = "0123456789abcdef"
"""A user's rows are read in so many ranges at once: ids are hashes, so each has its share."""
_KEY = "tenant_id = :owner"
Range = tuple[str, str]
"""A partition and a sixteenth of its ids; all of them if it names none."""


def place_of(tenant_id: str, record: ChunkRecord) -> dict[str, Any]:
    """Return the key of the row of a chunk that the ledger lists."""
    return row_key(tenant_id, record.user_id, record.id, embedded=record.embedded)


class VectorTable:
    """The rows of all users.

    Args:
        table: in the chat app's format; keys ``tenant_id`` and ``session_key``.
    """

    def __init__(self, client: Client, table: str, runtime: Runtime) -> None:
        self._client, self._table, self._runtime = client, table, runtime

    def operations(self, tenant_id: str, source: str, mutations: Sequence[ChunkMutation]) -> list[list[Op]]:
        """Return what happens to each chunk's row: it is put, moves to another partition, says another status, goes."""
        leaving = [one.old for one in mutations if one.old and one.new and _moves(tenant_id, one)]
        rows = self._stored(tenant_id, leaving) if leaving else {}
        now = self._runtime.now()
        return [self._operations(tenant_id, source, one, rows, now) for one in mutations]

    def delete_foreign(self, request: ForgetRequest) -> int:
        """Delete a user's rows that the chat app wrote itself before T, which belong to no session; return how many."""
        if request.user_id in {None, NOBODY} or request.session_key is not None:
            return 0
        owner = {":owner": {"S": partition(request.tenant_id, request.user_id or "")}}
        names = {
            "ProjectionExpression": "tenant_id, session_key, version, #time",
            "ExpressionAttributeNames": {"#time": "timestamp"},
        }
        found = self._client.query(self._table, _KEY, owner, **names)
        foreign = [row for row in found if "version" not in row and said_at(row) < request.asked_at]
        for row in foreign:
            self._client.delete(self._table, {name: row[name] for name in ("tenant_id", "session_key")})
        return len(foreign)

    def ranges(self, tenant_id: str, user_id: str, *, few: bool) -> list[Range]:
        """Return what has to be read for all of a user's rows; ``few`` of them take one range."""
        owner = partition(tenant_id, user_id)
        return [
            *((owner, segment) for segment in ("",) if few),
            *((owner, one) for one in SEGMENTS if not few),
            (words_partition(tenant_id, user_id), ""),
        ]

    def range(self, part: Range) -> list[Item]:
        """Return the rows of one range; rows the app wrote itself lie in the first and the last."""
        owner, segment = part
        values = {":owner": {"S": owner}}
        condition = _KEY
        if segment:
            at = SEGMENTS.index(segment)
            values |= {
                ":low": {"S": KEY_PREFIX + segment},
                ":high": {"S": KEY_PREFIX + SEGMENTS[at + 1 :][:1]},
            }
            condition = f"{_KEY} AND session_key BETWEEN :low AND :high"
            if at == 0:
                condition, _ = f"{_KEY} AND session_key < :high", values.pop(":low")
            elif at == len(SEGMENTS) - 1:
                condition, _ = f"{_KEY} AND session_key >= :low", values.pop(":high")
        names = {f"#{name}": name for name in SEARCHED}
        return list(
            self._client.query(
                self._table,
                condition,
                values,
                ProjectionExpression=", ".join(names),
                ExpressionAttributeNames=names,
            )
        )

    def _operations(
        self, tenant_id: str, source: str, one: ChunkMutation, rows: Mapping[str, Item], now: datetime
    ) -> list[Op]:
        old = place_of(tenant_id, one.old) if one.old else None
        new = place_of(tenant_id, one.new) if one.new else None
        ops: list[Op] = []
        if old and old != new:
            ops.append({"Delete": {"TableName": self._table, "Key": old}})
        if one.new is None or new is None:
            return ops
        if one.content:
            item = to_item(tenant_id, source, *one.content, one.new.version, now)
        elif one.id in rows:
            item = {**rows[one.id], **new, "memory_of": memory_of(tenant_id, one.new.user_id)}
        else:
            return [self._status(new, one.new)]
        return [*ops, {"Put": {"TableName": self._table, "Item": {**item, "status": {"S": one.new.status}}}}]

    def _status(self, place: Mapping[str, Any], record: ChunkRecord) -> Op:
        return {
            "Update": {
                "TableName": self._table,
                "Key": place,
                "UpdateExpression": "SET #status = :status",
                "ConditionExpression": "#version = :version",
                "ExpressionAttributeNames": {"#status": "status", "#version": "version"},
                "ExpressionAttributeValues": {
                    ":status": {"S": record.status},
                    ":version": {"S": record.version},
                },
            }
        }

    def _stored(self, tenant_id: str, records: Sequence[ChunkRecord]) -> Mapping[str, Item]:
        """Return the whole rows of chunks that the ledger lists, by id.

        Raises:
            PartialReadError: one of them is not there at the version that the ledger lists.
        """
        found = self._client.get_all(self._table, [place_of(tenant_id, one) for one in records])
        rows = {item["session_key"]["S"].removeprefix(KEY_PREFIX): item for item in found}
        if {id_: row["version"]["S"] for id_, row in rows.items()} != {
            one.id: one.version for one in records
        }:
            raise PartialReadError
        return rows


def _moves(tenant_id: str, one: ChunkMutation) -> bool:
    """Tell whether a chunk's row goes to another partition as it is."""
    stays = one.old and one.new and place_of(tenant_id, one.old) == place_of(tenant_id, one.new)
    return one.content is None and not stays
