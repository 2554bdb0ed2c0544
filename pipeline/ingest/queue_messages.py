"""What travels through the notice queue: notices and forget requests, behind one interface. Pure."""

from collections.abc import Iterator
from typing import Protocol

from pipeline.ingest.forget_messages import ForgetMessage, decode_forget_message
from pipeline.ingest.notices import Notice, decode_notice
from pipeline.source.layouts import Layouts


class QueueMessage(Protocol):
    """A message that is sent, retried and dead-lettered."""

    @property
    def tenant_id(self) -> str:
        """Whose memory it is about."""
        ...

    @property
    def subject(self) -> str:
        """What it is about: an item's name, or a forget request's id."""
        ...

    @property
    def first_sent_at(self) -> float:
        """When the first of its copies was sent, epoch seconds; 0 if nobody knows."""
        ...

    @property
    def attempts(self) -> int:
        """How often it was retried."""
        ...

    @property
    def capped(self) -> bool:
        """Whether it waited for its tenant's cap last, which is no sign of age."""
        ...

    def retried(self, now: float, *, capped: bool = False) -> "QueueMessage":
        """Return the copy that is sent when a dependency failed, or while the tenant's cap is reached."""
        ...

    def parts(self) -> Iterator["QueueMessage"]:
        """Yield it, or several that say the same where one would outgrow a queue message."""
        ...

    def encode(self) -> str:
        """Return its JSON."""
        ...


def decode(body: str, layouts: Layouts) -> Notice | ForgetMessage:
    """Read a message of the notice queue.

    Raises:
        MalformedNoticeError: it is none, or names an item that never becomes memory.
        MalformedItemError: the item's key cannot be stored.
    """
    return decode_forget_message(body) or decode_notice(body, layouts)
