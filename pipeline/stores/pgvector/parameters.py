"""What statements are given: requests and writes → parameters by name. It opens no connection; it names psycopg for a type."""

from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import astuple
from operator import attrgetter
from typing import Any

from psycopg.types.json import Jsonb

from pipeline.embedding.vectors import Vector
from pipeline.lexical.terms import counts
from pipeline.settings import Strategy
from pipeline.stores.chunk_text import said_tokens
from pipeline.stores.chunks import Chunk, ChunkMove
from pipeline.stores.forget_requests import ForgetRequest, bounded
from pipeline.stores.index_state import PlannedWrite
from pipeline.stores.message_rows import MessageRow
from pipeline.stores.pgvector import sparse_terms, wire_format
from pipeline.stores.pgvector.strategies import near
from pipeline.stores.pgvector.wire_format import Binary
from pipeline.stores.search_requests import SEEDS, Filters, SearchRequest

EVERYTHING = Filters()
Parameters = dict[str, Any]


def question(request: SearchRequest, strategy: Strategy) -> Parameters:
    """Return what a search is given."""
    query_terms = sparse_terms.question(request.terms)
    return {
        "tenant_id": request.tenant_id,
        "user_id": request.user_id,
        "vector": Binary(wire_format.vector(request.vector)),
        "top_k": request.top_k,
        "seeds": SEEDS,
        "around": request.around,
        "whole": request.whole,
        "near": near(request.top_k),
        "words": Binary(wire_format.sparse(query_terms)) if query_terms else None,
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


Write = tuple[str, PlannedWrite]
"""A tenant and what is written for it."""


def revisions_of(revisions: Mapping[str, Mapping[str, int]]) -> Parameters:
    """Return rows of the ledger (tenant → source → revision) as arrays."""
    rows = [(tenant, *row) for tenant, own in revisions.items() for row in own.items()]
    return dict(zip(("tenants", "sources", "revisions"), _columns(rows, 3), strict=True))


def named_rows(named: Mapping[str, Mapping[str, AbstractSet[str] | None]]) -> Parameters:
    """Return items (tenant → source → names), their names, and the items of which every name is wanted, as arrays."""
    items = [(tenant, source, names) for tenant, own in named.items() for source, names in own.items()]
    pairs = [(tenant, source, name) for tenant, source, names in items for name in sorted(names or ())]
    whole = [(tenant, source) for tenant, source, names in items if names is None]
    tenants, sources, _ = _columns(items, 3)
    named_tenants, named_sources, wanted = _columns(pairs, 3)
    all_tenants, all_sources = _columns(whole, 2)
    return {
        "tenants": tenants,
        "sources": sources,
        "named_tenants": named_tenants,
        "named": named_sources,
        "names": wanted,
        "all_tenants": all_tenants,
        "all": all_sources,
    }


def _columns(rows: Sequence[tuple[Any, ...]], count: int) -> list[list[Any]]:
    return [[row[column] for row in rows] for column in range(count)]


def ledger_rows(given: Sequence[Write]) -> Parameters:
    """Return what moves the item ledger, an array a column."""
    writes = [write for _, write in given]
    facts = [write.facts for write in writes]
    return {
        "tenants": [tenant for tenant, _ in given],
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


def message_rows(rows: Sequence[tuple[str, str, MessageRow]]) -> Parameters:
    """Return rows of the message ledger (tenant, item, row), an array a column."""
    tenants, sources, messages = _columns(rows, 3)
    return {
        "tenants": tenants,
        "sources": sources,
        **{name: list(map(attrgetter(column), messages)) for name, column in _COLUMNS.items()},
        **{name: list(map(_moment, map(attrgetter(column), messages))) for name, column in _MOMENTS.items()},
    }


def _moment(seconds: float | None) -> float | None:
    """Return a whole number of seconds as the type that its column has, too."""
    return None if seconds is None else float(seconds)


def message_ids(ids: Sequence[tuple[str, str, str]]) -> Parameters:
    """Return names of rows of the message ledger (tenant, item, id) as arrays."""
    return dict(zip(("tenants", "sources", "ids"), _columns(ids, 3), strict=True))


def chunk_ids(ids: Sequence[tuple[str, str]]) -> Parameters:
    """Return names of rows of ``memories`` (tenant, id) as arrays."""
    return dict(zip(("tenants", "ids"), _columns(ids, 2), strict=True))


def links(upserts: Sequence[tuple[str, str, Chunk]], gone: Sequence[str]) -> Parameters:
    """Return which messages' rows are to say which chunks (tenant, item, chunk), and no longer those that are ``gone``."""
    pairs = [
        (tenant, source, member, chunk.id) for tenant, source, chunk in upserts for member in chunk.members
    ]
    names = ("tenants", "sources", "ids", "chunks")
    return {**dict(zip(names, _columns(pairs, 4), strict=True)), "gone": list(gone)}


Move = tuple[str, str, ChunkMove]
"""A tenant, one of its chunks, and where that goes."""


def move_rows(moves: Sequence[Move]) -> Parameters:
    """Return chunks that change their owner or status as arrays."""
    return {
        **chunk_ids([(tenant, id_) for tenant, id_, _ in moves]),
        "user_ids": [move.user_id for _, _, move in moves],
        "statuses": [move.status for _, _, move in moves],
    }


def memory_rows(
    given: Sequence[tuple[str, str, Chunk, Vector | None]], vector_oid: int, dimensions: int
) -> Parameters:
    """Return rows of ``memories`` (tenant, item, chunk, vector) as arrays.

    What stands for the vector of an unembedded chunk has no length, and so is at no distance from anything.
    """
    nothing = wire_format.vector([0.0] * dimensions)
    upserts = [row[1:] for row in given]
    vectors = [nothing if vector is None else wire_format.vector(vector) for _, _, vector in upserts]
    return {
        "tenants": [tenant for tenant, _, _, _ in given],
        "sources": [source for source, _, _ in upserts],
        "ids": [chunk.id for _, chunk, _ in upserts],
        "user_ids": [chunk.user_id for _, chunk, _ in upserts],
        "contents": [chunk.text for _, chunk, _ in upserts],
        "embeddings": Binary(wire_format.array_of(vector_oid, vectors)),
        "created_ats": [chunk.created_at for _, chunk, _ in upserts],
        "metadatas": [Jsonb(chunk.metadata) for _, chunk, _ in upserts],
        "members": [",".join(chunk.members) for _, chunk, _ in upserts],
        "line_lengths": [",".join(map(str, chunk.line_lengths)) for _, chunk, _ in upserts],
        "tokens": [said_tokens(chunk.text) for _, chunk, _ in upserts],
        "fingerprints": [chunk.fingerprint for _, chunk, _ in upserts],
        "statuses": [chunk.status for _, chunk, _ in upserts],
    }


def word_rows(texts: Iterable[tuple[str, str, str, str]], sparse_oid: int) -> Parameters:
    """Return rows of ``memory_words`` of texts (tenant, chunk, user, text) as arrays."""
    rows = [
        (tenant, id_, part, user_id, piece)
        for tenant, id_, user_id, text in texts
        for part, piece in enumerate(sparse_terms.parts(sparse_terms.document(counts(text)), tenant, user_id))
    ]
    tenants, ids, parts, user_ids, pieces = _columns(rows, 5)
    return {
        "tenants": tenants,
        "ids": ids,
        "parts": parts,
        "user_ids": user_ids,
        "words": Binary(wire_format.array_of(sparse_oid, [wire_format.sparse(piece) for piece in pieces])),
    }


def outgrowing(moves: Sequence[Move]) -> list[tuple[str, str]]:
    """Return the chunks whose words may have to be cut anew to fit an index entry with their new owner's name."""
    return [
        (tenant, id_)
        for tenant, id_, move in moves
        if len(move.user_id.encode()) > sparse_terms.RESERVED_USER_BYTES
    ]


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
