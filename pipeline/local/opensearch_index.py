"""One index of the local OpenSearch Serverless: mapping, documents, and the few queries that are used."""

import json
from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from itertools import count
from typing import Any

from pipeline.local.opensearch_fields import Document, listed, read
from pipeline.local.opensearch_matching import MAX_RESULTS, Matching, by_score
from pipeline.local.opensearch_rules import Operation, Refreshes, RefusedError, ServiceRules, operations

_NONE = float("inf")
_KNOWN = {"query", "size", "from", "sort", "search_after", "_source"}


class Index:
    """See the module.

    Args:
        body: settings and mappings, as the service takes them.
    """

    def __init__(self, body: Mapping[str, Any], rules: ServiceRules, refreshes: Refreshes) -> None:
        rules.check_mapping(body)
        self.body, self._rules, self._refreshes = body, rules, refreshes
        self._fields: Mapping[str, Mapping[str, Any]] = body["mappings"]["properties"]
        self._documents: dict[str, Document] = {}
        self._numbers = count(1)

    @property
    def documents(self) -> list[Mapping[str, Any]]:
        """What is physically there, whether a search sees it or not."""
        return [document.source for document in self._documents.values() if document.gone_at == _NONE]

    def add(self, source: Mapping[str, Any], id_: str | None, now: float) -> Any:  # JSON
        """Write one document."""
        self._rules.check_write("index", {"_id": id_}, now)
        made = Document(id_ or f"1%3A0%3A{next(self._numbers):08}", source, self._refreshes.after(now))
        read(made, self.body["mappings"])
        self._documents[made.id] = made
        return {"_id": made.id, "result": "created", "status": 201}

    def bulk(self, text: str, now: float) -> Any:  # JSON
        """Carry out a bulk, each item by itself; the answer is 200 whatever becomes of them."""
        items = [{one.verb: self._item(one, now)} for one in operations(text)]
        errors = any("error" in answer for item in items for answer in item.values())
        return {"took": 1, "errors": errors, "items": items}

    def search(self, body: Mapping[str, Any], now: float) -> Any:  # JSON
        """Return what a search sees now."""
        size = _checked_size(body)
        query = body.get("query", {"match_all": {}})
        self._rules.check_query(query, self.body)
        seen = [one for one in self._documents.values() if one.visible_at <= now < one.gone_at]
        matching = Matching(self._fields, seen)
        scored = matching.scored(query)
        hits = by_score(scored)
        if "sort" in body:
            hits = matching.ordered(scored, body["sort"], body.get("search_after"))
        hidden = self._rules.hidden(body, self.body)
        start = body.get("from", 0)
        shown = [_shown(*hit, body.get("_source", True), hidden) for hit in hits[start : start + size]]
        return {"took": 1, "timed_out": False, "_shards": {"failed": 0}, "hits": {"hits": shown}}

    def _item(self, one: Operation, now: float) -> Any:  # JSON
        try:
            self._rules.check_write(one.verb, one.meta, now)
            if one.verb == "delete":
                return self._delete(one.meta["_id"], now)
            return self.add(_parsed(one.source), one.meta.get("_id"), now)
        except RefusedError as refused:
            kind = "illegal_argument_exception" if " " in refused.reason else refused.reason
            return {"status": refused.status, "error": {"type": kind, "reason": refused.reason}}

    def _delete(self, id_: str, now: float) -> Any:  # JSON
        found = self._documents.get(id_)
        if found is None or found.gone_at != _NONE:
            return {"_id": id_, "result": "not_found", "status": 404}
        found.gone_at = self._refreshes.after(now)
        return {"_id": id_, "result": "deleted", "status": 200}


def _checked_size(body: Mapping[str, Any]) -> int:
    """Return how many hits are asked for."""
    size: int = body.get("size", 10)
    if not body.keys() <= _KNOWN or size < 0:
        raise RefusedError(400, "parsing_exception")
    if size + body.get("from", 0) > MAX_RESULTS:
        raise RefusedError(400, "result window is too large")
    if "search_after" in body and ("sort" not in body or body.get("from")):
        raise RefusedError(400, "search_after wants a sort, and no from")
    return size


def _parsed(line: str | None) -> Mapping[str, Any]:
    try:
        source = json.loads(line or "")
    except ValueError:
        source = None
    if not isinstance(source, dict):
        raise RefusedError(400, "mapper_parsing_exception")
    return source


def _shown(
    one: Document, score: float | None, place: Sequence[Any], wanted: Any, hidden: frozenset[str]
) -> Any:  # JSON
    patterns = ["*"] if wanted is True or wanted == [] else listed(wanted or None)
    source = {
        name: value
        for name, value in one.source.items()
        if name not in hidden and any(fnmatchcase(name, pattern) for pattern in patterns)
    }
    told = {} if wanted is False else {"_source": source}
    return {"_id": one.id, "_score": score, **told, **({"sort": list(place)} if place else {})}
