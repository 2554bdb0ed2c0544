"""Decides what to embed, keep and delete so that the index matches an item. Pure.

What is in the item is indexed. What is held and no longer in the item is

- *superseded*, if all its entries are in the item, in other chunks: deleted;
- *forgotten*, if a fact covers one of its entries: deleted;
- *retained* otherwise (it fell off a capped session, was cleared, or expired): kept, with a note of when its lost
  entries were last seen, so that a fact arriving late is judged rightly. Entries of the item that a retained chunk
  already holds are not indexed a second time.

A chunk may hold both what is forgotten and what stays. It is deleted, and what stays of it is embedded anew. While that
cannot be, a *stub* stands for it: its text without what was forgotten, found by its words only. So nothing forgotten waits
for an embedding, and nothing that stays is ever held by the item alone, which may expire meanwhile.

Entries that a forget marker covers are treated as never said: not indexed, and no chunk that holds one stays.

A note has no history: what its item no longer says is deleted.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from pipeline.ingest.chunking import Chunker
from pipeline.source.documents import Document
from pipeline.source.transitions import ForgetFact
from pipeline.stores.protocol import Chunk, Held, HeldChunk


@dataclass(frozen=True, slots=True)
class Plan:
    """What to write.

    Args:
        missing: chunks to embed and upsert.
        lost: chunk id → its new ``lost``, where it changed.
        deletes: chunk ids.
        kept: how many chunks stay as they are.
        cuts: chunk id → those of its entries that are kept (→ last seen at), where others of the same chunk are
            forgotten: the chunk goes, and what is left of its text is indexed by itself.
        withdrawn: those of ``deletes`` that hold something forgotten → their entries that stay and no other chunk
            holds.
    """

    position: str
    missing: tuple[Chunk, ...] = ()
    lost: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    deletes: tuple[str, ...] = ()
    kept: int = 0
    cuts: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    withdrawn: Mapping[str, frozenset[str]] = field(default_factory=dict)


def stub(chunk: Chunk) -> Chunk:
    """Return ``chunk`` as one that waits to be embedded."""
    return replace(chunk, fingerprint="")


def is_stub(chunk: HeldChunk) -> bool:
    """Tell whether a held chunk waits to be embedded."""
    return not chunk.fingerprint and bool(chunk.spans)


def reflects(
    held: Held, position: str, facts: Sequence[ForgetFact], created_at: datetime | None = None
) -> bool:
    """Tell, without reading the item, that a notice has nothing to add.

    The index reflects a read made after its own position was known, hence every change up to there; the only
    things a late notice could still do are to purge what was retained, and to say that the item came into being after
    a forget marker.
    """
    if held.half or not position or held.position < position:
        return False
    if any(map(is_stub, held.chunks)):
        return False
    if held.epoch and created_at and (held.created_at is None or held.created_at < created_at):
        return False
    return not any(
        fact.covers(entry, seen)
        for chunk in held.chunks
        for entry, seen in chunk.lost.items()
        for fact in facts
    )


def make_plan(  # noqa: PLR0913, PLR0917  # a decision over plain values
    held: Held,
    document: Document | None,
    position: str,
    facts: Sequence[ForgetFact],
    chunker: Chunker,
    banned: frozenset[str] = frozenset(),
) -> Plan:
    """Return what makes the index match ``document``.

    Args:
        document: the item as just read; ``None`` if it is absent, or cannot be read.
        position: highest stream position known before the read, besides the held one.
        banned: ids of entries that a forget marker covers, in the item or not: they are nowhere.
    """
    present = frozenset(entry.id for entry in document.entries) - banned if document else frozenset()
    replaced = document is not None and document.kind != "session"
    retained = {
        chunk.id: lost
        for chunk in held.chunks
        if not replaced
        and not is_stub(chunk)
        and not banned.intersection(chunk.members)
        and (lost := _lost(chunk, present, held.position))
        and not _forgotten(lost, facts)
    }
    covered = _members(chunk for chunk in held.chunks if chunk.id in retained) & present
    wanted = {chunk.id: chunk for chunk in chunker.chunks(document, covered | banned)} if document else {}
    current = {chunk.id for chunk in held.chunks if _same(chunk, wanted.get(chunk.id))}
    deletes = tuple(chunk.id for chunk in held.chunks if chunk.id not in retained and chunk.id not in wanted)
    cuts = {
        chunk.id: kept
        for chunk in held.chunks
        if chunk.spans
        and not replaced
        and chunk.id not in retained
        and (kept := _kept(_lost(chunk, present, held.position), facts, banned))
    }
    return Plan(
        position=max(held.position, position),
        missing=tuple(chunk for chunk in wanted.values() if chunk.id not in current),
        lost={
            chunk.id: lost
            for chunk in held.chunks
            if (chunk.id in retained or chunk.id in current)
            and (lost := retained.get(chunk.id, {})) != chunk.lost
        },
        deletes=deletes,
        kept=len(current) + len(retained),
        cuts=cuts,
        withdrawn=_withdrawn(held, frozenset(deletes), present, cuts),
    )


def _withdrawn(
    held: Held, deletes: frozenset[str], present: frozenset[str], cuts: Mapping[str, Mapping[str, str]]
) -> dict[str, frozenset[str]]:
    elsewhere = _members(chunk for chunk in held.chunks if chunk.id not in deletes)
    staying = {
        chunk.id: present.union(cuts.get(chunk.id, ())).intersection(chunk.members)
        for chunk in held.chunks
        if chunk.id in deletes
    }
    return {
        chunk.id: staying[chunk.id] - elsewhere
        for chunk in held.chunks
        if chunk.id in deletes and not staying[chunk.id].issuperset(chunk.members)
    }


def _lost(chunk: HeldChunk, present: frozenset[str], position: str) -> dict[str, str]:
    """Return the chunk's members that are not in the item, each with the position it was last seen at."""
    return {entry: chunk.lost.get(entry, position) for entry in chunk.members if entry not in present}


def _forgotten(lost: Mapping[str, str], facts: Sequence[ForgetFact]) -> bool:
    return any(fact.covers(entry, seen) for entry, seen in lost.items() for fact in facts)


def _kept(lost: Mapping[str, str], facts: Sequence[ForgetFact], banned: frozenset[str]) -> dict[str, str]:
    return {
        entry: seen
        for entry, seen in lost.items()
        if entry not in banned and not any(fact.covers(entry, seen) for fact in facts)
    }


def _members(chunks: Iterable[HeldChunk]) -> frozenset[str]:
    return frozenset(entry for chunk in chunks for entry in chunk.members)


def _same(held: HeldChunk, wanted: Chunk | None) -> bool:
    return wanted is not None and wanted.fingerprint == held.fingerprint
