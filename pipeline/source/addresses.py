"""What an item's key alone says: a session, a note, or nothing that becomes memory. Pure."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

from pipeline.errors import MalformedItemError
from pipeline.source.attributes import UNSTORABLE, Item, number_text
from pipeline.source.documents import ItemKey, Kind

MAX_ID_BYTES = 1_024
"""Longest tenant or user id: both of them fit into one index entry."""

LEGACY_PREFIX = "MEMORY#"
_NOTE_NAMES = re.compile(r"(?:memory:)(?:(long_term)|(daily|summary):(.*))\Z", re.DOTALL)
_PARTITION_NAMES = re.compile(r"(?:(LONG_TERM)|(DAILY|SUMMARY)#(.*))\Z", re.DOTALL)
_DATE = re.compile(r"\d{4}-\d\d-\d\d\Z")


@dataclass(frozen=True, slots=True)
class Address:
    """What an item's key alone says about it."""

    key: ItemKey
    tenant_id: str
    default_user_id: str
    kind: Kind
    date: str | None = None


def address_of(table: str, key: Item, names: Mapping[str, str]) -> Address | None:
    """Say what ``key`` addresses, or ``None`` if it is nothing that becomes memory.

    Args:
        names: our attribute name → the table's.
    """
    for hash_name, range_name, classify in _KEY_SHAPES:
        own = (names[hash_name], names[range_name])
        hash_key, range_key = _key_part(key, own[0]), _key_part(key, own[1])
        if hash_key and range_key and own[0] != own[1]:
            item_key = ItemKey(table, own[0], hash_key[1], own[1], range_key[1], hash_key[0], range_key[0])
            found = classify(item_key)
            if found is not None:
                return found
    return None


def _key_part(key: Item, name: str) -> tuple[str, str] | None:
    match key.get(name):
        case {"S": str(text)}:
            return "S", text
        case {"N": str(text) | int(text)}:
            return "N", number_text(str(text), name)
        case _:
            return None


def check_storable(address: Address) -> None:
    """Refuse a key that no store can hold.

    Raises:
        MalformedItemError: it contains NUL or a lone surrogate, or the tenant's part is too long for an index.
    """
    if len(address.tenant_id.encode("utf-8", "replace")) > MAX_ID_BYTES:
        raise MalformedItemError(f"the item's tenant id is longer than {MAX_ID_BYTES} bytes")
    if any(map(UNSTORABLE.search, (address.key.table, address.key.hash_value, address.key.range_value))):
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
    return kind, named[3] if _is_date(named[3]) else None


def _is_date(text: str) -> bool:
    try:
        return _DATE.match(text) is not None and date.fromisoformat(text) is not None
    except ValueError:
        return False
