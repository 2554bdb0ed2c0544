"""Decides which chunks to write, move and delete so that the index matches the message ledger. Pure.

A held chunk is

- *withheld* while one of its messages is hidden: its text and vector wait, and what else it says is found by its words;
- *dead* when one of its messages is gone, or when its messages are no longer one user's: what stays of it becomes a chunk
  of its own;
- *retained* when it says something that the item no longer has, all of which may be shown: it stays as it is, and the item's
  messages in it are not written a second time;
- else *current*, if the chunker would make it from the item as it is now. If not, it is deleted.
"""

from collections import defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace

from pipeline.ingest.chunking import Chunker
from pipeline.ingest.message_ledger import Settled
from pipeline.source.documents import Document
from pipeline.stores.chunks import NOBODY, Chunk, ChunkMove, ChunkStatus, HeldChunk, StoredText

STAND_IN, REFUSED = "~", "!"
"""Marks in front of the fingerprint of a chunk without a vector: it stands in for what a withheld chunk says; the provider
refused its text. Both are found by their words."""

Texts = Mapping[str, StoredText]


@dataclass(frozen=True, slots=True)
class Plan:
    """What to write of an item's chunks.

    Args:
        missing: to be embedded and written.
        stand_ins: to be written without a vector.
        moves: chunk id → its new owner and status.
        deletes: chunk ids.
        kept: how many chunks stay as they are.
        current: those of them that are made of the item as it is.
    """

    missing: tuple[Chunk, ...] = ()
    stand_ins: tuple[Chunk, ...] = ()
    moves: Mapping[str, ChunkMove] = field(default_factory=dict)
    deletes: tuple[str, ...] = ()
    kept: int = 0
    current: tuple[Chunk, ...] = ()


@dataclass(frozen=True, slots=True)
class IndexedItem:
    """An item, what the ledger says of it now, and the chunks that are held of it.

    Args:
        name: tenant and source.
        document: as it was read; ``None`` if it is absent, or cannot be read.
        texts: of the chunks that :func:`needs_text` names.
        clean: takes secrets out of a text; ``None`` leaves what is kept as it is.
    """

    name: tuple[str, str]
    settled: Settled
    document: Document | None
    chunks: tuple[HeldChunk, ...]
    texts: Texts = field(default_factory=dict)
    clean: Callable[[str], str] | None = None


def needs_text(item: IndexedItem) -> list[str]:
    """Return ids of the held chunks that are written anew from their own text: the item may not have it any more."""
    members = _Members(item.settled)
    return [
        chunk.id
        for chunk in item.chunks
        if (chunk.line_lengths and (members.dead(chunk) or members.withheld(chunk)))
        or ((_waits(chunk) or item.clean) and members.retained(chunk))
    ]


def make_plan(item: IndexedItem, chunker: Chunker) -> Plan:
    """Return what makes the chunks match the ledger."""
    sorted_ = _Sorted.of(item)
    parts = _Parts(sorted_.members, item, chunker)
    wanted = _wanted(item, chunker, sorted_.covered)
    left = [part for chunk in sorted_.dead for part in parts.left(chunk)]
    left += [part for chunk in sorted_.retained for part in parts.whole(chunk)]
    wanted |= {part.id: part for part in left if part.user_id != NOBODY}
    waiting = {part.id: part for chunk in sorted_.withheld for part in parts.shown(chunk)}
    waiting |= {part.id: part for part in left if part.user_id == NOBODY}
    return _difference(sorted_, {chunk.id: chunk for chunk in item.chunks}, wanted, waiting)


def _difference(
    sorted_: "_Sorted",
    held: Mapping[str, HeldChunk],
    wanted: Mapping[str, Chunk],
    waiting: Mapping[str, Chunk],
) -> Plan:
    current = {id_ for id_, chunk in wanted.items() if _same(held.get(id_), chunk.fingerprint)}
    standing = {id_ for id_, chunk in waiting.items() if _same(held.get(id_), chunk.fingerprint)}
    staying = {chunk.id for chunk in (*sorted_.withheld, *sorted_.retained)}
    placed = {**waiting, **wanted}  # what stood in for a withheld chunk may be all that is left of it
    moves = sorted_.moves() | {
        id_: ChunkMove(placed[id_].user_id, placed[id_].status)
        for id_ in current | (standing - wanted.keys())
    }
    return Plan(
        tuple(chunk for id_, chunk in wanted.items() if id_ not in current),
        tuple(chunk for id_, chunk in waiting.items() if id_ not in standing),
        {
            id_: move
            for id_, move in moves.items()
            if _moved(held[id_], move) and (id_ in current or id_ not in wanted)
        },
        tuple(id_ for id_ in held if id_ not in wanted and id_ not in waiting and id_ not in staying),
        len(current | standing | (staying - wanted.keys())),
        tuple(wanted[id_] for id_ in current),
    )


def _waits(chunk: HeldChunk) -> bool:
    """Tell whether a chunk has no vector yet, and ought to."""
    return not chunk.fingerprint or chunk.fingerprint.startswith(STAND_IN)


def _stands_in(chunk: HeldChunk) -> bool:
    return chunk.fingerprint.startswith(STAND_IN) and chunk.user_id != NOBODY


@dataclass(frozen=True, slots=True)
class _Sorted:
    """Held chunks by what becomes of them; the rest is current or goes."""

    members: "_Members"
    dead: tuple[HeldChunk, ...]
    withheld: tuple[HeldChunk, ...]
    retained: tuple[HeldChunk, ...]

    @classmethod
    def of(cls, item: IndexedItem) -> "_Sorted":
        """Sort them."""
        members = _Members(item.settled)
        own = [chunk for chunk in item.chunks if not _stands_in(chunk)]
        dead = tuple(chunk for chunk in own if members.dead(chunk))
        rest = [chunk for chunk in own if not members.dead(chunk)]
        withheld = tuple(chunk for chunk in rest if members.withheld(chunk))
        shown = (chunk for chunk in rest if not members.withheld(chunk))
        return cls(members, dead, withheld, tuple(chunk for chunk in shown if members.retained(chunk)))

    @property
    def covered(self) -> frozenset[str]:
        """The messages that need no other chunk."""
        return frozenset(id_ for chunk in (*self.withheld, *self.retained) for id_ in chunk.members)

    def moves(self) -> dict[str, ChunkMove]:
        """Return where those that stay belong."""
        members = self.members
        return {
            **{chunk.id: members.move(chunk, NOBODY) for chunk in self.withheld},
            **{chunk.id: members.move(chunk, members.owner(chunk)) for chunk in self.retained},
        }


def _wanted(item: IndexedItem, chunker: Chunker, covered: frozenset[str]) -> dict[str, Chunk]:
    if item.document is None:
        return {}
    shown = replace(item.document, entries=item.settled.entries)
    return {chunk.id: chunk for chunk in chunker.chunks(shown, covered)}


def _same(held: HeldChunk | None, fingerprint: str) -> bool:
    """Tell whether a chunk is held as it should be; one whose text was refused is not tried again."""
    return held is not None and held.fingerprint in {fingerprint, REFUSED + fingerprint}


def _moved(held: HeldChunk, move: ChunkMove) -> bool:
    return (held.user_id, held.status) != (move.user_id, move.status)


class _Members:
    """What became of the messages of held chunks. One that was not looked at is kept, as it was."""

    def __init__(self, settled: Settled) -> None:
        self._rows, self._hidden = settled.rows, settled.hidden
        self._gone = frozenset(settled.purged) | {
            id_ for id_, row in settled.rows.items() if row.state == "erased"
        }
        self._there = frozenset(entry.id for entry in settled.entries)
        self._live = frozenset(id_ for id_, row in settled.rows.items() if row.state == "live")

    def dead(self, chunk: HeldChunk) -> bool:
        """Tell whether it says what nobody may read any more, or what is of several users."""
        return not self._gone.isdisjoint(chunk.members) or len(self._owners(chunk)) > 1

    def withheld(self, chunk: HeldChunk) -> bool:
        """Tell whether something that it says is hidden."""
        return not self._hidden.isdisjoint(chunk.members)

    def retained(self, chunk: HeldChunk) -> bool:
        """Tell whether it says something that the item does not have."""
        return not self._there.issuperset(chunk.members)

    def owner(self, chunk: HeldChunk) -> str:
        """Return whose it is."""
        return next(iter(self._owners(chunk)), chunk.user_id)

    def owner_of(self, id_: str, chunk: HeldChunk) -> str:
        """Return whose a message of a chunk is."""
        return self._rows[id_].user_id if id_ in self._rows else chunk.user_id

    def shows(self, id_: str) -> bool:
        """Tell whether a search may find a message."""
        return id_ not in self._gone and id_ not in self._hidden

    def is_gone(self, id_: str) -> bool:
        """Tell whether a message is purged or erased."""
        return id_ in self._gone

    def is_there(self, id_: str) -> bool:
        """Tell whether a message is in the item, and shown."""
        return id_ in self._there

    def move(self, chunk: HeldChunk, owner: str) -> ChunkMove:
        """Return where it belongs."""
        return ChunkMove(owner, self.status(chunk.members))

    def status(self, members: Collection[str]) -> ChunkStatus:
        """Return how much of what a chunk says is in the item; what could not be read counts as it was."""
        there = sum(id_ in self._there or id_ in self._live for id_ in members)
        return "live" if there == len(members) else "mixed" if there else "kept"

    def _owners(self, chunk: HeldChunk) -> set[str]:
        owners = {self._rows[id_].user_id for id_ in chunk.members if id_ in self._rows}
        unknown = any(id_ not in self._rows for id_ in chunk.members)
        return owners | ({chunk.user_id} if unknown and chunk.user_id != NOBODY else set())


@dataclass(frozen=True, slots=True)
class _Parts:
    """Makes chunks of what is left of held ones."""

    members: _Members
    item: IndexedItem
    chunker: Chunker

    def shown(self, chunk: HeldChunk) -> list[Chunk]:
        """Return what stands in for a withheld chunk: what else it says, without a vector."""
        shown = [id_ for id_ in chunk.members if self.members.shows(id_)]
        parts = self._by_owner(chunk, shown, lambda id_: self.members.owner_of(id_, chunk))
        return [_marked(part) for part in parts]

    def left(self, chunk: HeldChunk) -> list[Chunk]:
        """Return what is left of a dead chunk and the item does not show: by owner, and what is hidden as nobody's."""
        left = [
            id_ for id_ in chunk.members if not self.members.is_gone(id_) and not self.members.is_there(id_)
        ]
        parts = self._by_owner(chunk, left, lambda id_: self._owner_if_shown(id_, chunk))
        return [_waiting(part) if part.user_id == NOBODY else part for part in parts]

    def whole(self, chunk: HeldChunk) -> list[Chunk]:
        """Return a retained chunk that must be written again: it has no vector, or holds a secret; else nothing."""
        stored = self.item.texts.get(chunk.id)
        if stored is None:
            return []
        clean = self.item.clean or (lambda text: text)
        made = self.chunker.again(chunk, stored, self.members.owner(chunk), clean)
        if not _waits(chunk) and made.text == stored.content:
            return []
        return [replace(made, status=self.members.status(chunk.members))]

    def _owner_if_shown(self, id_: str, chunk: HeldChunk) -> str:
        return self.members.owner_of(id_, chunk) if self.members.shows(id_) else NOBODY

    def _by_owner(self, chunk: HeldChunk, ids: Sequence[str], owner: Callable[[str], str]) -> list[Chunk]:
        stored = self.item.texts.get(chunk.id)
        if stored is None or not chunk.line_lengths:
            return []
        groups: defaultdict[str, list[str]] = defaultdict(list)
        for id_ in ids:
            groups[owner(id_)].append(id_)
        parts = (
            self.chunker.part_of(self.item.name, chunk, stored, members, user_id)
            for user_id, members in groups.items()
        )
        return [replace(part, status=self.members.status(part.members)) for part in parts]


def _waiting(chunk: Chunk) -> Chunk:
    return replace(chunk, fingerprint=STAND_IN + chunk.fingerprint)


def _marked(chunk: Chunk) -> Chunk:
    """Return ``chunk`` as one that stands in, and is looked at whenever its item is."""
    return replace(_waiting(chunk), status="mixed")
