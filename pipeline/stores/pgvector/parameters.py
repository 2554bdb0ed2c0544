"""What statements are given: requests and writes → parameters by name. It opens no connection; it names psycopg for a type."""

import json
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
from pipeline.stores.pgvector.wire_format import (
    BOOL,
    FLOAT8,
    INT2,
    INT4,
    JSONB,
    TEXT,
    TIMESTAMPTZ,
    UUID,
    Binary,
    Kind,
    column,
)
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


_COLUMNS: Mapping[str, tuple[str, Kind[Any]]] = {
    "ids": ("id", TEXT),
    "names": ("name", TEXT),
    "ordinals": ("ordinal", INT4),
    "states": ("state", TEXT),
    "user_ids": ("user_id", TEXT),
    "said_ats": ("said_at", FLOAT8),
    "saved_ats": ("saved_at", FLOAT8),
    "at_tails": ("at_tail", BOOL),
    "met_ats": ("met_at", FLOAT8),
    "addeds": ("added", TEXT),
    "seens": ("seen", TEXT),
    "seen_ats": ("seen_at", FLOAT8),
    "resolveds": ("resolved", TEXT),
    "reasons": ("reason", TEXT),
    "hidden_ats": ("hidden_at", FLOAT8),
}


MessageName = tuple[str, str, str]
"""A tenant, one of its items, and the id of a message."""


def chunks_of_messages(given: Sequence[Write]) -> dict[MessageName, str]:
    """Return which of the chunks that are written hold a message: their ids, with commas."""
    found: dict[MessageName, str] = {}
    for tenant, write in given:
        for chunk, _ in write.upserts:
            for member in chunk.members:
                name = (tenant, write.source, member)
                found[name] = f"{found[name]},{chunk.id}" if name in found else chunk.id
    return found


def message_rows(
    rows: Sequence[tuple[str, str, MessageRow]], chunks: Mapping[MessageName, str], gone: Sequence[str]
) -> Parameters:
    """Return rows of the message ledger (tenant, item, row) and the chunks that hold them, an array a column."""
    tenants, sources, messages = _columns(rows, 3)
    return {
        "chunks": column(TEXT, [chunks.get((tenant, source, row.id), "") for tenant, source, row in rows]),
        "gone": column(UUID, gone),
        "tenants": column(TEXT, tenants),
        "sources": column(TEXT, sources),
        **{
            name: column(kind, list(map(attrgetter(own), messages))) for name, (own, kind) in _COLUMNS.items()
        },
    }


def _moment(seconds: float | None) -> float | None:
    """Return a whole number of seconds as the type that its column has, too."""
    return None if seconds is None else float(seconds)


def message_ids(ids: Sequence[MessageName]) -> Parameters:
    """Return names of rows of the message ledger (tenant, item, id) as arrays."""
    tenants, sources, own = _columns(ids, 3)
    return {"tenants": column(TEXT, tenants), "sources": column(TEXT, sources), "ids": column(TEXT, own)}


def chunk_ids(ids: Sequence[tuple[str, str]]) -> Parameters:
    """Return names of rows of ``memories`` (tenant, id) as arrays."""
    tenants, own = _columns(ids, 2)
    return {"tenants": column(TEXT, tenants), "ids": column(UUID, own)}


def links(chunks: Mapping[MessageName, str], gone: Sequence[str]) -> Parameters:
    """Return which messages' rows are to say which chunks, and no longer those that are ``gone``."""
    held = {"chunks": column(TEXT, list(chunks.values())), "gone": column(UUID, gone)}
    return {**message_ids(list(chunks)), **held}


Move = tuple[str, str, ChunkMove]
"""A tenant, one of its chunks, and where that goes."""


def move_rows(moves: Sequence[Move]) -> Parameters:
    """Return chunks that change their owner or status as arrays."""
    return {
        **chunk_ids([(tenant, id_) for tenant, id_, _ in moves]),
        "user_ids": column(TEXT, [move.user_id for _, _, move in moves]),
        "statuses": column(TEXT, [move.status for _, _, move in moves]),
    }


def memory_rows(
    given: Sequence[tuple[str, str, Chunk, Vector | None]], vector_oid: int, dimensions: int
) -> Parameters:
    """Return rows of ``memories`` (tenant, item, chunk, vector) as arrays.

    What stands for the vector of an unembedded chunk has no length, and so is at no distance from anything.
    """
    nothing = wire_format.vector([0.0] * dimensions)
    tenants, sources, chunks, vectors = _columns(given, 4)
    sent = [nothing if vector is None else wire_format.vector(vector) for vector in vectors]
    return {
        "tenants": column(TEXT, tenants),
        "sources": column(TEXT, sources),
        "ids": column(UUID, [chunk.id for chunk in chunks]),
        "user_ids": column(TEXT, [chunk.user_id for chunk in chunks]),
        "contents": column(TEXT, [chunk.text for chunk in chunks]),
        "embeddings": Binary(wire_format.array_of(vector_oid, sent)),
        "created_ats": column(TIMESTAMPTZ, [chunk.created_at for chunk in chunks]),
        "metadatas": column(JSONB, [json.dumps(chunk.metadata) for chunk in chunks]),
        "members": column(TEXT, [",".join(chunk.members) for chunk in chunks]),
        "line_lengths": column(TEXT, [",".join(map(str, chunk.line_lengths)) for chunk in chunks]),
        "tokens": column(INT4, [said_tokens(chunk.text) for chunk in chunks]),
        "fingerprints": column(TEXT, [chunk.fingerprint for chunk in chunks]),
        "statuses": column(TEXT, [chunk.status for chunk in chunks]),
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
        "tenants": column(TEXT, tenants),
        "ids": column(UUID, ids),
        "parts": column(INT2, parts),
        "user_ids": column(TEXT, user_ids),
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
