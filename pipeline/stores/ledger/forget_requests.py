"""Requests to forget in the ledger's table: their markers, whom they concern, and what became of them."""

from collections.abc import Set as AbstractSet
from typing import Any

from pipeline.errors import StoreUnavailableError
from pipeline.source.documents import ItemKey
from pipeline.stores.forgetting import ForgetRequest, Forgotten, Scope, session_of
from pipeline.stores.ledger.client import Cancelled, Client
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
from pipeline.stores.ledger.ledger import READ_AGAIN_SECONDS, Runtime
from pipeline.stores.ledger.records import LedgerRecord, forgotten, forgotten_item, ledger_record, moment
from pipeline.stores.protocol import Markers


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
        times = {by_key[sk]: moment(item, "forgotten_at") for sk, item in found.items()}
        return Markers({subject: time for subject, time in times.items() if time})

    def mark(self, request: ForgetRequest) -> None:
        """Set a permanent marker, which never moves back; then move every copy of the epoch.

        Not in one transaction, which may be seen by halves: whoever sees the epoch moved must see the marker. What
        is written in between, by one who saw neither, is met by the request's own visit of its item.
        """
        moves = [_epoch_moves(self._table, request.tenant_id, shard) for shard in range(EPOCH_SHARDS)]
        marked = False
        for pause in (*READ_AGAIN_SECONDS, 1.0):
            marked = marked or self._put_marker(request)
            try:
                if marked:
                    return self._client.transact(self._table, moves)
            except Cancelled:
                pass
            self._runtime.sleep(pause)
        raise StoreUnavailableError("the same is being forgotten by others all the time")

    def items_of(self, request: ForgetRequest) -> list[ItemKey]:
        """Return the items that have messages of the user or session which are not erased."""
        keys = [item_key(request.tenant_id, source) for source in self._sources_of(request)]
        found = map(ledger_record, self._client.get_all(self._table, keys))
        return sorted({one.key for one in found if one.key and _concerns(request, one)})

    def finish(self, request: ForgetRequest, deleted: int) -> Forgotten:
        """Write down that a request was carried out; the first answer stays."""
        done = Forgotten(request, deleted, self._runtime.now())
        row = forgotten_item(done)
        if self._client.put(self._table, Item=row, ConditionExpression="attribute_not_exists(pk)"):
            return done
        return self.forgotten(request.tenant_id, request.id) or done

    def forgotten(self, tenant_id: str, request_id: str) -> Forgotten | None:
        """Return what became of a request to forget."""
        item = self._client.get(self._table, request_key(tenant_id, request_id))
        return forgotten(item) if item else None

    def _put_marker(self, request: ForgetRequest) -> bool:
        """Set the marker to the later of what it says and what is asked; tell whether nobody came in between."""
        place = marker_key(request.tenant_id, request.scope, request.subject)
        known = self._client.get(self._table, place)
        at = max(request.asked_at, (known and moment(known, "forgotten_at")) or request.asked_at)
        values = {":known": known["forgotten_at"]} if known else {}
        return self._client.put(
            self._table,
            Item={**place, "forgotten_at": {"S": at.isoformat()}},
            ConditionExpression="forgotten_at = :known" if known else "attribute_not_exists(pk)",
            **({"ExpressionAttributeValues": values} if values else {}),
        )

    def _sources_of(self, request: ForgetRequest) -> list[str]:
        """Return the items that have, or had, messages of the user or session."""
        subject: Subject = ("session", request.session_key or "")
        if request.user_id is not None:
            subject = ("user", request.user_id)
        pk = {"S": name_of(subject[0], request.tenant_id, subject[1])}
        rows = self._client.query(self._table, "pk = :pk", {":pk": pk}, ProjectionExpression="sk")
        return [row["sk"]["S"] for row in rows if row["sk"]["S"] != STATE]


def _concerns(request: ForgetRequest, item: LedgerRecord) -> bool:
    """Tell whether an item has messages, not erased, of what a request names; or may have, being half written."""
    if request.session_key is not None and item.name != request.session_key:
        return False
    users = item.owners.keys() | (item.marked if item.applying else frozenset())
    return bool(users) if request.user_id is None else request.user_id in users


def _epoch_moves(table: str, tenant_id: str, shard: int) -> dict[str, Any]:
    return {
        "Update": {
            "TableName": table,
            "Key": epoch_key(tenant_id, shard),
            "UpdateExpression": "ADD epoch :one",
            "ExpressionAttributeValues": {":one": {"N": "1"}},
        }
    }
