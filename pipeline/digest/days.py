"""Which days are over, and which summaries are to be made or taken back. Pure."""

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pipeline.source.layouts import Address, Item, Layouts

RECIPE = "1"
"""Part of every fingerprint: a new recipe makes the summaries of recent days anew."""

ZONE_ATTRIBUTE = "timezone"
"""Of any of a user's notes, an IANA name such as ``Asia/Tokyo``."""


@dataclass(frozen=True, slots=True)
class Notes:
    """One user's notes in one table: the key's range value → item."""

    table: str
    items: Mapping[str, Item]


def zone_of(notes: Notes, default: str) -> ZoneInfo:
    """Return the user's time zone: what any of the notes says, else the default; one that does not exist is UTC."""
    given = [item[ZONE_ATTRIBUTE].get("S", "") for item in notes.items.values() if ZONE_ATTRIBUTE in item]
    for name in (*given, default):
        try:
            return ZoneInfo(name)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            continue
    return ZoneInfo("UTC")


def over(day: str, now: datetime, zone: ZoneInfo, catch_up_days: int) -> bool:
    """Tell whether ``day`` has ended in ``zone``, and not too long ago."""
    try:
        ended = date.fromisoformat(day)
    except ValueError:
        return False
    today = now.astimezone(zone).date()
    return today - timedelta(days=catch_up_days) <= ended < today


def summary_key(log: Address) -> Item:
    """Return the key of the summary of a daily log, in the same layout."""
    key = log.key
    name = key.range_value
    named = (
        name.replace("daily", "summary", 1)
        if name.startswith("memory:")
        else name.replace("DAILY", "SUMMARY", 1)
    )
    return {**key.to_dynamodb(), key.range_name: {"S": named}}


def fingerprint(content: str, summariser: str) -> str:
    """Return what tells whether a summary is still that of its log."""
    whole = f"{RECIPE}\0{summariser}\0{content}"
    return hashlib.blake2b(whole.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()


KeyOf = Callable[[Item], Item]
"""Returns the key among an item's attributes: an item of another kind may have an attribute of any name."""


def logs(notes: Notes, layouts: Layouts, key_of: KeyOf) -> Iterator[tuple[Address, Item]]:
    """Yield the daily logs among a user's notes, the oldest first."""
    for _, item in sorted(notes.items.items()):
        address = layouts.address(notes.table, key_of(item))
        if address and address.kind == "daily" and address.date:
            yield address, item


def orphans(notes: Notes, layouts: Layouts, key_of: KeyOf) -> Sequence[Item]:
    """Return the summaries of ours whose log is gone."""
    found = []
    for item in filter(is_ours, notes.items.values()):
        address = layouts.address(notes.table, key_of(item))
        sources = sources_of(item)
        if (
            address
            and address.kind == "summary"
            and sources
            and not any(one in notes.items for one in sources)
        ):
            found.append(item)
    return found


def is_ours(item: Item) -> bool:
    """Tell whether the digest wrote a summary; the chat app may write some itself, which nobody else touches."""
    return "sources" in item and "source_hash" in item


def sources_of(summary: Item) -> Sequence[str]:
    """Return the range values of the logs that a summary is made of."""
    return [row["S"] for row in summary.get("sources", {}).get("L", []) if "S" in row]
