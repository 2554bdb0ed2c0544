"""A change → transactions that DynamoDB takes. Pure.

A change that fits into one transaction is one. A larger one is several, each of which moves the ledger to a revision
of its own: the item is *applying* from the first to the last, its users' states say so, and its position moves with
the last. Chunk rows and the store's own rows of a chunk always share a transaction, so that what the ledger lists is what there
is, at every revision; whoever takes an item over after a crash plans from that, and by moving the ledger locks the
slow worker out.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass
from datetime import datetime
from typing import Any

from pipeline.stores.ledger.names import (
    Subject,
    chunk_key,
    epoch_key,
    epoch_shard,
    ledger_key,
    state_key,
    subject_key,
)
from pipeline.stores.ledger.rows import LedgerRow, written_subjects
from pipeline.stores.ledger.writes import Op, OwnRows, Write, batches, moved, subjects_of, users_of
from pipeline.stores.protocol import Change

MAX_OPS = 100
"""Of a transaction (docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_TransactWriteItems.html)."""
LEASE_SECONDS = 10.0
"""So long others wait between two transactions of one change."""
_RESERVED_OPS = 4
"""The ledger's row, the epoch's, and up to when the item is indexed, at one user or two."""


@dataclass(frozen=True, slots=True)
class Step:
    """One transaction: the ledger's move first, the epoch's check second."""

    ops: tuple[Op, ...]
    revision: int


@dataclass(frozen=True, slots=True)
class Steps:
    """Makes the transactions of one change.

    Args:
        table: the ledger's.
        own_rows: see there.
        now: the time.
        indexed_at: what the ledger says about when; default now.
        max_ops: of a transaction.
    """

    table: str
    tenant_id: str
    change: Change
    ledger: LedgerRow
    own_rows: OwnRows
    now: datetime
    indexed_at: datetime | None = None
    max_ops: int = MAX_OPS

    def cut(self, writes: Sequence[Write]) -> list[Step]:
        """Return the transactions that carry ``writes`` out, in order; at least one."""
        users = users_of(writes) | self.ledger.marked
        subjects = subjects_of(writes) - self.ledger.subjects
        ops_of = {id(write): self._ops(write) for write in writes}
        costs = [len(ops_of[id(write)]) for write in writes]
        cut = list(batches(writes, costs, self.max_ops - _RESERVED_OPS - len(users) - len(subjects)))
        owner: frozenset[Subject] = frozenset([("user", self._owner)] if self._owner else [])
        steps = []
        for number, batch in enumerate(cut):
            last = number == len(cut) - 1
            revision = self.change.expected_revision + number
            ops = [
                self._move(revision, batch, users, subjects | owner, last=last),
                self._check_epoch(),
                *(
                    self._name(subject)
                    for subject in sorted(subjects - (owner if last else frozenset()))
                    if number == 0
                ),
                *(self._freshness() if last else ()),
                *self._states(batch, users, first=number == 0, last=last),
                *(op for write in batch for op in ops_of[id(write)]),
            ]
            steps.append(Step(tuple(ops), revision + 1))
        return steps

    def _ops(self, write: Write) -> list[Op]:
        return [self._row(write), *self.own_rows(self.tenant_id, self.change.source, write)]

    def _row(self, write: Write) -> Op:
        known = {":stamp": {"S": write.old.stamp}} if write.old else {}
        condition: dict[str, Any] = {
            "TableName": self.table,
            "ConditionExpression": "stamp = :stamp" if known else "attribute_not_exists(pk)",
            **({"ExpressionAttributeValues": known} if known else {}),
        }
        if write.new is None:
            return {"Delete": {**condition, "Key": chunk_key(self.tenant_id, self.change.source, write.id)}}
        return {"Put": {**condition, "Item": write.new.to_item(self.tenant_id, self.change.source)}}

    def _move(
        self,
        revision: int,
        batch: Sequence[Write],
        users: frozenset[str],
        subjects: frozenset[Subject],
        *,
        last: bool,
    ) -> Op:
        added = sum(write.new.weight for write in batch if write.new)
        removed = sum(write.old.weight for write in batch if write.old)
        sets = {
            "revision": {"N": str(revision + 1)},
            "tenant_id": {"S": self.tenant_id},
            "source": {"S": self.change.source},
            "subjects": {"S": json.dumps(written_subjects(self.ledger.subjects | subjects))},
            **(self._reflected() if last else self._half(users)),
        }
        removes = ("lease_until", "applying", "marked") if last else ()
        condition = "revision = :expected" if revision else "attribute_not_exists(pk)"
        values = {":expected": {"N": str(revision)}} if revision else {}
        move = _update(self._key, sets, removes, {"total": {"N": str(added - removed)}})
        return {"Update": {**_with(move, values), "TableName": self.table, "ConditionExpression": condition}}

    @property
    def _key(self) -> dict[str, Any]:
        return ledger_key(self.tenant_id, self.change.source)

    def _half(self, users: frozenset[str]) -> dict[str, Any]:
        """Return what the ledger says between the first transaction and the last."""
        return {
            "applying": {"BOOL": True},
            "marked": {"S": json.dumps(sorted(users))},
            "lease_until": {"N": str(self.now.timestamp() + LEASE_SECONDS)},
        }

    def _reflected(self) -> dict[str, Any]:
        """Return what the ledger says when all of the change is there."""
        change, ledger = self.change, self.ledger
        created = max((time for time in (change.created_at, ledger.created_at) if time), default=None)
        expires = change.expires_at if change.present else ledger.expires_at
        times = {"created_at": created, "expires_at": expires, "indexed_at": self.indexed_at or self.now}
        names = {"name": change.name or ledger.name, "user_id": self._owner}
        key = change.key or ledger.key
        names["item_key"] = json.dumps(astuple(key)) if key else None
        return {
            "position": {"S": change.position},
            "present": {"BOOL": change.present},
            **{name: {"S": time.isoformat()} for name, time in times.items() if time},
            **{name: {"S": value} for name, value in names.items() if value},
        }

    @property
    def _owner(self) -> str | None:
        return self.change.user_id or self.ledger.user_id

    def _freshness(self) -> list[Op]:
        """Return what says up to when the item is indexed, at the user whose it is; and no longer at another."""
        change, ledger, owner = self.change, self.ledger, self._owner
        if not owner:
            return []
        until = (change.updated_at if change.present else None) or change.saved_at
        sets: dict[str, Any] = {"until": {"S": until.isoformat()}} if change.reflected and until else {}
        name = change.name or ledger.name
        sets |= {"known": {"BOOL": True}} | ({"name": {"S": name}} if name else {})
        here = _update(self._subject(owner), sets, ())
        left = ledger.user_id if ledger.user_id not in {None, owner} else None
        gone = [_update(self._subject(left), {"known": {"BOOL": True}}, ("until",))] if left else []
        return [{"Update": {**update, "TableName": self.table}} for update in (here, *gone)]

    def _subject(self, user_id: str) -> dict[str, Any]:
        return subject_key(self.tenant_id, ("user", user_id), self.change.source)

    def _check_epoch(self) -> Op:
        epoch = self.change.expected_epoch
        known = {":epoch": {"N": str(epoch)}} if epoch else {}
        check = {
            "TableName": self.table,
            "Key": epoch_key(self.tenant_id, epoch_shard(self.change.source)),
            "ConditionExpression": "epoch = :epoch" if known else "attribute_not_exists(pk)",
        }
        return {"ConditionCheck": _with(check, known)}

    def _name(self, subject: Subject) -> Op:
        named = _update(
            subject_key(self.tenant_id, subject, self.change.source), {"known": {"BOOL": True}}, ()
        )
        return {"Update": {**named, "TableName": self.table}}

    def _states(self, batch: Sequence[Write], users: frozenset[str], *, first: bool, last: bool) -> list[Op]:
        totals, chunks = moved(batch)
        marks = first and not last
        clears = users if not first else self.ledger.marked
        return [
            self._state(user, totals[user], chunks[user], marks=marks, clears=last and user in clears)
            for user in sorted(users)
            if user in totals or marks or (last and user in clears)
        ]

    def _state(self, user_id: str, total: int, chunks: int, *, marks: bool, clears: bool) -> Op:
        added = {"revision": {"N": "1"}, "total": {"N": str(total)}, "chunks": {"N": str(chunks)}}
        item = {"SS": [self.change.source]}
        state = _update(
            state_key(self.tenant_id, user_id),
            {},
            (),
            added | ({"applying": item} if marks else {}),
            {"applying": item} if clears else {},
        )
        return {"Update": {**state, "TableName": self.table}}


def _with(op: Mapping[str, Any], values: Mapping[str, Any]) -> dict[str, Any]:
    if not values:
        return dict(op)
    return {**op, "ExpressionAttributeValues": {**op.get("ExpressionAttributeValues", {}), **values}}


def _update(
    key: Mapping[str, Any],
    sets: Mapping[str, Any],
    removes: Sequence[str],
    adds: Mapping[str, Any] | None = None,
    deletes: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Return an update of the row at ``key``; names are written with a # since many are reserved words."""
    parts: dict[str, list[str]] = {
        "SET": [f"#{name} = :{name}" for name in sets],
        "REMOVE": [f"#{name}" for name in removes],
        "ADD": [f"#{name} :{name}" for name in adds or {}],
        "DELETE": [f"#{name} :{name}" for name in deletes or {}],
    }
    values = {**sets, **(adds or {}), **(deletes or {})}
    return {
        "Key": key,
        "UpdateExpression": " ".join(f"{verb} {', '.join(what)}" for verb, what in parts.items() if what),
        "ExpressionAttributeNames": {f"#{name}": name for name in (*values, *removes)},
        "ExpressionAttributeValues": {f":{name}": value for name, value in values.items()},
    }
