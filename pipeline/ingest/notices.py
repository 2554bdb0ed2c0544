"""Notices: "this item changed, look at it", with what each change did. No text. Pure.

A notice is JSON of version 2::

    {"v": 2, "table": "sessions",
     "key": {"tenant_id": {"S": "acme"}, "session_key": {"S": "slack:42"}},
     "position": "<stream label>/<sequence number, 40 digits>",      "" if the sender knows none
     "transitions": [{"position": "...", "at": 1790000000.0, "event": "modified", "reason": "capped", "everything": false,
                      "owner_before": "<keyed hash>", "owner_after": "<keyed hash>",
                      "added": {}, "added_at_tail": {"<keyed hash>": [0, 1]}, "gone": {"<keyed hash>": [1, 0]},
                      "said": {"<keyed hash>": [1789999999.5]}}],
     "saved_at": 1790000000.0, "force_read": false, "redact": false, "first_sent_at": 1790000000.2, "attempts": 0, "capped": false}
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from datetime import UTC, datetime
from typing import Any, get_args

from pipeline.errors import MalformedNoticeError
from pipeline.source.layouts import Address, Layouts, check_storable, safe_text
from pipeline.source.transitions import Copies, Event, Reason, Transition, merged

VERSION = 2
MAX_BYTES = 900_000
"""Of one notice: a queue message takes 1 MiB (docs.aws.amazon.com/AWSSimpleQueueService, quotas)."""


@dataclass(frozen=True, slots=True)
class Notice:
    """See the module.

    Args:
        transitions: in order.
        saved_at: when the newest change was saved, epoch seconds.
        force_read: read the item even if the index reflects the position: a sender that knows no position asked too.
        redact: look for secrets in what is kept as well; a sender that found some asked.
        first_sent_at: when the first of its notices was sent, epoch seconds; kept when it is retried.
        attempts: how often it was retried.
        capped: it waited for its tenant's cap last, which is no sign of age.
    """

    address: Address
    position: str = ""
    transitions: tuple[Transition, ...] = ()
    saved_at: float | None = None
    force_read: bool = False
    redact: bool = False
    first_sent_at: float = 0.0
    attempts: int = 0
    capped: bool = False

    @property
    def tenant_id(self) -> str:
        """Whose item it is."""
        return self.address.tenant_id

    @property
    def subject(self) -> str:
        """The item's name."""
        return self.address.key.source

    @property
    def names(self) -> frozenset[str]:
        """The texts that its transitions name."""
        return frozenset().union(*(transition.names for transition in self.transitions))

    def retried(self, now: float, *, capped: bool = False) -> "Notice":
        """Return the copy that is sent when a dependency failed, or while the tenant's cap is reached.

        Waiting for a cap resets the attempt count and the first-sent time.
        """
        if capped or self.capped:
            return replace(self, attempts=1, first_sent_at=now, capped=capped)
        return replace(self, attempts=self.attempts + 1)

    def without_transitions(self) -> "Notice":
        """Return it once its transitions are stored: whoever has it next only needs to look."""
        return replace(self, transitions=())

    def parts(self) -> Iterator["Notice"]:
        """Yield it, or several that say the same where one would outgrow a queue message."""
        halves = self._halves() if len(self.encode()) > MAX_BYTES else ()
        for half in halves:
            yield from half.parts()
        if not halves:
            yield self

    def _halves(self) -> Sequence["Notice"]:
        """Return two that say the same: each of half the texts, or if there is only one, of half the transitions."""
        names, every = sorted(self.names), self.transitions
        if len(names) > 1:
            one, other = frozenset(names[: len(names) // 2]), frozenset(names[len(names) // 2 :])
            further = (transition.only(other) for transition in every)
            halves = [transition.only(one) for transition in every], [each for each in further if each.names]
        elif len(every) > 1:
            halves = [*every[: len(every) // 2]], [*every[len(every) // 2 :]]
        else:
            return ()
        return [replace(self, transitions=tuple(half)) for half in halves]

    def encode(self) -> str:
        """Return its JSON."""
        body = {
            "v": VERSION,
            "table": self.address.key.table,
            "key": self.address.key.to_dynamodb(),
            "position": self.position,
            "transitions": [
                {each.name: getattr(transition, each.name) for each in fields(transition)}
                for transition in self.transitions
            ],
            "saved_at": self.saved_at,
            "force_read": self.force_read,
            "redact": self.redact,
            "first_sent_at": self.first_sent_at,
            "attempts": self.attempts,
            "capped": self.capped,
        }
        return json.dumps(body, separators=(",", ":"))


def coalesce(notices: Iterable[Notice]) -> dict[str, Notice]:
    """Merge notices of one item: highest position, all transitions, earliest sending. Keyed by item."""
    together: dict[str, Notice] = {}
    for notice in notices:
        source = notice.address.key.source
        together[source] = _merge(together[source], notice) if source in together else notice
    return together


def _merge(one: Notice, two: Notice) -> Notice:
    newest = max(one, two, key=lambda notice: notice.position)
    return replace(
        newest,
        transitions=merged((*one.transitions, *two.transitions)),
        saved_at=max((time for time in (one.saved_at, two.saved_at) if time is not None), default=None),
        force_read=one.force_read or two.force_read or bool(one.position) != bool(two.position),
        redact=one.redact or two.redact,
        first_sent_at=min(one.first_sent_at, two.first_sent_at),
        attempts=max(one.attempts, two.attempts),
        capped=one.capped or two.capped,
    )


def moment(seconds: float | None) -> datetime | None:
    """Return epoch seconds as a time."""
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC)


def decode_notice(body: str, layouts: Layouts) -> Notice:
    """Read a notice.

    Raises:
        MalformedNoticeError: it is none, or names an item that never becomes memory.
        MalformedItemError: the item's key cannot be stored.
    """
    try:
        read = json.loads(body)
        if read["v"] != VERSION:
            raise MalformedNoticeError("the notice is of another version: deploy the functions together")
        address = layouts.address(_text(read["table"]), read["key"])
        transitions = tuple(map(_transition, read["transitions"]))
        saved_at = _optional_time(read["saved_at"])
        first_sent_at, attempts = _time(read["first_sent_at"]), int(read["attempts"])
        position = _text(read["position"])
        force_read, redact, capped = (bool(read.get(name)) for name in ("force_read", "redact", "capped"))
    except (KeyError, TypeError, ValueError, OverflowError, AttributeError, RecursionError):
        raise MalformedNoticeError("the message is not a notice") from None
    if address is None:
        raise MalformedNoticeError("the notice names an item that is not memory")
    check_storable(address)
    return Notice(
        address, position, transitions, saved_at, force_read, redact, first_sent_at, attempts, capped
    )


def _transition(read: Mapping[str, Any]) -> Transition:
    return Transition(
        position=_text(read["position"]),
        at=_optional_time(read["at"]),
        event=_one_of(read["event"], Event),
        reason=_one_of(read["reason"], Reason),
        everything=bool(read["everything"]),
        added=_copies(read["added"]),
        added_at_tail=_copies(read["added_at_tail"]),
        gone=_copies(read["gone"]),
        said={_text(name): tuple(map(_time, times)) for name, times in read["said"].items()},
        owner_before=_optional_text(read["owner_before"]),
        owner_after=_optional_text(read["owner_after"]),
    )


def _copies(read: Mapping[str, Any]) -> dict[str, Copies]:
    return {_text(name): (int(before), int(after)) for name, (before, after) in read.items()}


def _one_of(value: Any, allowed: Any) -> Any:  # noqa: ANN401  # whatever JSON came
    if value not in get_args(allowed):
        raise ValueError
    return value


def _text(value: Any) -> str:  # noqa: ANN401  # whatever JSON came
    if not isinstance(value, str) or safe_text(value) != value:
        raise ValueError
    return value


def _optional_text(value: Any) -> str | None:  # noqa: ANN401  # whatever JSON came
    return None if value is None else _text(value)


def _optional_time(value: Any) -> float | None:  # noqa: ANN401  # whatever JSON came
    return None if value is None else _time(value)


def _time(value: Any) -> float:  # noqa: ANN401  # whatever JSON came
    datetime.fromtimestamp(float(value), UTC)  # what has no date cannot be stored
    return float(value)
