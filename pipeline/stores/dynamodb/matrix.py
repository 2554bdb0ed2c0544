"""One user's memory as arrays, and exact scores over all of it. Pure, and vectorised: a search loops over hits only."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.embedding.vectors import Vector
from pipeline.lexical.terms import MOST_COUNTED
from pipeline.stores.dynamodb.vectors import VectorRow
from pipeline.stores.neighbours import ChunkPosition, chunk_position, neighbours_of
from pipeline.stores.search_requests import SEEDS, Filters, Hit, SearchRequest

K1, B = 1.2, 0.75
"""Of BM25, as usual."""
MARGIN = 1e-4
"""More than float32 can be wrong by about a cosine: what is so close to the last place is looked at in float64."""

_EVERYTHING = Filters()
_Floats = NDArray[np.float64]
_Places = NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class _Postings:
    """Where a term occurs, and what each occurrence is worth."""

    places: _Places
    scores: _Floats


class UserMatrix:
    """All chunks of one user.

    Args:
        rows: in any order; of one space. Those of length zero are found by their words only.
    """

    def __init__(self, rows: Sequence[VectorRow], dimensions: int) -> None:
        self.rows = sorted(rows, key=lambda row: row.id)
        raw = b"".join(row.embedding for row in self.rows)
        self._vectors = np.frombuffer(raw, "<f4").reshape(len(self.rows), dimensions)
        lengths = np.sqrt(np.einsum("ij,ij->i", self._vectors, self._vectors, dtype=np.float64))
        self._embedded = lengths > 0
        self._inverse = (1.0 / np.maximum(lengths, np.finfo(np.float32).tiny)).astype(np.float32)
        self._postings = _postings([row.terms for row in self.rows])

    @property
    def size_bytes(self) -> int:
        """About how much memory it takes."""
        return int(self._vectors.nbytes) + sum(2_000 + 4 * len(row.content) for row in self.rows)

    def hits(self, request: SearchRequest) -> list[Hit]:
        """Return the closest and the best by words, each at most ``top_k``; closest first, ties by id."""
        lexical = self._lexical(request.terms)
        chosen = self._chosen(request, lexical)
        similarity = self._cosine(chosen, request.vector)
        order, query_terms = np.argsort(-similarity, kind="stable"), frozenset(request.terms)
        return [_hit(self.rows[chosen[at]], similarity[at], lexical[chosen[at]], query_terms) for at in order]

    def _chosen(self, request: SearchRequest, lexical: _Floats) -> _Places:
        allowed = self._allowed(request.filters)
        all_ = np.flatnonzero(allowed)
        if len(all_) <= request.whole:
            return all_
        closest = self._closest(request.vector, allowed & self._embedded, request.top_k)
        wordy = _best(lexical, allowed & (lexical > 0), request.top_k)
        near = self._neighbours([*closest[:SEEDS], *wordy[:SEEDS]], allowed, request.around)
        return np.unique(np.concatenate([closest, wordy, near]))

    def _neighbours(self, seeds: Sequence[int], allowed: NDArray[np.bool_], around: int) -> _Places:
        """Return the neighbours of the seeds in their items, among what is allowed."""
        if not around:
            return np.array([], np.intp)
        ids = {self.rows[place].id for place in seeds}
        items = {self.rows[place].source for place in seeds} - {""}
        rows = {
            self.rows[place].id: place
            for place in np.flatnonzero(allowed)
            if self.rows[place].source in items
        }
        stand = (self._standing(place) for place in rows.values())
        return np.array([rows[id_] for id_ in neighbours_of(stand, ids, around)], np.intp)

    def _standing(self, place: np.intp) -> ChunkPosition:
        row = self.rows[place]
        return chunk_position(row.id, row.source, row.said_at, row.metadata)

    def _allowed(self, filters: Filters) -> NDArray[np.bool_]:
        if filters == _EVERYTHING:
            return np.ones(len(self.rows), np.bool_)
        return np.array([filters.admit(row.metadata, row.said_at) for row in self.rows], np.bool_)

    def _closest(self, vector: Vector, allowed: NDArray[np.bool_], top_k: int) -> _Places:
        """Return the closest places: found in float32, those near the edge compared in float64."""
        question = np.asarray(vector, np.float32)
        length = float(np.linalg.norm(question.astype(np.float64)))
        rough = (self._vectors @ question) * self._inverse / np.float32(length or 1.0)
        rough[~allowed] = -np.inf
        if len(rough) > top_k:
            edge = np.partition(rough, -top_k)[-top_k] - np.float32(MARGIN)
            candidates = np.flatnonzero((rough >= edge) & allowed)
        else:
            candidates = np.flatnonzero(allowed)
        exact = self._cosine(candidates, vector)
        return candidates[np.argsort(-exact, kind="stable")[:top_k]]

    def _cosine(self, places: _Places, vector: Vector) -> _Floats:
        question = np.asarray(vector, np.float64)
        vectors = self._vectors[places].astype(np.float64)
        lengths = np.sqrt(np.einsum("ij,ij->i", vectors, vectors)) * np.linalg.norm(question)
        cosine: _Floats = np.einsum("ij,j->i", vectors, question) / np.where(lengths > 0, lengths, 1.0)
        return cosine

    def _lexical(self, terms: Sequence[str]) -> _Floats:
        scores = np.zeros(len(self.rows))
        for term in dict.fromkeys(terms):
            found = self._postings.get(term)
            if found is not None:
                scores[found.places] += found.scores
        return scores


def _best(scores: _Floats, allowed: NDArray[np.bool_], top_k: int) -> _Places:
    """Return the places of the highest scores, ties by place."""
    candidates = np.flatnonzero(allowed)
    return candidates[np.argsort(-scores[candidates], kind="stable")[:top_k]]


def _postings(texts: Sequence[Sequence[str]]) -> dict[str, _Postings]:
    """Return each term's BM25 weight in each text it occurs in."""
    found: defaultdict[str, tuple[list[int], list[int]]] = defaultdict(lambda: ([], []))
    for place, terms in enumerate(texts):
        for term, count in Counter(terms).items():
            found[term][0].append(place)
            found[term][1].append(count)
    lengths = np.array([len(terms) for terms in texts], np.float64)
    normal = K1 * (1 - B + B * lengths / max(1.0, float(lengths.mean()) if len(texts) else 1.0))
    return {
        term: _Postings(np.array(places, np.intp), _weights(np.array(counts), normal[places], len(texts)))
        for term, (places, counts) in found.items()
    }


def _weights(counts: NDArray[Any], normal: _Floats, texts: int) -> _Floats:
    idf = np.log(1 + (texts - len(counts) + 0.5) / (len(counts) + 0.5))
    weights: _Floats = idf * counts * (K1 + 1) / (counts + normal)
    return weights


def _hit(row: VectorRow, similarity: float, lexical: float, query_terms: AbstractSet[str]) -> Hit:
    found = Counter(term for term in row.terms if term in query_terms)
    counts = {term: min(count, MOST_COUNTED) for term, count in found.items()}
    return Hit(row.id, row.content, float(similarity), row.said_at, row.metadata, float(lexical), counts)
