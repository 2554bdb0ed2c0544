"""Whose messages a forget request covers. Pure."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from pipeline.stores.protocol import ItemEvent, Markers, MessageRow


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

    def until(self, row: MessageRow, events: Sequence[ItemEvent]) -> float | None:
        """Return T of the forget requests that cover ``row``, epoch seconds; ``None`` if none does.

        A request covers the messages of whoever owned the item at T, or when the message left, if that was before.
        """
        if not self.markers.times:
            return None
        own = self.of(row.user_id)
        changes = [
            event
            for event in events
            if event.kind == "owner" and (not row.resolved or event.position < row.resolved)
        ]
        hashes = {own} | {hashed for event in changes for hashed in (event.before, event.after) if hashed}
        times = [
            time
            for hashed in hashes
            for time in (self._until(hashed, row.user_id if hashed == own else None),)
            if time is not None and hashed in _owners_at(time, own, changes)
        ]
        return max(times, default=None)

    def _until(self, hashed: str, user_id: str | None) -> float | None:
        names = [self.subject(hashed), *([user_id] if user_id is not None else [])]
        times = [time for name in names if (time := self.markers.until(name, self.session_key)) is not None]
        return max(times, default=None)


def _owners_at(time: float, current: str, changes: Sequence[ItemEvent]) -> frozenset[str | None]:
    """Return whose the item may have been at ``time``: where records disagree or have no time, all that they name."""
    later = [event for event in changes if event.at is None or event.at >= time]
    owners = {later[0].before} if later else {current}
    earlier = [event for event in changes if event not in later]
    owners |= {earlier[-1].after} if earlier else set()
    return frozenset(owners | {event.after for event in changes if event.at is None})
