"""Tells when each copy of a text was saved: AWS's time of its newest addition, as far as records tell it. Pure."""

from collections.abc import Sequence
from dataclasses import replace

from pipeline.ingest.item_evidence import CLOCK_SECONDS
from pipeline.ingest.message_matching import Copy
from pipeline.source.transitions import Transition
from pipeline.stores.message_rows import MessageRow


def with_dates(copies: Sequence[Copy], transitions: Sequence[Transition], name: str) -> list[Copy]:
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


def _with_addition(copies: list[Copy], transition: Transition, name: str) -> list[Copy]:
    chosen = {copy.row.id for copy in _brought(copies, transition, name)}
    return [
        replace(copy, row=_added(copy.row, transition)) if copy.row.id in chosen else copy for copy in copies
    ]


def _brought(copies: Sequence[Copy], transition: Transition, name: str) -> Sequence[Copy]:
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


def _as_the_oldest(copies: list[Copy], transition: Transition) -> list[Copy]:
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
