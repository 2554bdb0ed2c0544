"""Histories: what is done to a few items, as plain values that can be drawn, printed and shrunk.

A history's steps say *what kind* of thing happens where; :mod:`lab.workload` plays them out.
"""

import random
from dataclasses import dataclass
from typing import Any, Literal

from lab.table import Item
from pipeline.settings import Retention

SESSIONS, MEMORY = "sessions", "memory"
KEY_NAMES = ("tenant_id", "session_key")

Clock = Literal["right", "ahead", "behind", "naive", "seconds", "anew"]
"""``ahead`` and ``behind`` by hours; ``naive``: no time zone; whole ``seconds``; ``anew`` at every save."""
CLOCKS: tuple[Clock, ...] = ("right", "right", "ahead", "behind", "naive", "seconds", "anew")

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
    "spoil",
    "forget_session",
    "forget_user",
    "owner",
    "common",
    "refused",
]
_WEIGHTS: dict[Kind, int] = {
    "grow": 30,
    "edit": 8,
    "remove": 8,
    "cap": 7,
    "slide": 5,
    "clear": 5,
    "replace": 4,
    "delete": 5,
    "recreate": 4,
    "expire": 5,
    "undo": 5,
    "flash": 2,
    "repeat": 5,
    "touch": 2,
}
_RARE: tuple[dict[Kind, int], ...] = (
    {"spoil": 8},
    {"forget_session": 8, "forget_user": 8},
    {"owner": 8},
    {"common": 8},
    {"refused": 6},
)
"""What some histories have and most have not: after it there is less left that could go wrong."""

KINDS: tuple[Kind, ...] = (*_WEIGHTS, *(kind for rare in _RARE for kind in rare))
LOSSES = (0.0, 0.0, 0.0, 0.0, 0.3)
GAPS_SECONDS = (0.0, 0.0, 0.5, 5.0, 3600.0)
"""Pauses before a step; in the last one everything settles, unless there are very many faults."""


@dataclass(frozen=True, slots=True)
class ItemSpec:
    """An item.

    Args:
        tenant: several items may share one; several tenants may share a key.
        note: a note rather than a session.
        stamped: its messages carry timestamps: of the moment they are written, some of an earlier one.
        user: its ``user_id`` at first, if it says one.
        clock: how the client tells the time.
    """

    tenant: str
    key: str
    note: bool = False
    stamped: bool = False
    user: str | None = None
    clock: Clock = "right"

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
    """One thing the chat app does, or an operator.

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
    """What one run is about.

    Args:
        places: items; a step's place is an index among them, modulo how many there are.
        loss: how likely a stream loses a record.
    """

    places: tuple[ItemSpec, ...]
    steps: tuple[Step, ...]
    on_clear: Retention = "keep"
    on_expiry: Retention = "keep"
    loss: float = 0.0


def drawn(source: random.Random, low: int = 5, high: int = 15) -> History:
    """Return a random history of ``low`` to ``high`` steps."""
    places = _places(source)
    first = tuple(Step("grow", index, source.randint(1, 4), 0, 0.0) for index in range(len(places)))
    weights = dict(_WEIGHTS)
    for rare in _RARE:
        if source.random() < 0.25:
            weights |= rare
    rest = tuple(_step(source, len(places), weights) for _ in range(source.randint(low, high) - len(first)))
    return History(places, first + rest, _retention(source), _retention(source), source.choice(LOSSES))


def _places(source: random.Random) -> tuple[ItemSpec, ...]:
    """Return one to three items; tenants and keys overlap."""
    count = source.choice((1, 1, 1, 2, 2, 3))
    wanted: dict[Any, ItemSpec] = {}
    while len(wanted) < count:
        tenant, note = source.choice(("acme", "MEMORABLE", "zebra")), source.random() < 0.2
        key = (
            source.choice(("memory:long_term", "memory:daily:2026-09-21", "memory:summary:2026-09-21"))
            if note
            else source.choice(("chat:1", "chat:2"))
        )
        user = source.choice((None, None, "mika", "ken"))
        stamped, clock = source.random() < 0.5, source.choice(CLOCKS)
        wanted[tenant, key] = ItemSpec(tenant, key, note, stamped, user, clock)
    return tuple(wanted.values())


def _step(source: random.Random, places: int, weights: dict[Kind, int]) -> Step:
    kind = source.choices(list(weights), list(weights.values()))[0]
    gap = source.choices(GAPS_SECONDS, (40, 20, 15, 10, 15))[0]
    return Step(kind, source.randrange(places), source.choice((1, 1, 2, 2, 3)), source.randrange(12), gap)


def _retention(source: random.Random) -> Retention:
    return "forget" if source.random() < 0.25 else "keep"
