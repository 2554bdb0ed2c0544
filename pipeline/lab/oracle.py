"""Knows from the history alone what the index must, may and must not hold. Uses nothing of the product.

Per item, every message ever written has a fate:

- *live*: the item has it now: it must be in the index;
- *kept*: lost only by a cap, a clear or an expiry under ``keep``: it must be in the index if it was *witnessed*, that
  is, part of a version that was current at some moment with no notice of the item under way; otherwise it may;
- *edited*, *removed*: it must not be there, and comes back only if the item has it again;
- *forgotten*: somebody wished it at a time T, and the message says it is from T or before, or does not say and the
  item came into being by then. It must not be there, whoever writes it again, until an item made later has it.

An item that cannot be read is as if emptied under ``keep``; whoever writes it anew forgets all it no longer says.
Messages of roles that are not remembered are as if never written, and must not be there. A note has no history: writing
it anew, also after it expired, forgets all it no longer says.
"""

import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum, auto
from typing import Any

from pipeline.lab.table import Cause, Item

TOKEN = re.compile(r"\bm\d+[a-z]\b")
UNREMEMBERED = frozenset({"system", "tool"})

ItemId = tuple[str, str, str]
Identity = tuple[str, str, str | None]
Wish = tuple[str, str | None, str | None]
"""Tenant; user or any; session or any."""


class Fate(Enum):
    """See the module."""

    LIVE = auto()
    KEPT = auto()
    EDITED = auto()
    REMOVED = auto()
    FORGOTTEN = auto()


_HELD = frozenset({Fate.LIVE, Fate.KEPT})


@dataclass(frozen=True, slots=True)
class Row:
    """One row of the index."""

    tenant: str
    user: str
    content: str


@dataclass(slots=True)
class Judgement:
    """What is wrong with an index, by kind; each a list of findings."""

    missing: list[str] = field(default_factory=list)
    extra: list[str] = field(default_factory=list)
    stale: list[str] = field(default_factory=list)
    duplicate: list[str] = field(default_factory=list)
    wrong_tenant: list[str] = field(default_factory=list)
    resurrected: list[str] = field(default_factory=list)

    def findings(self) -> dict[str, list[str]]:
        """Return the kinds that were found."""
        kinds = {name: getattr(self, name) for name in self.__slots__}
        return {name: found for name, found in kinds.items() if found}


@dataclass(slots=True)
class _Memory:
    """What the oracle knows of one item.

    Args:
        witnessed: kept entries among them must be there.
        copies: token → most copies of it in one version.
        created: when the item last came into being, microseconds.
        unreadable: nobody can tell what it says.
    """

    note: bool
    user: str = ""
    created: int = 0
    unreadable: bool = False
    entries: list[Identity] | None = None
    fates: dict[Identity, Fate] = field(default_factory=dict)
    witnessed: set[Identity] = field(default_factory=set)
    copies: Counter[str] = field(default_factory=Counter)


class Oracle:
    """Hears of every write and of every moment of rest.

    Args:
        on_clear: "keep" or "forget".
        on_expiry: the same.
    """

    def __init__(self, on_clear: str, on_expiry: str) -> None:
        self._on_clear, self._on_expiry = on_clear, on_expiry
        self._items: dict[ItemId, _Memory] = {}
        self._markers: dict[Wish, int] = {}

    def wrote(self, place: ItemId, item: Item | None, cause: Cause, at: float) -> None:
        """Hear of a write at a moment, epoch seconds; ``item`` is ``None`` for a removal."""
        memory = self._items.setdefault(place, _Memory(note="memory:" in place[2]))
        if item is not None:
            memory.user = str(item.get("user_id", item["tenant_id"])["S"])
            memory.created = memory.created if memory.entries is not None else _microseconds(at)
        new = None if item is None else _entries(item)
        if memory.unreadable and item is not None:
            _forget(memory, _held(memory), Fate.EDITED)
        memory.unreadable = item is not None and new is None
        if memory.unreadable:
            _keep(memory, memory.entries or ())
            new = []
        elif memory.entries is not None or new is not None:
            self._move(memory, memory.entries or [], new, cause)
        memory.entries = new
        self._ban(place, memory, new or ())
        for token, count in Counter(token for entry in new or [] for token in _tokens(entry)).items():
            memory.copies[token] = max(memory.copies[token], count)

    def wished(self, wish: Wish, at: float) -> None:
        """Hear, when it is made, of a wish to forget."""
        self._markers[wish] = _microseconds(at)
        for place, memory in self._items.items():
            self._ban(place, memory, memory.fates)

    def carried_out(self, wish: Wish) -> None:
        """Hear that a wish was carried out: what was said since went with it, and is looked at again."""
        for place, memory in self._items.items():
            if wish in _wishes(place, memory):
                memory.witnessed.clear()

    def _ban(self, place: ItemId, memory: _Memory, entries: Iterable[Identity]) -> None:
        """Forget those of ``entries`` that a wish covers."""
        asked = [self._markers[wish] for wish in _wishes(place, memory) if wish in self._markers]
        if asked:
            banned = [entry for entry in entries if _said(entry, memory) <= max(asked)]
            _forget(memory, [entry for entry in banned if memory.fates[entry] in _HELD], Fate.FORGOTTEN)

    def unreadable(self) -> set[ItemId]:
        """Return the items that cannot be read now."""
        return {place for place, memory in self._items.items() if memory.unreadable}

    def rests(self, place: ItemId) -> None:
        """Hear that no notice of the item is under way."""
        memory = self._items.get(place)
        if memory and memory.entries:
            memory.witnessed.update(memory.entries)

    def judge(self, rows: Sequence[Row]) -> Judgement:
        """Compare the index with what it must be."""
        judgement = Judgement()
        owners = {
            token: place
            for place, memory in self._items.items()
            for entry in memory.fates
            for token in _tokens(entry)
        }
        found: dict[ItemId, Counter[str]] = {place: Counter() for place in self._items}
        for row in rows:
            self._judge_row(row, owners, found, judgement)
        for place, memory in self._items.items():
            _judge_item(memory, _required(memory), found[place], judgement)
        return judgement

    def _judge_row(
        self,
        row: Row,
        owners: Mapping[str, ItemId],
        found: Mapping[ItemId, Counter[str]],
        judgement: Judgement,
    ) -> None:
        tokens = set(TOKEN.findall(row.content))
        places = {owners[token] for token in tokens if token in owners}
        if len(places) != 1 or not tokens <= owners.keys():
            judgement.extra.append(f"a row of {len(places)} items: {row}")
        for token in tokens & owners.keys():
            memory = self._items[owners[token]]
            found[owners[token]][token] += 1
            if (row.tenant, row.user) != (owners[token][1], memory.user):
                judgement.wrong_tenant.append(f"{token} of {owners[token]} under {row.tenant}/{row.user}")

    def _move(self, memory: _Memory, old: list[Identity], new: list[Identity] | None, cause: Cause) -> None:
        lost = [entry for entry in old if entry not in set(new or ())]
        if new is None:
            self._gone(memory, old, cause)
        elif memory.note:
            anew = memory.entries is None
            gone = [entry for entry in _held(memory) if anew or entry not in set(new)]
            _forget(memory, gone, Fate.EDITED)
        elif lost:
            self._lose(memory, lost, self._fate(old, new, lost))
        for entry in new or ():
            if memory.fates.get(entry) not in _HELD:
                memory.witnessed.discard(entry)
            memory.fates[entry] = Fate.LIVE

    def _gone(self, memory: _Memory, old: Sequence[Identity], cause: Cause) -> None:
        if cause == "expire" and self._on_expiry == "keep":
            _keep(memory, old)
        else:
            _forget(memory, _held(memory), Fate.REMOVED)

    def _fate(self, old: Sequence[Identity], new: Sequence[Identity], lost: Sequence[Identity]) -> Fate:
        if _fell_off(old, new, lost):
            return Fate.KEPT
        if len(set(lost)) == len(set(old)):
            return Fate.KEPT if self._on_clear == "keep" else Fate.REMOVED
        return Fate.EDITED if len(new) >= len(old) else Fate.REMOVED

    def _lose(self, memory: _Memory, lost: Sequence[Identity], fate: Fate) -> None:
        if fate is Fate.KEPT:
            _keep(memory, lost)
        else:
            _forget(memory, [entry for entry in lost if memory.fates[entry] in _HELD], fate)


def _wishes(place: ItemId, memory: _Memory) -> list[Wish]:
    """Return the wishes that would cover an item."""
    _, tenant, key = place
    return [(tenant, memory.user, None), (tenant, None, key), (tenant, memory.user, key)]


def _held(memory: _Memory) -> list[Identity]:
    return [entry for entry, fate in memory.fates.items() if fate in _HELD]


def _keep(memory: _Memory, entries: Iterable[Identity]) -> None:
    memory.fates.update({entry: Fate.KEPT for entry in entries if memory.fates[entry] is Fate.LIVE})


def _said(entry: Identity, memory: _Memory) -> int:
    """Return when an entry counts as said, microseconds: when it says, or else when its item came into being."""
    return memory.created if entry[2] is None else _microseconds(datetime.fromisoformat(entry[2]).timestamp())


def _microseconds(at: float) -> int:
    """Return epoch seconds as Postgres rounds them."""
    return round(at * 1_000_000)


def _forget(memory: _Memory, entries: Sequence[Identity], fate: Fate) -> None:
    memory.fates.update(dict.fromkeys(entries, fate))
    memory.witnessed.difference_update(entries)


def _required(memory: _Memory) -> set[str]:
    return _spoken(
        entry
        for entry, fate in memory.fates.items()
        if fate is Fate.LIVE or (fate is Fate.KEPT and entry in memory.witnessed)
    )


def _entries(item: Item) -> list[Identity] | None:
    """Return what the item says; ``None`` if it cannot be read."""
    if "content" in item:
        return [("note", line, None) for line in str(item["content"]["S"]).splitlines()]
    try:
        messages: list[dict[str, Any]] = json.loads(item["messages"]["S"])
    except (KeyError, ValueError):
        return None
    said = [(message["role"], message["content"], message.get("timestamp")) for message in messages]
    return [entry for entry in said if entry[0] not in UNREMEMBERED]


def _tokens(entry: Identity) -> frozenset[str]:
    return frozenset(TOKEN.findall(entry[1]))


def _fell_off(old: Sequence[Identity], new: Sequence[Identity], lost: Sequence[Identity]) -> bool:
    """Tell whether only a front is gone, and nothing else could have happened.

    Among repeated messages a removal between two copies may look like that: then it counts as a removal.
    """
    survivors = [index for index, entry in enumerate(old) if entry not in lost]
    if not survivors or any(entry in lost for entry in old[survivors[0] :]):
        return False
    return any(list(new[: len(old) - cut]) == list(old[cut:]) for cut in range(1, len(old)))


def _spoken(entries: Iterable[Identity]) -> set[str]:
    return {token for entry in entries for token in _tokens(entry)}


def _judge_item(memory: _Memory, must: set[str], found: Counter[str], judgement: Judgement) -> None:
    may = must | _spoken(entry for entry, fate in memory.fates.items() if fate is Fate.KEPT)
    edited = _spoken(entry for entry, fate in memory.fates.items() if fate is Fate.EDITED)
    gone = {Fate.REMOVED, Fate.FORGOTTEN}
    removed = _spoken(entry for entry, fate in memory.fates.items() if fate in gone)
    judgement.missing += sorted(must - set(found))
    for token in sorted(set(found) - may):
        kind = (
            judgement.stale
            if token in edited
            else judgement.resurrected
            if token in removed
            else judgement.extra
        )
        kind.append(token)
    judgement.duplicate += sorted(token for token, count in found.items() if count > memory.copies[token])
