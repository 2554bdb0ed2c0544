"""Wishes to forget, carried out on the ledger: the marker first, then item by item what it covers."""

from collections.abc import Callable, Sequence
from collections.abc import Set as AbstractSet
from datetime import timedelta
from typing import Any

from pipeline.errors import StoreUnavailableError
from pipeline.source.documents import ItemKey
from pipeline.stores.forgetting import ForgetRequest, Forgotten, Scope, session_of
from pipeline.stores.ledger.client import Cancelled, Client
from pipeline.stores.ledger.ledger import READ_AGAIN_SECONDS, Ledger, Runtime
from pipeline.stores.ledger.names import (
    EPOCH_SHARDS,
    STATE,
    Subject,
    epoch_key,
    marker_key,
    name_of,
    wish_key,
)
from pipeline.stores.ledger.rows import LedgerRow, covers, forgotten, forgotten_item, moment
from pipeline.stores.ledger.writes import OwnRows
from pipeline.stores.protocol import Change, Markers

SKEW = timedelta(minutes=1)
"""How far the clocks of those who ask and those who index may be apart."""


class Wishes:
    """What was asked to be forgotten.

    Args:
        ledger: whose items lose their chunks.
        own_rows: the store's own rows of a write.
    """

    def __init__(
        self, client: Client, table: str, ledger: Ledger, runtime: Runtime, own_rows: OwnRows
    ) -> None:
        self._client, self._table, self._ledger = client, table, ledger
        self._runtime, self._own_rows = runtime, own_rows

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

    def forget(self, request: ForgetRequest, also: Callable[[], int]) -> Forgotten:
        """Set the marker, delete what it covers item by item, and write down what became of the wish; once.

        A wish that is cut short is finished when it comes again: the marker stands from its beginning.

        Args:
            also: deletes what only the store knows of; returns how much.
        """
        if known := self.forgotten(request.tenant_id, request.id):
            return known
        self._mark(request)
        again, deleted = [], also()
        for source in sorted(self._sources_of(request)):
            count, recent = self._delete_covered(request, source)
            deleted += count
            again += [recent] if recent else []  # also if a first try that was cut short deleted all of it
        done = Forgotten(request, deleted, self._runtime.now(), tuple(again))
        row = forgotten_item(done)
        if self._client.put(self._table, Item=row, ConditionExpression="attribute_not_exists(pk)"):
            return done
        return self.forgotten(request.tenant_id, request.id) or done

    def forgotten(self, tenant_id: str, request_id: str) -> Forgotten | None:
        """Return what became of a wish to forget."""
        item = self._client.get(self._table, wish_key(tenant_id, request_id))
        return forgotten(item) if item else None

    def _mark(self, request: ForgetRequest) -> None:
        """Set a permanent marker, which never moves back; then move every copy of the epoch.

        Not in one transaction, which may be seen by halves: whoever sees the epoch moved must see the marker. What
        is written in between, by one who saw neither, is deleted afterwards.
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
        """Return the items that have, or had, chunks of the user or session."""
        subject: Subject = ("session", request.session_key or "")
        if request.user_id is not None:
            subject = ("user", request.user_id)
        pk = {"S": name_of(subject[0], request.tenant_id, subject[1])}
        rows = self._client.query(self._table, "pk = :pk", {":pk": pk}, ProjectionExpression="sk")
        return [row["sk"]["S"] for row in rows if row["sk"]["S"] != STATE]

    def _delete_covered(self, request: ForgetRequest, source: str) -> tuple[int, ItemKey | None]:
        """Delete what the wish covers of an item; return how much, and the item if it was indexed since the asking."""
        tenant_id = request.tenant_id
        for pause in (*READ_AGAIN_SECONDS, 1.0):
            epoch = self._ledger.epoch(tenant_id, source)
            ledger, rows = self._ledger.rows(tenant_id, source)
            ids = [row.id for row in rows if covers(request, row)]
            since = ledger.indexed_at is not None and ledger.indexed_at >= request.asked_at - SKEW
            if not ids or self._apply_delete(tenant_id, source, ledger, epoch, ids):
                return len(ids), ledger.key if since else None
            self._runtime.sleep(pause)
        raise StoreUnavailableError("an item is written to all the time: forget again to delete what is left")

    def _apply_delete(  # all of a change that only deletes
        self,
        tenant_id: str,
        source: str,
        ledger: LedgerRow,
        epoch: int,
        ids: Sequence[str],
    ) -> bool:
        """Delete chunks, and leave what the ledger says of the item as it is."""
        change = Change(
            source,
            ledger.revision,
            ledger.position,
            ledger.present,
            epoch,
            expires_at=ledger.expires_at,
            deletes=ids,
            reflected=False,
        )
        return self._ledger.apply(tenant_id, change, self._own_rows, indexed_at=ledger.indexed_at)


def _epoch_moves(table: str, tenant_id: str, shard: int) -> dict[str, Any]:
    return {
        "Update": {
            "TableName": table,
            "Key": epoch_key(tenant_id, shard),
            "UpdateExpression": "ADD epoch :one",
            "ExpressionAttributeValues": {":one": {"N": "1"}},
        }
    }
