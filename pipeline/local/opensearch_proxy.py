"""An index of a real OpenSearch behind the service's rules: what passes is both real and allowed.

The engine is Lucene instead of the service's faiss: mappings are translated, nothing else is. The index refreshes when
told, so that tests decide when that is.
"""

import json
import threading
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

import urllib3

from pipeline.local.opensearch_rules import Operation, Refreshes, RefusedError, ServiceRules, operations

TIMEOUT_SECONDS = 60
_ENGINE = "lucene"


class Node:
    """Talks to a real OpenSearch, unsigned.

    Args:
        url: where it listens.
    """

    def __init__(self, url: str) -> None:
        self._pool = urllib3.connection_from_url(url, maxsize=16, retries=False, timeout=TIMEOUT_SECONDS)

    def ask(self, method: str, path: str, body: Any = None) -> Any:
        """Return the JSON of its answer.

        Raises:
            RefusedError: it answered with an error.
        """
        text = body if isinstance(body, str) else json.dumps(body, ensure_ascii=False)
        answer = self._pool.request(
            method,
            path,
            body=None if body is None else text.encode(),
            headers={"content-type": "application/json"},
        )
        said = json.loads(answer.data) if answer.data else {}
        if answer.status >= HTTPStatus.BAD_REQUEST:
            raise RefusedError(answer.status, _kind(said), said)
        return said

    def delete(self, names: str) -> None:
        """Delete indices: a name, or a pattern with an asterisk."""
        self.ask("DELETE", f"/{names}")


class NodeIndex:
    """One index there; takes what :class:`pipeline.local.opensearch_index.Index` takes.

    Args:
        name: on the node.
        body: as the service takes it.
    """

    def __init__(
        self, node: Node, name: str, body: Mapping[str, Any], rules: ServiceRules, refreshes: Refreshes
    ) -> None:
        rules.check_mapping(body)
        self.body, self._node, self._name = body, node, name
        self._rules, self._refreshes = rules, refreshes
        self._due_at: float | None = None
        self._lock = threading.Lock()
        self._ids: dict[str, None] = {}
        node.ask("PUT", f"/{name}", translated(body))

    @property
    def documents(self) -> list[Mapping[str, Any]]:
        """What is physically there, whether a search sees it or not."""
        with self._lock:
            ids = list(self._ids)
        if not ids:
            return []
        found = self._node.ask("POST", f"/{self._name}/_mget", {"ids": ids})["docs"]
        return [one["_source"] for one in found if one.get("found")]

    def add(self, source: Mapping[str, Any], id_: str | None, now: float) -> Any:
        """Write one document."""
        self._rules.check_write("index", {"_id": id_}, now)
        self._catch_up(now)
        made = self._node.ask("POST", f"/{self._name}/_doc" + (f"/{id_}" if id_ else ""), source)
        self._note([{"index": made}], now)
        return made

    def bulk(self, text: str, now: float) -> Any:
        """Pass a bulk on, but for the items that the service would refuse."""
        self._catch_up(now)
        asked = operations(text)
        answers = [self._refusal(one, now) for one in asked]
        allowed = [one for one, refused in zip(asked, answers, strict=True) if refused is None]
        passed = iter(self._passed(allowed))
        items = [refused or next(passed) for refused in answers]
        self._note(items, now)
        errors = any("error" in answer for item in items for answer in item.values())
        return {"took": 1, "errors": errors, "items": items}

    def search(self, body: Mapping[str, Any], now: float) -> Any:
        """Pass a search on."""
        self._catch_up(now)
        self._rules.check_query(body.get("query", {}), self.body)
        hidden = sorted(self._rules.hidden(body, self.body))
        asked = {**body, "_source": {"excludes": hidden}} if hidden else body
        return self._node.ask("POST", f"/{self._name}/_search", asked)

    def _refusal(self, one: Operation, now: float) -> Any:
        try:
            self._rules.check_write(one.verb, one.meta, now)
        except RefusedError as refused:
            error = {"type": "illegal_argument_exception", "reason": refused.reason}
            return {one.verb: {"status": refused.status, "error": error}}
        return None

    def _passed(self, allowed: Sequence[Operation]) -> list[Any]:
        if not allowed:
            return []
        lines = [line for one in allowed for line in (json.dumps({one.verb: one.meta}), one.source) if line]
        items: list[Any] = self._node.ask("POST", f"/{self._name}/_bulk", "\n".join(lines) + "\n")["items"]
        return items

    def _note(self, items: Sequence[Mapping[str, Any]], now: float) -> None:
        """Remember ids, and that the next refresh has something to show."""
        done = [one for item in items for one in item.values() if "error" not in one]
        with self._lock:
            self._ids |= {str(one["_id"]): None for one in done}
            if done and self._due_at is None:
                self._due_at = self._refreshes.after(now)

    def _catch_up(self, now: float) -> None:
        """Refresh, if one was due since the first write that no search sees."""
        with self._lock:
            if self._due_at is not None and now >= self._due_at:
                self._node.ask("POST", f"/{self._name}/_refresh")
                self._due_at = None


def translated(body: Mapping[str, Any]) -> dict[str, Any]:
    """Return an index's body for the real one: Lucene for the engine, one shard, no refresh of its own."""
    fields = {
        name: _field(kind) if kind["type"] == "knn_vector" else kind
        for name, kind in body["mappings"]["properties"].items()
    }
    index = {**body.get("settings", {}).get("index", {}), "number_of_shards": 1, "number_of_replicas": 0}
    return {
        "settings": {"index": {**index, "refresh_interval": "-1"}},
        "mappings": {**body["mappings"], "properties": fields},
    }


def _field(kind: Mapping[str, Any]) -> dict[str, Any]:
    method = kind.get("method", {})
    space = kind.get("space_type") or method.get("space_type", "l2")
    chosen = {"name": "hnsw", "engine": _ENGINE, "space_type": space}
    parameters = {"parameters": method["parameters"]} if "parameters" in method else {}
    return {"type": "knn_vector", "dimension": kind["dimension"], "method": {**chosen, **parameters}}


def _kind(said: Any) -> str:
    error = said.get("error", {})
    return str(error.get("type") if isinstance(error, dict) else error)
