"""What a planned write does to each record, and how much of it goes into one transaction. Pure."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from pipeline.embedding.vectors import Vector
from pipeline.stores.chunks import NOBODY, Chunk, ChunkMove
from pipeline.stores.index_state import PlannedWrite
from pipeline.stores.ledger.keys import CLOSED, KEPT, MESSAGE, Subject, holder_sk, item_key, named_sk
from pipeline.stores.ledger.records import (
    ChunkRecord,
    Item,
    chunk_record,
    message_item,
    message_row,
    trace,
    weight,
)
from pipeline.stores.message_rows import MessageRow

Op = Mapping[str, Any]
"""One member of TransactWriteItems."""


@dataclass(frozen=True, slots=True)
class ChunkMutation:
    """What happens to one chunk.

    Args:
        old: its record as it is, if there is one.
        new: its record as it will be, if it stays.
        content: text and vector, if they are written.
    """

    old: ChunkRecord | None
    new: ChunkRecord | None
    content: tuple[Chunk, Vector | None] | None = None

    @property
    def id(self) -> str:
        """The chunk's id."""
        return (self.old or self.new).id  # type: ignore[union-attr]  # one of them is there


ExtraOperations = Callable[[str, str, Sequence[ChunkMutation]], Sequence[Sequence[Op]]]
"""The store's own rows of the chunks of a tenant's item: per chunk, what must share its transaction. It may raise
:class:`PartialReadError`."""


class PartialReadError(Exception):
    """Rows that were read do not belong together: one half of a transaction was seen. They have to be read again."""


@dataclass(frozen=True, slots=True)
class Mutation:
    """Operations that belong together, and what they mean for the rows that count.

    Args:
        sums: by how much numbers of the ledger row change.
        owners: by how much the number of each user's messages changes.
        touched: what becomes of kept messages and closed chunks, see :class:`LedgerRecord`.
        users: whose searches see it → by how much their sum and their number of chunks change.
        adopters: users who get a chunk that is filed under another.
        subjects: what the item may be asked by from then on.
        marks: users whose state says from then on that the item is half written.
        clears: users whose state says no longer that it is.
    """

    ops: tuple[Op, ...] = ()
    sums: Mapping[str, int] = field(default_factory=dict)
    owners: Mapping[str, int] = field(default_factory=dict)
    touched: Mapping[str, str] = field(default_factory=dict)
    users: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    adopters: frozenset[str] = frozenset()
    subjects: frozenset[Subject] = frozenset()
    marks: frozenset[str] = frozenset()
    clears: frozenset[str] = frozenset()

    @property
    def states(self) -> frozenset[str]:
        """The users whose state is written with it."""
        return frozenset(self.users) | self.marks | self.clears


@dataclass(frozen=True, slots=True)
class Known:
    """The records that a write touches, as they are, by id."""

    chunks: Mapping[str, Item] = field(default_factory=dict)
    messages: Mapping[str, Item] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Mutations:
    """Makes the mutations of one write.

    Args:
        table: the ledger's.
        versions: chunk id → version of what was written of it elsewhere, where it stays whatever becomes of the chunk's
            user; ``None`` if the store's own rows lie in DynamoDB, and move along.
        token: a text that no other write ever has.
    """

    table: str
    tenant_id: str
    write: PlannedWrite
    known: Known
    versions: Mapping[str, str] | None
    token: Callable[[], str]

    def of(self, extra: ExtraOperations) -> list[Mutation]:
        """Return them in order: what is put, what moves, what is said of messages, what goes.

        In this order a worker that dies in between loses nothing: what is kept of a chunk that must go is there before
        it goes. Until the write is finished no search shows any of it. Who holds a closed chunk's messages is written
        before it is closed, and deleted after it is opened.
        """
        chunks = self.chunks()
        own = extra(self.tenant_id, self.write.source, chunks)
        changed = [self._chunk(chunk, ops) for chunk, ops in zip(chunks, own, strict=True)]
        goes = sum(chunk.new is None for chunk in chunks)
        stays = len(changed) - goes
        return [
            *self._holders(chunks, of_new=True),
            *changed[:stays],
            *self._messages(),
            *changed[stays:],
            *self._holders(chunks, of_new=False),
        ]

    def chunks(self) -> list[ChunkMutation]:
        """Return what happens to each chunk: puts, moves, deletes."""
        write, known = self.write, {id_: chunk_record(item) for id_, item in self.known.chunks.items()}
        upserts = {chunk.id: (chunk, vector) for chunk, vector in write.upserts}
        rest = {id_: record for id_, record in known.items() if id_ not in upserts}
        deletes = [id_ for id_ in dict.fromkeys(write.deletes) if id_ in rest]
        moves = [id_ for id_ in write.moves if id_ in rest and id_ not in deletes]
        return [
            *(
                ChunkMutation(known.get(id_), self._put(*content), content)
                for id_, content in upserts.items()
            ),
            *(ChunkMutation(rest[id_], self._moved(rest[id_], write.moves[id_])) for id_ in moves),
            *(ChunkMutation(rest[id_], None) for id_ in deletes),
        ]

    def _put(self, chunk: Chunk, vector: Vector | None) -> ChunkRecord:
        return ChunkRecord(
            chunk.id,
            chunk.user_id,
            str(chunk.metadata.get("key", "")),
            chunk.members,
            chunk.fingerprint,
            self.token() if self.versions is None else self.versions[chunk.id],
            self.token(),
            chunk.status,
            chunk.line_lengths,
            vector is not None,
        )

    def _moved(self, record: ChunkRecord, move: ChunkMove) -> ChunkRecord:
        filed = record.user_id if record.filed_under is None else record.filed_under
        stays = self.versions is not None and filed != move.user_id
        return replace(
            record,
            user_id=move.user_id,
            status=move.status,
            row_version=self.token(),
            filed_under=filed if stays else None,
        )

    def _chunk(self, chunk: ChunkMutation, own: Sequence[Op]) -> Mutation:
        old = self.known.chunks[chunk.id] if chunk.old else None
        new = chunk.new.to_item(self.tenant_id, self.write.source) if chunk.new else None
        sums, users = Counter[str](), dict[str, tuple[int, int]]()
        for record, sign in ((chunk.old, -1), (chunk.new, 1)):
            if record is None:
                continue
            sums["pending"] += sign * (not record.fingerprint)
            if record.user_id != NOBODY:
                total, count = users.get(record.user_id, (0, 0))
                users[record.user_id] = (total + sign * record.user_weight, count + sign)
        replaced = self._replaced(old, new)
        add(sums, replaced.sums)
        adopted = chunk.new and chunk.new.user_id != NOBODY and chunk.new.filed_under is not None
        adopters = frozenset([chunk.new.user_id] if chunk.new and adopted else [])
        return replace(replaced, ops=(*replaced.ops, *own), sums=sums, users=users, adopters=adopters)

    def _messages(self) -> Iterator[Mutation]:
        write, known = self.write, self.known.messages
        for row in {row.id: row for row in write.messages}.values():
            yield self._message(known.get(row.id), message_item(self.tenant_id, write.source, row), row)
        kept = {row.id for row in write.messages}
        for id_ in dict.fromkeys(write.purged):
            if id_ in known and id_ not in kept:
                yield self._message(known[id_], None, None)

    def _message(self, old: Item | None, new: Item | None, row: MessageRow | None) -> Mutation:
        before = message_row(old) if old else None
        owners = Counter[str]()
        for one, sign in ((before, -1), (row, 1)):
            if one and one.state != "erased":
                owners[one.user_id] += sign
        replaced, names = self._replaced(old, new), self._names(before, row)
        ops = tuple(op for name in names for op in name.ops)
        touched = {sk: left for name in names for sk, left in name.touched.items()}
        return replace(
            replaced, ops=(*replaced.ops, *ops), owners=owners, touched={**replaced.touched, **touched}
        )

    def _names(self, before: MessageRow | None, after: MessageRow | None) -> list[Mutation]:
        """Return what is written of a kept message's name, or deleted."""
        old, new = (
            named_sk(row.name, row.id) if row and row.state == "kept" else None for row in (before, after)
        )
        changes = [(sk, there) for sk, there in ((old, False), (new, True)) if sk and old != new]
        return [self._pointer(sk, there=there) for sk, there in changes]

    def _replaced(self, old: Item | None, new: Item | None) -> Mutation:
        """Return how one record takes another's place, which may lie under another sort key."""
        same = old and new and old["sk"] == new["sk"]
        ops: list[Op] = []
        if old and not same:
            ops.append({"Delete": {"TableName": self.table, "Key": _key(old), **_unchanged(old)}})
        if new:
            condition = (
                _unchanged(old) if old and same else {"ConditionExpression": "attribute_not_exists(pk)"}
            )
            ops.append({"Put": {"TableName": self.table, "Item": new, **condition}})
        sums = Counter[str]()
        for item, sign in ((old, -1), (new, 1)):
            add(sums, {name: sign * value for name, value in (_counts(item) if item else {}).items()})
        touched = {item["sk"]["S"]: trace(left) for item, left in ((old, None), (new, new)) if item}
        return Mutation(tuple(ops), sums, touched={sk: left for sk, left in touched.items() if _apart(sk)})

    def _holders(self, chunks: Sequence[ChunkMutation], *, of_new: bool) -> Iterator[Mutation]:
        """Yield what is written of the messages of chunks that are closed now, or deleted of those that were."""
        for chunk in chunks:
            here, there = (chunk.new, chunk.old) if of_new else (chunk.old, chunk.new)
            for member in dict.fromkeys(_closed_members(here)):
                if member not in _closed_members(there):
                    yield self._pointer(holder_sk(member, chunk.id), there=of_new)

    def _pointer(self, sk: str, *, there: bool) -> Mutation:
        """Return how a record that says nothing but its key is written or deleted."""
        place = item_key(self.tenant_id, self.write.source, sk)
        op = {"Put": {"TableName": self.table, "Item": place}}
        if not there:
            op = {"Delete": {"TableName": self.table, "Key": place}}
        return Mutation((op,), touched={sk: trace(place if there else None)})


def _closed_members(record: ChunkRecord | None) -> tuple[str, ...]:
    return record.members if record and record.closed else ()


def _key(item: Item) -> dict[str, Any]:
    return {"pk": item["pk"], "sk": item["sk"]}


def _unchanged(item: Item) -> dict[str, Any]:
    """Return the condition that a record is still as it was read."""
    name = "row" if "row" in item else "row_version"
    return {
        "ConditionExpression": "#known = :known",
        "ExpressionAttributeNames": {"#known": name},
        "ExpressionAttributeValues": {":known": item[name]},
    }


def _apart(sk: str) -> bool:
    """Tell whether a record lies outside what every reconcile reads."""
    return sk.startswith((CLOSED, KEPT))


def _counts(item: Item) -> Mapping[str, int]:
    """Return what a record adds to numbers of the ledger row."""
    sk = item["sk"]["S"]
    if _apart(sk):
        return {"kept" if sk.startswith(KEPT) else "closed": 1}
    return {"total" if sk.startswith(MESSAGE) else "chunk_total": weight(item)}


def add(counter: Counter[str], more: Mapping[str, int]) -> None:
    """Add numbers that may be negative."""
    for name, value in more.items():  # Counter.update is for counts that are not negative
        counter[name] += value
