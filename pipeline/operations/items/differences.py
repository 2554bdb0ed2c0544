"""What is wrong with one item in the index. Pure.

What ingest would do if it looked at the item now is worked out by the rules that ingest goes by; what there is comes row by
row, with its text. An item is right if nothing would be done and the rows are those that the ledger lists.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from pipeline.ingest.work import ItemWork
from pipeline.stores.chunks import Chunk
from pipeline.stores.inventory import StoredChunk

Kind = Literal["missing", "stale", "extra", "wrong_tenant", "vanished", "malformed", "unreadable", "lost"]


@dataclass(frozen=True, slots=True, order=True)
class Finding:
    """One thing that is wrong; no text.

    Args:
        kind: *missing*: not found, and should be; *stale*: found with another text, owner or state; *extra*: found, and should
            not be; *wrong_tenant*: lies under a tenant whose it is not; *vanished*: shown as if its item were there;
            *malformed*: the item cannot be read; *unreadable*: some of its messages cannot; *lost*: a message that should be
            found, and that no row says any more, nor the item.
        chunk_id: the row, or the row that should be there; of what is *lost* the message; empty where the whole item is meant.
        altered: the row says something else than what its fingerprint is of, so that ingest sees nothing to do.
    """

    kind: Kind
    tenant_id: str
    source: str
    chunk_id: str = ""
    altered: bool = False


def differences(work: ItemWork, rows: Sequence[StoredChunk]) -> Iterator[Finding]:
    """Yield what is wrong with the rows of one item.

    Args:
        rows: of the item, under whatever tenant they lie.
    """
    tenant_id, source, plan = work.tenant_id, work.source, work.plan
    own = {row.id: row for row in rows if row.tenant_id == tenant_id}
    yield from (
        Finding("wrong_tenant", row.tenant_id, source, row.id) for row in rows if row.tenant_id != tenant_id
    )
    document = work.snapshot.reading.document
    if document and document.unreadable:
        yield Finding("unreadable", tenant_id, source)
    vanished = work.snapshot.reading.known == "absent" and work.snapshot.state.facts.present
    if vanished and (plan.moves or plan.deletes):
        yield Finding("vanished", tenant_id, source)
        return
    listed = {chunk.id for chunk in work.chunks}
    altered = {chunk.id for chunk in plan.current if _says_other(chunk, own)}
    wrong = {
        **dict.fromkeys((*plan.deletes, *(own.keys() - listed)), "extra"),
        **dict.fromkeys(plan.moves, "stale"),
        **dict.fromkeys(altered, "stale"),
        **{chunk.id: "stale" for chunk in (*plan.missing, *plan.stand_ins)},
    }
    needed = {chunk.id for chunk in (*plan.missing, *plan.stand_ins, *plan.current)}
    missing = (needed | (listed - set(plan.deletes))) - own.keys()
    kinds: dict[str, Kind] = {**wrong, **dict.fromkeys(missing, "missing")}  # type: ignore[dict-item]  # each is one
    yield from (Finding(kind, tenant_id, source, id_, id_ in altered) for id_, kind in kinds.items())
    yield from (Finding("lost", tenant_id, source, id_) for id_ in sorted(lost_messages(work)))


def lost_messages(work: ItemWork) -> frozenset[str]:
    """Return ids of the messages that may be found, and are in no chunk that stays or is to be written."""
    plan, settled = work.plan, work.settled
    said = {id_ for chunk in work.chunks if chunk.id not in plan.deletes for id_ in chunk.members}
    said |= {id_ for chunk in (*plan.missing, *plan.stand_ins) for id_ in chunk.members}
    found = {id_ for id_, row in settled.rows.items() if row.state in {"live", "kept"}} - settled.hidden
    return frozenset(found - said)


def _says_other(chunk: Chunk, own: Mapping[str, StoredChunk]) -> bool:
    return chunk.id in own and own[chunk.id].content != chunk.text
