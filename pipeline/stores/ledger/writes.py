"""What a change does to each chunk, and how much of it goes into one transaction. Pure."""

import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from pipeline.embedding.vectors import Vector
from pipeline.stores.ledger.names import Subject
from pipeline.stores.ledger.rows import ChunkRow
from pipeline.stores.protocol import Change, Chunk

Op = Mapping[str, Any]
"""One member of TransactWriteItems."""

MAX_BYTES = 2_500_000
"""It may have 4 MB; binary grows by a third on its way."""


@dataclass(frozen=True, slots=True)
class Write:
    """What happens to one chunk.

    Args:
        old: its row as it is, if there is one.
        new: its row as it will be, if it stays.
        content: text and vector, if they are written.
    """

    old: ChunkRow | None
    new: ChunkRow | None
    content: tuple[Chunk, Vector] | None = None

    @property
    def id(self) -> str:
        """The chunk's id."""
        return (self.old or self.new).id  # type: ignore[union-attr]  # one of them is there

    @property
    def moves(self) -> bool:
        """Tell whether it changes what its users' searches see."""
        return self.content is not None or self.new is None


OwnRows = Callable[[str, str, Write], Sequence[Op]]
"""The store's own rows of a write of a tenant's item: what must share its transaction."""


def writes_of(
    change: Change,
    known: Mapping[str, ChunkRow],
    versions: Mapping[str, str] | None,
    token: Callable[[], str],
) -> list[Write]:
    """Return what happens to each chunk: puts, then what was only lost or found, then deletes.

    In this order a worker that dies in between loses nothing: what is kept of a chunk that must go is there before it
    goes. Until the change is finished no search shows any of it.

    Args:
        known: the rows of the chunks it touches, as they are.
        versions: chunk id → version of what was written of it elsewhere; default new ones.
        token: a text that no other write ever has.
    """
    upserts = {chunk.id: (chunk, vector) for chunk, vector in change.upserts}
    deletes = [id_ for id_ in dict.fromkeys(change.deletes) if id_ in known and id_ not in upserts]
    lost = [id_ for id_ in change.lost if id_ in known and id_ not in upserts and id_ not in deletes]
    return [
        *(
            Write(
                known.get(id_),
                _row(change, content[0], versions[id_] if versions else token(), token()),
                content,
            )
            for id_, content in upserts.items()
        ),
        *(Write(known[id_], replace(known[id_], lost=change.lost[id_], stamp=token())) for id_ in lost),
        *(Write(known[id_], None) for id_ in deletes),
    ]


def _row(change: Change, chunk: Chunk, version: str, stamp: str) -> ChunkRow:
    return ChunkRow(
        chunk.id,
        chunk.user_id,
        str(chunk.metadata.get("key", "")),
        chunk.members,
        chunk.fingerprint,
        version,
        stamp,
        change.lost.get(chunk.id, {}),
        chunk.spans,
    )


def batches(writes: Sequence[Write], costs: Sequence[int], room: int) -> Iterator[list[Write]]:
    """Cut the writes where a transaction would take no more."""
    batch: list[Write] = []
    ops = size = 0
    for write, cost in zip(writes, costs, strict=True):
        weight = _size(write)
        if batch and (ops + cost > room or size + weight > MAX_BYTES):
            yield batch
            batch, ops, size = [], 0, 0
        batch.append(write)
        ops, size = ops + cost, size + weight
    yield batch


def users_of(writes: Sequence[Write]) -> frozenset[str]:
    """Return the users whose searches see something of it."""
    rows = (row for write in writes if write.moves for row in (write.old, write.new) if row)
    return frozenset(row.user_id for row in rows)


def subjects_of(writes: Sequence[Write]) -> frozenset[Subject]:
    """Return the users and sessions that have the chunks afterwards."""
    rows = [write.new for write in writes if write.new]
    return frozenset(("user", row.user_id) for row in rows) | frozenset(
        ("session", row.session_key) for row in rows if row.session_key
    )


def moved(batch: Sequence[Write]) -> tuple[Counter[str], Counter[str]]:
    """Return by how much each user's sum and number of chunks change; who is not in there does not."""
    totals, chunks = Counter[str](), Counter[str]()
    for write in batch:
        for row, sign in ((write.old, -1), (write.new, 1)):
            if row and write.moves:
                totals[row.user_id] += sign * row.user_weight
                chunks[row.user_id] += sign
    return totals, chunks


def _size(write: Write) -> int:
    if write.content is None:
        return 500
    chunk, vector = write.content
    return 1_000 + 2 * len(chunk.text.encode()) + 4 * len(vector) + len(json.dumps(chunk.metadata))
