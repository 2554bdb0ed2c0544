"""The values of this room: an item's key, an entry, a document. All pure."""

import hashlib
import json
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Literal

MAX_SOURCE_CHARACTERS = 1_000
SOURCE_PARTS = 3

Kind = Literal["session", "long_term", "daily", "summary"]


@dataclass(frozen=True, slots=True, order=True)
class ItemKey:
    """Where an item lives: its table and its two key attributes, as text.

    Attribute names are the table's own; types are DynamoDB's, ``S`` or ``N``. A key attribute has one type in all of a
    table, so text names an item.
    """

    table: str
    hash_name: str
    hash_value: str
    range_name: str
    range_value: str
    hash_type: str = "S"
    range_type: str = "S"

    @staticmethod
    def values_of(source: str) -> tuple[str, str, str] | None:
        """Return table, hash value and range value that ``source`` names; ``None`` if it names them by hash."""
        parts = json.loads(source)
        return (parts[0], parts[1], parts[2]) if len(parts) == SOURCE_PARTS else None

    @property
    def source(self) -> str:
        """Injective text form, the item's name in ledger and index (ASCII, NUL-free); long keys are named by hash.

        A btree takes at most 2,704 bytes an entry (postgresql.org/docs/current/btree.html), tenant included.
        """
        name = json.dumps([self.table, self.hash_value, self.range_value])
        if len(name) <= MAX_SOURCE_CHARACTERS:
            return name
        return json.dumps([self.table, hashlib.blake2b(name.encode(), digest_size=32).hexdigest()])

    def to_dynamodb(self) -> dict[str, dict[str, str]]:
        """Return the key as DynamoDB's API takes it."""
        return {
            self.hash_name: {self.hash_type: self.hash_value},
            self.range_name: {self.range_type: self.range_value},
        }


@dataclass(frozen=True, slots=True)
class Entry:
    """One message of a session, or one block of a note.

    Args:
        id: keyed hash of role and normalised text, 32 hex digits: its name in transitions. In a document that is to be cut
            into chunks it is the id of its row in the message ledger.
        role: ``user``, ``assistant``, ``system``, ``tool``, or the app's own word in lower case; for a note, its kind.
        text: what was said, safe to encode and to store, without secrets.
        time: when it was said, if its timestamp can be read.
        label: the speaker's name, or the heading a note's block stands under.
    """

    id: str
    role: str
    text: str
    time: datetime | None = None
    label: str | None = None


@dataclass(frozen=True, slots=True)
class Document:
    """A source item parsed, whatever its layout.

    Args:
        date: for a note that belongs to a day, ``YYYY-MM-DD``.
        created_at: when the chat app says the item came into being.
        expires_at: when DynamoDB's TTL may take it away.
        updated_at: when the chat app says it wrote the item as it is.
        unreadable: how many of its messages have a shape that is not understood; what they say is not known, so
            nothing that is gone from the item may be taken for forgotten.
        redacted: how many secrets were left out of its text.
    """

    key: ItemKey
    tenant_id: str
    user_id: str
    kind: Kind
    entries: tuple[Entry, ...] = field(repr=False)
    date: str | None = None
    created_at: datetime | None = None
    expires_at: datetime | None = None
    updated_at: datetime | None = None
    unreadable: int = 0
    redacted: int = 0

    @property
    def name(self) -> str:
        """The chat app's own name of the item: its sort key."""
        return self.key.range_value

    def said_at(self, entry: Entry) -> datetime | None:
        """Return when ``entry`` was said, as far as the item tells: never for the sake of comparing instants.

        A note's day is that of its key: noon of it in UTC is the same date from Honolulu to Auckland. A message without a time
        has its session's.
        """
        if self.date:
            return datetime.fromisoformat(self.date).replace(hour=12, tzinfo=UTC)
        return entry.time or (self.created_at or self.updated_at if self.kind == "session" else None)


@dataclass(frozen=True, slots=True)
class EntryHasher:
    """Names entries by a keyed hash, so that a name in a queue does not give a short text away.

    Args:
        key: 16 to 64 secret bytes. Changing it makes every entry a new one.
    """

    key: bytes = field(repr=False)

    def __call__(self, *parts: str | None) -> str:
        """Return 32 hex digits for ``parts``; ``None`` and ``""`` differ."""
        payload = json.dumps(parts, ensure_ascii=True).encode()
        return hashlib.blake2b(payload, key=self.key, digest_size=16).hexdigest()
