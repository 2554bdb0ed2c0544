"""What is wrong with one item's rows. Pure.

What an item should look like is worked out again from the item; what there is comes row by row, with its text. Rows
kept although the item lost them are known by their mark.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from pipeline.ingest.chunking import Chunker
from pipeline.source.documents import Document
from pipeline.stores.inventory import StoredChunk

Kind = Literal["missing", "stale", "extra", "wrong_tenant", "vanished", "expired", "malformed", "unreadable"]


@dataclass(frozen=True, slots=True, order=True)
class Finding:
    """One thing that is wrong; no text.

    Args:
        chunk_id: the row, or the row that should be there; empty where the whole item is meant.
    """

    kind: Kind
    tenant_id: str
    source: str
    chunk_id: str = ""


def differences(  # noqa: PLR0913, PLR0917  # a decision over plain values
    tenant_id: str,
    source: str,
    document: Document | None,
    rows: Sequence[StoredChunk],
    chunker: Chunker,
    banned: frozenset[str] = frozenset(),
) -> Iterator[Finding]:
    """Yield what is wrong with the rows of one item.

    Args:
        document: the item as it is; ``None`` if it is no memory (any more).
        banned: entries that a forget marker covers.
    """
    own = {row.id: row for row in rows if row.tenant_id == tenant_id}
    present = frozenset(entry.id for entry in document.entries) - banned if document else frozenset()
    retained = {id_ for id_, row in own.items() if _retained(row, document, present, banned)}
    covered = frozenset(entry for id_ in retained for entry in own[id_].members) & present
    chunks = chunker.chunks(document, covered | banned) if document else ()
    wanted = {chunk.id: chunk for chunk in chunks}
    for row in rows:
        if row.tenant_id != tenant_id:
            yield Finding("wrong_tenant", row.tenant_id, source, row.id)
    for id_, chunk in wanted.items():
        if id_ not in own:
            yield Finding("missing", tenant_id, source, id_)
        elif (own[id_].content, own[id_].user_id) != (chunk.text, chunk.user_id):
            yield Finding("stale", tenant_id, source, id_)
    for id_ in own.keys() - wanted.keys() - retained:
        yield Finding("extra", tenant_id, source, id_)


def _retained(
    row: StoredChunk, document: Document | None, present: frozenset[str], banned: frozenset[str]
) -> bool:
    """Tell whether the row bears the mark of what is kept, and rightly: something of it is gone from the item."""
    lost = not present.issuperset(row.members)
    kept_kind = document is None or document.kind == "session"
    return row.retained and lost and kept_kind and not banned.intersection(row.members)
