"""Decides what becomes of each message of an item. Pure; the rules, with their reasons, are in ``docs/ledger.md``.

For each text the newest event decides. In the item: *live*. Gone, and the newest transition that covers it keeps
(``capped``, ``cleared``, ``expired``): *kept*. Gone, and it does not keep: *purged*. Gone, and no transition says why:
*unexplained*, which is hidden until one does. What a forget request covers is *erased*, wherever it is.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from pipeline.ingest.departures import covers, decide
from pipeline.ingest.item_evidence import HORIZON_SECONDS, ItemEvidence, ItemReading, facts_after
from pipeline.ingest.message_dates import with_dates
from pipeline.ingest.message_matching import Additions, Copy, match
from pipeline.ingest.visibility import visible
from pipeline.source.documents import Entry
from pipeline.source.transitions import Transition
from pipeline.stores.index_state import IndexState
from pipeline.stores.message_rows import ItemFacts, MessageRow


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
    return went and row.state in {"kept", "unexplained"} and covers(transition, row)


def settle(state: IndexState, kept: Sequence[MessageRow], evidence: ItemEvidence) -> Settled:
    """Return what the ledger says now.

    Args:
        kept: the kept rows that the reading or the transitions name.
    """
    reading = evidence.reading
    before = {row.id: row for row in (*state.messages, *kept)}
    groups = [group.settled(evidence) for group in _Group.by_name(before.values(), reading)]
    rows = {row.id: row for group in groups for row in group.rows}
    facts = facts_after(evidence)
    placed = {index: id_ for group in groups for index, id_ in group.places.items()}
    there = frozenset(placed.values())
    judged = (_judged(row, evidence, there=row.id in there) for row in rows.values())
    rows = {row.id: row for row in judged if row is not None and not _overdue(row, reading)}
    hidden = frozenset(id_ for id_, row in rows.items() if not _shows(row, facts, evidence))
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


def _shows(row: MessageRow, facts: ItemFacts, evidence: ItemEvidence) -> bool:
    return visible(row, facts) and not (row.state == "live" and evidence.given_away)


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

    def settled(self, evidence: ItemEvidence) -> _Result:
        transitions = evidence.of_text(self.name)
        matched = match(self.rows, self.entries, self._new_after_erasure(transitions, evidence))
        copies = [*self._present(matched, evidence), *self._absent(matched, evidence)]
        decided = list(decide(copies, transitions, evidence))
        in_order = sorted(decided, key=lambda copy: copy.row.ordinal)
        dated = with_dates(in_order, transitions, self.name)
        places = {copy.place: copy.row.id for copy in dated if copy.place is not None}
        return _Result(tuple(copy.row for copy in dated), places)

    def _new_after_erasure(self, transitions: Sequence[Transition], evidence: ItemEvidence) -> Additions:
        """Return what came, as transitions show, after the request that erased the others.

        Where no time tells equal texts apart and some were removed since, nobody knows which: as many fewer are new.
        """
        cover = evidence.ownership.cover
        covers = [cover(row, evidence.events).possible for row in self.rows if row.state == "erased"]
        erased = max((until for until in covers if until is not None), default=None)
        if erased is None:
            return Additions()
        timed = all(entry.time is not None for _, entry in self.entries)
        copies, old, positions = 0, None, set[str]()
        for transition in transitions:
            before, after = transition.copies_added(self.name) or (0, 0)
            proven = timed or self.name in transition.added_at_tail
            if after and proven and transition.at is not None and transition.at >= erased:
                copies, old = copies + after - before, before if old is None else old
                positions.add(transition.position)
            elif old is not None:
                old = max(0, old - _capped(transition, self.name))
        there = copies if timed else min(copies, max(0, len(self.entries) - (old or 0)))
        return Additions(there, frozenset(positions))

    def _present(self, matched: Mapping[int, MessageRow], evidence: ItemEvidence) -> Iterator[Copy]:
        reading = evidence.reading
        user_id = reading.document.user_id if reading.document else ""
        ordinal = max((row.ordinal for row in self.rows), default=-1)
        for place, entry in self.entries:
            if place in matched:
                yield Copy(_seen(matched[place], user_id), place)
                continue
            ordinal += 1
            yield Copy(self._new(ordinal, entry, user_id, evidence), place)

    def _new(self, ordinal: int, entry: Entry, user_id: str, evidence: ItemEvidence) -> MessageRow:
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

    def _absent(self, matched: Mapping[int, MessageRow], evidence: ItemEvidence) -> Iterator[Copy]:
        there = {row.id for row in matched.values()}
        for row in self.rows:
            if row.id not in there:
                unsure = row.state == "erased" and not evidence.reading.whole
                yield Copy(row if unsure else _left(row, evidence.facts))


def _capped(transition: Transition, name: str) -> int:
    """Return how many copies of a text a cap took away: the oldest ones."""
    before, after = transition.gone.get(name, (0, 0))
    return before - after if transition.reason == "capped" else 0


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


def _judged(row: MessageRow, evidence: ItemEvidence, *, there: bool) -> MessageRow | None:
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
    # One that was kept keeps its reason, so that it is kept again when nothing covers it.
    return replace(row, state="unexplained", hidden_at=row.hidden_at or reading.at)


def _saved_before(row: MessageRow, until: float) -> bool:
    """Tell whether a message was surely saved before T: AWS says so, or the ledger had met it then."""
    told = bool(row.added) and row.saved_at is not None and row.saved_at < until
    return told or row.met_at < until


def _overdue(row: MessageRow, reading: ItemReading) -> bool:
    """Tell whether nothing can explain a hidden message any more: its text goes."""
    return row.hidden_at is not None and reading.at - row.hidden_at > HORIZON_SECONDS


def _named(entry: Entry, row: MessageRow) -> Entry:
    """Return the entry under its row's id, at the time when it was first said: a restamped message costs nothing."""
    zone = entry.time.tzinfo if entry.time else UTC
    time = None if row.said_at is None else datetime.fromtimestamp(row.said_at, zone)
    return Entry(row.id, entry.role, entry.text, time, entry.label)
