"""What statements are given: requests and changes → parameters by name. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import astuple
from typing import Any

from psycopg.types.json import Jsonb

from pipeline.embedding.vectors import Vector
from pipeline.lexical.terms import counts
from pipeline.settings import Strategy
from pipeline.stores.forgetting import bounded
from pipeline.stores.pgvector import binary, words
from pipeline.stores.pgvector.binary import Binary
from pipeline.stores.pgvector.strategies import near
from pipeline.stores.protocol import SEEDS, Change, Chunk, Filters, SearchRequest

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


def moving(tenant_id: str, changes: Sequence[Change]) -> Parameters:
    """Return what moves the ledger, an array a column."""
    return {
        "tenant_id": tenant_id,
        "sources": [change.source for change in changes],
        "revisions": [change.expected_revision for change in changes],
        "positions": [change.position for change in changes],
        "presents": [change.present for change in changes],
        "saved_ats": [change.saved_at for change in changes],
        "created_ats": [change.created_at for change in changes],
        "expires_ats": [change.expires_at for change in changes],
        "epochs": [change.expected_epoch for change in changes],
        "item_keys": [Jsonb(astuple(change.key)) if change.key else None for change in changes],
        "names": [None if change.name is None else bounded(change.name) for change in changes],
        "user_ids": [change.user_id for change in changes],
        "updated_ats": [change.updated_at for change in changes],
        "reflecteds": [change.reflected for change in changes],
    }


def memory_rows(tenant_id: str, upserts: Sequence[tuple[str, Chunk, Vector]], vector_oid: int) -> Parameters:
    """Return rows of ``memories`` (source, chunk, vector) as arrays."""
    vectors = [binary.vector(vector) for _, _, vector in upserts]
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
    }


def word_rows(tenant_id: str, chunks: Sequence[Chunk], sparse_oid: int) -> Parameters:
    """Return rows of ``memory_words`` as arrays."""
    rows = [
        (chunk, part, piece)
        for chunk in chunks
        for part, piece in enumerate(
            words.parts(words.document(counts(chunk.text)), tenant_id, chunk.user_id)
        )
    ]
    return {
        "tenant_id": tenant_id,
        "ids": [chunk.id for chunk, _, _ in rows],
        "parts": [part for _, part, _ in rows],
        "user_ids": [chunk.user_id for chunk, _, _ in rows],
        "words": Binary(binary.array_of(sparse_oid, [binary.sparse(piece) for _, _, piece in rows])),
    }
