"""Tells whether a message may be shown, as far as is known what became of its item. Pure."""

from collections.abc import Iterator, Sequence

from pipeline.ingest.item_evidence import AFTER
from pipeline.stores.message_rows import ItemFacts, MessageRow


def visible(row: MessageRow, facts: ItemFacts) -> bool:
    """Tell whether a message may be shown: live, or kept while nothing says that its item was deleted."""
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
