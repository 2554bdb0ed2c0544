"""Whose messages a forget request covers. Pure."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from pipeline.stores.forget_requests import Markers
from pipeline.stores.message_rows import ItemEvent, MessageRow

_REMOVALS = frozenset({"deleted", "expired"})
_SUBJECT = re.compile(r"owner:([0-9a-f]{32})", re.ASCII)
"""A keyed hash is 32 hex digits; a user whose own id looks like that is taken for one (docs/limits.md)."""
_NOBODY_KNOWS = "?"


class Cover(NamedTuple):
    """T of the forget requests that cover a message, epoch seconds; ``None`` where none does.

    Args:
        certain: of those of whoever is known to have owned the item at T.
        possible: the same, and of those who may have owned it.
    """

    certain: float | None
    possible: float | None


@dataclass(frozen=True, slots=True)
class Ownership:
    """Names of users as transitions carry them.

    Args:
        of: user id → keyed hash.
        session_key: the chat app's own name of the item.
        markers: of whoever is known to have owned the item, by user id and by :meth:`subject`.
    """

    of: Callable[[str], str]
    session_key: str
    markers: Markers = field(default_factory=Markers)

    @staticmethod
    def subject(owner: str) -> str:
        """Return the name under which markers of an owner of whom only the hash is known are kept."""
        return f"owner:{owner}"

    def hash_of(self, user_id: str) -> str:
        """Return the keyed hash of a user id, or that of a :meth:`subject`."""
        named = _SUBJECT.fullmatch(user_id)
        return named[1] if named else self.of(user_id)

    def cover(self, row: MessageRow, events: Sequence[ItemEvent]) -> Cover:
        """Return what covers ``row``: requests about whoever owned the item at T, or when the message left, if before."""
        if not self.markers.times:
            return Cover(None, None)
        own = self.hash_of(row.user_id)
        changes = _changes_of(row, events)
        hashes = {own} | {hashed for event in changes for hashed in (event.before, event.after) if hashed}
        covers = [
            (time, owners)
            for hashed in hashes
            for time in self._times(hashed, row.user_id if hashed == own else None)
            if hashed in (owners := owners_at(time, own, changes) | _owners_left(row, time, changes))
        ]
        session = self.markers.of_session(self.session_key)
        certain = [time for time, owners in covers if len(owners) == 1]
        possible = [time for time, _ in covers]
        return Cover(max([*session, *certain], default=None), max([*session, *possible], default=None))

    def _times(self, hashed: str, user_id: str | None) -> list[float]:
        names = [self.subject(hashed), *([user_id] if user_id is not None else [])]
        return [time for name in names for time in self.markers.of_user(name, self.session_key)]


def owners_at(time: float, current: str, changes: Sequence[ItemEvent]) -> frozenset[str | None]:
    """Return whose the item may have been at ``time``: all that the records name that disagree, or do not say when.

    Args:
        current: whose it was at last.
        changes: of owner, and the item's insertions and removals, in order.
    """
    later = [event for event in changes if event.at is None or event.at >= time]
    earlier = [event for event in changes if event not in later]
    owners = {_owner_after(earlier[-1])} if earlier else set()
    before = later[0].before if later else current
    owners |= {before} if before else set()
    owners |= {current} if not owners else set()
    owners |= {event.after for event in later if event.at is None}
    owners |= {_NOBODY_KNOWS} if _made_anew(earlier, later) else set()
    return frozenset(owners - {None})


def _made_anew(earlier: Sequence[ItemEvent], later: Sequence[ItemEvent]) -> bool:
    """Tell whether the item was inserted after a moment, and no record has told yet by whom it was removed before that."""
    removed = bool(earlier) and earlier[-1].kind in _REMOVALS
    return bool(later) and later[0].kind == "inserted" and not removed


def _owner_after(event: ItemEvent) -> str | None:
    """Return whose the item's messages were after it; a removal leaves them with the last owner, whoever inserts it anew."""
    return event.before if event.kind in _REMOVALS else event.after


def _owners_left(row: MessageRow, time: float, changes: Sequence[ItemEvent]) -> frozenset[str]:
    """Return whose a message may have been that left before ``time``, nobody knows when: of all since it was last seen."""
    if row.state != "unexplained" or row.kept_in_doubt:
        return frozenset()
    since = max(row.seen, row.resolved)
    earlier = (event for event in changes if event.at is None or event.at < time)
    return frozenset(event.before for event in earlier if event.before and event.position > since)


def _changes_of(row: MessageRow, events: Sequence[ItemEvent]) -> list[ItemEvent]:
    """Return what tells of the owners that a message saw: its item's insertion, and all that followed until it left.

    A removal tells whose the item was until then. What was saved before it, and said again with the same time in the item
    that was made anew, was not the new owner's at a T before that.
    """
    seen = [event for event in events if not row.resolved or event.position < row.resolved]
    came = (event for event in seen if event.kind == "inserted" and _before(event, row.saved_at))
    inserted = max((event.position for event in came), default="")
    telling = {"owner", "inserted"} | _REMOVALS
    return [event for event in seen if event.kind in telling and event.position >= inserted]


def _before(event: ItemEvent, saved_at: float | None) -> bool:
    """Tell whether an item was inserted before a message was saved; where nobody knows, it was."""
    return event.at is None or saved_at is None or event.at <= saved_at


def with_change_seen(
    events: Sequence[ItemEvent], before: tuple[str, str | None], after: str | None
) -> tuple[ItemEvent, ...]:
    """Return ``events`` with a change of owner that a read saw and no record has told: nobody knows when it was.

    Args:
        before: position of the last read, and whose the item was then.
        after: whose it is.
    """
    position, old = before
    seen = [*events]
    if None not in {old, after} and old != after:
        seen.append(ItemEvent("owner", position, None, old, after))
    return tuple(event for event in seen if event.at is not None or not _recorded(event, events))


def _recorded(seen: ItemEvent, events: Sequence[ItemEvent]) -> bool:
    """Tell whether a record tells of a change that a read saw."""
    return any(
        event.after == seen.after and event.position > seen.position
        for event in events
        if event.kind in {"owner", "inserted"} and event.at is not None
    )
