"""Decides what becomes of a message that is not in its item any more: kept, purged, or hidden while nobody knows why. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from pipeline.ingest.item_evidence import CLOCK_SECONDS, ItemEvidence, ItemReading
from pipeline.ingest.message_matching import Copy
from pipeline.source.transitions import Transition
from pipeline.stores.message_rows import MessageRow


def decide(
    copies: Sequence[Copy], transitions: Sequence[Transition], evidence: ItemEvidence
) -> Iterator[Copy]:
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
    yield from map(Copy, left if there else _reopened(left, evidence))


def _reopened(rows: Sequence[MessageRow], evidence: ItemEvidence) -> Iterator[MessageRow]:
    """Yield rows of a text that the item does not have.

    If a copy was seen after another one was kept, and nobody knows why that copy left, both are unexplained.
    """
    unknown = (row.seen for row in rows if row.state == "unexplained" and not row.kept_in_doubt)
    seen = max(unknown, default="")
    for row in rows:
        settled_before = (row.state == "kept" or row.kept_in_doubt) and row.resolved <= seen
        yield hide(row, evidence.reading.at) if settled_before else row


def _targets(
    transition: Transition, present: int, away: Sequence[MessageRow], decided: Mapping[str, Transition]
) -> list[MessageRow]:
    """Return the rows for which ``transition`` is news: those whose texts it took away, or brought back."""
    name = away[0].name if away else ""
    open_to_it = [row for row in away if covers(transition, row)]
    copies = transition.gone.get(name)
    if transition.everything or (copies and copies[1] == 0):
        return open_to_it
    if copies:
        active = [
            row for row in away if row.state != "kept" and not row.kept_in_doubt and row.id not in decided
        ]
        surplus = present + len(active) - copies[1]
        return [row for row in active[: max(0, surplus)] if row in open_to_it]
    came = transition.copies_added(name)
    return open_to_it if came and present < came[1] else []


def covers(transition: Transition, row: MessageRow) -> bool:
    """Tell whether a transition is newer than what is known of a row that has left, its newest addition included.

    Positions decide. But the one that a read knew is only the least that it saw, so a transition whose second had ended
    before the read that last saw the message decides nothing.
    """
    if transition.position <= max(row.seen, row.resolved, row.added):
        return False
    margin = 1.0 if transition.keeps else CLOCK_SECONDS
    return transition.at is None or transition.at + margin > row.seen_at


def _by(decision: Transition | None, row: MessageRow, evidence: ItemEvidence) -> MessageRow | None:
    """Return what becomes of a row that is not in the item; ``None`` if it is purged."""
    reading = evidence.reading
    if decision is None and row.state == "live":
        return hide(row, reading.at) if reading.whole else replace(row, seen="", seen_at=0.0)
    if decision is None:
        return _kept(row, evidence.ownership.hash_of(row.user_id), evidence) if row.kept_in_doubt else row
    if not decision.everything and row.name not in decision.gone:
        return _brought_back(row, decision, evidence)
    if not decision.keeps:
        return hide(row, reading.at) if _doubtful(decision, row, reading) else _purged(row, evidence)
    hashed = decision.owner_before or evidence.ownership.hash_of(row.user_id)
    if evidence.user_of(hashed) is None and evidence.owner_before(decision.position) != hashed:
        return hide(row, reading.at)  # nobody could tell later who it was
    return _kept(replace(row, resolved=decision.position, reason=decision.reason), hashed, evidence)


def _doubtful(decision: Transition, row: MessageRow, reading: ItemReading) -> bool:
    """Tell whether a transition that forgets may not mean a row: by its time, or since what it left cannot be read."""
    old = decision.at is not None and decision.at + 1 <= row.seen_at
    names_nothing = decision.everything and decision.event == "modified"
    return old or (names_nothing and reading.known == "unreadable")


def _kept(row: MessageRow, hashed: str, evidence: ItemEvidence) -> MessageRow:
    """Return ``row`` as one that is kept for an owner; hidden while nobody knows the owner's name."""
    user_id = evidence.user_of(hashed)
    if user_id is not None:
        return replace(row, state="kept", user_id=user_id, hidden_at=None)
    owner, since = evidence.ownership.subject(hashed), row.hidden_at or evidence.reading.at
    return replace(row, state="unexplained", user_id=owner, hidden_at=since)


def _purged(row: MessageRow, evidence: ItemEvidence) -> MessageRow | None:
    """Return ``None``: nothing is left of it. But if a forget request may cover it, a copy with its time must stay erased."""
    until = evidence.ownership.cover(row, evidence.events).possible
    if until is None or (row.added and row.saved_at is not None and row.saved_at >= until):
        return None
    return replace(row, state="erased", resolved="", reason="", hidden_at=None)


def _brought_back(row: MessageRow, decision: Transition, evidence: ItemEvidence) -> MessageRow:
    """Return a row whose text came again after it had left.

    It left once more, and nobody knows why; unless the item cannot be read: then it counts as it was at the last read, or as a
    record says that is surely newer.
    """
    reading, facts = evidence.reading, evidence.facts
    newer = decision.at is not None and decision.at > facts.read_at + CLOCK_SECONDS
    if reading.whole or not (newer or row.seen_at == facts.read_at):
        return hide(row, reading.at, decision.position)
    return replace(row, state="live", seen="", seen_at=0.0, resolved="", reason="", hidden_at=None)


def hide(row: MessageRow, now: float, resolved: str = "") -> MessageRow:
    """Return ``row`` hidden, with its text, until a record says what became of it."""
    since = row.hidden_at or now
    return replace(row, state="unexplained", resolved=max(resolved, row.resolved), reason="", hidden_at=since)


def _written_over(row: MessageRow, reading: ItemReading) -> MessageRow:
    """Hide what expired with an earlier note that is there again: a note has no history, and the INSERT's record says so late."""
    is_note = reading.document is not None and reading.document.kind != "session"
    return hide(row, reading.at) if is_note and row.reason == "expired" else row
