"""The file that memory is carried in: JSON lines, described in ``docs/export.md``. Pure.

The first line says whose memory it is, the last one how much there is, so that half a file is told from a whole one. Between
them stand items, each followed by its messages, oldest first.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from pipeline.errors import InvalidRequestError
from pipeline.source.documents import ItemKey

VERSION = 1
FORMAT = "vector-memory"
_STATES = ("live", "kept")
_DAMAGED = "take a whole file that vector-memory export wrote"


@dataclass(frozen=True, slots=True)
class PortableMessage:
    """A turn of a conversation, or a block of a note.

    Args:
        name: of the speaker; for a note, the heading the block stands under.
        said_at: the client's time.
        saved_at: AWS's time, as far as it is known.
        state: ``live`` is in its item; ``kept`` has left it, and memory alone has it.
        reason: why it left: ``capped``, ``cleared`` or ``expired``.
    """

    user_id: str
    role: str
    text: str = field(repr=False)
    name: str | None = None
    said_at: datetime | None = None
    saved_at: datetime | None = None
    state: str = "live"
    reason: str = ""


@dataclass(frozen=True, slots=True)
class PortableItem:
    """A conversation or a note.

    Args:
        user_id: whose it is now.
        present: whether the chat app's table has it.
        messages: what memory shows of it, oldest first.
    """

    key: ItemKey
    kind: str
    user_id: str
    created_at: datetime | None = None
    updated_at: datetime | None = None
    expires_at: datetime | None = None
    present: bool = True
    messages: tuple[PortableMessage, ...] = ()


@dataclass(frozen=True, slots=True)
class Header:
    """Whose memory a file holds; ``user_id`` is ``None`` for all of a tenant's."""

    tenant_id: str
    user_id: str | None
    exported_at: datetime


@dataclass(slots=True)
class Counts:
    """What is in a file, and what is not.

    Args:
        hidden: messages that are left out because nobody knows yet whether they may be shown.
        unreadable: items that cannot be read, and messages in them.
        elsewhere: items that stand in no table of the chat app's, such as vectors that were taken over.
    """

    items: int = 0
    messages: int = 0
    hidden: int = 0
    unreadable: int = 0
    elsewhere: int = 0


def header_line(header: Header) -> str:
    """Return the first line."""
    return _line(
        type="export",
        format=FORMAT,
        version=VERSION,
        tenant_id=header.tenant_id,
        user_id=header.user_id,
        exported_at=header.exported_at.isoformat(),
    )


def item_lines(item: PortableItem) -> Iterator[str]:
    """Yield an item's line and those of its messages."""
    key = item.key
    yield _line(
        type="item",
        kind=item.kind,
        key=key.range_value,
        user_id=item.user_id,
        created_at=_text(item.created_at),
        updated_at=_text(item.updated_at),
        expires_at=_text(item.expires_at),
        present=item.present,
        address={
            "table": key.table,
            "hash": [key.hash_name, key.hash_type, key.hash_value],
            "range": [key.range_name, key.range_type, key.range_value],
        },
    )
    for message in item.messages:
        yield _message_line(key.range_value, message)


def end_line(counts: Counts) -> str:
    """Return the last line."""
    return _line(
        type="end",
        items=counts.items,
        messages=counts.messages,
        hidden=counts.hidden,
        unreadable=counts.unreadable,
        elsewhere=counts.elsewhere,
    )


def read_header(line: str) -> Header:
    """Read the first line.

    Raises:
        InvalidRequestError: it is no export, or of another version.
    """
    fields = _fields(line, 1)
    if fields.get("type") != "export" or fields.get("format") != FORMAT:
        raise InvalidRequestError("the first line is not that of an export", hint=_DAMAGED)
    if fields.get("version") != VERSION:
        raise InvalidRequestError(
            f"the file is of version {fields.get('version')}, and this program reads {VERSION}",
            hint="use the program that wrote it, or a newer one",
        )
    try:
        exported_at = datetime.fromisoformat(fields["exported_at"])
        return Header(str(fields["tenant_id"]), fields["user_id"], exported_at)
    except (KeyError, TypeError, ValueError):
        raise _damaged(1) from None


def read_items(lines: Iterable[str]) -> Iterator[PortableItem]:
    """Read everything behind the first line; lines of a kind that is not known are passed over.

    Raises:
        InvalidRequestError: a line is damaged, or the end is missing.
    """
    held: list[PortableItem] = []
    messages: list[PortableMessage] = []
    counts = Counts()
    for number, line in enumerate(lines, 2):
        fields = _fields(line, number)
        try:
            match fields.get("type"):
                case "item":
                    yield from _whole(held, messages)
                    held, messages = [_item(fields)], []
                    counts.items += 1
                case "message" if held:
                    messages.append(_message(fields, held[0].key.range_value))
                    counts.messages += 1
                case "end":
                    _check(counts, fields)
                    yield from _whole(held, messages)
                    return
                case "message":
                    raise _damaged(number)
        except (KeyError, TypeError, ValueError):
            raise _damaged(number) from None
    raise InvalidRequestError("the file ends in the middle: its last line is missing", hint=_DAMAGED)


def _whole(held: Sequence[PortableItem], messages: Sequence[PortableMessage]) -> Iterator[PortableItem]:
    return (replace(item, messages=tuple(messages)) for item in held)


def _check(counts: Counts, fields: Mapping[str, Any]) -> None:
    if (fields["items"], fields["messages"]) != (counts.items, counts.messages):
        raise InvalidRequestError("the file has other lines than its last line counts", hint=_DAMAGED)


def _message_line(key: str, message: PortableMessage) -> str:
    return _line(
        type="message",
        key=key,
        user_id=message.user_id,
        role=message.role,
        name=message.name,
        text=message.text,
        said_at=_text(message.said_at),
        saved_at=_text(message.saved_at),
        state=message.state,
        reason=message.reason,
    )


def _item(fields: Mapping[str, Any]) -> PortableItem:
    address = fields["address"]
    _check_texts(fields, "kind", "user_id")
    (hash_name, hash_type, hash_value), (range_name, range_type, range_value) = (
        address["hash"],
        address["range"],
    )
    if not all(isinstance(part, str) for part in (address["table"], *address["hash"], *address["range"])):
        raise TypeError
    key = ItemKey(address["table"], hash_name, hash_value, range_name, range_value, hash_type, range_type)
    created_at, updated_at, expires_at = (
        _time(fields[name]) for name in ("created_at", "updated_at", "expires_at")
    )
    return PortableItem(
        key, fields["kind"], fields["user_id"], created_at, updated_at, expires_at, fields["present"]
    )


def _message(fields: Mapping[str, Any], key: str) -> PortableMessage:
    """Return the message of a line, which belongs to the item with this key."""
    _check_texts(fields, "user_id", "role", "text", "state", "reason")
    if fields["key"] != key or fields["state"] not in _STATES:
        raise ValueError
    return PortableMessage(
        fields["user_id"],
        fields["role"],
        fields["text"],
        fields["name"],
        _time(fields["said_at"]),
        _time(fields["saved_at"]),
        fields["state"],
        fields["reason"],
    )


def _check_texts(fields: Mapping[str, Any], *names: str) -> None:
    if not all(isinstance(fields[name], str) for name in names):
        raise TypeError


def _line(**fields: Any) -> str:  # noqa: ANN401  # JSON
    return json.dumps(fields, ensure_ascii=False)


def _fields(line: str, number: int) -> dict[str, Any]:
    try:
        fields = json.loads(line)
    except (ValueError, RecursionError):
        raise _damaged(number) from None
    if not isinstance(fields, dict):
        raise _damaged(number)
    return fields


def _damaged(number: int) -> InvalidRequestError:
    return InvalidRequestError(f"line {number} is damaged", hint=_DAMAGED)


def _text(time: datetime | None) -> str | None:
    return time.isoformat() if time else None


def _time(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None
