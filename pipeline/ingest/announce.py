"""Turns changes of items into notices: what to look at, and what was taken away."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pipeline.errors import MalformedItemError
from pipeline.ingest.notices import Notice, coalesce
from pipeline.ingest.queue import NoticeQueue, Refused
from pipeline.settings import Retention
from pipeline.source.changes import Change
from pipeline.source.layouts import Item, Layouts
from pipeline.source.transitions import ForgetFact, Image, Unreadable, deletion, modification


@dataclass(frozen=True, slots=True)
class Announcer:
    """Reads changes, keeps those of memory, and says so on the queue.

    Args:
        on_clear: see :class:`pipeline.settings.Settings`.
        on_expiry: the same.
        excluded_roles: the same.
    """

    layouts: Layouts
    on_clear: Retention
    on_expiry: Retention
    excluded_roles: frozenset[str] = frozenset()

    def notice(self, change: Change, now: float) -> Notice | None:
        """Return the notice of ``change``; ``None`` if no memory is touched."""
        address = self.layouts.address(change.table, change.key)
        if address is None:
            return None
        old, new = self._image(change, change.old), self._image(change, change.new)
        images_shown = change.old is not None or change.new is not None
        if images_shown and old is None and new is None:
            return None
        return Notice(
            address,
            change.position,
            self._facts(change, old, new),
            change.saved_at,
            created_at=change.saved_at if change.created else None,
            first_sent_at=now,
        )

    def _facts(self, change: Change, old: Image, new: Image) -> tuple[ForgetFact, ...]:
        if change.removed:
            return deletion(expired=change.expired, on_expiry=self.on_expiry, at=change.position)
        return modification(
            old, new, on_clear=self.on_clear, at=change.position, excluded_roles=self.excluded_roles
        )

    def _image(self, change: Change, item: Item | None) -> Image:
        try:
            return self.layouts.parse(change.table, item, change.key) if item is not None else None
        except MalformedItemError:
            return Unreadable()


def announce(notices: Mapping[str, Notice], queue: NoticeQueue) -> Refused:
    """Send ``notices`` (change id → notice), one an item.

    Returns:
        ids of the changes whose notice was not taken.
    """
    merged: Sequence[Notice] = list(coalesce(notices.values()).values())
    failed = queue.send(merged)
    lost = (id_ for id_, notice in notices.items() if notice.address.key.source in failed)
    return Refused(lost, failed.reasons)
