"""The ledger's rows as values. Pure.

DynamoDB's reads of several rows may see one half of a transaction (read committed), so both sums are there to tell:
rows that do not add up are read again.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import astuple, dataclass, field
from datetime import datetime
from typing import Any

from pipeline.source.documents import ItemKey
from pipeline.stores.forgetting import ForgetRequest, Forgotten
from pipeline.stores.ledger.names import CHUNK_PREFIX, Subject, chunk_key, digest, wish_key
from pipeline.stores.protocol import HeldChunk

Item = Mapping[str, Any]
"""DynamoDB's JSON."""


@dataclass(frozen=True, slots=True)
class ChunkRow:
    """What the ledger knows of a chunk.

    Args:
        session_key: the name readers know its item by.
        version: of its text and vector; no two writes share one, even where they write the same.
        stamp: of this row.
    """

    id: str
    user_id: str
    session_key: str
    members: tuple[str, ...]
    fingerprint: str
    version: str
    stamp: str
    lost: Mapping[str, str] = field(default_factory=dict)
    spans: tuple[int, ...] = ()

    @property
    def held(self) -> HeldChunk:
        """The same for whoever decides."""
        return HeldChunk(self.id, self.members, self.fingerprint, self.lost, self.spans)

    @property
    def weight(self) -> int:
        """What it adds to its item's sum."""
        return digest(self.stamp)

    @property
    def user_weight(self) -> int:
        """What it adds to its user's sum."""
        return user_weight(self.id, self.version)

    def to_item(self, tenant_id: str, source: str) -> dict[str, Any]:
        """Return the whole row."""
        return {
            **chunk_key(tenant_id, source, self.id),
            "user_id": {"S": self.user_id},
            "session_key": {"S": self.session_key},
            "members": {"S": ",".join(self.members)},
            "fingerprint": {"S": self.fingerprint},
            "version": {"S": self.version},
            "stamp": {"S": self.stamp},
            "lost": {"S": json.dumps(dict(self.lost))},
            "spans": {"S": ",".join(map(str, self.spans))},
        }


def user_weight(id_: str, version: str) -> int:
    """Return what a chunk adds to its user's sum."""
    return digest(f"{id_} {version}")


def chunk_row(item: Item) -> ChunkRow:
    """Return what a row says."""
    members, spans = item["members"]["S"], item["spans"]["S"]
    return ChunkRow(
        item["sk"]["S"].removeprefix(CHUNK_PREFIX),
        item["user_id"]["S"],
        item["session_key"]["S"],
        tuple(members.split(",")) if members else (),
        item["fingerprint"]["S"],
        item["version"]["S"],
        item["stamp"]["S"],
        json.loads(item["lost"]["S"]),
        tuple(map(int, spans.split(","))) if spans else (),
    )


@dataclass(frozen=True, slots=True)
class LedgerRow:
    """What the ledger knows of an item.

    Args:
        marked: users whose state says that this item is half written.
        subjects: users and sessions that are known to have chunks of it, each scope and name.
        indexed_at: when something was applied; a lease alone makes a row as well.
        key: of the item in the chat app's table, if a change said it.
        name: the chat app's own of the item.
        user_id: whose it is.
    """

    revision: int = 0
    position: str = ""
    total: int = 0
    created_at: datetime | None = None
    expires_at: datetime | None = None
    marked: frozenset[str] = frozenset()
    subjects: frozenset[Subject] = frozenset()
    applying: bool = False
    present: bool = False
    indexed_at: datetime | None = None
    key: ItemKey | None = None
    name: str | None = None
    user_id: str | None = None


def ledger_row(item: Item | None) -> LedgerRow:
    """Return what a row says; no row says nothing."""
    if item is None:
        return LedgerRow()
    return LedgerRow(
        revision=number(item, "revision"),
        position=item.get("position", {"S": ""})["S"],
        total=number(item, "total"),
        created_at=moment(item, "created_at"),
        expires_at=moment(item, "expires_at"),
        marked=frozenset(strings(item, "marked")),
        subjects=frozenset(_subject(text) for text in strings(item, "subjects")),
        applying="applying" in item,
        present=item.get("present", {"BOOL": False})["BOOL"],
        indexed_at=moment(item, "indexed_at"),
        key=ItemKey(*strings(item, "item_key")) if "item_key" in item else None,
        name=item.get("name", {}).get("S"),
        user_id=item.get("user_id", {}).get("S"),
    )


def _subject(text: str) -> Subject:
    scope, _, name = text.partition(" ")
    return ("user" if scope == "user" else "session", name)


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
    """

    revision: int = 0
    total: int = 0
    chunks: int = 0
    applying: bool = False


def user_state(item: Item | None) -> UserState:
    """Return what a row says; no row says nothing."""
    if item is None:
        return UserState()
    return UserState(
        number(item, "revision"), number(item, "total"), number(item, "chunks"), "applying" in item
    )


def adds_up(rows: Sequence[ChunkRow], ledger: LedgerRow) -> bool:
    """Tell whether the chunk rows are those that the ledger row was written with."""
    return sum(row.weight for row in rows) == ledger.total


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


def covers(request: ForgetRequest, row: ChunkRow) -> bool:
    """Tell whether a wish to forget covers a chunk."""
    return request.user_id in {None, row.user_id} and request.session_key in {None, row.session_key}


def forgotten_item(done: Forgotten) -> dict[str, Any]:
    """Return the row of a wish that was carried out."""
    request = done.request
    names = {"user_id": request.user_id, "session_key": request.session_key}
    return {
        **wish_key(request.tenant_id, request.id),
        "id": {"S": request.id},
        "tenant_id": {"S": request.tenant_id},
        "asked_at": {"S": request.asked_at.isoformat()},
        "done_at": {"S": done.done_at.isoformat()},
        "deleted": {"N": str(done.deleted)},
        "again": {"S": json.dumps([astuple(key) for key in done.again])},
        **{name: {"S": value} for name, value in names.items() if value is not None},
    }


def forgotten(item: Item) -> Forgotten:
    """Return what such a row says."""
    asked_at, done_at = (datetime.fromisoformat(item[name]["S"]) for name in ("asked_at", "done_at"))
    names = (item[name]["S"] if name in item else None for name in ("user_id", "session_key"))
    request = ForgetRequest(item["id"]["S"], item["tenant_id"]["S"], asked_at, *names)
    again = tuple(ItemKey(*parts) for parts in json.loads(item["again"]["S"]))
    return Forgotten(request, number(item, "deleted"), done_at, again)
