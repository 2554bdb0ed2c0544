"""Mappings, documents and queries, whole. Pure.

Vectors are stored with length one and compared by inner product, which every engine here has; the cosine is read back
from the score. No document id of ours is ever sent: Classic collections refuse them.
"""

import json
import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from pipeline.embedding.vectors import EmbeddingSpace, Vector
from pipeline.lexical.terms import counts
from pipeline.store_settings import Generation
from pipeline.stores.chunks import Chunk
from pipeline.stores.ledger.keys import item_name
from pipeline.stores.search_requests import Filters

MAX_RESULTS = 10_000
"""Of one search, and the highest ``k``."""
NEAREST = 1_000
"""So many a nearest-neighbour search looks for at least, however few are wanted: a usual memory is compared whole."""
SHOWN = ("chunk_id", "version", "source", "content", "said_at", "metadata")
_MAX_OCCURRENCES = 8
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_KEYWORDS = ("chunk_id", "version", "tenant_id", "user_id", "source", "item", "key", "kind", "roles")


def index_body(space: EmbeddingSpace, generation: Generation) -> dict[str, Any]:
    """Return settings and mappings of the index.

    Classic's default engine has no filtered search, so it is told ``faiss``; NextGen takes no engine, and would
    compress vectors to a thirty-second.
    """
    vector: dict[str, Any] = {"type": "knn_vector", "dimension": space.dimensions}
    if generation == "classic":
        vector["method"] = {"name": "hnsw", "engine": "faiss", "space_type": "innerproduct"}
    else:
        vector |= {"space_type": "innerproduct", "compression_level": "1x"}
    return {
        "settings": {"index": {"knn": True}},
        "mappings": {
            "dynamic": "strict",
            "properties": {
                **{name: {"type": "keyword"} for name in _KEYWORDS},
                "content": {"type": "text", "index": False},
                "metadata": {"type": "text", "index": False},
                "words": {"type": "text", "analyzer": "whitespace"},
                "said_at": {"type": "long"},
                "written_at": {"type": "long"},
                "embedding": vector,
            },
        },
    }


def document(  # noqa: PLR0913, PLR0917  # everything a document says
    tenant_id: str, source: str, chunk: Chunk, vector: Vector | None, version: str, now: datetime
) -> dict[str, Any]:
    """Return a chunk as a document; without a key, kind or vector it has none, so that no search by it finds it."""
    metadata = chunk.metadata
    return {
        "chunk_id": chunk.id,
        "version": version,
        "tenant_id": tenant_id,
        "user_id": chunk.user_id,
        "source": source,
        "item": item_name(source),
        "content": chunk.text,
        "metadata": json.dumps(metadata, ensure_ascii=False),
        "words": " ".join(
            term for term, count in counts(chunk.text).items() for _ in range(min(count, _MAX_OCCURRENCES))
        ),
        "said_at": micros(chunk.created_at or now),
        "written_at": micros(now),
        "roles": list(metadata.get("roles", ())),
        **({} if vector is None else {"embedding": unit(vector)}),
        **{name: metadata[name] for name in ("key", "kind") if metadata.get(name)},
    }


def unit(vector: Vector) -> list[float]:
    """Return ``vector`` with length one; of length zero it stays."""
    length = math.sqrt(math.fsum(value * value for value in vector)) or 1.0
    return [value / length for value in vector]


def micros(time: datetime) -> int:
    """Return microseconds since 1970, exactly."""
    return (time - _EPOCH) // timedelta(microseconds=1)


def scope(
    tenant_id: str, user_id: str, filters: Filters | None = None, adopted: Collection[str] = ()
) -> list[dict[str, Any]]:
    """Return the conditions that every search of one user's memory carries.

    Args:
        adopted: short names of items with chunks that came to this user and are filed under another; what else such an
            item has is found too, and whoever asks must sort it out.
    """
    whose: dict[str, Any] = {"term": {"user_id": user_id}}
    if adopted:
        either = [whose, {"terms": {"item": sorted(adopted)}}]
        whose = {"bool": {"should": either, "minimum_should_match": 1}}
    conditions: list[dict[str, Any]] = [{"term": {"tenant_id": tenant_id}}, whose]
    if filters is None:
        return conditions
    for name, values in (("kind", filters.kinds), ("roles", filters.roles), ("key", filters.keys)):
        if values:
            conditions.append({"terms": {name: sorted(values)}})
    if filters.excluded_keys:
        conditions.append({"bool": {"must_not": [{"terms": {"key": sorted(filters.excluded_keys)}}]}})
    span = {"gte": filters.since, "lt": filters.until}
    limits = {name: micros(time) for name, time in span.items() if time}
    return [*conditions, {"range": {"said_at": limits}}] if limits else conditions


def closest(
    vector: Vector, conditions: Sequence[Mapping[str, Any]], size: int, least: int = NEAREST
) -> dict[str, Any]:
    """Return the search for the ``size`` nearest among what meets the conditions; they apply before, not after.

    Engines walk a graph with the ``k`` best so far at hand, so a larger ``k`` finds more of the truly nearest. Where no
    more than ``k`` meet the conditions, all of them are compared (docs.opensearch.org, efficient k-NN filtering).

    Args:
        least: of ``k``.
    """
    filtered = {"bool": {"filter": list(conditions)}}
    knn = {"vector": unit(vector), "k": min(max(size, least), MAX_RESULTS), "filter": filtered}
    return {"size": size, "_source": list(SHOWN), "query": {"knn": {"embedding": knn}}}


def wordy(terms: Sequence[str], conditions: Sequence[Mapping[str, Any]], k: int) -> dict[str, Any]:
    """Return the search for the ``k`` that fit any of the terms best."""
    words = {"match": {"words": {"query": " ".join(dict.fromkeys(terms)), "operator": "or"}}}
    query = {"bool": {"must": [words], "filter": list(conditions)}}
    return {"size": k, "_source": list(SHOWN), "query": query}


def only(ids: Sequence[str]) -> dict[str, Any]:
    """Return the condition for these chunks."""
    return {"terms": {"chunk_id": list(ids)}}


def at_versions(versions: Sequence[str]) -> dict[str, Any]:
    """Return the condition for these versions of chunks: each is one document, whatever else lies there of its chunk."""
    return {"terms": {"version": list(versions)}}


def in_order(
    conditions: Sequence[Mapping[str, Any]],
    sort: Sequence[Mapping[str, str]],
    size: int,
    after: Sequence[Any] | None,
    shown: Sequence[str] = SHOWN,
) -> dict[str, Any]:
    """Return one page of a walk through what meets the conditions; ``after`` is the last page's last ``sort``."""
    body = {
        "size": size,
        "_source": list(shown),
        "sort": list(sort),
        "query": {"bool": {"filter": list(conditions)}},
    }
    return {**body, "search_after": list(after)} if after else body


def cosine(score: float) -> float:
    """Return the inner product that a score stands for (docs.opensearch.org, approximate k-NN, spaces)."""
    return score - 1 if score >= 1 else 1 - 1 / score


@dataclass(frozen=True, slots=True)
class Found:
    """A document found.

    Args:
        document_id: the index's own.
        sort: its place in a walk.
    """

    document_id: str
    chunk_id: str
    version: str
    source: str
    tenant_id: str = ""
    score: float = 0.0
    content: str = field(default="", repr=False)
    said_at: datetime = _EPOCH
    metadata: Mapping[str, Any] = field(default_factory=dict, repr=False)
    sort: Sequence[Any] = ()


def found(hit: Mapping[str, Any]) -> Found:
    """Return what a hit says."""
    source = hit["_source"]
    return Found(
        hit["_id"],
        source["chunk_id"],
        source["version"],
        source["source"],
        source.get("tenant_id", ""),
        float(hit.get("_score") or 0.0),
        source.get("content", ""),
        _EPOCH + timedelta(microseconds=source.get("said_at", 0)),
        json.loads(source.get("metadata", "{}")),
        hit.get("sort", ()),
    )
