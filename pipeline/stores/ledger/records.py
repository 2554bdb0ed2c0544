"""The ledger's records as values. Pure.

DynamoDB's reads of several rows may see one half of a transaction (read committed). Two things tell: the ledger row has
sums over what every reconcile reads, and it lists what its last transaction did to the rest. Records that do not fit are
read again.
"""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import MISSING, asdict, dataclass, field, fields
from datetime import datetime
from typing import Any

from pipeline.source.documents import ItemKey
from pipeline.stores.chunks import NOBODY, ChunkStatus, HeldChunk
from pipeline.stores.ledger.keys import (
    CHUNK,
    CLOSED,
    Subject,
    chunk_sk,
    digest,
    item_key,
    message_sk,
)
from pipeline.stores.message_rows import ItemEvent, ItemFacts, MessageRow

Item = Mapping[str, Any]
"""DynamoDB's JSON."""


@dataclass(frozen=True, slots=True)
class ChunkRecord:
    """What the ledger knows of a chunk.

    Args:
        session_key: the name readers know its item by.
        version: of its text and vector; no two writes share one, even where they write the same.
        row_version: of this record.
        embedded: it has a vector.
        filed_under: the user that what was written of it elsewhere names; ``None`` for its own.
    """

    id: str
    user_id: str
    session_key: str
    members: tuple[str, ...]
    fingerprint: str
    version: str
    row_version: str
    status: ChunkStatus = "live"
    line_lengths: tuple[int, ...] = ()
    embedded: bool = True
    filed_under: str | None = None

    @property
    def closed(self) -> bool:
        """Whether only memory has what it says, and shows it: planning asks for such a chunk by its messages."""
        return self.status == "kept" and self.user_id != NOBODY

    @property
    def sk(self) -> str:
        """Its sort key."""
        return chunk_sk(self.id, closed=self.closed)

    @property
    def held(self) -> HeldChunk:
        """The same for whoever decides."""
        return HeldChunk(
            self.id, self.members, self.fingerprint, self.user_id, self.status, self.line_lengths
        )

    @property
    def user_weight(self) -> int:
        """What it adds to its user's sum."""
        return user_weight(self.id, self.version)

    def to_item(self, tenant_id: str, source: str) -> dict[str, Any]:
        """Return the whole record."""
        filed = {} if self.filed_under is None else {"filed_under": {"S": self.filed_under}}
        return {
            **item_key(tenant_id, source, self.sk),
            "user_id": {"S": self.user_id},
            "session_key": {"S": self.session_key},
            "members": {"S": ",".join(self.members)},
            "fingerprint": {"S": self.fingerprint},
            "version": {"S": self.version},
            "row_version": {"S": self.row_version},
            "status": {"S": self.status},
            "line_lengths": {"S": ",".join(map(str, self.line_lengths))},
            "embedded": {"BOOL": self.embedded},
            **filed,
        }


def user_weight(id_: str, version: str) -> int:
    """Return what a chunk adds to its user's sum."""
    return digest(f"{id_} {version}")


def is_chunk(item: Item) -> bool:
    """Tell whether an item's record is a chunk's."""
    return bool(item["sk"]["S"].startswith((CHUNK, CLOSED)))


def chunk_record(item: Item) -> ChunkRecord:
    """Return what a record says."""
    members, line_lengths = item["members"]["S"], item["line_lengths"]["S"]
    return ChunkRecord(
        item["sk"]["S"].partition("#")[2],
        item["user_id"]["S"],
        item["session_key"]["S"],
        tuple(members.split(",")) if members else (),
        item["fingerprint"]["S"],
        item["version"]["S"],
        item["row_version"]["S"],
        item["status"]["S"],
        tuple(map(int, line_lengths.split(","))) if line_lengths else (),
        item["embedded"]["BOOL"],
        item.get("filed_under", {}).get("S"),
    )


_DEFAULTS = {one.name: one.default for one in fields(MessageRow) if one.default is not MISSING}


def sk_of(row: MessageRow) -> str:
    """Return the sort key of a message's record."""
    return message_sk(row.id, kept=row.state == "kept")


def written(row: MessageRow) -> str:
    """Return a message's row as it is written: what says nothing is left out."""
    values = {one.name: getattr(row, one.name) for one in fields(row)}
    return json.dumps(
        {name: value for name, value in values.items() if value != _DEFAULTS.get(name, MISSING)}
    )


def message_item(tenant_id: str, source: str, row: MessageRow) -> dict[str, Any]:
    """Return the whole record of a message."""
    return {**item_key(tenant_id, source, sk_of(row)), "row": {"S": written(row)}}


def message_row(item: Item) -> MessageRow:
    """Return what a record says."""
    return MessageRow(**json.loads(item["row"]["S"]))


def trace(item: Item | None) -> str:
    """Return what stands for a record's content; nothing for one that is not there."""
    if item is None:
        return ""
    return f"{digest(next((item[name]['S'] for name in ('row', 'row_version') if name in item), '')):016x}"


def weight(item: Item) -> int:
    """Return what a record adds to its item's sum."""
    return digest(f"{item['sk']['S']} {trace(item)}")


@dataclass(frozen=True, slots=True)
class LedgerRecord:
    """What the ledger knows of an item.

    Args:
        total: the sum over the messages that are not kept.
        chunk_total: the sum over the chunks that are not closed.
        kept: how many messages are kept.
        closed: how many chunks are.
        pending: how many chunks wait to be embedded.
        owners: how many messages each user has that are not erased.
        touched: what the last transaction did to kept messages and closed chunks: sort key → trace.
        marked: users whose state says that this item is half written.
        subjects: what is known that it may be asked by.
        key: of the item in the chat app's table, if a write said it.
        name: the chat app's own of the item.
    """

    revision: int = 0
    facts: ItemFacts = field(default_factory=ItemFacts)
    total: int = 0
    chunk_total: int = 0
    kept: int = 0
    closed: int = 0
    pending: int = 0
    owners: Mapping[str, int] = field(default_factory=dict)
    touched: Mapping[str, str] = field(default_factory=dict)
    expires_at: datetime | None = None
    marked: frozenset[str] = frozenset()
    subjects: frozenset[Subject] = frozenset()
    applying: bool = False
    key: ItemKey | None = None
    name: str | None = None

    def fits(self, asked: Callable[[str], bool], found: Mapping[str, Item]) -> bool:
        """Tell whether what was found of kept messages and closed chunks is what the last transaction left.

        Args:
            asked: tells whether the record of a sort key was to be found if there is one.
        """
        return all(trace(found.get(sk)) == left for sk, left in self.touched.items() if asked(sk))


def ledger_record(item: Item | None) -> LedgerRecord:
    """Return what a row says; no row says nothing."""
    if item is None:
        return LedgerRecord()
    return LedgerRecord(
        revision=number(item, "revision"),
        facts=_facts(item["facts"]["S"]) if "facts" in item else ItemFacts(),
        total=number(item, "total"),
        chunk_total=number(item, "chunk_total"),
        kept=number(item, "kept"),
        closed=number(item, "closed"),
        pending=number(item, "pending"),
        owners=json.loads(item["owners"]["S"]) if "owners" in item else {},
        touched=json.loads(item["touched"]["S"]) if "touched" in item else {},
        expires_at=moment(item, "expires_at"),
        marked=frozenset(strings(item, "marked")),
        subjects=frozenset(_subject(text) for text in strings(item, "subjects")),
        applying="applying" in item,
        key=ItemKey(*strings(item, "item_key")) if "item_key" in item else None,
        name=item.get("name", {}).get("S"),
    )


def written_facts(facts: ItemFacts) -> str:
    """Return an item's facts as the ledger row holds them."""
    return json.dumps(asdict(facts))


def _facts(text: str) -> ItemFacts:
    values = json.loads(text)
    return ItemFacts(**{**values, "events": tuple(ItemEvent(**event) for event in values["events"])})


def _subject(text: str) -> Subject:
    scope, _, name = text.partition(" ")
    return (scope, name)  # type: ignore[return-value]  # as it was written


def written_subjects(subjects: Iterable[Subject]) -> list[str]:
    """Return subjects as the ledger row holds them."""
    return sorted(f"{scope} {name}" for scope, name in subjects)


@dataclass(frozen=True, slots=True)
class UserState:
    """Where a user's memory stands.

    Args:
        total: the sum over the user's chunks.
        chunks: how many they are.
        applying: items that are half written.
        adopted: items with a chunk of this user's that is filed under another; by their short names.
    """

    revision: int = 0
    total: int = 0
    chunks: int = 0
    applying: bool = False
    adopted: frozenset[str] = frozenset()


def user_state(item: Item | None) -> UserState:
    """Return what a row says; no row says nothing."""
    if item is None:
        return UserState()
    return UserState(
        number(item, "revision"),
        number(item, "total"),
        number(item, "chunks"),
        "applying" in item,
        frozenset(item.get("adopted", {}).get("SS", ())),
    )


def adds_up(records: Sequence[Item], total: int) -> bool:
    """Tell whether these are the records that a sum of the ledger row was written with."""
    return sum(map(weight, records)) == total


def number(item: Item, name: str) -> int:
    """Return a whole number; 0 if it is not there."""
    return int(item[name]["N"]) if name in item else 0


def strings(item: Item, name: str) -> list[str]:
    """Return a JSON array of strings; none if it is not there."""
    found: list[str] = json.loads(item[name]["S"]) if name in item else []
    return found


def moment(item: Item, name: str) -> datetime | None:
    """Return a time; ``None`` if it is not there."""
    return datetime.fromisoformat(item[name]["S"]) if name in item else None
