"""Reads an item's records as they belong together."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from typing import Any

from pipeline.stores.index_state import PlannedWrite
from pipeline.stores.ledger.client import MAX_GETS, Client
from pipeline.stores.ledger.keys import (
    BEYOND,
    CHUNK,
    CLOSED,
    HOLDER,
    KEPT,
    LEDGER,
    MESSAGE,
    NAMED,
    chunk_sk,
    item_key,
    message_sk,
    name_of,
)
from pipeline.stores.ledger.mutations import Known, PartialReadError
from pipeline.stores.ledger.records import (
    ChunkRecord,
    Item,
    LedgerRecord,
    adds_up,
    chunk_record,
    is_chunk,
    ledger_record,
    message_row,
)

READ_AGAIN_SECONDS = (0.01, 0.03, 0.1, 0.3)
"""A transaction that is half visible is whole within milliseconds; records that still do not fit were tampered with."""
FEW = 25
"""So many ranges are read one by one; of more, the whole range is read in pages of a megabyte, which takes no longer."""


@dataclass(frozen=True, slots=True)
class ItemRecords:
    """Records of an item.

    Args:
        records: of messages that are not kept, or of chunks.
        kept: records of kept messages that were requested.
        whole: they belong together.
    """

    ledger: LedgerRecord
    records: tuple[Item, ...] = ()
    kept: tuple[Item, ...] = ()
    whole: bool = True


class ItemReader:
    """Reads an item's records again until they belong together.

    Args:
        table: the ledger's.
        sleep: waits, in seconds.
    """

    def __init__(self, client: Client, table: str, sleep: Callable[[float], None]) -> None:
        self._client, self._table, self._sleep = client, table, sleep

    def messages(self, tenant_id: str, source: str, names: AbstractSet[str]) -> ItemRecords:
        """Return the ledger row, the messages that are not kept, and the kept ones of these names."""
        return self._until_whole(lambda: self._messages(tenant_id, source, names))

    def chunks_and_kept(self, tenant_id: str, source: str, names: AbstractSet[str] | None) -> ItemRecords:
        """Return the kept messages of these names (``None``: all), the chunks that are not closed, and their closed ones."""
        return self._until_whole(lambda: self._chunks_and_kept(tenant_id, source, names))

    def every_message(self, tenant_id: str, source: str) -> list[Item]:
        """Return the records of all messages, as they lie there."""
        pk = name_of("item", tenant_id, source)
        return [*self._range(pk, MESSAGE), *self._range(pk, KEPT)]

    def chunks(
        self, tenant_id: str, wanted: Iterable[tuple[str, str]]
    ) -> Mapping[tuple[str, str], ChunkRecord]:
        """Return those of the chunks (source, id) that the ledger lists."""
        keys_wanted = dict.fromkeys(wanted)
        sources = {name_of("item", tenant_id, source): source for source, _ in keys_wanted}
        found: dict[tuple[str, str], ChunkRecord] = {}
        for closed in (False, True):
            keys = [
                item_key(tenant_id, source, chunk_sk(id_, closed=closed))
                for source, id_ in keys_wanted
                if (source, id_) not in found
            ]
            for item in self._client.get_all(self._table, keys):
                record = chunk_record(item)
                found[sources[item["pk"]["S"]], record.id] = record
        return found

    def known(self, tenant_id: str, write: PlannedWrite) -> tuple[LedgerRecord, Known]:
        """Return the ledger row and the records that a write touches.

        Raises:
            PartialReadError: they do not belong together.
        """
        sks = _touched_by(write)
        if len(sks) >= MAX_GETS:  # a first write of a long item touches nothing that is there
            ledger = ledger_record(self._client.get(self._table, item_key(tenant_id, write.source)))
            if _is_empty(ledger):
                return ledger, Known()
        found = self._get(tenant_id, write.source, [LEDGER, *sks])
        ledger = ledger_record(found.pop(LEDGER, None))
        if not ledger.fits(set(sks).__contains__, found):
            raise PartialReadError
        chunks = {chunk_record(item).id: item for item in found.values() if is_chunk(item)}
        return ledger, Known(chunks, {_last(sk): item for sk, item in found.items() if not is_chunk(item)})

    def _until_whole(self, read: Callable[[], ItemRecords]) -> ItemRecords:
        for pause in (*READ_AGAIN_SECONDS, 0.0):
            found = read()
            if found.whole:
                break
            self._sleep(pause)
        return found

    def _messages(self, tenant_id: str, source: str, names: AbstractSet[str]) -> ItemRecords:
        range_ = {":low": {"S": LEDGER}, ":high": {"S": MESSAGE[:-1] + BEYOND}}
        rows = list(self._between(name_of("item", tenant_id, source), range_))
        ledger = ledger_record(next((row for row in rows if row["sk"]["S"] == LEDGER), None))
        live = tuple(row for row in rows if row["sk"]["S"] != LEDGER)
        kept = self._kept(tenant_id, source, names) if ledger.kept or ledger.touched else _FurtherRecords()
        whole = ledger.fits(kept.requested, kept.found) and adds_up(live, ledger.total)
        return ItemRecords(ledger, live, kept.messages(names), whole)

    def _chunks_and_kept(self, tenant_id: str, source: str, names: AbstractSet[str] | None) -> ItemRecords:
        ledger = ledger_record(self._client.get(self._table, item_key(tenant_id, source)))
        open_ = tuple(self._range(name_of("item", tenant_id, source), CHUNK))
        withheld = frozenset(id_ for item in open_ if not item["user_id"]["S"] for id_ in _members(item))
        further = _FurtherRecords()
        if ledger.kept or ledger.touched:
            further = self._kept(tenant_id, source, names, withheld)
        kept = further.messages(names, withheld)
        ids = frozenset(_last(item["sk"]["S"]) for item in kept)
        closed = self._closed(tenant_id, source, ids) if ids else _FurtherRecords()
        fits = ledger.fits(further.requested, further.found) and ledger.fits(closed.requested, closed.found)
        whole = fits and adds_up(open_, ledger.chunk_total)
        return ItemRecords(ledger, (*open_, *closed.holding(ids)), kept, whole)

    def _kept(
        self,
        tenant_id: str,
        source: str,
        names: AbstractSet[str] | None,
        ids: AbstractSet[str] = frozenset(),
    ) -> "_FurtherRecords":
        """Return kept messages, those of these names and ids among them."""
        pk = name_of("item", tenant_id, source)
        if names is None or len(names) > FEW:
            every = {item["sk"]["S"]: item for item in self._range(pk, KEPT)}
            return _FurtherRecords(every, lambda sk: sk.startswith(KEPT))
        named = {
            item["sk"]["S"]: item for name in sorted(names) for item in self._range(pk, f"{NAMED}{name}#")
        }
        sks = {message_sk(id_, kept=True) for id_ in {*map(_last, named), *ids}}
        found = self._get(tenant_id, source, sorted(sks))
        return _FurtherRecords({**named, **found}, lambda sk: sk in sks or _between(sk, NAMED) in names)

    def _closed(self, tenant_id: str, source: str, ids: AbstractSet[str]) -> "_FurtherRecords":
        """Return closed chunks, those that hold one of these messages among them."""
        pk = name_of("item", tenant_id, source)
        if len(ids) > FEW:
            every = {item["sk"]["S"]: item for item in self._range(pk, CLOSED)}
            return _FurtherRecords(every, lambda sk: sk.startswith(CLOSED))
        holders = {
            item["sk"]["S"]: item for id_ in sorted(ids) for item in self._range(pk, f"{HOLDER}{id_}#")
        }
        sks = {chunk_sk(_last(sk), closed=True) for sk in holders}
        found = self._get(tenant_id, source, sorted(sks))
        return _FurtherRecords({**holders, **found}, lambda sk: sk in sks or _between(sk, HOLDER) in ids)

    def _get(self, tenant_id: str, source: str, sks: Sequence[str]) -> dict[str, Item]:
        keys = [item_key(tenant_id, source, sk) for sk in sks]
        return {item["sk"]["S"]: item for item in self._client.get_all(self._table, keys)}

    def _range(self, pk: str, prefix: str) -> Iterator[Item]:
        """Yield the records whose sort keys begin with ``prefix``, which ends with ``#``."""
        return self._between(pk, {":low": {"S": prefix}, ":high": {"S": prefix[:-1] + BEYOND}})

    def _between(self, pk: str, range_: Mapping[str, Any]) -> Iterator[Item]:
        condition = "pk = :pk AND sk BETWEEN :low AND :high"
        return self._client.query(self._table, condition, {":pk": {"S": pk}, **range_})


@dataclass(frozen=True, slots=True)
class _FurtherRecords:
    """Records that lie outside what every reconcile reads, by sort key.

    Args:
        requested: tells whether the record of a sort key was to be found if there is one.
    """

    found: Mapping[str, Item] = field(default_factory=dict)
    requested: Callable[[str], bool] = lambda _: False

    def messages(
        self, names: AbstractSet[str] | None, ids: AbstractSet[str] = frozenset()
    ) -> tuple[Item, ...]:
        """Return the kept messages of these names or ids."""
        kept = {sk: item for sk, item in self.found.items() if sk.startswith(KEPT)}
        return tuple(
            item
            for sk, item in kept.items()
            if names is None or _last(sk) in ids or message_row(item).name in names
        )

    def holding(self, ids: AbstractSet[str]) -> tuple[Item, ...]:
        """Return the closed chunks that hold one of these messages."""
        closed = (item for sk, item in self.found.items() if sk.startswith(CLOSED))
        return tuple(item for item in closed if not ids.isdisjoint(_members(item)))


def _touched_by(write: PlannedWrite) -> list[str]:
    """Return the sort keys that records touched by a write may lie under, as far as it tells them."""
    ids = dict.fromkeys((*write.deletes, *(chunk.id for chunk, _ in write.upserts), *write.moves))
    messages = dict.fromkeys((*(row.id for row in write.messages), *write.purged))
    return [
        *(chunk_sk(id_, closed=closed) for id_ in ids for closed in (False, True)),
        *(message_sk(id_, kept=kept) for id_ in messages for kept in (False, True)),
    ]


def _is_empty(ledger: LedgerRecord) -> bool:
    return not (ledger.total or ledger.chunk_total or ledger.kept or ledger.closed or ledger.touched)


def _last(sk: str) -> str:
    return sk.rpartition("#")[2]


def _between(sk: str, prefix: str) -> str | None:
    """Return what stands between a prefix and the last part of a sort key that begins with it."""
    return sk[len(prefix) :].rpartition("#")[0] if sk.startswith(prefix) else None


def _members(item: Item) -> list[str]:
    return list(chunk_record(item).members)
