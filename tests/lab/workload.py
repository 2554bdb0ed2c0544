"""Plays histories out into whole-item writes and forget requests.

Every message has a token of its own (``m17x``; a long one more of them, so that every piece has one), except for
deliberate repetitions, so that whether it is in the index is a search for a substring.
"""

import itertools
import json
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from lab.histories import History, ItemSpec, Step
from lab.table import Cause, Item

Message = dict[str, str]
_ALWAYS = frozenset(
    {"grow", "replace", "flash", "undo", "spoil", "forget_session", "forget_user", "common", "refused"}
)
"""What can be done where there is no item."""

COMMON = ("m1c yes", "m2c no", "m3c it may well be")
UNSPEAKABLE = "unspeakable"
"""No provider embeds a text with this word."""

_SKEWS = {"ahead": 32_400.0, "behind": -28_800.0}
_EARLIER_SECONDS = 7_200
"""How much older than its writing a message may say it is, as one that was sent from a phone without a net."""


@dataclass(frozen=True, slots=True)
class Write:
    """One write to one item; without an item, its removal."""

    place: ItemSpec
    item: Item | None
    cause: Cause


@dataclass(frozen=True, slots=True)
class Forgetting:
    """A request to forget a user, or a session, or that session of that user.

    Args:
        place: of its tenant.
    """

    place: ItemSpec
    user: str | None
    key: str | None


Deed = Write | Forgetting


class Workload:
    """A history, deed by deed. What is said depends on when it is said.

    Args:
        now: the clock, epoch seconds.
    """

    def __init__(self, history: History, now: Callable[[], float]) -> None:
        numbers = itertools.count(1)
        self._apps = [_App(place, numbers, now) for place in history.places]
        self._steps = deque(history.steps)
        self._ready: deque[Deed] = deque()

    @property
    def over(self) -> bool:
        """Whether nothing more is done."""
        return not self._ready and not self._steps

    @property
    def gap_seconds(self) -> float:
        """The pause before what is done next."""
        return 0.0 if self._ready or not self._steps else self._steps[0].gap_seconds

    def next(self) -> Deed | None:
        """Return what is done now; a step may come to nothing."""
        if not self._ready:
            step = self._steps.popleft()
            self._ready.extend(self._apps[step.place % len(self._apps)].play(step))
        return self._ready.popleft() if self._ready else None


class _App:
    """Plays steps on one item."""

    def __init__(self, place: ItemSpec, numbers: Iterator[int], now: Callable[[], float]) -> None:
        self._place, self._numbers, self._now = place, numbers, now
        self._users = [place.owner]
        self._messages: list[Message] | None = None
        self._versions: list[list[Message]] = []

    def play(self, step: Step) -> Iterator[Deed]:
        deed: Callable[[Step, list[Message]], Iterator[Deed]] = getattr(self, f"_{step.kind}")
        if self._messages is not None or step.kind in _ALWAYS:
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

    def _spoil(self, _: Step, __: list[Message]) -> Iterator[Write]:
        self._messages = self._messages or []
        broken = f"[{next(self._numbers)}"  # never the same twice
        yield Write(
            self._place, self._place.item({"broken" if self._place.note else "messages": broken}), "put"
        )

    def _forget_user(self, step: Step, __: list[Message]) -> Iterator[Forgetting]:
        user = self._users[step.count % len(self._users)]
        yield Forgetting(self._place, user, self._place.key if step.at % 3 == 0 else None)

    def _forget_session(self, _: Step, __: list[Message]) -> Iterator[Forgetting]:
        yield Forgetting(self._place, None, self._place.key)

    def _owner(self, step: Step, now: list[Message]) -> Iterator[Write]:
        self._place = replace(self._place, user=("mika", "ken", "anon")[step.at % 3])
        self._users.append(self._place.owner)
        yield self._put(now)

    def _common(self, step: Step, now: list[Message]) -> Iterator[Write]:
        """Say what others say too, in other items and of other tenants."""
        yield self._put([*now, {**self._message(0, 0), "role": "user", "content": COMMON[step.at % 3]}])

    def _refused(self, _: Step, now: list[Message]) -> Iterator[Write]:
        number = next(self._numbers)
        yield self._put([*now, {**self._message(0, 0), "content": f"m{number}x {UNSPEAKABLE}"}])

    def _new(self, step: Step, start: int) -> list[Message]:
        return [self._message(start + index + step.at, step.count) for index in range(step.count)]

    def _message(self, index: int, count: int) -> Message:
        role = ("user", "assistant", "user", "assistant", "tool", "user", "system")[index % 7]
        message = {"role": role, "content": self._text(count + index)}
        if self._place.stamped:
            seconds = self._now() - (_EARLIER_SECONDS if (index + count) % 7 == 6 else 0)
            message["timestamp"] = self._stamp(seconds)
        return message

    def _stamp(self, seconds: float) -> str:
        time = datetime.fromtimestamp(seconds + _SKEWS.get(self._place.clock, 0.0), UTC)
        if self._place.clock == "naive":
            time = time.replace(tzinfo=None)
        return time.replace(microsecond=0).isoformat() if self._place.clock == "seconds" else time.isoformat()

    def _text(self, shape: int) -> str:
        number = next(self._numbers)
        if shape % 9 == 8:  # now and then one that is longer than a chunk
            return " ".join(f"m{number}{letter} and so on it went." for letter in "xabcdefghijklmnopq")
        return f"m{number}x said" + " something" * (shape % 4 * 5)

    def _put(self, messages: list[Message]) -> Write:
        if self._place.stamped and self._place.clock == "anew":
            messages = [{**message, "timestamp": self._stamp(self._now())} for message in messages]
        self._messages = messages
        self._versions.append(messages)
        return Write(self._place, self._place.item(self._attributes(messages)), "put")

    def _gone(self, cause: Cause) -> Write:
        self._messages = None
        return Write(self._place, None, cause)

    def _attributes(self, messages: Sequence[Message]) -> dict[str, str]:
        if self._place.note:
            return {"content": "\n".join(f"- {message['content']}" for message in messages)}
        return {"messages": json.dumps(messages)}
