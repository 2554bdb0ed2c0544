"""What OpenSearch Serverless refuses or does otherwise than OpenSearch, in both generations. Pure.

Sources: docs.aws.amazon.com/opensearch-service/latest/developerguide, serverless-overview, serverless-vector-search and
serverless-genref.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import floor
from typing import Any

from pipeline.store_settings import Generation

ID_REFUSED = "Document ID is not supported in create/index operation request"
_DEFAULT_ENGINE = "nmslib"
_CLASSIC_ENGINES = ("faiss", _DEFAULT_ENGINE)


class RefusedError(Exception):
    """What the service answers instead.

    Args:
        reason: the error's type, or what is wrong.
        answer: its whole answer, if another made one.
    """

    def __init__(self, status: int, reason: str, answer: Any = None) -> None:
        """Keep all three."""
        super().__init__(reason)
        self.status, self.reason, self.answer = status, reason, answer


@dataclass(frozen=True, slots=True)
class ServiceRules:
    """The rules of one index.

    Args:
        ready_at: before that moment of the clock writes are refused.
    """

    generation: Generation
    ready_at: float

    def check_mapping(self, body: Mapping[str, Any]) -> None:
        """Refuse what an index cannot be made of."""
        for name, kind in vectors(body).items():
            engine = kind.get("method", {}).get("engine")
            if self.generation == "nextgen" and (engine or "mode" in kind):
                raise RefusedError(400, f"{name}: engine and mode are not parameters here")
            if self.generation == "classic" and (engine or _DEFAULT_ENGINE) not in _CLASSIC_ENGINES:
                raise RefusedError(400, f"{name}: no such engine")

    def check_write(self, verb: str, meta: Mapping[str, Any], now: float) -> None:
        """Refuse what cannot be done with a document."""
        if verb == "delete":
            return
        if meta.get("_id") is not None and self.generation == "classic":
            raise RefusedError(400, ID_REFUSED)
        if now < self.ready_at:
            raise RefusedError(404, "index_not_found_exception")

    def check_query(self, query: Mapping[str, Any], mapping: Mapping[str, Any]) -> None:
        """Refuse a filter inside a k-NN query, where Classic's default engine would have to carry it out."""
        for kind, what in query.items():
            if kind == "knn":
                for name, asked in what.items():
                    engine = vectors(mapping).get(name, {}).get("method", {}).get("engine", _DEFAULT_ENGINE)
                    if "filter" in asked and self.generation == "classic" and engine == _DEFAULT_ENGINE:
                        raise RefusedError(400, f"Engine [{engine.upper()}] does not support filters")
            elif kind == "bool":
                for clause in ("must", "should", "filter", "must_not"):
                    for part in what.get(clause, ()):
                        self.check_query(part, mapping)

    def hidden(self, body: Mapping[str, Any], mapping: Mapping[str, Any]) -> frozenset[str]:
        """Return the fields that a search leaves out of ``_source`` unless they are asked for."""
        wanted = body.get("_source")
        if self.generation == "classic" or wanted is True or isinstance(wanted, list):
            return frozenset()
        return frozenset(vectors(mapping))


@dataclass(frozen=True, slots=True)
class Refreshes:
    """The moments at which searches begin to see what was written and deleted until then: every so many seconds.

    Args:
        began_at: of the clock.
    """

    began_at: float
    seconds: float

    def number(self, now: float) -> int:
        """Return how many there were."""
        return floor((now - self.began_at) / self.seconds) if self.seconds else 0

    def after(self, now: float) -> float:
        """Return when the next one is."""
        return self.began_at + (self.number(now) + 1) * self.seconds if self.seconds else now


@dataclass(frozen=True, slots=True)
class Operation:
    """One of a bulk.

    Args:
        source: the line of the document, if there is one.
    """

    verb: str
    meta: Mapping[str, Any]
    source: str | None = None


def operations(text: str) -> list[Operation]:
    """Return what a bulk asks for.

    Raises:
        RefusedError: as a whole it makes no sense.
    """
    lines = iter(line for line in text.split("\n") if line.strip())
    found = [_operation(line, lines) for line in lines]
    if not found:
        raise RefusedError(400, "parse_exception")
    return found


def _operation(line: str, lines: Iterator[str]) -> Operation:
    try:
        [(verb, meta)] = json.loads(line).items()
    except (ValueError, AttributeError):
        raise RefusedError(400, "illegal_argument_exception") from None
    if verb not in {"index", "create", "delete"} or not meta.keys() <= {"_id"}:
        raise RefusedError(400, "illegal_argument_exception")
    if verb != "delete":
        return Operation(verb, meta, next(lines, None))
    if "_id" not in meta:
        raise RefusedError(400, "action_request_validation_exception")
    return Operation(verb, meta)


def vectors(body: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """Return the k-NN fields of an index's body."""
    fields = body["mappings"]["properties"]
    return {name: kind for name, kind in fields.items() if kind["type"] == "knn_vector"}
