"""Notices: "this item changed, look at it", with what was taken away. No text. Pure.

A notice is JSON of version 1::

    {"v": 1, "table": "sessions",
     "key": {"tenant_id": {"S": "acme"}, "session_key": {"S": "slack:42"}},
     "position": "<stream label>/<sequence number, 40 digits>",      "" if the sender knows none
     "facts": [{"position": "...", "entries": ["<keyed hash>", …] or null for all}],
     "saved_at": 1790000000.0, "created_at": null, "doubts": [], "look": false, "first_sent_at": 1790000000.2, "attempts": 0}
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from pipeline.errors import MalformedNoticeError
from pipeline.source.layouts import Address, Layouts, check_storable, safe_text
from pipeline.source.transitions import ForgetFact

VERSION = 1
MAX_FACT_ENTRIES = 8_000
"""More removed entries than this become "all": at 36 bytes each they would outgrow a queue message."""


@dataclass(frozen=True, slots=True)
class Notice:
    """See the module.

    Args:
        saved_at: when the newest change was saved, epoch seconds.
        created_at: when the item came into being, if one of the changes made it, epoch seconds.
        doubts: ids of chunks that an audit found not to be what they should.
        look: read the item even if the index reflects the position: a sender that knows no position asked too.
        first_sent_at: when the first of its notices was sent, epoch seconds; kept when it is put off.
        attempts: how often it was put off.
    """

    address: Address
    position: str = ""
    facts: tuple[ForgetFact, ...] = ()
    saved_at: float | None = None
    created_at: float | None = None
    doubts: frozenset[str] = frozenset()
    look: bool = False
    first_sent_at: float = 0.0
    attempts: int = 0

    def put_off(self) -> "Notice":
        """Return the copy that is sent when a dependency failed."""
        return replace(self, attempts=self.attempts + 1)


def coalesce(notices: Iterable[Notice]) -> dict[str, Notice]:
    """Merge notices of one item: highest position, union of facts, earliest sending. Keyed by item."""
    merged: dict[str, Notice] = {}
    for notice in notices:
        source = notice.address.key.source
        merged[source] = _merge(merged[source], notice) if source in merged else notice
    return merged


def _merge(one: Notice, two: Notice) -> Notice:
    newest = max(one, two, key=lambda notice: notice.position)
    return replace(
        newest,
        facts=tuple(dict.fromkeys((*one.facts, *two.facts))),
        saved_at=_latest(one.saved_at, two.saved_at),
        created_at=_latest(one.created_at, two.created_at),
        doubts=one.doubts | two.doubts,
        look=one.look or two.look or bool(one.position) != bool(two.position),
        first_sent_at=min(one.first_sent_at, two.first_sent_at),
        attempts=max(one.attempts, two.attempts),
    )


def _latest(*times: float | None) -> float | None:
    return max((time for time in times if time is not None), default=None)


def moment(seconds: float | None) -> datetime | None:
    """Return epoch seconds as a time."""
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC)


def encode(notice: Notice) -> str:
    """Return the notice's JSON."""
    body = {
        "v": VERSION,
        "table": notice.address.key.table,
        "key": notice.address.key.to_dynamodb(),
        "position": notice.position,
        "facts": [_fact(fact) for fact in _bounded(notice.facts)],
        "saved_at": notice.saved_at,
        "created_at": notice.created_at,
        "doubts": sorted(notice.doubts),
        "look": notice.look,
        "first_sent_at": notice.first_sent_at,
        "attempts": notice.attempts,
    }
    return json.dumps(body, separators=(",", ":"))


def _bounded(facts: tuple[ForgetFact, ...]) -> tuple[ForgetFact, ...]:
    """Return ``facts``, or one that covers them all if together they would outgrow a message."""
    if sum(len(fact.entries or ()) for fact in facts) + len(facts) <= MAX_FACT_ENTRIES + 1:
        return facts
    return (ForgetFact(max(fact.position for fact in facts)),)


def _fact(fact: ForgetFact) -> dict[str, Any]:
    return {"position": fact.position, "entries": None if fact.entries is None else sorted(fact.entries)}


def decode(body: str, layouts: Layouts) -> Notice:
    """Read a notice.

    Raises:
        MalformedNoticeError: it is none, or names an item that never becomes memory.
        MalformedItemError: the item's key cannot be stored.
    """
    try:
        fields = json.loads(body)
        if fields["v"] != VERSION:
            raise MalformedNoticeError("the notice is of another version: deploy the functions together")
        address = layouts.address(_text(fields["table"]), fields["key"])
        facts = tuple(_read_fact(fact) for fact in fields["facts"])
        saved_at, created_at = _optional_time(fields["saved_at"]), _optional_time(fields.get("created_at"))
        first_sent_at, attempts = _time(fields["first_sent_at"]), int(fields["attempts"])
        position = _text(fields["position"])
        doubts, look = frozenset(map(_text, fields.get("doubts", ()))), bool(fields.get("look"))
    except (KeyError, TypeError, ValueError, OverflowError, AttributeError, RecursionError):
        raise MalformedNoticeError("the message is not a notice") from None
    if address is None:
        raise MalformedNoticeError("the notice names an item that is not memory")
    check_storable(address)
    return Notice(address, position, facts, saved_at, created_at, doubts, look, first_sent_at, attempts)


def _read_fact(fact: Any) -> ForgetFact:  # noqa: ANN401  # whatever JSON came
    entries: Sequence[str] | None = fact["entries"]
    return ForgetFact(str(fact["position"]), None if entries is None else frozenset(map(str, entries)))


def _text(value: Any) -> str:  # noqa: ANN401  # whatever JSON came
    if not isinstance(value, str) or safe_text(value) != value:
        raise ValueError
    return value


def _optional_time(value: Any) -> float | None:  # noqa: ANN401  # whatever JSON came
    return None if value is None else _time(value)


def _time(value: Any) -> float:  # noqa: ANN401  # whatever JSON came
    datetime.fromtimestamp(float(value), UTC)  # what has no date cannot be stored
    return float(value)
