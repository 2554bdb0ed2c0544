"""Which row of the ledger is which message of the item. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

from pipeline.source.documents import Entry
from pipeline.stores.message_rows import MessageRow


@dataclass(frozen=True, slots=True)
class Copy:
    """One copy of a text: its row, and where in the item it is, if it is there."""

    row: MessageRow
    place: int | None = None


@dataclass(frozen=True, slots=True)
class Additions:
    """Additions of a text after the request that erased what there was of it before.

    Args:
        copies: how many they brought that are there.
        positions: theirs.
    """

    copies: int = 0
    positions: frozenset[str] = frozenset()


def match(
    rows: Sequence[MessageRow], entries: Sequence[tuple[int, Entry]], new: Additions
) -> dict[int, MessageRow]:
    """Return place → row: by equal moment first, then live and erased ones in order, then unexplained ones.

    A kept row is matched by an equal moment only: a kept text that is said again is a new message. As many of the last
    entries as ``new`` brought are not what was erased before; those that are known already count among them.
    """
    if not rows:
        return {}
    matched = _by_moment(rows, entries)
    left = sorted(set(rows).difference(matched.values()), key=lambda row: row.ordinal)
    fresh = new.copies - sum(row.added in new.positions for row in matched.values())
    rest = [place for place, _ in entries if place not in matched]
    old = rest[: max(0, len(rest) - max(0, fresh))]
    for states, places in (({"live", "erased"}, old), ({"live", "unexplained"}, rest)):
        free = sorted((row for row in left if row.state in states and not row.kept_in_doubt), key=_in_order)
        open_places = [place for place in places if place not in matched]
        for place, row in zip(open_places, free, strict=False):
            matched[place] = row
            left.remove(row)
    return matched


def _by_moment(rows: Sequence[MessageRow], entries: Sequence[tuple[int, Entry]]) -> dict[int, MessageRow]:
    """Match by equal moment: what is in the item first; of several copies of one moment the older to the earlier place."""
    places: dict[float, list[int]] = {}
    for place, entry in entries:
        if entry.time:
            places.setdefault(entry.time.timestamp(), []).append(place)
    matched: dict[int, MessageRow] = {}
    for moment, open_places in places.items():
        same = sorted(
            (row for row in rows if row.said_at == moment),
            key=lambda row: (_PREFERENCE[row.state], row.ordinal),
        )
        chosen = sorted(same[: len(open_places)], key=lambda row: row.ordinal)
        matched |= zip(open_places, chosen, strict=False)
    return matched


def _in_order(row: MessageRow) -> tuple[bool, int]:
    """Sort what was in the item at the last read before what had left it."""
    return row.state == "erased" and bool(row.seen), row.ordinal


_PREFERENCE = {"live": 0, "erased": 1, "unexplained": 2, "kept": 3}
