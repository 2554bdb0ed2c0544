"""Knows from the history alone what searches must, may and must not find. Uses nothing of the product.

The rules are those of ``docs/ledger.md``.

It follows every *text* of every item, by role and words: how many copies the item has, whose it is, and why it left.

- In the item: it must be found, under whoever owns the item.
- Left by a cap, a clear or an expiry under ``keep``: it may be found, and must be if it was *witnessed*, that is, part of a
  version that was current at some moment with no notice of the item under way. It is whose it was when it left.
- Edited away, removed or deleted, or of a role that is not remembered: it must not be found, and leaves no text behind.
- Covered by a forget request: the same, even while the item says it. What comes again after that may be found, unless its
  time tells that it is the same message.

Where a record was lost nothing more is known than what may be found: it is judged when somebody has looked at the item since,
which nobody can while it cannot be read. When a text came that nobody had read before the item became unreadable, or that
stands in it when it can be read again, nobody knows either: under a request it may be hidden, and its text held.
"""

import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Any

from lab.table import Cause, Item

TOKEN = re.compile(r"\bm\d+[a-z]\b")
UNREMEMBERED = frozenset({"system", "tool"})

ItemId = tuple[str, str, str]
Name = tuple[str, str]
"""Role and text."""
Entry = tuple[str, str, str | None]
"""Role, text and time."""
Request = tuple[str, str | None, str | None]
"""Tenant; user or any; session or any."""


class TextState(Enum):
    """What became of a text."""

    LIVE = auto()
    KEPT = auto()
    EDITED = auto()
    REMOVED = auto()


class Erased(Enum):
    """Whether a forget request covers it."""

    NO = auto()
    PERHAPS = auto()
    YES = auto()


@dataclass(frozen=True, slots=True)
class Row:
    """One row of the index; of nobody's (``user == ""``) it is withheld."""

    tenant: str
    user: str
    content: str
    place: ItemId


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
class _Life:
    """What the oracle knows of one text of one item.

    Args:
        copies: in the item now.
        came: how many copies ever came: what was kept and is said again is found twice.
        stamps: times that its copies said.
        kept_by: whose it was when copies of it were kept: they stay theirs when it is said again.
        unheard: it left by a record that was lost, and nobody has read the item since.
        undated: nobody may know when it came.
    """

    owner: str
    state: TextState = TextState.LIVE
    erased: Erased = Erased.NO
    copies: int = 0
    came: int = 0
    stamps: set[str | None] = field(default_factory=set)
    kept_by: set[str] = field(default_factory=set)
    witnessed: bool = False
    unheard: bool = False
    undated: bool = False


@dataclass(slots=True)
class _Memory:
    """What the oracle knows of one item.

    Args:
        item: as it was written last.
        entries: what the item says; ``None`` while it is not there.
        lost: kinds of records of it that were lost.
        left: what the last write took away, each with what it was before.
        silent: the record of the last write was lost.
        asked: a forget request covered some of it.
        earlier: whose it was before the last write.
        unheard: whose it was before it was given away, if that record and all since were lost: nobody can know it, while the
            item cannot be read.
    """

    note: bool
    user: str = ""
    earlier: str = ""
    unheard: str = ""
    unreadable: bool = False
    item: Item | None = None
    entries: list[Entry] | None = None
    lives: dict[Name, _Life] = field(default_factory=dict)
    lost: set[str] = field(default_factory=set)
    silent: bool = False
    left: list[tuple[_Life, TextState]] = field(default_factory=list)
    asked: bool = False


class Oracle:
    """Hears of every write, every request and every moment of rest.

    Args:
        on_clear: "keep" or "forget".
        on_expiry: the same.
    """

    def __init__(self, on_clear: str, on_expiry: str) -> None:
        self._on_clear, self._on_expiry = on_clear, on_expiry
        self._items: dict[ItemId, _Memory] = {}
        self._requests: list[Request] = []

    def wrote(self, place: ItemId, item: Item | None, cause: Cause) -> None:
        """Hear of a write; ``item`` is ``None`` for a removal."""
        memory = self._items.setdefault(place, _Memory(note=place[2].startswith("memory:")))
        if item == memory.item:  # no stream tells of a write that changes nothing
            return
        memory.item = item
        new = None if item is None else _entries(item)
        if item is not None:
            memory.earlier, memory.user = memory.user, str(item.get("user_id", item["tenant_id"])["S"])
        memory.silent, memory.left = False, []
        was_unreadable, memory.unreadable = memory.unreadable, item is not None and new is None
        if memory.unreadable:
            memory.entries = memory.entries or []  # what it said before is remembered as it was
            for life in memory.lives.values():
                life.undated |= not life.witnessed
            return
        self._leave(memory, new, cause, blindly=was_unreadable)
        self._come(memory, new or [], blindly=was_unreadable)
        if any(_meant(request, place, memory.user) for request in self._requests):
            _doubt(memory)
        memory.entries = new

    def lost(self, place: ItemId, kind: str) -> None:
        """Hear that the record of the last write was lost: ``inserted``, ``modified``, ``owner`` or ``removed``."""
        memory = self._items[place]
        memory.lost.add(kind)
        memory.silent = True
        memory.unheard = memory.earlier if kind == "owner" else memory.unheard
        for life, before in memory.left:
            life.unheard = True
            if (
                kind == "modified" and before is TextState.KEPT
            ):  # that the item had been unreadable is not told
                life.state = before

    def asked(self, request: Request) -> None:
        """Hear, when it is made, of a request to forget: all that there is now was saved before T."""
        self._requests.append(request)
        for place, memory in self._items.items():
            for life in memory.lives.values():
                life.kept_by = {user for user in life.kept_by if not _meant(request, place, user)}
                if _meant(request, place, life.owner):
                    memory.asked = True
                    gone = life.state not in _HELD
                    life.erased = life.erased if gone and life.erased is Erased.YES else _ERASES[gone]
                    life.witnessed = False

    def rests(self, place: ItemId) -> None:
        """Hear that no notice of the item is under way."""
        memory = self._items.get(place)
        if memory and not memory.silent:
            memory.unheard = ""
        if memory and not memory.unreadable:
            for life in memory.lives.values():
                life.witnessed |= life.copies > 0
                life.unheard &= memory.silent

    def unreadable(self) -> set[ItemId]:
        """Return the items that cannot be read now."""
        return {place for place, memory in self._items.items() if memory.unreadable}

    def judge(self, rows: Sequence[Row]) -> Judgement:
        """Compare the index with what it must be."""
        judgement = Judgement()
        found: dict[ItemId, Counter[str]] = {place: Counter() for place in self._items}
        withheld: dict[ItemId, set[str]] = {place: set() for place in self._items}
        for row in rows:
            self._judge_row(row, found, withheld, judgement)
        for place, memory in self._items.items():
            _judge_item(memory, found[place], withheld[place], judgement)
        return judgement

    def _judge_row(
        self,
        row: Row,
        found: Mapping[ItemId, Counter[str]],
        withheld: Mapping[ItemId, set[str]],
        judgement: Judgement,
    ) -> None:
        memory = self._items.get(row.place)
        tokens = set(TOKEN.findall(row.content))
        lives = _by_token(memory) if memory else {}
        if memory is None or not tokens or not tokens <= lives.keys():
            judgement.extra.append(f"a row of no item: {row}")
            return
        if row.tenant != row.place[1]:
            judgement.wrong_tenant.append(f"{sorted(tokens)} of {row.place} under {row.tenant}")
        if not row.user:
            withheld[row.place].update(tokens)
            return
        for token in sorted(tokens):
            found[row.place][token] += 1
            owners = set().union(*({life.owner} | life.kept_by for life in lives[token]))
            if row.user not in owners | ({memory.unheard} if memory.unreadable else set()):
                judgement.wrong_tenant.append(f"{token} of {row.place} under {row.tenant}/{row.user}")

    def _leave(self, memory: _Memory, new: list[Entry] | None, cause: Cause, *, blindly: bool) -> None:
        old, after = memory.entries or [], Counter(map(_name, new or ()))
        if blindly:  # the record does not say what was there: all counts as said again
            for life in memory.lives.values():
                life.witnessed = False
        if new is None:
            state = TextState.KEPT if cause == "expire" and self._on_expiry == "keep" else TextState.REMOVED
        elif memory.note or blindly:
            state = TextState.EDITED
        else:
            state = self._state_after(old, new)
        forgets_all = state is not TextState.KEPT and (
            new is None or blindly or (memory.note and memory.entries is None)
        )
        for name, life in memory.lives.items():
            left = life.copies > 0 and not after[name]
            if left or (forgets_all and life.state is TextState.KEPT and not after[name]):
                memory.left.append((life, life.state))
                life.state = state
                life.kept_by = life.kept_by | {life.owner} if state is TextState.KEPT else set()
            life.copies = min(life.copies, after[name])

    def _state_after(self, old: Sequence[Entry], new: Sequence[Entry]) -> TextState:
        if _fell_off(old, new) or _fell_off(_names(old), _names(new)):
            return TextState.KEPT
        if not set(_names(old)) & set(_names(new)):
            return TextState.KEPT if self._on_clear == "keep" else TextState.REMOVED
        return TextState.EDITED if len(new) >= len(old) else TextState.REMOVED

    @staticmethod
    def _come(memory: _Memory, new: Sequence[Entry], *, blindly: bool) -> None:
        counts = Counter(map(_name, new))
        for name, count in counts.items():
            life = memory.lives.setdefault(name, _Life(memory.user))
            stamps = {entry[2] for entry in new if _name(entry) == name}
            if count > life.copies:
                _say(life, count, stamps, sure=not memory.lost)
                life.undated = blindly
            life.stamps |= stamps
            life.witnessed &= life.owner == memory.user  # of an owner that no read saw only a hash is told
            life.state, life.owner = TextState.LIVE, memory.user


def _say(life: _Life, count: int, stamps: set[str | None], *, sure: bool) -> None:
    """Note that copies of a text came; where a record was lost nobody is sure that what was there before was ever known."""
    same = sure and None not in stamps and stamps <= life.stamps and life.witnessed
    if life.erased is Erased.YES and not (same and not life.copies):
        life.erased = Erased.PERHAPS
    if life.state is not TextState.LIVE and life.state is not TextState.KEPT:
        life.witnessed = False
    life.came += count - life.copies
    life.copies = count


def _doubt(memory: _Memory) -> None:
    """Note that a request may cover what nobody may know the time of."""
    for life in memory.lives.values():
        if life.undated and life.erased is Erased.NO:
            life.erased = Erased.PERHAPS


_HELD = frozenset({TextState.LIVE, TextState.KEPT})
_ERASES = {False: Erased.YES, True: Erased.PERHAPS}


def _meant(request: Request, place: ItemId, owner: str) -> bool:
    """Tell whether a request covers what was the owner's in an item."""
    tenant, user, key = request
    return place[1] == tenant and key in {None, place[2], _log_of(place[2])} and user in {None, owner}


def _log_of(key: str) -> str:
    """Return the key of the log that a day's summary goes with."""
    return key.replace("memory:summary:", "memory:daily:")


def _name(entry: Entry) -> Name:
    return entry[0], entry[1]


def _names(entries: Iterable[Entry]) -> list[Name]:
    return [_name(entry) for entry in entries]


def _entries(item: Item) -> list[Entry] | None:
    """Return what the item says; ``None`` if it cannot be read."""
    if "content" in item:
        return [("note", line.removeprefix("- "), None) for line in str(item["content"]["S"]).splitlines()]
    try:
        messages: list[dict[str, Any]] = json.loads(item["messages"]["S"])
    except (KeyError, ValueError):
        return None
    said = [(message["role"], message["content"], message.get("timestamp")) for message in messages]
    return [entry for entry in said if entry[0] not in UNREMEMBERED]


def _fell_off(old: Sequence[Any], new: Sequence[Any]) -> bool:
    """Tell whether only a front is gone, and nothing else could have happened.

    Among repeated messages a removal between two copies may look like that: then it counts as a removal.
    """
    staying = [index for index, entry in enumerate(old) if entry in new]
    if not staying or any(entry not in new for entry in old[staying[0] :]):
        return False
    return any(list(new[: len(old) - cut]) == list(old[cut:]) for cut in range(1, len(old)))


def _by_token(memory: _Memory) -> dict[str, list[_Life]]:
    lives: dict[str, list[_Life]] = {}
    for (_, text), life in memory.lives.items():
        for token in TOKEN.findall(text):
            lives.setdefault(token, []).append(life)
    return lives


def _judge_item(memory: _Memory, found: Counter[str], withheld: set[str], judgement: Judgement) -> None:
    for token, lives in sorted(_by_token(memory).items()):
        if not found[token]:
            judgement.missing += [token] * any(_must(life, memory) for life in lives)
        elif not any(_may(life, memory) for life in lives):
            _kind(lives, judgement).append(token)
        elif found[token] > sum(life.came for life in lives):
            judgement.duplicate.append(token)
        if (
            token in withheld
            and not memory.lost
            and all(_is_gone(life) and not life.undated for life in lives)
        ):
            judgement.resurrected.append(f"{token}, withheld")


def _must(life: _Life, memory: _Memory) -> bool:
    if life.erased is not Erased.NO or (memory.lost and memory.asked):
        return False
    if life.state is TextState.LIVE:
        return not memory.unreadable or (life.witnessed and not memory.lost)
    return life.state is TextState.KEPT and life.witnessed and not memory.lost


def _may(life: _Life, memory: _Memory) -> bool:
    """Tell whether it may be found.

    Where an INSERT, and a removal or a change of owner were lost, no rule can know; nor that a note which is gone was
    written anew since it expired.
    """
    if life.erased is Erased.YES:
        return {"inserted", "owner"} <= memory.lost
    if memory.unreadable and life.unheard:
        return True
    anew = memory.note and "inserted" in memory.lost and memory.entries is None
    return life.state in _HELD or anew or {"inserted", "removed"} <= memory.lost


def _is_gone(life: _Life) -> bool:
    return life.erased is Erased.YES or life.state not in _HELD


def _kind(lives: Iterable[_Life], judgement: Judgement) -> list[str]:
    if any(life.erased is Erased.YES or life.state is TextState.REMOVED for life in lives):
        return judgement.resurrected
    return judgement.stale
