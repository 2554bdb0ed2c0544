"""What is known of an item: what it says now, what its records said, and the events of the item as a whole. Pure."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from pipeline.ingest.ownership import Ownership, with_change_seen
from pipeline.source.documents import Document, Entry
from pipeline.source.transitions import Transition
from pipeline.stores.index_state import IndexState
from pipeline.stores.message_rows import ItemEvent, ItemFacts, MessageRow

CLOCK_SECONDS = 120.0
"""How far AWS's time of a change may be from ours where the answer is to forget: clocks that are apart, and times rounded
down. Where the answer is to keep, none: in doubt a message is hidden.
"""

HORIZON_SECONDS = (1 + 7 + 14) * 86_400.0
"""After so long no transition can arrive any more: a stream holds a record for a day (AWS's retention), a notice is put
off for at most seven, and the dead-letter queue holds it for 14 (the longest that SQS offers)."""

AFTER = "~"
"""Sorts a position after the one that it stands behind, and before the next."""

MAX_EVENTS = 50
"""Of an item; the newest count."""


@dataclass(frozen=True, slots=True)
class ItemReading:
    """An item as it was just read.

    Args:
        at: our clock when the read began, epoch seconds.
        position: highest stream position known before the read; ``""`` if none.
        document: with only the entries that become memory; ``None`` unless it is present.
    """

    known: Literal["present", "absent", "unreadable"]
    at: float
    position: str = ""
    document: Document | None = None

    @property
    def entries(self) -> tuple[Entry, ...]:
        """The messages of the item."""
        return self.document.entries if self.document else ()

    @property
    def whole(self) -> bool:
        """Whether what is not in it is not in the item."""
        return self.known == "absent" or bool(self.document and not self.document.unreadable)


@dataclass(frozen=True, slots=True)
class ItemEvidence:
    """All that is known of an item besides what its ledger holds.

    Args:
        facts: of the item, before.
        events: of the item, those that ``transitions`` tell included.
        transitions: in order.
        new_id: name and ordinal → a row's id.
        users: everybody whose the item or a message of it is known to be or to have been.
    """

    facts: ItemFacts
    reading: ItemReading
    transitions: tuple[Transition, ...]
    events: tuple[ItemEvent, ...]
    ownership: Ownership
    new_id: Callable[[str, int], str]
    users: frozenset[str]

    @classmethod
    def of(  # noqa: PLR0913, PLR0917  # what it puts together
        cls,
        state: IndexState,
        reading: ItemReading,
        transitions: tuple[Transition, ...],
        ownership: Ownership,
        new_id: Callable[[str, int], str],
        kept: Sequence[MessageRow] = (),
    ) -> "ItemEvidence":
        """Put it together."""
        events = _events(state.facts.events, transitions)
        facts, of = state.facts, ownership.of
        owner = of(reading.document.user_id) if reading.document else _owner_told(transitions, facts.position)
        if owner:
            old = of(facts.user_id) if facts.user_id else None
            events = with_change_seen(events, (facts.position, old), owner)
        owners = (state.facts.user_id, reading.document.user_id if reading.document else None)
        users = {*owners, *(row.user_id for row in (*state.messages, *kept))} - {None}
        return cls(state.facts, reading, transitions, events, ownership, new_id, frozenset(map(str, users)))

    @property
    def given_away(self) -> bool:
        """Whether a record tells of another owner than the last read, of an item that cannot be read now."""
        earlier = self.facts.user_id
        if self.reading.known != "unreadable" or earlier is None:
            return False
        last = self.facts.position
        newer = [
            each for each in self.events if each.position > last or (each.position == last and not each.at)
        ]
        owners = [event.after for event in newer if event.kind in {"owner", "inserted"} and event.after]
        return bool(owners) and owners[-1] != self.ownership.of(earlier)

    def user_of(self, hashed: str) -> str | None:
        """Return the user behind a keyed hash, if it is anybody known here."""
        return next((user for user in sorted(self.users) if self.ownership.of(user) == hashed), None)

    def owner_before(self, position: str) -> str | None:
        """Return the keyed hash of whoever owned the item until a position, as far as records tell; a read tells no position."""
        told = [
            event.before if event.position == position else event.after
            for event in self.events
            if event.position <= position and event.at is not None and event.kind != "absent"
        ]
        return next((hashed for hashed in reversed(told) if hashed), None)

    def of_text(self, name: str) -> tuple[Transition, ...]:
        """Return the transitions that concern a text."""
        return tuple(each for each in self.transitions if each.everything or each.mentions(name))


def _owner_told(transitions: Sequence[Transition], position: str) -> str | None:
    """Return the keyed hash of whose the item is, or was last, as the newest record behind a position tells."""
    told = [each.owner_after or each.owner_before for each in transitions if each.position > position]
    return next((hashed for hashed in reversed(told) if hashed), None)


def _events(known: Sequence[ItemEvent], transitions: Sequence[Transition]) -> tuple[ItemEvent, ...]:
    """Return what is known of the item as a whole, oldest first."""
    events = {(event.position, event.kind, event.at is None): event for event in known}
    for each in transitions:
        told = (each.position, each.at, each.owner_before, each.owner_after)
        if each.event != "modified":
            events.setdefault((each.position, each.event, False), ItemEvent(each.event, *told))
        if each.changes_owner:
            events.setdefault((each.position, "owner", False), ItemEvent("owner", *told))
    return tuple(sorted(events.values(), key=lambda event: event.position))[-MAX_EVENTS:]


def facts_after(evidence: ItemEvidence) -> ItemFacts:
    """Return what is known of the item as a whole after its reading."""
    before, reading, events = evidence.facts, evidence.reading, evidence.events
    position = max(before.position, reading.position)
    if reading.known == "unreadable":  # it is there, and what it says is as it was
        return replace(before, present=True, found=max(before.found, position), events=events)
    found = reading.known == "present"
    if not found and position:
        others = tuple(event for event in events if event.kind != "absent")
        events = (*others, ItemEvent("absent", position + AFTER, reading.at))
    return replace(
        before,
        position=position,
        read_at=reading.at,
        present=found,
        found=position if found else before.found,
        user_id=reading.document.user_id if reading.document else before.user_id,
        events=events,
    )
