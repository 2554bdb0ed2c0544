"""What a change asks to be forgotten. Pure: two images in, facts out.

Content is read from the item when it is ingested; only the stream sees what was taken away, and how.
Where that cannot be told apart, the answer is to forget.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from pipeline.settings import Retention
from pipeline.source.documents import Document


@dataclass(frozen=True, slots=True)
class ForgetFact:
    """At ``position`` these entries were taken away, for good unless the item has them again.

    Args:
        position: the change's place in the stream, see :func:`position`.
        entries: ids of the entries, or ``None`` for all.
    """

    position: str
    entries: frozenset[str] | None = None

    def covers(self, entry_id: str, seen: str) -> bool:
        """Tell whether an entry last seen at position ``seen`` is to be forgotten."""
        return seen < self.position and (self.entries is None or entry_id in self.entries)


@dataclass(frozen=True, slots=True)
class Unreadable:
    """An image that could not be parsed: something was there, and nobody knows what."""


Image = Document | Unreadable | None


def position(stream_label: str, sequence_number: str) -> str:
    """Return a stream position that sorts as text, across re-created streams as well.

    Sequence numbers are decimal and at most 40 digits; a stream's label is its creation time.
    """
    return f"{stream_label}/{sequence_number:0>40}"


def deletion(*, expired: bool, on_expiry: Retention, at: str) -> tuple[ForgetFact, ...]:
    """Return the facts of an item's removal, by its owner or by DynamoDB's TTL."""
    return () if expired and on_expiry == "keep" else (ForgetFact(at),)


def modification(
    old: Image, new: Image, *, on_clear: Retention, at: str, excluded_roles: frozenset[str] = frozenset()
) -> tuple[ForgetFact, ...]:
    """Return the facts of an item's rewrite.

    Args:
        excluded_roles: never indexed, so they neither survive a clear nor hold up a cap: a system prompt usually stays.
    """
    made_anew = old is None and isinstance(new, Document) and new.kind != "session"
    if (
        isinstance(old, Unreadable) or made_anew
    ):  # an expired note may still be held, and this one replaces it
        return (ForgetFact(at),)
    if old is None or isinstance(new, Unreadable):
        return ()
    before = [entry.id for entry in old.entries if entry.role not in excluded_roles]
    after = [entry.id for entry in new.entries if entry.role not in excluded_roles] if new else []
    removed = frozenset(before).difference(after)
    session = (
        old.kind == "session"
    )  # a note has no history: what it no longer says is forgotten, however it went
    if not removed or (session and fell_off_the_front(before, after)):
        return ()
    if session and removed == frozenset(before) and on_clear == "keep":
        return ()
    return (ForgetFact(at, removed),)


def fell_off_the_front(before: Sequence[str], after: Sequence[str]) -> bool:
    """Tell whether only leading entries are gone: what is left of ``before`` begins ``after``, unbroken.

    Of entries that repeat, any copy may be the one that stayed; so none that is gone may stand behind a copy.
    """
    staying = frozenset(after)
    first = next((index for index, entry in enumerate(before) if entry in staying), len(before))
    if not after or not staying.issuperset(before[first:]):
        return False
    cuts = (index for index, entry in enumerate(before) if index and entry == after[0])
    return any(list(after[: len(before) - cut]) == list(before[cut:]) for cut in cuts)
