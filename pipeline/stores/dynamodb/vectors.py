"""Chunks as rows of the vector table, in the chat app's own format. Pure.

``tenant_id`` (partition key), ``session_key`` (sort key), ``content``, ``embedding`` (float32, little-endian) and
``timestamp`` (whole epoch seconds) are what its client-side search reads. The rest is ours. Rows that the app wrote
itself have only the former, and are found like any other.
"""

import json
from array import array
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from hashlib import blake2b
from sys import byteorder
from typing import Any

from pipeline.embedding.vectors import Vector
from pipeline.lexical.terms import counts, terms
from pipeline.stores.chunks import Chunk, StoredText

KEY_PREFIX = "memory:"
SEARCHED = (
    "session_key",
    "content",
    "embedding",
    "timestamp",
    "source",
    "version",
    "said_at",
    "metadata",
    "terms",
    "status",
)
"""What a search reads of a row."""

_PREFIX = "MEMORY#"
_WORDS_PREFIX = "WORDS#"
_MAX_KEY_BYTES = 2_000
_MAX_OCCURRENCES = 8
_FLOAT_BYTES = 4


def partition(tenant_id: str, user_id: str) -> str:
    """Return the partition of one user's chunks.

    ``MEMORY#<user>`` where the user is the tenant, as the chat app has it; else ``MEMORY#<tenant>#<user>``. No two
    users share one: a name with ``#`` or ``%`` in it is escaped and always written in the second form.
    """
    if tenant_id == user_id and not set("#%") & set(user_id):
        return _short(f"{_PREFIX}{user_id}")
    return _short(f"{_PREFIX}{_escaped(tenant_id)}#{_escaped(user_id)}")


def owner_of_partition(name: str) -> tuple[str, str] | None:
    """Return tenant and user of a partition that :func:`partition` names; ``None`` if it does not say whose it is."""
    if not name.startswith(_PREFIX):
        return None
    tenant_id, separator, user_id = name.removeprefix(_PREFIX).partition("#")
    owner = (_unescaped(tenant_id), _unescaped(user_id)) if separator else (tenant_id, tenant_id)
    return owner if owner[0] and partition(*owner) == name else None


def words_partition(tenant_id: str, user_id: str) -> str:
    """Return the partition of one user's chunks without a vector: the chat app's search, which needs one, reads none."""
    return _WORDS_PREFIX + partition(tenant_id, user_id).removeprefix(_PREFIX)


def _escaped(name: str) -> str:
    return name.replace("%", "%25").replace("#", "%23")


def _unescaped(name: str) -> str:
    return name.replace("%23", "#").replace("%25", "%")


def _short(name: str) -> str:
    if len(name.encode()) <= _MAX_KEY_BYTES:
        return name
    return f"{_PREFIX}#{blake2b(name.encode(), digest_size=32).hexdigest()}"


def row_key(tenant_id: str, user_id: str, id_: str, *, embedded: bool = True) -> dict[str, Any]:
    """Return a chunk's key."""
    owner = partition(tenant_id, user_id) if embedded else words_partition(tenant_id, user_id)
    return {"tenant_id": {"S": owner}, "session_key": {"S": KEY_PREFIX + id_}}


def pack(vector: Vector) -> bytes:
    """Return float32, little-endian, four bytes each."""
    packed = array("f", vector)
    if byteorder == "big":
        packed.byteswap()
    return packed.tobytes()


def unpack(raw: bytes) -> Vector:
    """Return what :func:`pack` packed."""
    unpacked = array("f", raw)
    if byteorder == "big":
        unpacked.byteswap()
    return unpacked


def to_item(  # noqa: PLR0913, PLR0917  # everything a row says
    tenant_id: str, source: str, chunk: Chunk, vector: Vector | None, version: str, now: datetime
) -> dict[str, Any]:
    """Return the whole row of a chunk.

    Args:
        vector: ``None`` if only its words find it.
        version: as the ledger lists it.
        now: stands for when it was said, if that is not known.
    """
    said_at = chunk.created_at or now
    return {
        **row_key(tenant_id, chunk.user_id, chunk.id, embedded=vector is not None),
        "content": {"S": chunk.text},
        **({} if vector is None else {"embedding": {"B": pack(vector)}}),
        "timestamp": {"N": str(int(said_at.timestamp()))},
        "said_at": {"S": said_at.isoformat()},
        "metadata": {"S": json.dumps(chunk.metadata, ensure_ascii=False)},
        "terms": {"S": _terms(chunk.text)},
        "memory_of": memory_of(tenant_id, chunk.user_id),
        "source": {"S": source},
        "members": {"S": ",".join(chunk.members)},
        "version": {"S": version},
        "status": {"S": chunk.status},
    }


def memory_of(tenant_id: str, user_id: str) -> dict[str, str]:
    """Return what a row says of whose it is."""
    return {"S": json.dumps([tenant_id, user_id], ensure_ascii=False)}


def _terms(text: str) -> str:
    """Return the terms, each as often as it occurs; they have no spaces."""
    return " ".join(term for term, count in counts(text).items() for _ in range(min(count, _MAX_OCCURRENCES)))


@dataclass(frozen=True, slots=True)
class VectorRow:
    """A row read back.

    Args:
        source: of which item; empty for a row that the chat app wrote.
        embedding: float32, little-endian; of length zero for one that only its words find.
        terms: with repetitions.
        retained: some of what it says is no longer in its item.
    """

    id: str
    content: str = field(repr=False)
    embedding: bytes = field(repr=False)
    said_at: datetime
    metadata: Mapping[str, Any] = field(repr=False)
    source: str = ""
    version: str = ""
    terms: Sequence[str] = field(default=(), repr=False)
    retained: bool = False


def vector_row(item: Mapping[str, Any], dimensions: int) -> VectorRow | None:
    """Return what a row says; ``None`` if its vector does not have so many dimensions."""
    ours = "version" in item
    nothing = bytes(_FLOAT_BYTES * dimensions) if ours else b""
    embedding = bytes(item["embedding"]["B"]) if "embedding" in item else nothing
    if len(embedding) != _FLOAT_BYTES * dimensions or "content" not in item:
        return None
    name, content = item["session_key"]["S"], item["content"]["S"]
    return VectorRow(
        name.removeprefix(KEY_PREFIX) if ours else name,
        content,
        embedding,
        said_at(item),
        json.loads(item["metadata"]["S"]) if ours else {"key": name},
        item["source"]["S"] if ours else "",
        item["version"]["S"] if ours else "",
        item["terms"]["S"].split() if ours else terms(content),
        retained=ours and item["status"]["S"] != "live",
    )


def said_at(item: Mapping[str, Any]) -> datetime:
    """Return when a row was said."""
    if "said_at" in item:
        return datetime.fromisoformat(item["said_at"]["S"])
    return datetime.fromtimestamp(float(item.get("timestamp", {"N": "0"})["N"]), UTC)


def stored_text(item: Mapping[str, Any]) -> StoredText:
    """Return a row of ours without its vector."""
    _, user_id = json.loads(item["memory_of"]["S"])
    return StoredText(item["content"]["S"], user_id, said_at(item), json.loads(item["metadata"]["S"]))
