"""Reads every layout in which the chat app saves memory. Pure: a DynamoDB item in, a document out.

======================================  ==========================================  ===================
key                                     sort key                                    what it is
======================================  ==========================================  ===================
``tenant_id``, ``session_key``          ``memory:long_term``, ``memory:daily:…``    note
``tenant_id``, ``session_key``          anything else, with ``messages``            session
``tenant_id`` = ``MEMORY#…``            anything                                    legacy vector: never
``tenant_id``, ``sk``                   ``memory:…``                                note
``pk`` = ``MEMORY#<user>``, ``sk``      ``LONG_TERM``, ``DAILY#…``, ``SUMMARY#…``   note
anything else                                                                       never
======================================  ==========================================  ===================

Keys are strings or numbers. ``messages`` is a string that holds JSON, or a native list or map; what a message looks like
is :mod:`pipeline.source.messages`' business. Text is made safe to encode and to store (lone surrogates and NUL become
U+FFFD), secrets are taken out of it, and what is no language becomes a placeholder, before anything else is made of it. What
is malformed raises; a single message that cannot be read is counted.
"""

import json
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, tzinfo

from pipeline.errors import MalformedItemError
from pipeline.source.addresses import (
    LEGACY_PREFIX,
    MAX_ID_BYTES,
    Address,
    address_of,
    check_storable,
    note_of,
)
from pipeline.source.attributes import Item, identity, plain, safe_text
from pipeline.source.conversations import messages_in
from pipeline.source.documents import Document, Entry, EntryHasher
from pipeline.source.messages import Message, read_message
from pipeline.source.notes import markdown_blocks, section
from pipeline.source.opaque import without_opaque
from pipeline.source.recalled import without_recalled
from pipeline.source.redaction import Redactor
from pipeline.source.shapes import TIME_AT
from pipeline.source.times import EARLIEST_EPOCH, read_time

__all__ = [
    "LEGACY_PREFIX",
    "Address",
    "Item",
    "Layouts",
    "check_storable",
    "note_of",
    "read_time",
    "safe_text",
]

_MAX_NAME_CHARACTERS = 80
_FIRST_OF_ALL_ZONES = timedelta(hours=14)


@dataclass(frozen=True, slots=True)
class Layouts:
    """Parses items under the table's own attribute names.

    Args:
        names: our attribute name → the table's; for ``messages`` several with commas, of which the first that an item has
            counts.
        hasher: names entries.
        zone: of times that name none, and of the dates that are shown.
        redactor: takes secrets out of texts.
    """

    names: Mapping[str, str]
    hasher: EntryHasher
    zone: tzinfo = UTC
    redactor: Redactor = field(default_factory=Redactor)

    def address(self, table: str, key: Item) -> Address | None:
        """Say what ``key`` addresses, or ``None`` if it is nothing that becomes memory."""
        return address_of(table, key, self.names)

    def owner(self, tenant_id: str, user_id: str) -> str:
        """Return the keyed hash by which transitions name a user."""
        return self.hasher("owner", tenant_id, user_id)

    def parse(self, table: str, item: Item, key: Item | None = None) -> Document | None:
        """Parse ``item``; ``None`` if it is nothing that becomes memory.

        Args:
            key: the item's key alone, where it is known; else the key is looked for among all attributes.

        Raises:
            MalformedItemError: the key promises memory, and the attributes break the promise.
        """
        address = self.address(table, item if key is None else key)
        if address is None:
            return None
        if address.kind == "session":
            return self._session(address, item)
        return self._note(address, item)

    def clean(self, text: str) -> tuple[str, int]:
        """Return ``text`` as it may be stored, and how many secrets were left out."""
        redacted, count = self.redactor.redact(safe_text(text))
        return without_opaque(redacted), count

    def _session(self, address: Address, item: Item) -> Document | None:
        names = [each.strip() for each in self.names["messages"].split(",")]
        name = next((each for each in names if each in item), names[0])
        if name not in item:
            return None
        messages = [read_message(each) for each in _messages(item, name)]
        made = [self._entry(message) for message in messages if message.outcome == "said"]
        return self._document(
            address,
            item,
            tuple(entry for entry, _ in made if entry.text.strip()),
            unreadable=sum(message.outcome == "unreadable" for message in messages),
            redacted=sum(count for _, count in made),
        )

    def _note(self, address: Address, item: Item) -> Document:
        content, redacted = self.clean(_string(item, self.names["content"]))
        blocks = (
            Entry(
                self.hasher(address.kind, normalised(heading or ""), normalised(text)),
                address.kind,
                text,
                label=section(heading, address.date),
            )
            for heading, text in markdown_blocks(without_recalled(content))
        )
        return self._document(address, item, tuple(blocks), unreadable=0, redacted=redacted)

    def _document(
        self, address: Address, item: Item, entries: tuple[Entry, ...], *, unreadable: int, redacted: int
    ) -> Document:
        return Document(
            address.key,
            address.tenant_id,
            self._user(address, item),
            address.kind,
            entries,
            address.date,
            self._time(item, "created_at") or _earliest(address.date),
            expires_at=self._expiry(item),
            updated_at=self._time(item, "updated_at"),
            unreadable=unreadable,
            redacted=redacted,
        )

    def _time(self, item: Item, name: str) -> datetime | None:
        """Return the item's time under the name that the settings give, else under a relative of it."""
        given = self.names[name]
        relatives = (each for each in item if _folded(each) in _RELATIVES[name])
        for each in (given, *relatives):
            time = self._instant(plain(item[each])) if each in item else None
            if time:
                return time
        return None

    def _instant(self, stamp: object) -> datetime | None:
        """Return the instant in the zone in which dates are shown: however it is spelled, it is one.

        Before the first chat there are only the times that languages begin with: 0001-01-01, 1970-01-01.
        """
        time = read_time(stamp, self.zone)
        try:
            return time.astimezone(self.zone) if time and time.timestamp() >= EARLIEST_EPOCH else None
        except OverflowError:  # the calendar's edges
            return None

    def _expiry(self, item: Item) -> datetime | None:
        try:
            return datetime.fromtimestamp(int(item[self.names["ttl"]]["N"]), UTC)
        except (KeyError, TypeError, ValueError, OverflowError, OSError):
            return None

    def _user(self, address: Address, item: Item) -> str:
        name = self.names["user_id"]
        user_id = identity(item[name], name) if name in item else address.default_user_id
        if len(user_id.encode("utf-8", "replace")) > MAX_ID_BYTES:
            raise MalformedItemError(f"the item's user id is longer than {MAX_ID_BYTES} bytes")
        return user_id

    def _entry(self, message: Message) -> tuple[Entry, int]:
        role, said = safe_text(message.role), safe_text(message.text)
        text, redacted = self.clean(said)
        label = " ".join(self.clean(message.name)[0].split())[:_MAX_NAME_CHARACTERS] if message.name else ""
        time = next((time for stamp in message.stamps if (time := self._instant(stamp))), None)
        # Named by the whole: what a message is does not hang on what is left of it, by whatever settings.
        id_ = self.hasher(role, normalised(said))
        return Entry(id_, role, without_recalled(text, may_be_cut_off=True), time, label or None), redacted


def normalised(text: str) -> str:
    """Return ``text`` as messages are told apart by it: how it is composed and spaced makes no other message."""
    return " ".join(unicodedata.normalize("NFC", text).split())


def _folded(name: str) -> str:
    return name.lower().replace("_", "").replace("-", "")


_RELATIVES: Mapping[str, frozenset[str]] = {
    "created_at": frozenset(TIME_AT) - {"updatedat"},
    "updated_at": frozenset(
        {"updatedat", "lastupdated", "modifiedat", "lastmodified", "lastmessageat", "lastactivity"}
    ),
}


def _messages(item: Item, name: str) -> list[object]:
    value = plain(item[name])
    if isinstance(value, str):
        value = _json(value)
    messages = messages_in(value)
    if messages is None:
        kinds = ", ".join(sorted(item[name])) or "nothing"
        raise MalformedItemError(
            f"attribute {name!r} must hold a list of messages, as a JSON array (S) or natively (L), and is of type {kinds}"
        )
    return messages


def _json(text: str) -> object:
    try:
        return json.loads(text) if text.strip() else []
    except (ValueError, RecursionError):
        raise MalformedItemError("the messages are not valid JSON; save them as a JSON array") from None


def _earliest(day: str | None) -> datetime | None:
    """Return when a day begins where it begins first: a note of that day may have been there from then on."""
    midnight = read_time(day)
    try:
        return midnight - _FIRST_OF_ALL_ZONES if midnight else None
    except OverflowError:  # the calendar's first day
        return None


def _string(item: Item, name: str) -> str:
    if name not in item:
        raise MalformedItemError(f"the item has no attribute {name!r}; save it as a string (S)")
    value = item[name].get("S")
    if not isinstance(value, str):
        kinds = ", ".join(sorted(item[name])) or "nothing"
        raise MalformedItemError(f"attribute {name!r} must be a string (S), and is of type {kinds}")
    return value
