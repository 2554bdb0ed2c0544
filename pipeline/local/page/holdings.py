"""Everything that memory holds of one person, by item: what is found, what is hidden, what is erased, and why. Pure."""

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from pipeline.local.page.hits import body
from pipeline.local.page.people import Person
from pipeline.source.documents import ItemKey
from pipeline.stores.inventory import StoredChunk
from pipeline.stores.message_rows import MessageRow

Owned = tuple[str, str, MessageRow]
"""Tenant, source and row of a message, as an inventory gives it."""
_NOTES: Mapping[str, str] = {
    "long_term": r"LONG_TERM\Z|memory:long_term\Z",
    "daily": r"DAILY#|memory:daily:",
    "summary": r"SUMMARY#|memory:summary:",
}


def holdings(
    person: Person, chunks: Iterable[StoredChunk], messages: Iterable[Owned]
) -> list[dict[str, Any]]:
    """Return what is held of ``person``, an item each, the newest first.

    A chunk that is withheld belongs to nobody, and so is not here: of what is hidden or erased there is no text.
    """
    rows = _by_source((source, row) for tenant, source, row in messages if _owns(person, tenant, row.user_id))
    texts = _by_source(
        (chunk.source, chunk) for chunk in chunks if _owns(person, chunk.tenant_id, chunk.user_id)
    )
    found = [_item(source, texts[source], rows[source]) for source in {*rows, *texts}]
    return sorted(found, key=lambda item: (item["at"] or 0, item["key"]), reverse=True)


def kind_of(key: str) -> str:
    """Return an item's kind by the chat app's name of it."""
    return next((kind for kind, pattern in _NOTES.items() if re.match(pattern, key)), "session")


def _owns(person: Person, tenant_id: str, user_id: str) -> bool:
    return (tenant_id, user_id) == (person.tenant_id, person.user_id)


def _by_source(pairs: Iterable[tuple[str, Any]]) -> defaultdict[str, list[Any]]:
    found: defaultdict[str, list[Any]] = defaultdict(list)
    for source, one in pairs:
        found[source].append(one)
    return found


def _item(source: str, chunks: Sequence[StoredChunk], rows: Sequence[MessageRow]) -> dict[str, Any]:
    values = ItemKey.values_of(source)
    key = values[2] if values else next((chunk.session_key for chunk in chunks), "")
    by_id = {row.id: row for row in rows}
    pieces = [*_passages(chunks, by_id), *(_absent(row) for row in rows if _is_absent(row))]
    times = [one["at"] for one in pieces if one["at"] is not None]
    states: defaultdict[str, int] = defaultdict(int)
    for row in rows:
        states[row.state] += 1
    return {
        "key": key,
        "kind": kind_of(key),
        "at": max(times, default=None),
        "states": dict(sorted(states.items())),
        "pieces": sorted(pieces, key=lambda one: (one["at"] or 0, one["id"])),
    }


def _passages(chunks: Sequence[StoredChunk], rows: Mapping[str, MessageRow]) -> Iterator[dict[str, Any]]:
    for chunk in chunks:
        members = [rows[name] for name in chunk.members if name in rows]
        yield {
            "id": chunk.id,
            "state": "kept" if chunk.status == "kept" else "live",
            "text": body(chunk.content),
            "at": _said([row.said_at for row in members]),
            "saved_at": _said([row.saved_at for row in members]),
            "reason": next((row.reason for row in members if row.reason), ""),
            "messages": len(chunk.members),
        }


def _is_absent(row: MessageRow) -> bool:
    return row.state in {"unexplained", "erased"}


def _absent(row: MessageRow) -> dict[str, Any]:
    """Return what is left of a message that is hidden or erased: when, and why."""
    return {
        "id": row.id,
        "state": row.state,
        "text": None,
        "at": _milliseconds(row.said_at),
        "saved_at": _milliseconds(row.saved_at),
        "reason": "forgotten" if row.state == "erased" else "unexplained",
        "messages": 1,
    }


def _said(times: Sequence[float | None]) -> float | None:
    known = [time for time in times if time is not None]
    return _milliseconds(min(known)) if known else None


def _milliseconds(seconds: float | None) -> float | None:
    """Return milliseconds with their fractions: a message and its answer may be only microseconds apart."""
    return None if seconds is None else seconds * 1000
