"""Finds candidates in a collection: more than are asked for, since the ledger may not list all that is found."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pipeline.stores.ledger.records import ChunkRecord
from pipeline.stores.neighbours import chunk_position, neighbours_of
from pipeline.stores.opensearch.collection import Collection
from pipeline.stores.opensearch.queries import (
    MAX_RESULTS,
    SHOWN,
    Found,
    at_versions,
    closest,
    cosine,
    scope,
    wordy,
)
from pipeline.stores.search_requests import SEEDS, Hit, SearchRequest

OVER_FETCH = 2
SPARE = 20
"""So many hits more than asked for are fetched, for those that the ledger does not list; if too few are left, more."""
WALK = ({"chunk_id": "asc"}, {"version": "asc"})

Search = Callable[[int, Sequence[str]], Mapping[str, Any]]
"""How many, and among which versions of chunks (none: all) → the request."""
Mapper = Callable[[Callable[[Any], list[Found]], Iterable[Any]], Iterable[list[Found]]]
Listed = Callable[[str, str, Sequence[Found]], Sequence[tuple[Found, ChunkRecord]]]
"""Tenant, user and what was found → those that the ledger lists for this user."""
Adopted = frozenset[str]
"""Short names of items, see :func:`pipeline.stores.opensearch.queries.scope`."""


class Candidates:
    """What a collection finds and the ledger lists.

    Args:
        map_concurrently: as the builtin ``map``, in threads or not.
    """

    def __init__(self, collection: Collection, listed: Listed, map_concurrently: Mapper) -> None:
        self._collection, self._listed, self._map_concurrently = collection, listed, map_concurrently

    def hits(self, request: SearchRequest, adopted: Adopted) -> list[Hit]:
        """Return the closest and those that share words, closest first; ties by id."""
        asked = _Asked(request, scope(request.tenant_id, request.user_id, request.filters, adopted))
        searches = [asked.closest, *([asked.wordy] if request.terms else [])]
        near, *rest = self._map_concurrently(lambda search: self._best(request, search), searches)
        words = rest[0] if rest else []
        chosen = {one.chunk_id: one for one in (*words, *near)}
        chosen |= self._neighbours(request, [*near[:SEEDS], *words[:SEEDS]], asked.conditions)
        scores = self._scores(asked.closest, near, chosen)
        similar = {id_: 0.0 for id_, one in chosen.items() if one.metadata.get("embedded") is False}
        similar |= {id_: cosine(score) for id_, score in scores.items() if id_ not in similar}
        lexical = self._scores(asked.wordy, words, chosen) if request.terms else {}
        hits = [
            Hit(id_, one.content, similar[id_], one.said_at, one.metadata, lexical.get(id_, 0.0))
            for id_, one in chosen.items()
            if id_ in similar
        ]
        return sorted(hits, key=lambda hit: (-hit.similarity, hit.id))

    def _neighbours(
        self, request: SearchRequest, seeds: Sequence[Found], conditions: Sequence[Mapping[str, Any]]
    ) -> dict[str, Found]:
        """Return the neighbours of the seeds in their items: the items are walked, without their vectors."""
        if not request.around:
            return {}
        walks = self._map_concurrently(
            lambda source: [
                one
                for page in self._collection.walk([*conditions, {"term": {"source": source}}], WALK, SHOWN)
                for one, _ in self._listed(request.tenant_id, request.user_id, page)
            ],
            sorted({one.source for one in seeds}),
        )
        told = {one.chunk_id: one for walk in walks for one in walk}
        stand = (chunk_position(one.chunk_id, one.source, one.said_at, one.metadata) for one in told.values())
        near = neighbours_of(stand, {one.chunk_id for one in seeds}, request.around)
        return {id_: told[id_] for id_ in near}

    def _best(self, request: SearchRequest, search: Search) -> list[Found]:
        """Return the best ``top_k`` that the ledger lists, ties by id; fetches more while too few of them are left."""
        k = OVER_FETCH * request.top_k + SPARE
        while True:
            fetched = self._collection.search(search(min(k, MAX_RESULTS), ()))
            shown = {
                one.chunk_id: one for one, _ in self._listed(request.tenant_id, request.user_id, fetched)
            }
            best = sorted(shown.values(), key=lambda one: (-one.score, one.chunk_id))[: request.top_k]
            beyond = len(best) == request.top_k and fetched[-1].score < best[-1].score
            if beyond or len(fetched) < k or k >= MAX_RESULTS:
                return best
            k *= 4

    def _scores(
        self, search: Search, known: Sequence[Found], chosen: Mapping[str, Found]
    ) -> dict[str, float]:
        """Return the score by ``search`` of everything chosen, whichever search found it."""
        scores = {one.chunk_id: one.score for one in known}
        rest = sorted(one.version for id_, one in chosen.items() if id_ not in scores)
        if rest:
            fetched = self._collection.search(search(min(len(rest), MAX_RESULTS), rest))
            scores |= {one.chunk_id: one.score for one in fetched}
        return scores


@dataclass(frozen=True, slots=True)
class _Asked:
    """The two searches of a question."""

    request: SearchRequest
    conditions: Sequence[Mapping[str, Any]]

    def closest(self, k: int, versions: Sequence[str]) -> Mapping[str, Any]:
        return closest(self.request.vector, self._within(versions), k)

    def wordy(self, k: int, versions: Sequence[str]) -> Mapping[str, Any]:
        return wordy(self.request.terms, self._within(versions), k)

    def _within(self, versions: Sequence[str]) -> Sequence[Mapping[str, Any]]:
        return [*self.conditions, at_versions(versions)] if versions else self.conditions
