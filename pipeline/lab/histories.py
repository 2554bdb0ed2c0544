"""Histories: what a chat app does to a few items, as plain values that can be drawn, printed and shrunk.

A history's steps say *what kind* of thing happens where; :func:`writes` plays them out into whole-item writes. Every
message has a token of its own (``m17x``; a long one more of them, so that every piece has one), except for deliberate
repetitions, so that whether it is in the index is a search for a substring.
"""

import itertools
import json
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from pipeline.lab.table import Cause, Item
from pipeline.settings import Retention

SESSIONS, MEMORY = "sessions", "memory"
KEY_NAMES = ("tenant_id", "session_key")
Message = dict[str, str]

Kind = Literal[
    "grow",
    "edit",
    "remove",
    "cap",
    "slide",
    "clear",
    "replace",
    "delete",
    "recreate",
    "expire",
    "undo",
    "flash",
    "repeat",
    "touch",
]
KINDS: tuple[Kind, ...] = (
    "grow",
    "edit",
    "remove",
    "cap",
    "slide",
    "clear",
    "replace",
    "delete",
    "recreate",
    "expire",
    "undo",
    "flash",
    "repeat",
    "touch",
)
_WEIGHTS = (30, 8, 8, 7, 5, 5, 4, 5, 4, 5, 5, 2, 5, 2)
GAPS_SECONDS = (0.0, 0.0, 0.5, 5.0, 3600.0)
"""Pauses before a step; in the last one everything settles, unless the weather is very bad."""


@dataclass(frozen=True, slots=True)
class Place:
    """An item.

    Args:
        tenant: several items may share one; several tenants may share a key.
        note: a note rather than a session.
        stamped: its messages carry timestamps.
        user: its ``user_id``, if it says one.
    """

    tenant: str
    key: str
    note: bool = False
    stamped: bool = False
    user: str | None = None

    @property
    def table(self) -> str:
        """The table it is in."""
        return MEMORY if self.note else SESSIONS

    @property
    def owner(self) -> str:
        """Whose memory it is."""
        return self.user or self.tenant

    def item(self, attributes: dict[str, str]) -> Item:
        """Return the whole item, in DynamoDB's JSON."""
        user = {"user_id": self.user} if self.user else {}
        fields = {"tenant_id": self.tenant, "session_key": self.key, **user, **attributes}
        return {name: {"S": value} for name, value in fields.items()}


@dataclass(frozen=True, slots=True)
class Step:
    """One thing the chat app does.

    Args:
        place: which item, by index.
        count: how many messages.
        at: where, modulo what is there.
        gap_seconds: pause before it.
    """

    kind: Kind
    place: int = 0
    count: int = 1
    at: int = 0
    gap_seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class History:
    """What one run is about."""

    places: tuple[Place, ...]
    steps: tuple[Step, ...]
    on_clear: Retention = "keep"
    on_expiry: Retention = "keep"


@dataclass(frozen=True, slots=True)
class Write:
    """One write to one item; without an item, its removal."""

    place: Place
    item: Item | None
    cause: Cause
    gap_seconds: float


def writes(history: History) -> Iterator[Write]:
    """Play ``history`` out."""
    numbers = itertools.count(1)
    apps = [_App(place, numbers) for place in history.places]
    for step in history.steps:
        gap = step.gap_seconds
        for write in apps[step.place % len(apps)].play(step):
            yield Write(write.place, write.item, write.cause, gap)
            gap = 0.0


class _App:
    """Plays steps on one item."""

    def __init__(self, place: Place, numbers: Iterator[int]) -> None:
        self._place, self._numbers = place, numbers
        self._messages: list[Message] | None = None
        self._versions: list[list[Message]] = []

    def play(self, step: Step) -> Iterator[Write]:
        deed: Callable[[Step, list[Message]], Iterator[Write]] = getattr(self, f"_{step.kind}")
        if self._messages is not None or step.kind in {"grow", "replace", "flash", "undo"}:
            yield from deed(step, list(self._messages or []))

    def _grow(self, step: Step, now: list[Message]) -> Iterator[Write]:
        yield self._put([*now, *self._new(step, len(now))])

    def _edit(self, step: Step, now: list[Message]) -> Iterator[Write]:
        if now:
            at = step.at % len(now)
            text = self._text(step.count)
            yield self._put([*now[:at], {**now[at], "content": text}, *now[at + 1 :]])

    def _remove(self, step: Step, now: list[Message]) -> Iterator[Write]:
        at = step.at % max(1, len(now))
        yield self._put([*now[:at], *now[at + step.count :]])

    def _cap(self, step: Step, now: list[Message]) -> Iterator[Write]:
        yield self._put(now[min(step.count, max(0, len(now) - 1)) :])

    def _slide(self, step: Step, now: list[Message]) -> Iterator[Write]:
        yield self._put([*now[min(step.count, max(0, len(now) - 1)) :], *self._new(step, len(now))])

    def _clear(self, _: Step, __: list[Message]) -> Iterator[Write]:
        yield self._put([])

    def _replace(self, step: Step, _: list[Message]) -> Iterator[Write]:
        yield self._put(self._new(step, 0))

    def _delete(self, _: Step, __: list[Message]) -> Iterator[Write]:
        yield self._gone("delete")

    def _recreate(self, step: Step, now: list[Message]) -> Iterator[Write]:
        yield self._gone("delete")
        yield self._put(now if step.at % 2 else self._new(step, 0))

    def _expire(self, _: Step, __: list[Message]) -> Iterator[Write]:
        yield self._gone("expire")

    def _undo(self, step: Step, now: list[Message]) -> Iterator[Write]:
        if step.at % 2 and now:
            yield from self._edit(step, now)
            yield self._put(now)
        elif self._versions:
            yield self._put(self._versions[-1 - step.at % min(3, len(self._versions))])

    def _flash(self, step: Step, now: list[Message]) -> Iterator[Write]:
        yield self._put([*now, *self._new(step, len(now))])
        yield self._gone("delete")

    def _repeat(self, step: Step, now: list[Message]) -> Iterator[Write]:
        if now:
            yield self._put([*now, now[step.at % len(now)]])

    def _touch(self, _: Step, now: list[Message]) -> Iterator[Write]:
        yield self._put(now)

    def _new(self, step: Step, start: int) -> list[Message]:
        return [self._message(start + index + step.at, step.count) for index in range(step.count)]

    def _message(self, index: int, count: int) -> Message:
        role = ("user", "assistant", "user", "assistant", "tool", "user", "system")[index % 7]
        message = {"role": role, "content": self._text(count + index)}
        if self._place.stamped:
            seconds = next(self._numbers)
            message["timestamp"] = (
                f"2026-11-22T{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}Z"
            )
        return message

    def _text(self, shape: int) -> str:
        number = next(self._numbers)
        if shape % 9 == 8:  # noqa: PLR2004  # now and then one that is longer than a chunk
            return " ".join(f"m{number}{letter} and so on it went." for letter in "xabcdefghijklmnopq")
        return f"m{number}x said" + " something" * (shape % 4 * 5)

    def _put(self, messages: list[Message]) -> Write:
        self._messages = messages
        self._versions.append(messages)
        return Write(self._place, self._place.item(self._attributes(messages)), "put", 0.0)

    def _gone(self, cause: Cause) -> Write:
        self._messages = None
        return Write(self._place, None, cause, 0.0)

    def _attributes(self, messages: Sequence[Message]) -> dict[str, str]:
        if self._place.note:
            return {"content": "\n".join(f"- {message['content']}" for message in messages)}
        return {"messages": json.dumps(messages)}


def drawn(source: random.Random, low: int = 5, high: int = 15) -> History:
    """Return a random history of ``low`` to ``high`` steps."""
    places = _places(source)
    first = tuple(Step("grow", index, source.randint(1, 4), 0, 0.0) for index in range(len(places)))
    rest = tuple(_step(source, len(places)) for _ in range(source.randint(low, high) - len(first)))
    return History(places, first + rest, _retention(source), _retention(source))


def _places(source: random.Random) -> tuple[Place, ...]:
    """Return one to three items; tenants and keys overlap."""
    count = source.choice((1, 1, 1, 2, 2, 3))
    wanted: dict[Any, Place] = {}
    while len(wanted) < count:
        tenant, note = source.choice(("acme", "MEMORABLE", "zebra")), source.random() < 0.2  # noqa: PLR2004
        key = (
            source.choice(("memory:long_term", "memory:daily:2026-11-22"))
            if note
            else source.choice(("chat:1", "chat:2"))
        )
        user = source.choice((None, None, "mika", "ken"))
        wanted[tenant, key] = Place(tenant, key, note, source.random() < 0.5, user)  # noqa: PLR2004
    return tuple(wanted.values())


def _step(source: random.Random, places: int) -> Step:
    kind = source.choices(KINDS, _WEIGHTS)[0]
    gap = source.choices(GAPS_SECONDS, (40, 20, 15, 10, 15))[0]
    return Step(kind, source.randrange(places), source.choice((1, 1, 2, 2, 3)), source.randrange(12), gap)


def _retention(source: random.Random) -> Retention:
    return "forget" if source.random() < 0.25 else "keep"  # noqa: PLR2004
