"""One index of the local OpenSearch Serverless: mapping, documents, and the few queries that are used."""

import json
import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count
from typing import Any

import numpy as np

from pipeline.local.opensearch_rules import Refreshes, RefusedError, ServiceRules

MAX_RESULTS = 10_000
K1, B = 1.2, 0.75
_NONE = float("inf")


@dataclass(eq=False, slots=True)
class _Document:
    """A document, visible to searches from one refresh to another."""

    id: str
    source: Mapping[str, Any]
    visible_at: float
    gone_at: float = _NONE
    words: Counter[str] = field(default_factory=Counter)
    vector: Any = None


class Index:
    """See the module.

    Args:
        body: settings and mappings, as the service takes them.
    """

    def __init__(self, body: Mapping[str, Any], rules: ServiceRules, refreshes: Refreshes) -> None:
        rules.check_mapping(body)
        self.body, self._rules, self._refreshes = body, rules, refreshes
        self._fields: Mapping[str, Mapping[str, Any]] = body["mappings"]["properties"]
        self._documents: dict[str, _Document] = {}
        self._numbers = count(1)

    @property
    def documents(self) -> list[Mapping[str, Any]]:
        """What is physically there, whether a search sees it or not."""
        return [document.source for document in self._documents.values() if document.gone_at == _NONE]

    def add(self, source: Mapping[str, Any], id_: str | None, now: float) -> Any:  # JSON
        """Write one document."""
        self._rules.check_write("index", {"_id": id_}, now)
        unknown = source.keys() - self._fields.keys()
        if unknown and self.body["mappings"].get("dynamic") == "strict":
            raise RefusedError(400, "strict_dynamic_mapping_exception")
        made = _Document(id_ or f"1%3A0%3A{next(self._numbers):08}", source, self._refreshes.after(now))
        for name, kind in self._fields.items():
            self._take(made, name, kind)
        self._documents[made.id] = made
        return {"_id": made.id, "result": "created", "status": 201}

    def bulk(self, text: str, now: float) -> Any:  # JSON
        """Carry out a bulk, each item by itself; the answer is 200 whatever becomes of them."""
        lines = iter(json.loads(line) for line in text.splitlines() if line)
        items = [self._item(action, lines, now) for action in lines]
        return {
            "took": 1,
            "errors": any("error" in next(iter(item.values())) for item in items),
            "items": items,
        }

    def search(self, body: Mapping[str, Any], now: float) -> Any:  # JSON
        """Return what a search sees now."""
        size = body.get("size", 10)
        if size + body.get("from", 0) > MAX_RESULTS:
            raise RefusedError(400, "result window is too large")
        self._rules.check_query(body.get("query", {}), self.body)
        seen = [one for one in self._documents.values() if one.visible_at <= now < one.gone_at]
        scored = self._matches(body.get("query", {"match_all": {}}), seen)
        hits = (
            _sorted(scored, body["sort"], body.get("search_after")) if "sort" in body else _by_score(scored)
        )
        hidden = self._rules.hidden(body, self.body)
        shown = [_shown(one, score, body.get("_source"), hidden, place) for one, score, place in hits[:size]]
        return {"took": 1, "timed_out": False, "_shards": {"failed": 0}, "hits": {"hits": shown}}

    def _take(self, made: _Document, name: str, kind: Mapping[str, Any]) -> None:
        value = made.source.get(name)
        if value is None:
            return
        if kind["type"] == "knn_vector":
            if len(value) != kind["dimension"] or not all(map(math.isfinite, value)):
                raise RefusedError(400, "mapper_parsing_exception")
            made.vector = np.asarray(value, np.float32).astype(np.float64)
        elif kind["type"] == "keyword" and any(len(str(one).encode()) > 32_766 for one in _listed(value)):  # noqa: PLR2004  # Lucene's
            raise RefusedError(400, "illegal_argument_exception")
        elif kind["type"] == "text" and kind.get("analyzer") == "whitespace":
            made.words = Counter(value.split())

    def _item(self, action: Any, lines: Iterator[Any], now: float) -> Any:  # JSON
        [(verb, meta)] = action.items()
        source = None if verb == "delete" else next(lines)
        try:
            self._rules.check_write(verb, meta, now)
            if source is None:
                return {verb: self._delete(meta["_id"], now)}
            return {verb: self.add(source, meta.get("_id"), now)}
        except RefusedError as refused:
            error = {"type": "illegal_argument_exception", "reason": refused.reason}
            return {verb: {"status": refused.status, "error": error}}

    def _delete(self, id_: str, now: float) -> Any:  # JSON
        found = self._documents.get(id_)
        if found is None or found.gone_at != _NONE:
            return {"_id": id_, "result": "not_found", "status": 404}
        found.gone_at = self._refreshes.after(now)
        return {"_id": id_, "result": "deleted", "status": 200}

    def _matches(self, query: Mapping[str, Any], seen: Sequence[_Document]) -> list[tuple[_Document, float]]:
        """Return what meets a query, with its score."""
        [(kind, what)] = query.items()
        if kind == "knn":
            return self._nearest(what, seen)
        if kind == "match":
            return self._wordy(what, seen)
        if kind == "bool":
            must = what.get("must", ())
            scored = self._matches(must[0], seen) if must else [(one, 0.0) for one in seen]
            rest = {"bool": {**what, "must": must[1:]}}
            return [(one, score) for one, score in scored if _meets(one, rest)]
        return [(one, 1.0) for one in seen if _meets(one, query)]

    def _nearest(self, what: Mapping[str, Any], seen: Sequence[_Document]) -> list[tuple[_Document, float]]:
        [(name, asked)] = what.items()
        method = self._fields[name].get("method", {})
        filters = [asked["filter"]] if "filter" in asked else []
        if not 1 <= asked["k"] <= MAX_RESULTS or len(asked["vector"]) != self._fields[name]["dimension"]:
            raise RefusedError(400, "illegal_argument_exception")
        kept = [one for one in seen if one.vector is not None and all(_meets(one, part) for part in filters)]
        if not kept:
            return []
        space = self._fields[name].get("space_type") or method.get("space_type", "l2")
        vectors, question = np.array([one.vector for one in kept]), np.asarray(asked["vector"], np.float64)
        scores = _SPACES[space](vectors, question)
        order = np.argsort(-scores, kind="stable")[: asked["k"]]
        return [(kept[place], float(scores[place])) for place in order]

    def _wordy(self, what: Mapping[str, Any], seen: Sequence[_Document]) -> list[tuple[_Document, float]]:
        [(name, asked)] = what.items()
        if self._fields[name].get("analyzer") != "whitespace":
            raise RefusedError(400, "only the whitespace analyzer is here")
        terms = asked["query"].split()
        average = sum(one.words.total() for one in seen) / max(1, len(seen)) or 1.0
        scores: Counter[str] = Counter()
        by_id = {one.id: one for one in seen}
        for term in terms:
            having = [one for one in seen if term in one.words]
            rarity = math.log(1 + (len(seen) - len(having) + 0.5) / (len(having) + 0.5))
            for one in having:
                normal = K1 * (1 - B + B * one.words.total() / average)
                scores[one.id] += rarity * one.words[term] / (one.words[term] + normal)  # type: ignore[assignment]  # a float
        if asked.get("operator", "or") == "and":
            scores = Counter(
                {id_: score for id_, score in scores.items() if all(t in by_id[id_].words for t in terms)}
            )
        return [(by_id[id_], score) for id_, score in scores.items()]


Hits = list[tuple[_Document, float | None, Sequence[Any]]]


def _shown(
    one: _Document, score: float | None, wanted: Any, hidden: frozenset[str], place: Sequence[Any]
) -> Any:  # JSON
    names = wanted if isinstance(wanted, list) else [name for name in one.source if name not in hidden]
    source = {name: one.source[name] for name in names if name in one.source}
    return {"_id": one.id, "_score": score, "_source": source, **({"sort": list(place)} if place else {})}


def _by_score(scored: Sequence[tuple[_Document, float]]) -> Hits:
    return [(one, score, ()) for one, score in sorted(scored, key=lambda pair: -pair[1])]


def _sorted(
    scored: Sequence[tuple[_Document, float]], sort: Sequence[Mapping[str, str]], after: Sequence[Any] | None
) -> Hits:
    names = [name for part in sort for name in part]
    hits: Hits = [(one, None, [one.source[name] for name in names]) for one, _ in scored]
    for part in reversed(sort):
        [(name, direction)] = part.items()
        place = names.index(name)
        hits.sort(key=lambda hit, place=place: hit[2][place], reverse=direction == "desc")  # type: ignore[misc]  # mypy cannot type a default
    if after is None:
        return hits
    return [hit for hit in hits if _is_after(hit[2], after, sort)]


def _is_after(place: Sequence[Any], after: Sequence[Any], sort: Sequence[Mapping[str, str]]) -> bool:
    for mine, theirs, part in zip(place, after, sort, strict=True):
        if mine != theirs:
            return bool((mine > theirs) is (next(iter(part.values())) == "asc"))
    return False


def _meets(one: _Document, query: Mapping[str, Any]) -> bool:
    """Tell whether a document meets a query that only filters."""
    [(kind, what)] = query.items()
    if kind == "match_all":
        return True
    if kind == "bool":
        every = all(_meets(one, part) for part in (*what.get("filter", ()), *what.get("must", ())))
        least = sum(_meets(one, part) for part in what.get("should", ())) >= what.get(
            "minimum_should_match", 0
        )
        return every and least and not any(_meets(one, part) for part in what.get("must_not", ()))
    [(name, wanted)] = what.items()
    values = _listed(one.source.get(name))
    match kind:
        case "term":
            return wanted in values
        case "terms":
            return not set(values).isdisjoint(wanted)
        case "range":
            return any(_within(value, wanted) for value in values)
    raise RefusedError(400, f"unknown query [{kind}]")


def _within(value: Any, limits: Mapping[str, Any]) -> bool:  # a number
    checks = {"gte": value.__ge__, "gt": value.__gt__, "lte": value.__le__, "lt": value.__lt__}
    return all(checks[name](limit) for name, limit in limits.items())


def _listed(value: Any) -> list[Any]:  # JSON
    return value if isinstance(value, list) else [] if value is None else [value]


def _inner_product(vectors: Any, question: Any) -> Any:  # arrays
    product = vectors @ question
    return np.where(product >= 0, 1 + product, 1 / (1 - np.minimum(product, 0)))


def _cosine(vectors: Any, question: Any) -> Any:  # arrays
    lengths = np.linalg.norm(vectors, axis=1) * np.linalg.norm(question)
    return (1 + vectors @ question / np.where(lengths > 0, lengths, 1)) / 2


def _l2(vectors: Any, question: Any) -> Any:  # arrays
    return 1 / (1 + ((vectors - question) ** 2).sum(axis=1))


_SPACES = {"innerproduct": _inner_product, "cosinesimil": _cosine, "l2": _l2}
