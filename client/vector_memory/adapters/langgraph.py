"""LangGraph's store: values by namespace and key, found by meaning. Needs the extras ``langgraph`` and ``aws``.

A value is an item of the chat app's table, so ``get``, ``search`` without a query and ``list_namespaces`` are consistent. A search
with a query goes through memory, and shows only what the table still has; it waits for what this store wrote before.
"""

import asyncio
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import quote, unquote

from langgraph.store.base import (
    BaseStore,
    GetOp,
    Item,
    ListNamespacesOp,
    MatchCondition,
    Op,
    PutOp,
    Result,
    SearchItem,
    SearchOp,
    get_text_at_path,
)

from vector_memory.adapters.fresh import FreshSearch
from vector_memory.adapters.tables import ConversationTable, json_text
from vector_memory.errors import InvalidRequestError

ROLE = "memory"
MOST_SESSIONS, MOST_HITS = 100, 100
"""What one search takes: so many keys as a filter, so many hits."""


@dataclass(eq=False)
class VectorMemoryStore(BaseStore):
    """One user's values. Namespaces divide them; they never reach another user's.

    Args:
        search_: searches the same user's memory.
        index: paths in a value whose texts are searched, where ``put`` does not say; ``$`` is all of it.
        min_confidence: hits of which memory is less sure are left out; ``None`` leaves it to the service.
    """

    table: ConversationTable
    search_: FreshSearch
    index: Sequence[str] = ("$",)
    min_confidence: float | None = None

    def batch(self, ops: Iterable[Op]) -> list[Result]:
        """Carry operations out: those that read see what was there before those that write."""
        given = list(ops)
        results = [None if isinstance(op, PutOp) else self._read(op) for op in given]
        last = {(op.namespace, op.key): op for op in given if isinstance(op, PutOp)}
        for op in last.values():
            self._put(op)
        return results

    async def abatch(self, ops: Iterable[Op]) -> list[Result]:
        """Do the same in a thread."""
        return await asyncio.to_thread(self.batch, list(ops))

    def _read(self, op: Op) -> Result:
        match op:
            case GetOp():
                return self._get(op.namespace, op.key)
            case SearchOp():
                return self._found(op)
            case ListNamespacesOp():
                return self._namespaces(op)
        raise InvalidRequestError(
            "the store knows no such operation", hint="use another version of the adapter"
        )

    def _put(self, op: PutOp) -> None:
        session_key = self._name(op.namespace, op.key)
        if op.value is None:
            self.search_.deleted(session_key)
            self.table.delete(session_key)
            return
        if not isinstance(op.value, dict):
            raise InvalidRequestError("a value is an object", hint="put a dict")
        value = json_text(op.value)
        texts = self._texts(op)
        said = [{"role": ROLE, "content": text} for text in texts]
        at = self.table.put(session_key, said, value=value)
        if texts:
            self.search_.wrote(session_key, at)
        else:
            self.search_.deleted(session_key)

    def _texts(self, op: PutOp) -> list[str]:
        if op.index is False or op.value is None:
            return []
        paths = self.index if op.index is None else op.index
        texts = (text for path in paths for text in get_text_at_path(op.value, path))
        return [text for text in dict.fromkeys(texts) if text.strip()]

    def _get(self, namespace: tuple[str, ...], key: str) -> Item | None:
        item = self.table.get(self._name(namespace, key))
        return _item(item) if item else None

    def _found(self, op: SearchOp) -> list[SearchItem]:
        held = {item["session_key"]: item for item in self._all(op.namespace_prefix)}
        ranked = self._ranked(op, held) if op.query and op.query.strip() else _newest_first(held.values())
        fitting = [(item, score) for item, score in ranked if _fits(item, op.filter or {})]
        return [_search_item(item, score) for item, score in fitting[op.offset : op.offset + op.limit]]

    def _ranked(self, op: SearchOp, held: Mapping[str, Mapping[str, str]]) -> list["_Ranked"]:
        if not held:
            return []
        options: dict[str, Any] = {"top_k": MOST_HITS}
        if len(held) <= MOST_SESSIONS:
            options["sessions"] = sorted(held)
        if self.min_confidence is not None:
            options["min_confidence"] = self.min_confidence
        scores: dict[str, float] = {}
        for hit in self.search_.search(op.query or "", **options).results:
            scores.setdefault(hit.key, hit.score)
        return [(held[key], score) for key, score in scores.items() if key in held]

    def _namespaces(self, op: ListNamespacesOp) -> list[tuple[str, ...]]:
        found = {_place(item["session_key"])[0] for item in self._all(())}
        fitting = {one for one in found if all(_matches(each, one) for each in op.match_conditions or ())}
        cut = sorted({one[: op.max_depth] for one in fitting})
        return cut[op.offset : op.offset + op.limit]

    def _all(self, prefix: tuple[str, ...]) -> Iterable[dict[str, str]]:
        return (item for item in self.table.starting_with(self._name(prefix, None)) if "value" in item)

    def _name(self, namespace: tuple[str, ...], key: str | None) -> str:
        """Return the sort key of a value, or the beginning of those of a namespace; no two are alike."""
        parts = ["langgraph", self.table.user_id, *namespace]
        place = "".join(f"{quote(part, safe='')}/" for part in parts)
        return place if key is None else f"{place}:{quote(key, safe='')}"


_Ranked = tuple[Mapping[str, str], float | None]


def _place(session_key: str) -> tuple[tuple[str, ...], str]:
    *parts, key = session_key.split("/")
    return tuple(map(unquote, parts[2:])), unquote(key.removeprefix(":"))


def _item(item: Mapping[str, str]) -> Item:
    return Item(**_fields(item))


def _search_item(item: Mapping[str, str], score: float | None) -> SearchItem:
    return SearchItem(**_fields(item), score=score)


def _fields(item: Mapping[str, str]) -> dict[str, Any]:
    namespace, key = _place(item["session_key"])
    times = {name: datetime.fromisoformat(item[name]) for name in ("created_at", "updated_at")}
    return {"namespace": namespace, "key": key, "value": json.loads(item["value"]), **times}


def _newest_first(items: Iterable[Mapping[str, str]]) -> list[_Ranked]:
    return [(item, None) for item in sorted(items, key=lambda item: item["updated_at"], reverse=True)]


def _fits(item: Mapping[str, str], wanted: Mapping[str, Any]) -> bool:
    value = json.loads(item["value"])
    return all(_equals(value.get(name), each) for name, each in wanted.items())


def _equals(held: Any, wanted: Any) -> bool:  # noqa: ANN401  # JSON
    if isinstance(wanted, dict) and any(name.startswith("$") for name in wanted):
        return all(_compare(held, name, each) for name, each in wanted.items())
    if isinstance(wanted, dict):
        return isinstance(held, dict) and all(_equals(held.get(name), each) for name, each in wanted.items())
    return bool(held == wanted)


def _compare(held: Any, operator: str, wanted: Any) -> bool:  # noqa: ANN401  # JSON
    match operator:
        case "$eq":
            return bool(held == wanted)
        case "$ne":
            return bool(held != wanted)
        case "$gt" | "$gte" | "$lt" | "$lte":
            return _ordered(held, operator, wanted)
    raise InvalidRequestError(
        "the filter has an operator that is not known", hint="use $eq, $ne, $gt, $gte, $lt or $lte"
    )


def _ordered(held: Any, operator: str, wanted: Any) -> bool:  # noqa: ANN401  # JSON
    try:
        one, two = float(held), float(wanted)
    except (TypeError, ValueError):
        return False
    return {"$gt": one > two, "$gte": one >= two, "$lt": one < two, "$lte": one <= two}[operator]


def _matches(condition: MatchCondition, namespace: tuple[str, ...]) -> bool:
    path = tuple(condition.path)
    if len(namespace) < len(path):
        return False
    part = (
        namespace[: len(path)]
        if condition.match_type == "prefix"
        else namespace[len(namespace) - len(path) :]
    )
    return all(wanted in {"*", each} for wanted, each in zip(path, part, strict=True))
