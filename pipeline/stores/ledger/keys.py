"""The keys of the ledger's records. Pure.

One table, keys ``pk`` and ``sk``. Names are injective: every part but the last is preceded by its length. An item's records
lie so that one range holds what every reconcile reads, and none of what is only kept:

==========================  =============================  ==========================================================
pk                          sk                             what
==========================  =============================  ==========================================================
item, tenant, source        ``chunk#<id>``                 a chunk that is not only kept, or is withheld
item, tenant, source        ``closed#<id>``                a chunk that only memory has
item, tenant, source        ``holder#<message>#<chunk>``   that closed chunk holds that message
item, tenant, source        ``kept#<id>``                  a kept message
item, tenant, source        ``ledger``                     revision, facts; sums over ``chunk#`` and ``message#``
item, tenant, source        ``message#<id>``               a message that is not kept
item, tenant, source        ``named#<name>#<id>``          that kept message has that name
user, tenant, user          ``state``                      revision; a sum over the user's chunks; items half written
user, tenant, user          source                         the item has, or had, messages of the user; up to when it is indexed
session, tenant, key        source                         the item has, or had, messages of the session
owner, tenant, hash         source                         an event of the item names that owner
hidden, a shard             since, item                    an item with a message that is hidden since then
markers, tenant             scope, subject                 before when it is forgotten
forgotten, tenant           a request's id                 what became of it
epoch, tenant               a shard                        how often the tenant was asked to forget
space                       ``space``                      model and dimensions
==========================  =============================  ==========================================================
"""

import hashlib
from typing import Any, Literal

from pipeline.stores.forget_requests import Scope

Kind = Literal["user", "session", "owner"]
Subject = tuple[Kind, str]
"""What an item may be asked by: a user or a session's key that has messages of it, the keyed hash of an owner."""
LEDGER, STATE = "ledger", "state"
CHUNK, CLOSED, HOLDER = "chunk#", "closed#", "holder#"
MESSAGE, KEPT, NAMED = "message#", "kept#", "named#"
BEYOND = "$"
"""The character after ``#``: a range of sort keys that begin alike ends with it."""
EPOCH_SHARDS = 8
"""Every write checks its tenant's epoch, and transactions that meet on one row cancel each other."""
HIDDEN_SHARDS = 8
"""All tenants' items share these partitions, which take 1,000 writes a second each."""

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


def item_key(tenant_id: str, source: str, sk: str = LEDGER) -> dict[str, Any]:
    """Return the key of one of an item's records; by default of its ledger row."""
    return key(name_of("item", tenant_id, source), sk)


def chunk_sk(id_: str, *, closed: bool) -> str:
    """Return the sort key of a chunk's record."""
    return f"{CLOSED if closed else CHUNK}{id_}"


def message_sk(id_: str, *, kept: bool) -> str:
    """Return the sort key of a message's record."""
    return f"{KEPT if kept else MESSAGE}{id_}"


def named_sk(name: str, message_id: str) -> str:
    """Return the sort key of the record that says which kept message has a name."""
    return f"{NAMED}{name}#{message_id}"


def holder_sk(message_id: str, chunk_id: str) -> str:
    """Return the sort key of the record that says which closed chunk holds a message."""
    return f"{HOLDER}{message_id}#{chunk_id}"


def hidden_key(tenant_id: str, source: str, since: float) -> dict[str, Any]:
    """Return the key of the record that says since when an item has a message that is hidden."""
    name = name_of("item", tenant_id, source)
    return key(
        name_of("hidden", str(digest(source) % HIDDEN_SHARDS)), f"{since_sk(since)}#{digest(name):016x}"
    )


def since_sk(since: float) -> str:
    """Return how the sort key begins of what is hidden since a moment, epoch seconds; earlier ones sort before."""
    return f"{max(0.0, since):020.6f}"


def item_name(source: str) -> str:
    """Return the short name of an item."""
    return f"{digest(source):016x}"


def state_key(tenant_id: str, user_id: str) -> dict[str, Any]:
    """Return the key of a user's state."""
    return key(name_of("user", tenant_id, user_id), STATE)


def subject_key(tenant_id: str, subject: Subject, source: str) -> dict[str, Any]:
    """Return the key of the row that says that an item may be asked by this."""
    kind, name = subject
    return key(name_of(kind, tenant_id, name), source)


def request_key(tenant_id: str, request_id: str) -> dict[str, Any]:
    """Return the key of what became of a request to forget."""
    return key(name_of("forgotten", tenant_id), _sort_name("request", request_id))


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
