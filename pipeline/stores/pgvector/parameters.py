"""What statements are given: requests and writes → parameters by name. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import astuple
from operator import attrgetter
from typing import Any

from psycopg.types.json import Jsonb

from pipeline.embedding.vectors import Vector
from pipeline.lexical.terms import counts
from pipeline.settings import Strategy
from pipeline.stores.forgetting import ForgetRequest, bounded
from pipeline.stores.pgvector import binary, words
from pipeline.stores.pgvector.binary import Binary
from pipeline.stores.pgvector.strategies import near
from pipeline.stores.protocol import (
    SEEDS,
    Chunk,
    ChunkMove,
    Filters,
    MessageRow,
    PlannedWrite,
    SearchRequest,
)

EVERYTHING = Filters()
Parameters = dict[str, Any]


def question(request: SearchRequest, strategy: Strategy) -> Parameters:
    """Return what a search is given."""
    asked = words.question(request.terms)
    return {
        "tenant_id": request.tenant_id,
        "user_id": request.user_id,
        "vector": Binary(binary.vector(request.vector)),
        "top_k": request.top_k,
        "seeds": SEEDS,
        "around": request.around,
        "whole": request.whole,
        "near": near(request.top_k),
        "words": Binary(binary.sparse(asked)) if asked else None,
        "strategy": strategy,
        "filtered": request.filters != EVERYTHING,
        **filtering(request.filters),
    }


def filtering(filters: Filters) -> Parameters:
    """Return what filters are given."""
    return {
        "kinds": sorted(filters.kinds),
        "roles": sorted(filters.roles),
        "keys": sorted(filters.keys),
        "excluded_keys": sorted(filters.excluded_keys),
        "since": filters.since,
        "until": filters.until,
    }


def revisions_of(tenant_id: str, revisions: Mapping[str, int]) -> Parameters:
    """Return rows of the ledger (source → revision) as arrays."""
    return {"tenant_id": tenant_id, "sources": list(revisions), "revisions": list(revisions.values())}


def named_rows(tenant_id: str, named: Mapping[str, AbstractSet[str] | None]) -> Parameters:
    """Return items, pairs of item and name, and the items of which every name is wanted, as arrays."""
    pairs = [(source, name) for source, names in named.items() for name in sorted(names or ())]
    return {
        "tenant_id": tenant_id,
        "sources": list(named),
        "named": [source for source, _ in pairs],
        "names": [name for _, name in pairs],
        "all": [source for source, names in named.items() if names is None],
    }


def ledger_rows(tenant_id: str, writes: Sequence[PlannedWrite]) -> Parameters:
    """Return what moves the item ledger, an array a column."""
    facts = [write.facts for write in writes]
    return {
        "tenant_id": tenant_id,
        "sources": [write.source for write in writes],
        "revisions": [write.expected_revision for write in writes],
        "epochs": [write.expected_epoch for write in writes],
        "positions": [one.position for one in facts],
        "read_ats": [float(one.read_at) for one in facts],
        "presents": [one.present for one in facts],
        "founds": [one.found for one in facts],
        "user_ids": [one.user_id for one in facts],
        "events": [Jsonb([astuple(event) for event in one.events]) for one in facts],
        "hidden_sinces": [_moment(one.hidden_since) for one in facts],
        "saved_ats": [write.saved_at for write in writes],
        "updated_ats": [write.updated_at for write in writes],
        "expires_ats": [write.expires_at for write in writes],
        "names": [None if write.name is None else bounded(write.name) for write in writes],
        "item_keys": [Jsonb(astuple(write.key)) if write.key else None for write in writes],
        "reflecteds": [write.reflected for write in writes],
    }


_COLUMNS = {
    "ids": "id",
    "names": "name",
    "ordinals": "ordinal",
    "states": "state",
    "user_ids": "user_id",
    "at_tails": "at_tail",
    "addeds": "added",
    "seens": "seen",
    "resolveds": "resolved",
    "reasons": "reason",
}
_MOMENTS = {
    "said_ats": "said_at",
    "saved_ats": "saved_at",
    "met_ats": "met_at",
    "seen_ats": "seen_at",
    "hidden_ats": "hidden_at",
}


def message_rows(tenant_id: str, rows: Sequence[tuple[str, MessageRow]]) -> Parameters:
    """Return rows of the message ledger (item, row), an array a column."""
    messages = [row for _, row in rows]
    return {
        "tenant_id": tenant_id,
        "sources": [source for source, _ in rows],
        **{name: list(map(attrgetter(column), messages)) for name, column in _COLUMNS.items()},
        **{name: list(map(_moment, map(attrgetter(column), messages))) for name, column in _MOMENTS.items()},
    }


def _moment(seconds: float | None) -> float | None:
    """Return a whole number of seconds as the type that its column has, too."""
    return None if seconds is None else float(seconds)


def message_ids(tenant_id: str, ids: Sequence[tuple[str, str]]) -> Parameters:
    """Return names of rows of the message ledger (item, id) as arrays."""
    return {
        "tenant_id": tenant_id,
        "sources": [source for source, _ in ids],
        "ids": [id_ for _, id_ in ids],
    }


def links(tenant_id: str, upserts: Sequence[tuple[str, Chunk]], gone: Sequence[str]) -> Parameters:
    """Return which messages' rows are to say which chunks, and no longer those that are ``gone``."""
    pairs = [(source, member, chunk.id) for source, chunk in upserts for member in chunk.members]
    return {
        **message_ids(tenant_id, [(source, member) for source, member, _ in pairs]),
        "chunks": [chunk for _, _, chunk in pairs],
        "gone": list(gone),
    }


def move_rows(tenant_id: str, moves: Mapping[str, ChunkMove]) -> Parameters:
    """Return chunks that change their owner or status as arrays."""
    return {
        "tenant_id": tenant_id,
        "ids": list(moves),
        "user_ids": [move.user_id for move in moves.values()],
        "statuses": [move.status for move in moves.values()],
    }


def memory_rows(
    tenant_id: str, upserts: Sequence[tuple[str, Chunk, Vector | None]], vector_oid: int, dimensions: int
) -> Parameters:
    """Return rows of ``memories`` (item, chunk, vector) as arrays.

    What stands for the vector of an unembedded chunk has no length, and so is at no distance from anything.
    """
    nothing = binary.vector([0.0] * dimensions)
    vectors = [nothing if vector is None else binary.vector(vector) for _, _, vector in upserts]
    return {
        "tenant_id": tenant_id,
        "sources": [source for source, _, _ in upserts],
        "ids": [chunk.id for _, chunk, _ in upserts],
        "user_ids": [chunk.user_id for _, chunk, _ in upserts],
        "contents": [chunk.text for _, chunk, _ in upserts],
        "embeddings": Binary(binary.array_of(vector_oid, vectors)),
        "created_ats": [chunk.created_at for _, chunk, _ in upserts],
        "metadatas": [Jsonb(chunk.metadata) for _, chunk, _ in upserts],
        "members": [",".join(chunk.members) for _, chunk, _ in upserts],
        "spans": [",".join(map(str, chunk.spans)) for _, chunk, _ in upserts],
        "fingerprints": [chunk.fingerprint for _, chunk, _ in upserts],
        "statuses": [chunk.status for _, chunk, _ in upserts],
    }


def word_rows(tenant_id: str, texts: Iterable[tuple[str, str, str]], sparse_oid: int) -> Parameters:
    """Return rows of ``memory_words`` of texts (chunk, user, text) as arrays."""
    rows = [
        (id_, part, user_id, piece)
        for id_, user_id, text in texts
        for part, piece in enumerate(words.parts(words.document(counts(text)), tenant_id, user_id))
    ]
    return {
        "tenant_id": tenant_id,
        "ids": [id_ for id_, _, _, _ in rows],
        "parts": [part for _, part, _, _ in rows],
        "user_ids": [user_id for _, _, user_id, _ in rows],
        "words": Binary(binary.array_of(sparse_oid, [binary.sparse(piece) for _, _, _, piece in rows])),
    }


def outgrowing(moves: Mapping[str, ChunkMove]) -> Sequence[str]:
    """Return the chunks whose words may have to be cut anew to fit an index entry with their new owner's name."""
    return [id_ for id_, move in moves.items() if len(move.user_id.encode()) > words.RESERVED_USER_BYTES]


def forget_row(request: ForgetRequest, owner: str | None = None) -> Parameters:
    """Return what a forget request says, and the keyed hash of its user if that is known."""
    return {
        "tenant_id": request.tenant_id,
        "id": request.id,
        "scope": request.scope,
        "subject": request.subject,
        "user_id": request.user_id,
        "owner": owner,
        "session_key": request.session_key,
        "name": None if request.session_key is None else bounded(request.session_key),
        "asked_at": request.asked_at,
    }
