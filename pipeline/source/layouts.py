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

``messages`` is a string that holds JSON. Text is made safe to encode and to store: lone surrogates and NUL
become U+FFFD. What is malformed raises; what is merely odd becomes the text a reader would expect.
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from pipeline.errors import MalformedItemError
from pipeline.source.documents import Document, Entry, EntryHasher, ItemKey, Kind
from pipeline.source.recalled import without_recalled

Item = Mapping[str, Mapping[str, Any]]

MAX_ID_BYTES = 1_024
"""Longest tenant or user id: both of them fit into one index entry."""

LEGACY_PREFIX = "MEMORY#"
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")
_NOTE_NAMES = re.compile(r"(?:memory:)(?:(long_term)|(daily|summary):(.*))\Z", re.DOTALL)
_PARTITION_NAMES = re.compile(r"(?:(LONG_TERM)|(DAILY|SUMMARY)#(.*))\Z", re.DOTALL)
_DATE = re.compile(r"\d{4}-\d\d-\d\d\Z")
_RFC_3339 = re.compile(
    r"\s*\d{4}-\d\d-\d\d"
)  # bare digits are no date: fromisoformat reads some as the year 1712
_BLOCK_START = re.compile(r"([-*+]|\d+[.)])\s")
_HEADING = re.compile(r"#{1,6}\s+(.*)")
_FENCE = re.compile(r"\s*(`{3,}(?!.*`)|~{3,})(.*)")
_MAX_NAME_CHARACTERS = 80
_FIRST_OF_ALL_ZONES = timedelta(hours=14)
_MILLISECONDS_FROM = 1e11  # a number of seconds this large is the year 5138: it is milliseconds


@dataclass(frozen=True, slots=True)
class Address:
    """What an item's key alone says about it."""

    key: ItemKey
    tenant_id: str
    default_user_id: str
    kind: Kind
    date: str | None = None


@dataclass(frozen=True, slots=True)
class Layouts:
    """Parses items under the table's own attribute names.

    Args:
        names: our attribute name → the table's.
        hasher: names entries.
    """

    names: Mapping[str, str]
    hasher: EntryHasher

    def address(self, table: str, key: Item) -> Address | None:
        """Say what ``key`` addresses, or ``None`` if it is nothing that becomes memory."""
        strings = {name: value["S"] for name, value in key.items() if isinstance(value.get("S"), str)}
        for hash_name, range_name, classify in _KEY_SHAPES:
            own = (self.names[hash_name], self.names[range_name])
            if own[0] in strings and own[1] in strings and own[0] != own[1]:
                item_key = ItemKey(table, own[0], strings[own[0]], own[1], strings[own[1]])
                found = classify(item_key)
                if found is not None:
                    return found
        return None

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

    def _session(self, address: Address, item: Item) -> Document | None:
        name = self.names["messages"]
        if name not in item:
            return None
        entries = tuple(self._messages(_messages_json(_string(item, name))))
        return self._document(address, item, entries)

    def _note(self, address: Address, item: Item) -> Document:
        content = without_recalled(safe_text(_string(item, self.names["content"])))
        blocks = (
            Entry(
                self.hasher(address.kind, heading, text),
                address.kind,
                text,
                label=_section(heading, address.date),
            )
            for heading, text in markdown_blocks(content)
        )
        return self._document(address, item, tuple(blocks))

    def _document(self, address: Address, item: Item, entries: tuple[Entry, ...]) -> Document:
        said = read_time(item.get(self.names["created_at"], {}).get("S"))
        return Document(
            address.key,
            address.tenant_id,
            self._user(address, item),
            address.kind,
            entries,
            address.date,
            said or _earliest(address.date),
            expires_at=self._expiry(item),
            updated_at=read_time(item.get(self.names["updated_at"], {}).get("S")),
        )

    def _expiry(self, item: Item) -> datetime | None:
        try:
            return read_time(int(item[self.names["ttl"]]["N"]))
        except (KeyError, TypeError, ValueError):
            return None

    def _user(self, address: Address, item: Item) -> str:
        given = item.get(self.names["user_id"], {}).get("S")
        user_id = safe_text(given) if isinstance(given, str) and given else address.default_user_id
        if len(user_id.encode("utf-8", "replace")) > MAX_ID_BYTES:
            raise MalformedItemError(f"the item's user id is longer than {MAX_ID_BYTES} bytes")
        return user_id

    def _messages(self, messages: list[Any]) -> Iterator[Entry]:
        for message in messages:
            if not isinstance(message, dict):
                continue
            text = message_text(message.get("content"))
            if without_recalled(text, may_be_cut_off=True).strip():
                yield self._message(message, text)

    def _message(self, message: dict[str, Any], text: str) -> Entry:
        role = safe_text(message["role"]) if isinstance(message.get("role"), str) else "user"
        stamp = message.get("timestamp")
        name = message.get("name")
        label = " ".join(safe_text(name).split())[:_MAX_NAME_CHARACTERS] if isinstance(name, str) else ""
        identity = None if stamp is None else json.dumps(stamp, sort_keys=True)
        # named by the whole: what a message is does not hang on what is left of it
        said = without_recalled(text, may_be_cut_off=True)
        return Entry(self.hasher(role, text, identity), role, said, read_time(stamp), label or None)


def safe_text(text: str) -> str:
    """Return ``text`` with what UTF-8 or Postgres cannot hold replaced by U+FFFD."""
    return _UNSTORABLE.sub("\ufffd", text)


def message_text(content: object) -> str:
    """Return the text of a message's content: a string, or the text parts of a list of parts."""
    if isinstance(content, str):
        return safe_text(content)
    if isinstance(content, list):
        texts = [part.get("text") if isinstance(part, dict) else part for part in content]
        return safe_text("\n".join(text for text in texts if isinstance(text, str)))
    if isinstance(content, int | float) and not isinstance(content, bool):
        return str(content)
    return ""


def read_time(stamp: object) -> datetime | None:
    """Return the moment ``stamp`` names (RFC 3339, or epoch seconds or milliseconds), if it names one."""
    try:
        if isinstance(stamp, str) and _RFC_3339.match(stamp):
            time = datetime.fromisoformat(stamp.strip())
            time.astimezone(UTC)  # on the calendar's edges this fails, and no database could give it back
            return time if time.tzinfo else time.replace(tzinfo=UTC)
        if isinstance(stamp, int | float) and not isinstance(stamp, bool):
            return datetime.fromtimestamp(stamp / 1000 if stamp > _MILLISECONDS_FROM else stamp, UTC)
    except (ValueError, OverflowError, OSError):
        pass
    return None


def _earliest(date: str | None) -> datetime | None:
    """Return when a day begins where it begins first: a note of that day may have been there from then on."""
    midnight = read_time(date)
    try:
        return midnight - _FIRST_OF_ALL_ZONES if midnight else None
    except OverflowError:  # the calendar's first day
        return None


def _section(heading: str | None, date: str | None) -> str | None:
    """Return the heading, unless it only repeats the day that the chunk's header names."""
    return None if heading == date else heading


def markdown_blocks(text: str) -> Iterator[tuple[str | None, str]]:
    """Split a note into (heading, block): list items and paragraphs, fenced code kept whole."""
    heading: str | None = None
    block: list[str] = []
    fence: str | None = None
    for line in [*text.splitlines(), ""]:
        title = None if fence else _HEADING.match(line)
        starts = title or not line.strip() or _BLOCK_START.match(line)
        if starts and not fence and block:
            yield heading, "\n".join(block)
            block = []
        if title:
            heading = title[1].strip()
        elif line.strip() or fence:
            block.append(line.rstrip())
        fence = _fence_after(line, fence)
    if block:
        yield heading, "\n".join(block).rstrip()


def _fence_after(line: str, fence: str | None) -> str | None:
    """Return the fence that is open after ``line``: only its own mark, at least as long, closes one (CommonMark 4.5)."""
    mark = _FENCE.match(line)
    if mark is None:
        return fence
    if fence is None:
        return mark[1]
    return None if mark[1].startswith(fence) and not mark[2].strip() else fence


def check_storable(address: Address) -> None:
    """Refuse a key that no store can hold.

    Raises:
        MalformedItemError: it contains NUL or a lone surrogate, or the tenant's part is too long for an index.
    """
    if len(address.tenant_id.encode("utf-8", "replace")) > MAX_ID_BYTES:
        raise MalformedItemError(f"the item's tenant id is longer than {MAX_ID_BYTES} bytes")
    if any(map(_UNSTORABLE.search, (address.key.table, address.key.hash_value, address.key.range_value))):
        raise MalformedItemError("the item's key contains NUL or a lone surrogate, which no store can hold")


def _same_key(key: ItemKey) -> Address | None:
    if key.hash_value.startswith(LEGACY_PREFIX):
        return None
    if key.range_value.startswith("memory:"):
        return _note_address(key)
    return Address(key, key.hash_value, key.hash_value, "session")


def _note_address(key: ItemKey) -> Address | None:
    named = _NOTE_NAMES.match(key.range_value)
    if named is None or key.hash_value.startswith(LEGACY_PREFIX):
        return None
    return Address(key, key.hash_value, key.hash_value, *_kind_and_date(named))


def note_of(name: str) -> tuple[Kind, str | None] | None:
    """Return kind and date of the note that a ``memory:…`` sort key names, if it names one."""
    named = _NOTE_NAMES.match(name)
    return None if named is None else _kind_and_date(named)


def _partition(key: ItemKey) -> Address | None:
    named = _PARTITION_NAMES.match(key.range_value)
    user = key.hash_value.removeprefix(LEGACY_PREFIX)
    if named is None or not user or user == key.hash_value:
        return None
    return Address(key, user, user, *_kind_and_date(named))


_KEY_SHAPES = (
    ("tenant_id", "session_key", _same_key),
    ("tenant_id", "sk", _note_address),
    ("pk", "sk", _partition),
)


def _kind_and_date(named: re.Match[str]) -> tuple[Kind, str | None]:
    if named[1]:
        return "long_term", None
    kind: Kind = "daily" if named[2].lower() == "daily" else "summary"
    return kind, named[3] if _DATE.match(named[3]) else None


def _string(item: Item, name: str) -> str:
    if name not in item:
        raise MalformedItemError(f"the item has no attribute {name!r}; save it as a string (S)")
    value = item[name].get("S")
    if not isinstance(value, str):
        kinds = ", ".join(sorted(item[name])) or "nothing"
        raise MalformedItemError(f"attribute {name!r} must be a string (S), and is of type {kinds}")
    return value


def _messages_json(text: str) -> list[Any]:
    try:
        messages = json.loads(text) if text.strip() else []
    except (ValueError, RecursionError):
        raise MalformedItemError("the messages are not valid JSON; save them as a JSON array") from None
    if not isinstance(messages, list):
        raise MalformedItemError(
            f"the messages must be a JSON array, and are of type {type(messages).__name__}"
        )
    return messages
