"""Reads an item's records as they belong together."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field

from pipeline.stores.ledger.client import MAX_GETS, Client
from pipeline.stores.ledger.keys import (
    BEYOND,
    CHUNK,
    CLOSED,
    HOLDER,
    KEPT,
    LEDGER,
    MESSAGE,
    chunk_sk,
    item_key,
    message_sk,
    name_of,
)
from pipeline.stores.ledger.mutations import Known
from pipeline.stores.ledger.records import (
    ChunkRecord,
    Item,
    LedgerRecord,
    adds_up,
    chunk_record,
    is_chunk,
    ledger_record,
)
from pipeline.stores.protocol import PlannedWrite

READ_AGAIN_SECONDS = (0.01, 0.03, 0.1, 0.3)
"""A transaction that is half visible is whole within milliseconds; records that still do not fit were tampered with."""
FEW = 25
"""So many ranges are read one by one; of more, the whole range is read in pages of a megabyte, which takes no longer."""


@dataclass(frozen=True, slots=True)
class ItemRecords:
    """Records of an item.

    Args:
        records: of messages that are not kept, or of chunks.
        kept: records of kept messages that were asked for.
        whole: they belong together.
    """

    ledger: LedgerRecord
    records: tuple[Item, ...] = ()
    kept: tuple[Item, ...] = ()
    whole: bool = True


class ItemReader:
    """Reads again what was seen by halves.

    Args:
        table: the ledger's.
        sleep: waits, in seconds.
    """

    def __init__(self, client: Client, table: str, sleep: Callable[[float], None]) -> None:
        self._client, self._table, self._sleep = client, table, sleep

    def messages(self, tenant_id: str, source: str, names: AbstractSet[str]) -> ItemRecords:
        """Return the ledger row, the messages that are not kept, and the kept ones of these names."""
        return self._until_whole(lambda: self._messages(name_of("item", tenant_id, source), names))

    def chunks_and_kept(self, tenant_id: str, source: str, names: AbstractSet[str] | None) -> ItemRecords:
        """Return the kept messages of these names (``None``: all), the chunks that are not closed, and their closed ones."""
        return self._until_whole(lambda: self._chunks_and_kept(tenant_id, source, names))

    def chunks(
        self, tenant_id: str, wanted: Iterable[tuple[str, str]]
    ) -> Mapping[tuple[str, str], ChunkRecord]:
        """Return those of the chunks (source, id) that the ledger lists."""
        asked = dict.fromkeys(wanted)
        sources = {name_of("item", tenant_id, source): source for source, _ in asked}
        found: dict[tuple[str, str], ChunkRecord] = {}
        for closed in (False, True):
            keys = [
                item_key(tenant_id, source, chunk_sk(id_, closed=closed))
                for source, id_ in asked
                if (source, id_) not in found
            ]
            for item in self._client.get_all(self._table, keys):
                record = chunk_record(item)
                found[sources[item["pk"]["S"]], record.id] = record
        return found

    def known(self, tenant_id: str, write: PlannedWrite) -> tuple[LedgerRecord, Known | None]:
        """Return the ledger row and the records that a write touches; ``None`` if they do not belong together."""
        sks = _touched_by(write)
        ledger = None
        if len(sks) >= MAX_GETS:  # a first write of a long item touches nothing that is there
            ledger = self._client.get(self._table, item_key(tenant_id, write.source))
            if _is_empty(ledger_record(ledger)):
                return ledger_record(ledger), Known()
        keys = [item_key(tenant_id, write.source, sk) for sk in (LEDGER, *sks)]
        found = {item["sk"]["S"]: item for item in self._client.get_all(self._table, keys)}
        record = ledger_record(found.pop(LEDGER, None))
        messages = {_message_id(item): item for item in found.values() if not is_chunk(item)}
        if record.kept and not messages.keys() >= set(write.purged):
            pk, gone = name_of("item", tenant_id, write.source), set(write.purged)
            kept = (item for item in self._range(pk, KEPT))
            messages |= {id_: item for item in kept if (id_ := _message_id(item)) in gone}
            found |= {item["sk"]["S"]: item for item in messages.values()}
        chunks = {chunk_record(item).id: item for item in found.values() if is_chunk(item)}
        asked = {*sks, *found}
        return record, Known(chunks, messages) if record.fits(asked.__contains__, found) else None

    def _until_whole(self, read: Callable[[], ItemRecords]) -> ItemRecords:
        for pause in (*READ_AGAIN_SECONDS, 0.0):
            found = read()
            if found.whole:
                break
            self._sleep(pause)
        return found

    def _messages(self, pk: str, names: AbstractSet[str]) -> ItemRecords:
        from_ledger = {":pk": {"S": pk}, ":low": {"S": LEDGER}}
        rows = list(self._client.query(self._table, "pk = :pk AND sk >= :low", from_ledger))
        ledger = ledger_record(next((row for row in rows if row["sk"]["S"] == LEDGER), None))
        live = tuple(row for row in rows if row["sk"]["S"].startswith(MESSAGE))
        kept = self._kept(pk, names) if ledger.kept or ledger.touched else {}
        fits = ledger.fits(lambda sk: _is_of(sk, names), kept)
        return ItemRecords(ledger, live, tuple(kept.values()), fits and adds_up(live, ledger.total))

    def _chunks_and_kept(self, tenant_id: str, source: str, names: AbstractSet[str] | None) -> ItemRecords:
        pk = name_of("item", tenant_id, source)
        ledger = ledger_record(self._client.get(self._table, item_key(tenant_id, source)))
        open_ = tuple(self._range(pk, CHUNK))
        kept = self._kept(pk, names) if ledger.kept or ledger.touched else {}
        ids = frozenset(map(_message_id, kept.values()))
        closed = self._closed(tenant_id, source, ids) if ids else _Closed()
        shown = [item for sk, item in closed.found.items() if sk.startswith(CLOSED) and _holds(item, ids)]
        fits = ledger.fits(lambda sk: _is_of(sk, names) or closed.asked(sk), {**kept, **closed.found})
        whole = fits and adds_up(open_, ledger.chunk_total)
        return ItemRecords(ledger, (*open_, *shown), tuple(kept.values()), whole)

    def _kept(self, pk: str, names: AbstractSet[str] | None) -> dict[str, Item]:
        """Return the kept messages of these names, by sort key."""
        few = names is not None and len(names) <= FEW
        prefixes = [f"{KEPT}{name}#" for name in sorted(names or ())] if few else [KEPT]
        found = (item for prefix in prefixes for item in self._range(pk, prefix))
        return {item["sk"]["S"]: item for item in found if _is_of(item["sk"]["S"], names)}

    def _closed(self, tenant_id: str, source: str, ids: AbstractSet[str]) -> "_Closed":
        """Return closed chunks, those that hold one of these messages among them."""
        pk = name_of("item", tenant_id, source)
        if len(ids) > FEW:
            every = {item["sk"]["S"]: item for item in self._range(pk, CLOSED)}
            return _Closed(every, lambda sk: sk.startswith(CLOSED))
        holders = {
            item["sk"]["S"]: item for id_ in sorted(ids) for item in self._range(pk, f"{HOLDER}{id_}#")
        }
        sks = {chunk_sk(sk.rpartition("#")[2], closed=True) for sk in holders}
        found = self._client.get_all(self._table, [item_key(tenant_id, source, sk) for sk in sorted(sks)])
        chunks = {item["sk"]["S"]: item for item in found}
        return _Closed({**holders, **chunks}, lambda sk: sk in sks or _of_holder(sk) in ids)

    def _range(self, pk: str, prefix: str) -> Iterator[Item]:
        """Yield the records whose sort keys begin with ``prefix``, which ends with ``#``."""
        low, high = {":low": {"S": prefix}}, {":high": {"S": prefix[:-1] + BEYOND}}
        condition = "pk = :pk AND sk BETWEEN :low AND :high"
        return self._client.query(self._table, condition, {":pk": {"S": pk}, **low, **high})


@dataclass(frozen=True, slots=True)
class _Closed:
    """Closed chunks and what says whose messages they hold, by sort key.

    Args:
        asked: tells whether the record of a sort key was to be found if there is one.
    """

    found: Mapping[str, Item] = field(default_factory=dict)
    asked: Callable[[str], bool] = lambda _: False


def _touched_by(write: PlannedWrite) -> list[str]:
    """Return the sort keys that records touched by a write may lie under, as far as it tells them."""
    ids = dict.fromkeys((*write.deletes, *(chunk.id for chunk, _ in write.upserts), *write.moves))
    messages = dict.fromkeys((*(row.id for row in write.messages), *write.purged))
    return [
        *(chunk_sk(id_, closed=closed) for id_ in ids for closed in (False, True)),
        *(message_sk(id_, None) for id_ in messages),
        *dict.fromkeys(message_sk(row.id, row.name) for row in write.messages),
    ]


def _is_empty(ledger: LedgerRecord) -> bool:
    return not (ledger.total or ledger.chunk_total or ledger.kept or ledger.closed or ledger.touched)


def _message_id(item: Item) -> str:
    return str(item["sk"]["S"].rpartition("#")[2])


def _is_of(sk: str, names: AbstractSet[str] | None) -> bool:
    """Tell whether a sort key is that of a kept message of one of these names."""
    return sk.startswith(KEPT) and (names is None or sk[len(KEPT) :].rpartition("#")[0] in names)


def _of_holder(sk: str) -> str:
    """Return the message that the record of a holder names; nothing for any other record."""
    return sk[len(HOLDER) :].rpartition("#")[0] if sk.startswith(HOLDER) else ""


def _holds(item: Item, ids: AbstractSet[str]) -> bool:
    return not ids.isdisjoint(item["members"]["S"].split(","))
