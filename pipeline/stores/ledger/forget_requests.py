"""Requests to forget in the ledger's table: their markers, whom they concern, and what became of them."""

from collections.abc import Set as AbstractSet
from datetime import datetime
from typing import Any

from pipeline.source.documents import ItemKey
from pipeline.stores.forget_requests import ForgetRequest, Forgotten, Markers, Scope, session_of
from pipeline.stores.ledger.client import Client
from pipeline.stores.ledger.keys import (
    EPOCH_SHARDS,
    STATE,
    Subject,
    epoch_key,
    item_key,
    marker_key,
    name_of,
    request_key,
)
from pipeline.stores.ledger.ledger import Runtime
from pipeline.stores.ledger.records import Item, LedgerRecord, ledger_record, number


class ForgetRequests:
    """What was asked to be forgotten.

    Args:
        table: the ledger's.
    """

    def __init__(self, client: Client, table: str, runtime: Runtime) -> None:
        self._client, self._table, self._runtime = client, table, runtime

    def markers(self, tenant_id: str, users: AbstractSet[str], sessions: AbstractSet[str]) -> Markers:
        """Return the forget markers of these users and sessions, and of these users' sessions."""
        asked: list[tuple[Scope, str]] = [("user", user) for user in sorted(users)]
        asked += [("session", session) for session in sorted(sessions)]
        asked += [
            ("user_session", session_of(user, session))
            for user in sorted(users)
            for session in sorted(sessions)
        ]
        by_key = {marker_key(tenant_id, *subject)["sk"]["S"]: subject for subject in asked}
        keys = [marker_key(tenant_id, *subject) for subject in asked]
        found = {item["sk"]["S"]: item for item in self._client.get_all(self._table, keys)}
        return Markers({by_key[sk]: _times(item) for sk, item in found.items()})

    def mark(self, request: ForgetRequest) -> None:
        """Set a permanent marker, one of each T; then move every copy of the epoch.

        Not in one transaction, which may be seen by halves: whoever sees the epoch moved must see the marker. What
        is written in between, by one who saw neither, is met by the request's own visit of its item.
        """
        self._client.update(
            self._table,
            Key=marker_key(request.tenant_id, request.scope, request.subject),
            UpdateExpression="ADD times :at",
            ExpressionAttributeValues={":at": {"SS": [request.asked_at.isoformat()]}},
        )
        moves = [_epoch_moves(self._table, request.tenant_id, shard) for shard in range(EPOCH_SHARDS)]
        self._client.transact(self._table, moves)

    def items_of(self, request: ForgetRequest, owner: str | None) -> list[ItemKey]:
        """Return the items that have messages of the user or session which are not erased, or an event that names the owner."""
        keys = [item_key(request.tenant_id, source) for source in sorted(self._sources_of(request, owner))]
        found = map(ledger_record, self._client.get_all(self._table, keys))
        return sorted({one.key for one in found if one.key and _concerns(request, owner, one)})

    def finish(self, request: ForgetRequest, deleted: int) -> Forgotten:
        """Write down that a request was carried out; the first answer stays."""
        done = Forgotten(request, deleted, self._runtime.now())
        row = _forgotten_item(done)
        if self._client.put(self._table, Item=row, ConditionExpression="attribute_not_exists(pk)"):
            return done
        return self.forgotten(request.tenant_id, request.id) or done

    def forgotten(self, tenant_id: str, request_id: str) -> Forgotten | None:
        """Return what became of a request to forget."""
        item = self._client.get(self._table, request_key(tenant_id, request_id))
        return _forgotten(item) if item else None

    def _sources_of(self, request: ForgetRequest, owner: str | None) -> set[str]:
        """Return the items that may be asked by the user or session, or by the owner."""
        subjects: list[Subject] = [("session", request.session_key or "")]
        if request.user_id is not None:
            subjects = [("user", request.user_id)]
            subjects += [("owner", owner)] if owner else []
        found = set()
        for kind, name in subjects:
            pk = {"S": name_of(kind, request.tenant_id, name)}
            rows = self._client.query(self._table, "pk = :pk", {":pk": pk}, ProjectionExpression="sk")
            found |= {row["sk"]["S"] for row in rows if row["sk"]["S"] != STATE}
        return found


def _concerns(request: ForgetRequest, owner: str | None, item: LedgerRecord) -> bool:
    """Tell whether an item has messages, not erased, of what a request names; or may have, being half written."""
    if request.session_key is not None and item.name != request.session_key:
        return False
    users = item.owners.keys() | (item.marked if item.applying else frozenset())
    named = owner is not None and any(owner in {event.before, event.after} for event in item.facts.events)
    return bool(users) and (named or request.user_id is None or request.user_id in users)


def _times(item: Item) -> tuple[datetime, ...]:
    return tuple(sorted(map(datetime.fromisoformat, item["times"]["SS"])))


def _epoch_moves(table: str, tenant_id: str, shard: int) -> dict[str, Any]:
    return {
        "Update": {
            "TableName": table,
            "Key": epoch_key(tenant_id, shard),
            "UpdateExpression": "ADD epoch :one",
            "ExpressionAttributeValues": {":one": {"N": "1"}},
        }
    }


def _forgotten_item(done: Forgotten) -> dict[str, Any]:
    """Return the row of a request that was carried out."""
    request = done.request
    names = {"user_id": request.user_id, "session_key": request.session_key}
    return {
        **request_key(request.tenant_id, request.id),
        "id": {"S": request.id},
        "tenant_id": {"S": request.tenant_id},
        "asked_at": {"S": request.asked_at.isoformat()},
        "done_at": {"S": done.done_at.isoformat()},
        "deleted": {"N": str(done.deleted)},
        **{name: {"S": value} for name, value in names.items() if value is not None},
    }


def _forgotten(item: Item) -> Forgotten:
    """Return what such a row says."""
    asked_at, done_at = (datetime.fromisoformat(item[name]["S"]) for name in ("asked_at", "done_at"))
    names = (item[name]["S"] if name in item else None for name in ("user_id", "session_key"))
    request = ForgetRequest(item["id"]["S"], item["tenant_id"]["S"], asked_at, *names)
    return Forgotten(request, number(item, "deleted"), done_at)
