"""What one change did to an item's messages. Pure: two images in, a transition out.

Content is read from the item when it is ingested; only the stream sees why something left, and when something came. A
transition names texts by a keyed hash of role and text, and says how many copies there were before and after, so that
applying it twice changes nothing. Where a cap cannot be told from a removal, the answer is a removal.
"""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal, TypeVar

from pipeline.settings import Retention
from pipeline.source.documents import Document, Entry

Event = Literal["inserted", "modified", "expired", "deleted"]
Reason = Literal["", "capped", "cleared", "expired", "edited", "removed", "deleted"]
KEEPING: frozenset[Reason] = frozenset({"capped", "cleared", "expired"})
"""Reasons for which memory keeps what the item no longer has."""

Copies = tuple[int, int]
"""How many copies of a text the item had before a change, and after it."""


@dataclass(frozen=True, slots=True)
class Transition:
    """What one stream record did.

    Args:
        position: the change's place in the stream, see :func:`position`.
        at: AWS's time of it, epoch seconds, rounded down to the second; ``None`` if the record has none.
        event: what happened to the item.
        reason: why what is gone is gone.
        everything: all that is not in the item afterwards is gone, named or not.
        added: name → copies, of texts of which there are more now.
        added_at_tail: the same, where all that came stands behind all that was there.
        gone: name → copies, of texts of which there are fewer now.
        said: name → the times said, epoch seconds, of what was added; without what has none.
        owner_before: keyed hash of whose the item was.
        owner_after: keyed hash of whose it is.
    """

    position: str
    at: float | None
    event: Event
    reason: Reason = ""
    everything: bool = False
    added: Mapping[str, Copies] = field(default_factory=dict)
    added_at_tail: Mapping[str, Copies] = field(default_factory=dict)
    gone: Mapping[str, Copies] = field(default_factory=dict)
    said: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    owner_before: str | None = None
    owner_after: str | None = None

    @property
    def keeps(self) -> bool:
        """Whether memory keeps what is gone by it."""
        return self.reason in KEEPING

    @property
    def names(self) -> frozenset[str]:
        """The texts it names."""
        return frozenset((*self.added, *self.added_at_tail, *self.gone))

    def mentions(self, name: str) -> bool:
        """Whether it names a text."""
        return name in self.gone or name in self.added_at_tail or name in self.added

    @property
    def changes_owner(self) -> bool:
        """Whether the item was given to another user."""
        return None not in {self.owner_before, self.owner_after} and self.owner_before != self.owner_after

    @property
    def loses_owner(self) -> bool:
        """Whether the item cannot be read any more: whose it was before is the last that records tell of it."""
        return self.owner_before is not None and self.owner_after is None

    @property
    def concerns_the_item(self) -> bool:
        """Whether it says something of the item as a whole, whatever texts it names."""
        return self.event != "modified" or self.everything or self.changes_owner or self.loses_owner

    def copies_added(self, name: str) -> Copies | None:
        """Return the copies of a text that came with it."""
        return self.added_at_tail.get(name) or self.added.get(name)

    def only(self, names: frozenset[str]) -> "Transition":
        """Return it with no other texts than these."""
        return replace(
            self,
            added=_only(self.added, names),
            added_at_tail=_only(self.added_at_tail, names),
            gone=_only(self.gone, names),
            said=_only(self.said, names),
        )


_Value = TypeVar("_Value")


def _only(part: Mapping[str, _Value], names: Collection[str]) -> dict[str, _Value]:
    return {name: value for name, value in part.items() if name in names}


@dataclass(frozen=True, slots=True)
class Unreadable:
    """An image that could not be parsed: something was there, and nobody knows what."""


Image = Document | Unreadable | None


@dataclass(frozen=True, slots=True)
class TransitionReader:
    """Compares the images of a change.

    Args:
        on_clear: see :class:`pipeline.settings.Settings`.
        on_expiry: the same.
        excluded_roles: never memory, so they neither survive a clear nor hold up a cap: a system prompt usually stays.
    """

    on_clear: Retention
    on_expiry: Retention
    excluded_roles: frozenset[str] = frozenset()

    def removal(self, old: Image, *, expired: bool, at: float | None, position: str) -> Transition:
        """Return the transition of an item's removal, by its owner or by DynamoDB's TTL."""
        if not (expired and self.on_expiry == "keep"):
            return Transition(position, at, "deleted", "deleted", everything=True)
        before = Counter(entry.id for entry in self._entries(old))
        return Transition(
            position, at, "expired", "expired", gone={name: (n, 0) for name, n in before.items()}
        )

    def rewrite(
        self, old: Image, new: Image, *, inserted: bool, at: float | None, position: str
    ) -> Transition:
        """Return the transition of an item's being written: anew, or over an older version."""
        event: Event = "inserted" if inserted else "modified"
        before, after = self._entries(old), self._entries(new)
        clear = not isinstance(new, Unreadable) and not (new and new.unreadable)
        if isinstance(old, Unreadable) and clear:
            return Transition(position, at, event, "removed", everything=True)
        if not clear:  # what is not seen in it may be there
            counts = {} if isinstance(old, Unreadable) else _increases(before, after)
            return Transition(position, at, event, added=counts, said=_times(after, counts))
        at_tail = _at_tail(before, after)
        increased = _increases(before, after)
        gone = _increases(after, before)
        note_anew = inserted and isinstance(new, Document) and new.kind != "session"
        return Transition(
            position,
            at,
            event,
            "edited" if note_anew else self._reason(old, before, after) if gone else "",
            everything=note_anew,  # a note has no history: an earlier one of that name may be kept still
            added={name: copies for name, copies in increased.items() if name not in at_tail},
            added_at_tail={name: copies for name, copies in increased.items() if name in at_tail},
            gone={name: (had, has) for name, (has, had) in gone.items()},
            said=_times(after, increased),
        )

    def _reason(self, old: Image, before: Sequence[Entry], after: Sequence[Entry]) -> Reason:
        if isinstance(old, Document) and old.kind != "session":
            return "edited"
        if fell_off_the_front(_moments(before), _moments(after)) or fell_off_the_front(
            _names(before), _names(after)
        ):
            return "capped"
        if not set(_names(before)).intersection(_names(after)):
            return "cleared" if self.on_clear == "keep" else "removed"
        return "edited" if len(after) >= len(before) else "removed"

    def _entries(self, image: Image) -> list[Entry]:
        entries = image.entries if isinstance(image, Document) else ()
        return [entry for entry in entries if entry.role not in self.excluded_roles]


def position(stream_label: str, sequence_number: str) -> str:
    """Return a stream position that sorts as text, across re-created streams as well.

    Sequence numbers are decimal and at most 40 digits; a stream's label is its creation time.
    """
    return f"{stream_label}/{sequence_number:0>40}"


def fell_off_the_front(before: Sequence[object], after: Sequence[object]) -> bool:
    """Tell whether only leading entries are gone: what is left of ``before`` begins ``after``, unbroken.

    Of entries that repeat, any copy may be the one that stayed; so none that is gone may stand behind a copy.
    """
    staying = frozenset(after)
    first = next((index for index, entry in enumerate(before) if entry in staying), len(before))
    if not after or not staying.issuperset(before[first:]):
        return False
    cuts = (index for index, entry in enumerate(before) if index and entry == after[0])
    return any(list(after[: len(before) - cut]) == list(before[cut:]) for cut in cuts)


def merged(transitions: Iterable[Transition]) -> tuple[Transition, ...]:
    """Return transitions of one item in order, each once, without what a newer one says of the same text.

    What they say of the item as a whole stays: every INSERT and expiry, every change or loss of owner.
    """
    newest_first = sorted({each.position: each for each in transitions}.values(), key=_position, reverse=True)
    kept, came, went = list[Transition](), _additions_that_count(newest_first), set[str]()
    for one in newest_first:
        news = {name for name in (*one.added, *one.added_at_tail) if (one.position, name) in came}
        rest = replace(
            one,
            added=_only(one.added, news),
            added_at_tail=_only(one.added_at_tail, news),
            gone=_only(one.gone, one.gone.keys() - went),
            said=_only(one.said, news),
        )
        went.update(one.gone)
        if rest.names or rest.concerns_the_item:
            kept.append(rest)
    return tuple(reversed(kept))


def _additions_that_count(newest_first: Iterable[Transition]) -> set[tuple[str, str]]:
    """Return positions with names: of each copy of a text the newest addition, for each copy has its own time.

    And the oldest at a time at which the newest says it too: what is saved again with its time is no newer. Both are all that
    dates a message, so a notice cannot grow with how often a text comes and goes.
    """
    counted, least = set[tuple[str, str]](), dict[str, int]()
    said, oldest = dict[str, frozenset[float]](), dict[str, str]()
    for one in newest_first:
        for name, (before, after) in (*one.added.items(), *one.added_at_tail.items()):
            times = one.said.get(name, ())
            if before < least.get(name, after):
                counted.add((one.position, name))
                least[name] = before
                said.setdefault(name, frozenset(times))
            elif said.get(name, frozenset()).intersection(times):
                oldest[name] = one.position
    return counted | {(position, name) for name, position in oldest.items()}


def _position(transition: Transition) -> str:
    return transition.position


def _names(entries: Sequence[Entry]) -> list[str]:
    return [entry.id for entry in entries]


def _moments(entries: Sequence[Entry]) -> list[tuple[str, object]]:
    return [(entry.id, entry.time) for entry in entries]


def _increases(before: Sequence[Entry], after: Sequence[Entry]) -> dict[str, Copies]:
    """Return name → copies (before, after) of the texts of which there are more after."""
    had, has = Counter(_names(before)), Counter(_names(after))
    return {name: (had[name], has[name]) for name in has if has[name] > had[name]}


def _times(entries: Sequence[Entry], names: Collection[str]) -> dict[str, tuple[float, ...]]:
    """Return name → the times said of these texts."""
    found: defaultdict[str, set[float]] = defaultdict(set)
    for entry in entries:
        if entry.id in names and entry.time:
            found[entry.id].add(entry.time.timestamp())
    return {name: tuple(sorted(times)) for name, times in found.items()}


def _at_tail(before: Sequence[Entry], after: Sequence[Entry]) -> frozenset[str]:
    """Return the texts all of whose further copies stand behind everything that was there before."""
    surplus = {name: has - had for name, (had, has) in _increases(before, after).items()}
    for name in reversed(_names(after)):
        if not surplus.get(name):
            break
        surplus[name] -= 1
    return frozenset(name for name, left in surplus.items() if left == 0)
