"""A planned write → transactions that DynamoDB takes. Pure.

A write that fits into one transaction is one. A larger one is several, each of which moves the ledger to a revision of
its own: the item is *applying* from the first to the last, its users' states say so, and its facts move with the last.
Records and the store's own rows of a chunk always share a transaction, so that what the ledger lists is what there is,
at every revision; whoever takes an item over after a crash plans from that, and by moving the ledger locks the slow
worker out. An item may have had any number of owners, so what concerns them is cut like the rest: first what the item
may be asked by, then the marks at the users' states, then the write itself, at last the marks' taking away.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import astuple, dataclass
from datetime import datetime
from typing import Any

from pipeline.stores.index_state import PlannedWrite
from pipeline.stores.ledger.batching import batches, total_of
from pipeline.stores.ledger.keys import (
    Kind,
    Subject,
    epoch_key,
    epoch_shard,
    hidden_key,
    item_key,
    item_name,
    state_key,
    subject_key,
)
from pipeline.stores.ledger.mutations import Mutation, Op
from pipeline.stores.ledger.records import LedgerRecord, written_facts, written_subjects

MAX_OPS = 100
"""Of a transaction (docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_TransactWriteItems.html)."""
LEASE_SECONDS = 10.0
"""So long others wait between two transactions of one write."""


@dataclass(frozen=True, slots=True)
class Transaction:
    """The ledger's move first, the epoch's check second."""

    ops: tuple[Op, ...]
    revision: int


@dataclass(frozen=True, slots=True)
class _Part:
    """What one transaction carries out, and which it is.

    Args:
        owners: how many messages each user has then.
        subjects: what the item may be asked by then.
    """

    number: int
    total: Mutation
    owners: Mapping[str, int]
    subjects: frozenset[Subject]
    last: bool


@dataclass(frozen=True, slots=True)
class Transactions:
    """Makes the transactions of one write.

    Args:
        table: the ledger's.
        now: the time.
        max_ops: of a transaction.
    """

    table: str
    tenant_id: str
    write: PlannedWrite
    ledger: LedgerRecord
    now: datetime
    max_ops: int = MAX_OPS

    def cut(self, mutations: Sequence[Mutation]) -> list[Transaction]:
        """Return the transactions that carry ``mutations`` out, in order; at least one."""
        users = frozenset(total_of(mutations).users) | self.ledger.marked
        about = [*self._freshness(), *self._hidden()]
        whole = [*self._introductions(), *_marks(users), *mutations, *_clears(users)]
        cut = list(batches(whole, self.max_ops - 2 - len(about)))
        owners, subjects, transactions = dict(self.ledger.owners), self.ledger.subjects, []
        for number, batch in enumerate(cut):
            total = total_of(batch)
            for user, count in total.owners.items():
                owners[user] = owners.get(user, 0) + count
            subjects |= total.subjects
            last = number == len(cut) - 1
            part = _Part(number, total, dict(owners), subjects, last)
            ops = [
                self._move(part, users),
                self._check_epoch(),
                *self._states(part),
                *_with_last_word((op for mutation in batch for op in mutation.ops), about if last else ()),
            ]
            transactions.append(Transaction(tuple(ops), self.write.expected_revision + number + 1))
        return transactions

    def _introductions(self) -> list[Mutation]:
        """Return what says that the item may be asked by what is new; before anything is written that is asked for."""
        return [
            Mutation((self._introduction(subject),), subjects=frozenset({subject}))
            for subject in sorted(self._subjects() - self.ledger.subjects)
        ]

    def _introduction(self, subject: Subject) -> Op:
        key = subject_key(self.tenant_id, subject, self.write.source)
        return {"Update": {**_update(key, {"known": {"BOOL": True}}, ()), "TableName": self.table}}

    def _move(self, part: _Part, users: frozenset[str]) -> Op:
        revision = self.write.expected_revision + part.number
        sets = {
            "revision": {"N": str(revision + 1)},
            "tenant_id": {"S": self.tenant_id},
            "source": {"S": self.write.source},
            "subjects": {"S": json.dumps(written_subjects(part.subjects))},
            "owners": {"S": json.dumps({user: count for user, count in part.owners.items() if count > 0})},
            "touched": {"S": json.dumps(part.total.touched)},
            **self._names_of_item(),
            **(self._reflected() if part.last else self._in_progress(users)),
        }
        removes = [
            name
            for name in ("lease_until", "applying", "marked", "expires_at")
            if part.last and name not in sets
        ]
        condition = "revision = :expected" if revision else "attribute_not_exists(pk)"
        values = {":expected": {"N": str(revision)}} if revision else {}
        sums = {name: {"N": str(value)} for name, value in part.total.sums.items() if value}
        move = _update(item_key(self.tenant_id, self.write.source), sets, removes, sums)
        return {"Update": {**_with(move, values), "TableName": self.table, "ConditionExpression": condition}}

    def _in_progress(self, users: frozenset[str]) -> dict[str, Any]:
        """Return what the ledger says between the first transaction and the last."""
        return {
            "applying": {"BOOL": True},
            "marked": {"S": json.dumps(sorted(users))},
            "lease_until": {"N": str(self.now.timestamp() + LEASE_SECONDS)},
        }

    def _reflected(self) -> dict[str, Any]:
        """Return what the ledger says when all of the write is there."""
        expires = self.write.expires_at if self.write.facts.present else self.ledger.expires_at
        return {
            "facts": {"S": written_facts(self.write.facts)},
            **({"expires_at": {"S": expires.isoformat()}} if expires else {}),
        }

    def _names_of_item(self) -> dict[str, Any]:
        """Return where the item lives and what it is called, as far as that is known."""
        key = self.write.key or self.ledger.key
        names = {"name": self._item_name, "item_key": json.dumps(astuple(key)) if key else None}
        return {name: {"S": value} for name, value in names.items() if value}

    @property
    def _item_name(self) -> str | None:
        return self.write.name or self.ledger.name

    def _subjects(self) -> frozenset[Subject]:
        """Return what the item may be asked by: users and the session of its messages, owners that events name."""
        users = {row.user_id for row in self.write.messages if row.user_id}
        session = {self._item_name} if self._item_name else set()
        owners = {name for event in self.write.facts.events for name in (event.before, event.after) if name}
        named: dict[Kind, set[str]] = {"user": users, "session": session, "owner": owners}
        return frozenset((kind, name) for kind, names in named.items() for name in names)

    def _freshness(self) -> list[Op]:
        """Return what says up to when the item is indexed, at the user whose it is; and no longer at another."""
        write, before = self.write, self.ledger.facts.user_id
        owner = write.facts.user_id or before
        if not owner:
            return []
        until = (write.updated_at if write.facts.present else None) or write.saved_at
        sets: dict[str, Any] = {"until": {"S": until.isoformat()}} if write.reflected and until else {}
        sets |= {"known": {"BOOL": True}} | ({"name": {"S": self._item_name}} if self._item_name else {})
        here = _update(self._subject(owner), sets, ())
        left = before if before not in {None, owner} else None
        gone = [_update(self._subject(left), {"known": {"BOOL": True}}, ("until",))] if left else []
        return [{"Update": {**update, "TableName": self.table}} for update in (here, *gone)]

    def _hidden(self) -> list[Op]:
        """Return what lists the item among those with a hidden message, by the time since when; or no longer."""
        before, since = self.ledger.facts.hidden_since, self.write.facts.hidden_since
        key = self.write.key or self.ledger.key
        if before == since and key == self.ledger.key:
            return []
        where = {"TableName": self.table}
        old, new = (
            None if one is None else hidden_key(self.tenant_id, self.write.source, one)
            for one in (before, since)
        )
        listed = {
            "tenant_id": {"S": self.tenant_id},
            **({"item_key": {"S": json.dumps(astuple(key))}} if key else {}),
        }
        puts: list[Op] = [{"Put": {**where, "Item": {**new, **listed}}}] if new else []
        return [*puts, *([{"Delete": {**where, "Key": old}}] if old and old != new else [])]

    def _subject(self, user_id: str) -> dict[str, Any]:
        return subject_key(self.tenant_id, ("user", user_id), self.write.source)

    def _check_epoch(self) -> Op:
        epoch = self.write.expected_epoch
        known = {":epoch": {"N": str(epoch)}} if epoch else {}
        check = {
            "TableName": self.table,
            "Key": epoch_key(self.tenant_id, epoch_shard(self.write.source)),
            "ConditionExpression": "epoch = :epoch" if known else "attribute_not_exists(pk)",
        }
        return {"ConditionCheck": _with(check, known)}

    def _states(self, part: _Part) -> list[Op]:
        """Return what becomes of users' states; a mark that is set and taken away at once is not written."""
        total, marked = part.total, self.ledger.marked
        marks, clears = total.marks - total.clears, total.clears - (total.marks - marked)
        return [
            self._state(user, total, marks=user in marks, clears=user in clears)
            for user in sorted(marks | clears | frozenset(total.users))
        ]

    def _state(self, user_id: str, total: Mutation, *, marks: bool, clears: bool) -> Op:
        weight, chunks = total.users.get(user_id, (0, 0))
        added: dict[str, Any] = {
            "revision": {"N": "1"},
            "total": {"N": str(weight)},
            "chunks": {"N": str(chunks)},
        }
        item = {"SS": [self.write.source]}
        if user_id in total.adopters:
            added["adopted"] = {"SS": [item_name(self.write.source)]}
        state = _update(
            state_key(self.tenant_id, user_id),
            {},
            (),
            added | ({"applying": item} if marks else {}),
            {"applying": item} if clears else {},
        )
        return {"Update": {**state, "TableName": self.table}}


def _marks(users: Iterable[str]) -> list[Mutation]:
    return [Mutation(marks=frozenset({user})) for user in sorted(users)]


def _clears(users: Iterable[str]) -> list[Mutation]:
    return [Mutation(clears=frozenset({user})) for user in sorted(users)]


def _with_last_word(ops: Iterable[Op], about: Sequence[Op]) -> list[Op]:
    """Return ``ops`` and ``about``, which says of a row all that is to be said: DynamoDB takes one operation on each."""
    said = [op["Update"]["Key"] for op in about if "Update" in op]
    return [*(op for op in ops if op.get("Update", {}).get("Key") not in said), *about]


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
