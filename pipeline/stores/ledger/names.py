"""The names of the ledger's rows. Pure.

One table, keys ``pk`` and ``sk``. Names are injective: every part but the last is preceded by its length.

==========================  ===============  ==========================================================
pk                          sk               what
==========================  ===============  ==========================================================
item, tenant, source        ``ledger``       revision, position; a sum over the chunk rows
item, tenant, source        ``chunk#<id>``   what deciding needs to know of a chunk, and whose it is
user, tenant, user          ``state``        revision; a sum over the user's chunks; items half written
user, tenant, user          source           the user has, or had, chunks of this item; up to when it is indexed
session, tenant, key        source           the session has, or had, chunks of this item
markers, tenant             scope, subject   when it was forgotten
forgotten, tenant           a wish's id      what became of it
epoch, tenant               a shard          how often the tenant was asked to forget
space                       ``space``        model and dimensions
==========================  ===============  ==========================================================
"""

import hashlib
from typing import Any, Literal

from pipeline.stores.forgetting import Scope

Subject = tuple[Literal["user", "session"], str]
"""A user, or a session's key: what has chunks of an item."""
LEDGER, STATE, CHUNK_PREFIX = "ledger", "state", "chunk#"
EPOCH_SHARDS = 8
"""Every write checks its tenant's epoch, and transactions that meet on one row cancel each other."""

_MAX_NAME_BYTES = 2_000
"""A partition key has at most 2,048 bytes."""
_MAX_SORT_BYTES = 1_000
"""A sort key has at most 1,024."""


def name_of(kind: str, *parts: str) -> str:
    """Return the partition key of what ``kind`` and ``parts`` name; a very long one is named by its hash."""
    name = f"{kind} {''.join(f'{len(part)}:{part}' for part in parts)}"
    if len(name.encode()) <= _MAX_NAME_BYTES:
        return name
    return f"{kind} {hashlib.blake2b(name.encode(), digest_size=32).hexdigest()}"


def key(pk: str, sk: str) -> dict[str, Any]:
    """Return a row's key as DynamoDB's API takes it."""
    return {"pk": {"S": pk}, "sk": {"S": sk}}


def ledger_key(tenant_id: str, source: str) -> dict[str, Any]:
    """Return the key of an item's ledger row."""
    return key(name_of("item", tenant_id, source), LEDGER)


def chunk_key(tenant_id: str, source: str, id_: str) -> dict[str, Any]:
    """Return the key of a chunk's row."""
    return key(name_of("item", tenant_id, source), CHUNK_PREFIX + id_)


def state_key(tenant_id: str, user_id: str) -> dict[str, Any]:
    """Return the key of a user's state."""
    return key(name_of("user", tenant_id, user_id), STATE)


def subject_key(tenant_id: str, subject: Subject, source: str) -> dict[str, Any]:
    """Return the key of the row that says: this user or session has chunks of this item."""
    kind, name = subject
    return key(name_of(kind, tenant_id, name), source)


def wish_key(tenant_id: str, request_id: str) -> dict[str, Any]:
    """Return the key of what became of a wish to forget."""
    return key(name_of("forgotten", tenant_id), _sort_name("wish", request_id))


def _sort_name(kind: str, name: str) -> str:
    """Return a sort key; a very long one is named by its hash."""
    if len(name.encode()) <= _MAX_SORT_BYTES:
        return f"{kind} {name}"
    return f"{kind}# {hashlib.blake2b(name.encode(), digest_size=32).hexdigest()}"


def marker_key(tenant_id: str, scope: Scope, subject: str) -> dict[str, Any]:
    """Return the key of a forget marker."""
    return key(name_of("markers", tenant_id), _sort_name(scope, subject))


def epoch_shard(source: str) -> int:
    """Return which copy of the epoch the writers of this item check."""
    return digest(source) % EPOCH_SHARDS


def epoch_key(tenant_id: str, shard: int) -> dict[str, Any]:
    """Return the key of one copy of a tenant's epoch."""
    return key(name_of("epoch", tenant_id), str(shard))


def digest(text: str) -> int:
    """Return 64 bits that stand for ``text`` in a sum."""
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big")
