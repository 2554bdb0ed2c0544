"""Which documents meet a query, how well, and in which order, as OpenSearch says. Pure.

Only what the store asks is here; what else OpenSearch knows is answered with 501, not with a guess.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from operator import ge, gt, le, lt
from typing import Any

import numpy as np

from pipeline.local.opensearch_fields import Document, listed, tokens
from pipeline.local.opensearch_rules import RefusedError

MAX_RESULTS = 10_000
MAX_CLAUSES = 1_024
"""Of a query, however deep they lie; a word of a ``match`` is one."""
MAX_TERMS = 65_536
K1, B = 1.2, 0.75
_FREE_LENGTHS = 24
_LIMITS = {"gte": ge, "gt": gt, "lte": le, "lt": lt}
_MISSING = {"asc": 2**63 - 1, "desc": -(2**63)}
Scored = list[tuple[Document, float]]
Hits = list[tuple[Document, float | None, Sequence[Any]]]


@dataclass(frozen=True)
class Matching:
    """The documents that a search sees.

    Args:
        fields: their kinds.
    """

    fields: Mapping[str, Mapping[str, Any]]
    seen: Sequence[Document]

    def scored(self, query: Mapping[str, Any]) -> Scored:
        """Return what meets a query, with its score."""
        if sum(1 for _ in self._clauses(query)) > MAX_CLAUSES:
            raise RefusedError(400, "too_many_clauses")
        return self._scored(query)

    def _scored(self, query: Mapping[str, Any]) -> Scored:
        kind, what = only_one(query)
        match kind:
            case "knn":
                return self._nearest(what)
            case "match":
                return self._wordy(what)
            case "bool":
                return self._scored_among(what)
        return [(one, 1.0) for one in self.seen if self.meets(one, query)]

    def _scored_among(self, what: Mapping[str, Any]) -> Scored:
        """Return what meets a ``bool``; the first of its ``must`` scores."""
        must = listed(what.get("must"))
        scored = self._scored(must[0]) if must else [(one, 0.0) for one in self.seen]
        least = {"minimum_should_match": 0} if must and "minimum_should_match" not in what else {}
        rest = {**what, **least, "must": must[1:]}
        return [(one, score) for one, score in scored if self._meets_all(one, rest)]

    def meets(self, one: Document, query: Mapping[str, Any]) -> bool:
        """Tell whether a document meets a query that only filters."""
        kind, what = only_one(query)
        match kind:
            case "match_all":
                return True
            case "bool":
                return self._meets_all(one, what)
            case "term" | "terms" | "range":
                name, wanted = only_one(what)
                return self._has(one, kind, name, wanted)
        raise RefusedError(501 if kind in {"exists", "knn", "match"} else 400, f"unknown query [{kind}]")

    def _meets_all(self, one: Document, what: Mapping[str, Any]) -> bool:
        every = [*listed(what.get("filter")), *listed(what.get("must"))]
        some = listed(what.get("should"))
        least = what.get("minimum_should_match", 0 if every or what.get("must_not") else 1)
        return (
            all(self.meets(one, part) for part in every)
            and (not some or sum(self.meets(one, part) for part in some) >= least)
            and not any(self.meets(one, part) for part in listed(what.get("must_not")))
        )

    def _has(self, one: Document, kind: str, name: str, wanted: Any) -> bool:
        if self.fields.get(name, {}).get("type", "keyword") not in {"keyword", "long"}:
            raise RefusedError(501, f"[{kind}] of such a field")
        values = one.values.get(name, ())
        if kind == "range":
            return any(self._within(value, wanted) for value in values)
        if kind == "term":
            return self._value(name, wanted) in values
        if not isinstance(wanted, list):
            raise RefusedError(400, "x_content_parse_exception")
        if len(wanted) > MAX_TERMS:
            raise RefusedError(400, "too many terms")
        return not {self._value(name, one) for one in wanted}.isdisjoint(values)

    def _value(self, name: str, wanted: Any) -> Any:
        if isinstance(wanted, dict):
            raise RefusedError(501, "[term] with more than a value")
        return int(wanted) if self.fields.get(name, {}).get("type") == "long" else str(wanted)

    def _within(self, value: Any, limits: Mapping[str, Any]) -> bool:
        if not limits.keys() <= _LIMITS.keys():
            raise RefusedError(400, "x_content_parse_exception")
        as_value = float if isinstance(value, int) else str
        return all(
            _LIMITS[name](value, limit if isinstance(limit, int) else as_value(limit))
            for name, limit in limits.items()
        )

    def _clauses(self, query: Mapping[str, Any]) -> Iterator[None]:
        kind, what = only_one(query)
        if kind == "bool":
            parts = [
                part for name in ("must", "filter", "should", "must_not") for part in listed(what.get(name))
            ]
            for part in parts:
                yield from self._clauses(part)
        elif kind == "match":
            _, asked = only_one(what)
            yield from (None for _ in tokens(_query(asked)["query"]))
        else:
            yield None

    def _nearest(self, what: Mapping[str, Any]) -> Scored:
        name, asked = only_one(what)
        field = self.fields.get(name, {})
        if not asked.keys() <= {"vector", "k", "filter"}:
            raise RefusedError(400, "x_content_parse_exception")
        vector, k = asked.get("vector"), asked.get("k")
        wrong = field.get("type") != "knn_vector" or not isinstance(vector, list)
        if wrong or len(vector) != field["dimension"] or not k or not 1 <= k <= MAX_RESULTS:
            raise RefusedError(400, "illegal_argument_exception")
        filters = [asked["filter"]] if "filter" in asked else []
        kept = [
            one
            for one in self.seen
            if one.vector is not None and all(self.meets(one, part) for part in filters)
        ]
        if not kept:
            return []
        space = field.get("space_type") or field.get("method", {}).get("space_type", "l2")
        scores = _SPACES[space](np.array([one.vector for one in kept]), np.asarray(vector, np.float64))
        order = np.argsort(-scores, kind="stable")[:k]
        return [(kept[place], float(scores[place])) for place in order]

    def _wordy(self, what: Mapping[str, Any]) -> Scored:
        name, plain = only_one(what)
        if self.fields.get(name, {}).get("analyzer") != "whitespace":
            raise RefusedError(501, "[match] of such a field")
        asked = _query(plain)
        if asked.get("operator", "or") not in {"or", "and"}:
            raise RefusedError(400, "illegal_argument_exception")
        terms = tokens(asked["query"])
        scores: dict[Document, float] = {}
        for term in terms:
            for one, score in self._bm25(term):
                scores[one] = scores.get(one, 0.0) + score
        every = asked.get("operator") == "and"
        return [
            (one, score)
            for one, score in scores.items()
            if not every or all(term in one.words for term in terms)
        ]

    def _bm25(self, term: str) -> Iterator[tuple[Document, float]]:
        """Yield what has a term, with its score: Lucene's older BM25, whose numerator has k1 + 1."""
        texts, average = self._texts
        having = [one for one in texts if term in one.words]
        idf = math.log(1 + (len(texts) - len(having) + 0.5) / (len(having) + 0.5))
        for one in having:
            normal = K1 * (1 - B + B * _kept_length(one.words.total()) / average)
            yield one, idf * (K1 + 1) * one.words[term] / (one.words[term] + normal)

    @cached_property
    def _texts(self) -> tuple[Sequence[Document], float]:
        """Return what has words at all, and how many on average."""
        texts = [one for one in self.seen if one.words]
        return texts, sum(one.words.total() for one in texts) / max(1, len(texts))

    def ordered(self, scored: Scored, sort: Sequence[Any], after: Sequence[Any] | None) -> Hits:
        """Return hits by fields instead of by score; what lacks a field comes last either way."""
        parts = [only_one(part) for part in sort]
        for name, direction in parts:
            self._check_sort(name, direction)
        if after is not None and len(after) != len(parts):
            raise RefusedError(400, "search_after has another length than sort")
        placed: Hits = [(one, None, [self._place(one, *part) for part in parts]) for one, _ in scored]
        for number in range(len(parts) - 1, -1, -1):
            placed.sort(key=lambda hit, at=number: _rank(hit[2][at], parts[at][1]))  # type: ignore[misc]  # mypy cannot type a default
        if after is None:
            return placed
        return [hit for hit in placed if _is_after(hit[2], after, [direction for _, direction in parts])]

    def _check_sort(self, name: str, direction: str) -> None:
        if name == "_id":
            raise RefusedError(501, "[sort] by _id")
        if self.fields.get(name, {}).get("type") not in {"keyword", "long"} or direction not in _MISSING:
            raise RefusedError(400, "illegal_argument_exception")

    def _place(self, one: Document, name: str, direction: str) -> Any:
        values = one.values.get(name, ())
        if values:
            return min(values) if direction == "asc" else max(values)
        return _MISSING[direction] if self.fields[name]["type"] == "long" else None


def by_score(scored: Scored) -> Hits:
    """Return hits, best first."""
    return [(one, score, ()) for one, score in sorted(scored, key=lambda pair: -pair[1])]


def only_one(query: Any) -> tuple[str, Any]:
    """Return the one name of an object, and what it says."""
    if not isinstance(query, dict) or len(query) != 1:
        raise RefusedError(400, "parsing_exception")
    return next(iter(query.items()))


def _query(asked: Any) -> Mapping[str, Any]:
    return asked if isinstance(asked, dict) else {"query": asked}


class _Backwards(str):
    """Text that sorts the other way round."""

    __slots__ = ()

    def __lt__(self, other: str) -> bool:
        return str.__gt__(self, other)


def _rank(place: Any, direction: str) -> tuple[bool, Any]:
    """Return what sorts a place."""
    if place is None:
        return True, 0
    if direction == "asc":
        return False, place
    return False, _Backwards(place) if isinstance(place, str) else -place


def _is_after(place: Sequence[Any], after: Sequence[Any], directions: Sequence[str]) -> bool:
    for mine, theirs, direction in zip(place, after, directions, strict=True):
        if mine != theirs:
            return _rank(theirs, direction) < _rank(mine, direction)
    return False


def _kept_length(length: int) -> int:
    """Return a text's length as Lucene keeps it, in one byte (SmallFloat.intToByte4): exact up to 39, then coarser."""
    rest = length - _FREE_LENGTHS
    shift = max(0, rest.bit_length() - 4) if rest > 0 else 0
    return length if not shift else _FREE_LENGTHS + (rest >> shift << shift)


def _inner_product(vectors: Any, question: Any) -> Any:
    product = vectors @ question
    return np.where(product >= 0, 1 + product, 1 / (1 - np.minimum(product, 0)))


def _cosine(vectors: Any, question: Any) -> Any:
    lengths = np.linalg.norm(vectors, axis=1) * np.linalg.norm(question)
    return (1 + vectors @ question / np.where(lengths > 0, lengths, 1)) / 2


def _l2(vectors: Any, question: Any) -> Any:
    return 1 / (1 + ((vectors - question) ** 2).sum(axis=1))


_SPACES = {"innerproduct": _inner_product, "cosinesimil": _cosine, "l2": _l2}
