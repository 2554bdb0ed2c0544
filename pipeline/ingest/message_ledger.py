"""Decides what becomes of each message of an item. Pure; the rules, with their reasons, are in ``docs/ledger.md``.

For each text the newest event decides. In the item: *live*. Gone, and the newest transition that covers it keeps
(``capped``, ``cleared``, ``expired``): *kept*. Gone, and it does not keep: *purged*. Gone, and no transition says why:
*unexplained*, which is hidden until one does. What a forget request covers is *erased*, wherever it is.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Literal

from pipeline.ingest.message_matching import match
from pipeline.ingest.ownership import Ownership, with_change_seen
from pipeline.source.documents import Document, Entry
from pipeline.source.transitions import Transition
from pipeline.stores.protocol import IndexState, ItemEvent, ItemFacts, MessageRow

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
class Evidence:
    """All that is known of an item besides what its ledger holds.

    Args:
        facts: of the item, before.
        events: of the item, those that ``transitions`` tell included.
        transitions: in order.
        new_id: name and ordinal → a row's id.
    """

    facts: ItemFacts
    reading: ItemReading
    transitions: tuple[Transition, ...]
    events: tuple[ItemEvent, ...]
    ownership: Ownership
    new_id: Callable[[str, int], str]

    @classmethod
    def of(
        cls,
        state: IndexState,
        reading: ItemReading,
        transitions: tuple[Transition, ...],
        ownership: Ownership,
        new_id: Callable[[str, int], str],
    ) -> "Evidence":
        """Put it together."""
        events = _events(state.facts.events, transitions)
        if reading.document:
            facts, of = state.facts, ownership.of
            old = of(facts.user_id) if facts.user_id else None
            events = with_change_seen(events, (facts.position, old), of(reading.document.user_id))
        return cls(state.facts, reading, transitions, events, ownership, new_id)

    def of_text(self, name: str) -> tuple[Transition, ...]:
        """Return the transitions that concern a text."""
        return tuple(each for each in self.transitions if each.everything or each.mentions(name))


@dataclass(frozen=True, slots=True)
class Settled:
    """What the ledger says of an item's messages after a reading.

    Args:
        rows: by id; those that were looked at, without what is purged.
        changed: those of them that are to be written.
        purged: ids of those that are to be deleted.
        entries: what is in the item and shown, in order, each named by its row's id.
        hidden: ids of rows that no search may find.
    """

    facts: ItemFacts
    rows: Mapping[str, MessageRow]
    changed: tuple[MessageRow, ...]
    purged: tuple[str, ...]
    entries: tuple[Entry, ...]
    hidden: frozenset[str]

    @property
    def erased(self) -> int:
        """How many messages were erased by it."""
        return sum(row.state == "erased" for row in self.changed)


def needs_all(state: IndexState, reading: ItemReading, transitions: Iterable[Transition]) -> bool:
    """Tell whether every kept row must be looked at, not only those that are named."""
    gone = reading.known == "absent" or not state.facts.present
    return (gone and bool(state.revision)) or any(
        each.event != "modified" or each.everything for each in transitions
    )


def would_change(state: IndexState, transitions: Sequence[Transition]) -> bool:
    """Tell, without reading the item, whether transitions may change what is known of it.

    Their positions are reflected, so what they say of live messages is old; what has left may be settled by them.
    """
    known = {event.position for event in state.facts.events}
    return any(_may_change(transition, state, known) for transition in transitions)


def _may_change(transition: Transition, state: IndexState, known: set[str]) -> bool:
    if transition.concerns_the_item and transition.position not in known:
        return True
    return any(_concerns(transition, row) for row in state.messages)


def _concerns(transition: Transition, row: MessageRow) -> bool:
    came = transition.copies_added(row.name)
    if came and transition.position > row.added:
        return True
    went = transition.everything or row.name in transition.gone
    return went and row.state in {"kept", "unexplained"} and _covers(transition, row)


def settle(state: IndexState, kept: Sequence[MessageRow], evidence: Evidence) -> Settled:
    """Return what the ledger says now.

    Args:
        kept: the kept rows that the reading or the transitions name.
    """
    reading = evidence.reading
    before = {row.id: row for row in (*state.messages, *kept)}
    groups = [group.settled(evidence) for group in _Group.by_name(before.values(), reading)]
    rows = {row.id: row for group in groups for row in group.rows}
    facts = _facts(evidence)
    placed = {index: id_ for group in groups for index, id_ in group.places.items()}
    there = frozenset(placed.values())
    judged = (_judged(row, evidence, there=row.id in there) for row in rows.values())
    rows = {row.id: row for row in judged if row is not None and not _overdue(row, reading)}
    hidden = frozenset(id_ for id_, row in rows.items() if not _visible(row, facts))
    entries = tuple(
        _named(entry, rows[placed[index]])
        for index, entry in enumerate(reading.entries)
        if placed[index] in rows and placed[index] not in hidden
    )
    since = [row.hidden_at for row in rows.values() if row.hidden_at is not None]
    return Settled(
        replace(facts, hidden_since=min(since, default=None)),
        rows,
        tuple(row for id_, row in rows.items() if before.get(id_) != row),
        tuple(id_ for id_ in before if id_ not in rows),
        entries,
        hidden,
    )


@dataclass(frozen=True, slots=True)
class _Copy:
    """One copy of a text: its row, and where in the item it is, if it is there."""

    row: MessageRow
    place: int | None = None


@dataclass(frozen=True, slots=True)
class _Result:
    rows: tuple[MessageRow, ...]
    places: Mapping[int, str]


@dataclass(frozen=True, slots=True)
class _Group:
    """All that is known of one text: rows in order of their ordinals, and the item's entries of it in order."""

    name: str
    rows: tuple[MessageRow, ...]
    entries: tuple[tuple[int, Entry], ...]

    @classmethod
    def by_name(cls, rows: Iterable[MessageRow], reading: ItemReading) -> Iterator["_Group"]:
        own: defaultdict[str, list[MessageRow]] = defaultdict(list)
        said: defaultdict[str, list[tuple[int, Entry]]] = defaultdict(list)
        for row in rows:
            own[row.name].append(row)
        for index, entry in enumerate(reading.entries):
            said[entry.id].append((index, entry))
        for name in dict.fromkeys((*said, *own)):
            yield cls(name, tuple(sorted(own[name], key=lambda row: row.ordinal)), tuple(said[name]))

    def settled(self, evidence: Evidence) -> _Result:
        transitions = evidence.of_text(self.name)
        matched = match(self.rows, self.entries, self._fresh(transitions, evidence))
        copies = [*self._present(matched, evidence), *self._absent(matched, evidence)]
        decided = list(_decided(copies, transitions, evidence))
        in_order = sorted(decided, key=lambda copy: copy.row.ordinal)
        dated = _dated(in_order, transitions, self.name)
        places = {copy.place: copy.row.id for copy in dated if copy.place is not None}
        return _Result(tuple(copy.row for copy in dated), places)

    def _fresh(self, transitions: Sequence[Transition], evidence: Evidence) -> int:
        """Return how many of the last entries came, as a transition shows, after the request that erased the others."""
        cover = evidence.ownership.cover
        covers = [cover(row, evidence.events).possible for row in self.rows if row.state == "erased"]
        erased = [until for until in covers if until is not None]
        timed = all(entry.time is not None for _, entry in self.entries)
        for transition in reversed(transitions):
            copies = transition.copies_added(self.name)
            proven = timed or self.name in transition.added_at_tail
            if copies and erased and proven and transition.at is not None and transition.at >= max(erased):
                return copies[1] - copies[0]
        return 0

    def _present(self, matched: Mapping[int, MessageRow], evidence: Evidence) -> Iterator[_Copy]:
        reading = evidence.reading
        user_id = reading.document.user_id if reading.document else ""
        ordinal = max((row.ordinal for row in self.rows), default=-1)
        for place, entry in self.entries:
            if place in matched:
                yield _Copy(_seen(matched[place], user_id), place)
                continue
            ordinal += 1
            yield _Copy(self._new(ordinal, entry, user_id, evidence), place)

    def _new(self, ordinal: int, entry: Entry, user_id: str, evidence: Evidence) -> MessageRow:
        return MessageRow(
            evidence.new_id(self.name, ordinal),
            self.name,
            ordinal,
            "live",
            user_id,
            said_at=entry.time.timestamp() if entry.time else None,
            saved_at=evidence.facts.read_at or None,  # that read lacked it, so it came later
            met_at=evidence.reading.at,
        )

    def _absent(self, matched: Mapping[int, MessageRow], evidence: Evidence) -> Iterator[_Copy]:
        there = {row.id for row in matched.values()}
        for row in self.rows:
            if row.id not in there:
                unsure = row.state == "erased" and not evidence.reading.whole
                yield _Copy(row if unsure else _left(row, evidence.facts))


def _seen(row: MessageRow, user_id: str) -> MessageRow:
    if row.state == "erased":
        return replace(row, seen="")
    if row.state == "live" and row.user_id == user_id:
        return row
    return replace(row, state="live", user_id=user_id, seen="", seen_at=0.0, resolved="", reason="")


def _left(row: MessageRow, facts: ItemFacts) -> MessageRow:
    """Return ``row`` with when it was last seen, which the item's facts say of a live one.

    Of an erased one it says only that it has left.
    """
    if row.state == "erased":
        return replace(row, seen=row.seen or facts.position)
    if row.state != "live":
        return row
    return replace(row, seen=facts.position, seen_at=facts.read_at)


def _decided(
    copies: Sequence[_Copy], transitions: Sequence[Transition], evidence: Evidence
) -> Iterator[_Copy]:
    """Yield the copies that stay in the ledger: the newest transition decides for each that is not in the item."""
    there = [copy for copy in copies if copy.place is not None]
    away = {copy.row.id: copy.row for copy in copies if copy.place is None and copy.row.state != "erased"}
    decisions: dict[str, Transition] = {}
    for transition in transitions:
        for row in _targets(transition, len(there), list(away.values()), decisions):
            decisions[row.id] = transition
    yield from (copy for copy in copies if copy.place is not None or copy.row.state == "erased")
    settled = [_by(decisions.get(id_), row, evidence) for id_, row in away.items()]
    left = [_written_over(row, evidence.reading) for row in settled if row is not None]
    yield from map(_Copy, left if there else _reopened(left, evidence))


def _reopened(rows: Sequence[MessageRow], evidence: Evidence) -> Iterator[MessageRow]:
    """Yield rows of a text that the item does not have.

    If a copy was seen after another one was kept, and nobody knows why that copy left, both are unexplained.
    """
    seen = max((row.seen for row in rows if row.state == "unexplained"), default="")
    for row in rows:
        settled_before = row.state == "kept" and row.resolved <= seen
        yield _hidden(row, evidence.reading.at) if settled_before else row


def _targets(
    transition: Transition, present: int, away: Sequence[MessageRow], decided: Mapping[str, Transition]
) -> list[MessageRow]:
    """Return the rows for which ``transition`` is news: those whose texts it took away, or brought back."""
    name = away[0].name if away else ""
    open_to_it = [row for row in away if _covers(transition, row)]
    copies = transition.gone.get(name)
    if transition.everything or (copies and copies[1] == 0):
        return open_to_it
    if copies:
        active = [row for row in away if row.state != "kept" and row.id not in decided]
        surplus = present + len(active) - copies[1]
        return [row for row in active[: max(0, surplus)] if row in open_to_it]
    came = transition.copies_added(name)
    return open_to_it if came and present < came[1] else []


def _covers(transition: Transition, row: MessageRow) -> bool:
    """Tell whether a transition is newer than what is known of a row that has left, its newest addition included.

    Positions decide. But the one that a read knew is only the least that it saw, so a transition whose second had ended
    before the read that last saw the message decides nothing.
    """
    if transition.position <= max(row.seen, row.resolved, row.added):
        return False
    margin = 1.0 if transition.keeps else CLOCK_SECONDS
    return transition.at is None or transition.at + margin > row.seen_at


def _by(decision: Transition | None, row: MessageRow, evidence: Evidence) -> MessageRow | None:
    """Return what becomes of a row that is not in the item; ``None`` if it is purged."""
    reading = evidence.reading
    if decision is None and row.state == "live":
        return _hidden(row, reading.at) if reading.whole else replace(row, seen="", seen_at=0.0)
    if decision is None:
        return row
    if not decision.everything and row.name not in decision.gone:
        return _brought_back(row, decision, evidence)
    if not decision.keeps:
        doubtful = decision.at is not None and decision.at + 1 <= row.seen_at
        return _hidden(row, reading.at) if doubtful else None
    user_id = _owner(decision, row, evidence)
    if user_id is None:
        return _hidden(row, reading.at)
    return replace(
        row, state="kept", user_id=user_id, resolved=decision.position, reason=decision.reason, hidden_at=None
    )


def _brought_back(row: MessageRow, decision: Transition, evidence: Evidence) -> MessageRow:
    """Return a row whose text came again after it had left.

    It left once more, and nobody knows why; unless the item cannot be read: then it counts as it was at the last read.
    """
    reading, facts = evidence.reading, evidence.facts
    if reading.whole or row.seen_at != facts.read_at:
        return _hidden(row, reading.at, decision.position)
    return replace(row, state="live", seen="", seen_at=0.0, resolved="", reason="", hidden_at=None)


def _hidden(row: MessageRow, now: float, resolved: str = "") -> MessageRow:
    since = row.hidden_at or now
    return replace(row, state="unexplained", resolved=max(resolved, row.resolved), reason="", hidden_at=since)


def _written_over(row: MessageRow, reading: ItemReading) -> MessageRow:
    """Hide what expired with an earlier note that is there again: a note has no history, and the INSERT's record says so late."""
    is_note = reading.document is not None and reading.document.kind != "session"
    return _hidden(row, reading.at) if is_note and row.reason == "expired" else row


def _owner(decision: Transition, row: MessageRow, evidence: Evidence) -> str | None:
    """Return whose a kept message is: the user's of the image that it left; ``None`` if nobody knows who that is."""
    of, document = evidence.ownership.of, evidence.reading.document
    if decision.owner_before in {None, of(row.user_id)}:
        return row.user_id
    return document.user_id if document and of(document.user_id) == decision.owner_before else None


def _dated(copies: Sequence[_Copy], transitions: Sequence[Transition], name: str) -> list[_Copy]:
    """Return the copies with AWS's time of their newest addition, as far as transitions tell it.

    What is saved again with the very time said is no newer: it keeps the time of its first addition.
    """
    dated = list(copies)
    for transition in transitions:
        came, went = transition.copies_added(name), transition.gone.get(name)
        if came:
            dated = _with_addition(dated, transition, name)
        elif went and went[1] and transition.reason != "capped":
            dated = _as_the_oldest(dated, transition)
    return dated


def _with_addition(copies: list[_Copy], transition: Transition, name: str) -> list[_Copy]:
    chosen = {copy.row.id for copy in _brought(copies, transition, name)}
    return [
        replace(copy, row=_added(copy.row, transition)) if copy.row.id in chosen else copy for copy in copies
    ]


def _brought(copies: Sequence[_Copy], transition: Transition, name: str) -> Sequence[_Copy]:
    """Return the copies that an addition brought: as it counts them, where all are in the item; else the last ones.

    A copy that it did not bring keeps its own time: of two, one of which has left unread, the other may be the older.
    """
    before, after = transition.copies_added(name) or (0, 0)
    open_to_it = [copy for copy in copies if copy.row.state != "kept" or not copy.row.added]
    all_there = all(copy.place is not None for copy in open_to_it)
    return open_to_it[before:after] if all_there else open_to_it[before - after :]


def _added(row: MessageRow, transition: Transition) -> MessageRow:
    if transition.position <= row.added or _of_another_copy(row, transition):
        return row
    at_tail, again = row.name in transition.added_at_tail, row.said_at in transition.said.get(row.name, ())
    if again and not row.added and _was_there(row, transition):
        return row  # the addition that counts is an older one, which is still to come
    outranked = row.added and ((row.at_tail and not at_tail) or again)
    if outranked or transition.at is None:
        return replace(row, added=transition.position)
    return replace(row, added=transition.position, saved_at=transition.at, at_tail=at_tail)


def _was_there(row: MessageRow, transition: Transition) -> bool:
    """Tell whether the ledger had met a message before it was added, whatever the clocks: then it was added again."""
    return transition.at is not None and row.met_at + CLOCK_SECONDS < transition.at


def _of_another_copy(row: MessageRow, transition: Transition) -> bool:
    """Tell whether an addition cannot be that of this message.

    A read that lacked it began after the addition (until it is dated, ``saved_at`` is when that read began); or it was
    erased, and had been met before: whatever came then is a copy of it.
    """
    if transition.at is None:
        return row.state == "erased"
    lacked = not row.added and row.saved_at is not None and transition.at + 1 <= row.saved_at
    return lacked or (row.state == "erased" and transition.at > row.met_at)


def _as_the_oldest(copies: list[_Copy], transition: Transition) -> list[_Copy]:
    """Which of equal copies was removed nobody knows: those that are left count as the oldest of them."""
    rows = [copy.row for copy in copies if copy.row.state == "live" and copy.row.added < transition.position]
    if not rows or any(not row.added or row.saved_at is None for row in rows):
        return copies
    oldest = min(row.saved_at for row in rows if row.saved_at is not None)
    ids = {row.id for row in rows}
    return [
        replace(copy, row=replace(copy.row, saved_at=oldest)) if copy.row.id in ids else copy
        for copy in copies
    ]


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


def _facts(evidence: Evidence) -> ItemFacts:
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


def _judged(row: MessageRow, evidence: Evidence, *, there: bool) -> MessageRow | None:
    """Return ``row`` as the forget requests leave it: erased, or hidden while nobody knows when it came.

    One that was erased and turns out to have come after T is live if the item has it; else there is nothing left of it.
    """
    reading = evidence.reading
    certain, possible = evidence.ownership.cover(row, evidence.events)
    if row.state == "erased":
        came_after = possible is not None and bool(row.added) and (row.saved_at or 0.0) >= possible
        freed = replace(row, state="live", seen="") if there else None
        return freed if came_after else row
    if possible is None or (row.saved_at is not None and row.saved_at >= possible):
        return replace(row, hidden_at=None) if row.state == "live" and row.hidden_at else row
    if (certain is not None and _saved_before(row, certain)) or _overdue(row, reading):
        return replace(row, state="erased", hidden_at=None, resolved="", reason="", seen="", seen_at=0.0)
    return _hidden(row, reading.at)


def _saved_before(row: MessageRow, until: float) -> bool:
    """Tell whether a message was surely saved before T: AWS says so, or the ledger had met it then."""
    told = bool(row.added) and row.saved_at is not None and row.saved_at < until
    return told or row.met_at < until


def _overdue(row: MessageRow, reading: ItemReading) -> bool:
    """Tell whether nothing can explain a hidden message any more: its text goes."""
    return row.hidden_at is not None and reading.at - row.hidden_at > HORIZON_SECONDS


def _visible(row: MessageRow, facts: ItemFacts) -> bool:
    if row.state == "kept":
        return _kept_shows(row, facts)
    return row.state == "live"


def _kept_shows(row: MessageRow, facts: ItemFacts) -> bool:
    """Tell whether a kept message may be shown, as far as is known what became of the item.

    An item that is gone may have been deleted, unless an expiry says otherwise; so may one that was inserted anew, or that
    a read found absent since.
    """
    inserted, expired = _of(facts, "inserted"), _of(facts, "expired")
    if not facts.present and not any(at > max([facts.found, *inserted]) for at in expired):
        return False
    gaps = [
        (max([row.resolved, *(other for other in inserted if other < at)]), until)
        for at, until in (*((at, at) for at in inserted), *_absences(facts, inserted))
        if at > row.resolved
    ]
    return all(any(since <= way < until for way in expired) for since, until in gaps)


def _absences(facts: ItemFacts, inserted: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Yield after which position reads found the item absent, and until when: its removal may have been told later."""
    for at in _of(facts, "absent"):
        yield at, min((other for other in inserted if other > at), default=AFTER)


def _of(facts: ItemFacts, kind: str) -> list[str]:
    return [event.position for event in facts.events if event.kind == kind]


def _named(entry: Entry, row: MessageRow) -> Entry:
    """Return the entry under its row's id, at the time when it was first said: a restamped message costs nothing."""
    zone = entry.time.tzinfo if entry.time else UTC
    time = None if row.said_at is None else datetime.fromtimestamp(row.said_at, zone)
    return replace(entry, id=row.id, time=time)
