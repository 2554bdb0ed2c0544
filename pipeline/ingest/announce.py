"""Turns changes of items into notices: what to look at, and what each change did."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from pipeline.errors import MalformedItemError
from pipeline.ingest.notices import Notice, coalesce
from pipeline.ingest.queue import NoticeQueue, Refused
from pipeline.source.documents import Document
from pipeline.source.layouts import Address, Item, Layouts
from pipeline.source.stream_records import StreamChange
from pipeline.source.transitions import Image, Transition, TransitionReader, Unreadable


@dataclass(frozen=True, slots=True)
class Announcer:
    """Reads changes, keeps those of memory, and says so on the queue.

    Args:
        transitions: compares the images of a change.
    """

    layouts: Layouts
    transitions: TransitionReader

    def notice(self, change: StreamChange, now: float) -> Notice | None:
        """Return the notice of ``change``; ``None`` if no memory is touched. A removal under a memory's key always does."""
        address = self.layouts.address(change.table, change.key)
        if address is None:
            return None
        old, new = self._images(change)
        shown = change.old is not None or change.new is not None
        if shown and old is None and new is None and not change.removed:
            return None
        transition = replace(
            self._transition(change, old, new),
            owner_before=self._owner(address, old),
            owner_after=self._owner(address, new),
        )
        return Notice(address, change.position, (transition,), change.saved_at, first_sent_at=now)

    def _transition(self, change: StreamChange, old: Image, new: Image) -> Transition:
        at, position = change.saved_at, change.position
        if change.removed:
            return self.transitions.removal(old, expired=_expired(change, old), at=at, position=position)
        return self.transitions.rewrite(old, new, inserted=change.created, at=at, position=position)

    def _images(self, change: StreamChange) -> tuple[Image, Image]:
        """Return the item before and after. What the stream's view leaves out was there, and nobody knows what it says.

        Else each save of a stream without old images would say anew all that a forget request has erased.
        """
        old, new = self._image(change, change.old), self._image(change, change.new)
        if change.old is None and not change.created and not change.removed:
            old = Unreadable()
        if change.new is None and change.old is not None and not change.removed:
            new = Unreadable()
        return old, new

    def _owner(self, address: Address, image: Image) -> str | None:
        if not isinstance(image, Document):
            return None
        return self.layouts.owner(address.tenant_id, image.user_id)

    def _image(self, change: StreamChange, item: Item | None) -> Image:
        try:
            return self.layouts.parse(change.table, item, change.key) if item is not None else None
        except MalformedItemError:
            return Unreadable()


def _expired(change: StreamChange, old: Image) -> bool:
    """Tell whether DynamoDB's TTL removed the item.

    In the other regions of a global table the record of such a removal does not say so
    (docs.aws.amazon.com/amazondynamodb/latest/developerguide/time-to-live-ttl-streams.html); there the item's own time tells.
    """
    if change.expired or not isinstance(old, Document) or old.expires_at is None:
        return change.expired
    return change.saved_at is not None and old.expires_at.timestamp() <= change.saved_at


def announce(notices: Mapping[str, Notice], queue: NoticeQueue) -> Refused:
    """Send ``notices`` (change id → notice), one an item.

    Returns:
        ids of the changes whose notice was not taken.
    """
    merged: Sequence[Notice] = list(coalesce(notices.values()).values())
    failed = queue.send(merged)
    lost = (id_ for id_, notice in notices.items() if notice.address.key.source in failed)
    return Refused(lost, failed.reasons)
