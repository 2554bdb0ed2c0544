"""The message ledger's rows: what is known of each message of an item, and of the item itself. They hold no text. Pure."""

from dataclasses import dataclass
from typing import Literal

MessageState = Literal["live", "kept", "unexplained", "erased"]


@dataclass(frozen=True, slots=True)
class MessageRow:
    """One row of the message ledger: a message seen in an item and not purged. It holds no text.

    Times are epoch seconds. A live message was last seen by the item's last read, see :class:`ItemFacts`; the row says it
    only of a message that has left.

    Args:
        id: 32 hex digits, of item, name and ordinal.
        name: keyed hash of role and normalised text; transitions call it so.
        ordinal: tells apart the copies of an equal text; given once for the ledger's life.
        state: see ``docs/ledger.md``.
        user_id: whose it is; of a message that has left, whose it was then: of an owner without a known name,
            :meth:`pipeline.ingest.ownership.Ownership.subject`.
        said_at: the client's time. For dates and ranking only.
        saved_at: AWS's time of its newest addition; ``None`` until the transition that added it arrives.
        at_tail: that addition was at the item's end.
        met_at: our clock at the start of the read that first saw it.
        added: position of its newest addition.
        seen: highest position known before the read that last saw it.
        seen_at: our clock at the start of that read.
        resolved: position of the transition that settled it.
        reason: what that transition said: ``capped``, ``cleared`` or ``expired``. An unexplained one with a reason is to be
            kept, once it is known for whom, and that no forget request covers it.
        hidden_at: our clock when it became unexplained.
    """

    id: str
    name: str
    ordinal: int
    state: MessageState
    user_id: str
    said_at: float | None = None
    saved_at: float | None = None
    at_tail: bool = False
    met_at: float = 0.0
    added: str = ""
    seen: str = ""
    seen_at: float = 0.0
    resolved: str = ""
    reason: str = ""
    hidden_at: float | None = None

    @property
    def kept_in_doubt(self) -> bool:
        """Whether it is to be kept, and hidden while nobody knows for whom, or whether a forget request covers it."""
        return self.state == "unexplained" and bool(self.reason)


@dataclass(frozen=True, slots=True)
class ItemEvent:
    """An INSERT, an expiry, a deletion or a change of owner of an item, as its stream told it; or that a read lacked it.

    Args:
        position: in the stream.
        at: AWS's time, epoch seconds; ``None`` if the record had none.
        before: keyed hash of the owner before; ``None`` if there was none.
        after: of the owner after.
    """

    kind: Literal["inserted", "expired", "deleted", "owner", "absent"]
    position: str
    at: float | None = None
    before: str | None = None
    after: str | None = None


@dataclass(frozen=True, slots=True)
class ItemFacts:
    """What the ledger knows of an item besides its messages.

    Args:
        position: highest stream position known before the read that the index reflects.
        read_at: our clock at the start of that read, epoch seconds.
        present: the last read found the item, even if what it says could not be read.
        found: position known before the last read that found it.
        user_id: whose it was then.
        events: oldest first, each once.
        hidden_since: our clock when the first message that is unexplained now became so.
    """

    position: str = ""
    read_at: float = 0.0
    present: bool = False
    found: str = ""
    user_id: str | None = None
    events: tuple[ItemEvent, ...] = ()
    hidden_since: float | None = None
