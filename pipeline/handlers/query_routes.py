"""The query function's paths: what each asks of which service, and in what shape it answers."""

import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from functools import wraps
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

from pipeline.container import Container
from pipeline.handlers.query_answers import Answer
from pipeline.handlers.query_events import Call
from pipeline.identity import Caller, check_identity
from pipeline.ingest.forget_messages import may_wait, new_forget_message, new_id, next_second
from pipeline.search import requests
from pipeline.search.found_passages import as_result
from pipeline.search.freshness import IndexFreshness
from pipeline.search.ranking import Ranked
from pipeline.search.related import explained_sessions
from pipeline.search.trace import NO_SEARCH, Trace, explained

DOCUMENT = Path(__file__).parent / "openapi.json"
MEMORY_PATH = "/api/v1/memory"
STATUS_PATH = f"{MEMORY_PATH}/status"
SOURCE_ITEMS = "kept"
"""What becomes of the chat app's own items: the pipeline never deletes them."""

Body = dict[str, Any]
_ASKED = frozenset({"query", "messages", "min_updated_at", *requests.IDENTITY_FIELDS})
"""What a request for the same need not say, or must not be told."""


@dataclass(frozen=True, slots=True)
class QueryRoutes:
    """One request on its way to its answer.

    Args:
        container: has the services that answer.
    """

    call: Call
    container: Container

    def search(self) -> Answer:
        """Answer with what fits a question."""
        caller, body = self._caller_and_body()
        ask = requests.read_search(body)
        fresh = self.container.freshness_gate.with_search(
            caller.tenant_id, caller.user_id, ask.freshness.session_key, ask.freshness.min_updated_at
        )
        found = self.container.memory_search.search(
            caller.tenant_id, caller.user_id, ask.query, ask.top_k, ask.filters, ask.wanted
        )
        answer = {"results": _results(found.passages), "query": ask.query, "confidence": found.confidence}
        why = _explanation(explained(found.trace), body) if ask.explain else {}
        return Answer(200, {**answer, **why, **_freshness(fresh())}, strategy=found.trace.strategy)

    def context(self) -> Answer:
        """Answer with what an agent should be reminded of."""
        caller, body = self._caller_and_body()
        ask = requests.read_context(body)
        fresh = self._fresh(caller, ask.freshness)
        found = self.container.memory_search.context(
            caller.tenant_id,
            caller.user_id,
            ask.query,
            ask.session_key,
            ask.max_tokens,
            ask.top_k,
            ask.wanted,
        )
        answer = {"text": found.text, "tokens": found.tokens, "passages": _results(found.passages)}
        asked_why = found.trace if ask.explain else None
        why = _explanation(explained(asked_why, found.chunks), body) if asked_why else {}
        return Answer(
            200,
            {**answer, "confidence": found.confidence, **why, **_freshness(fresh)},
            strategy=_strategy(found.trace),
        )

    def related(self) -> Answer:
        """Answer with past conversations that bear on one."""
        caller, body = self._caller_and_body()
        ask = requests.read_related(body)
        fresh = self._fresh(caller, ask.freshness)
        found = self.container.memory_search.related(
            caller.tenant_id, caller.user_id, ask.session_key, ask.messages, ask.top_k, ask.wanted
        )
        why = (
            _explanation(explained_sessions(found.trace, found.judged), body)
            if found.trace and ask.explain
            else {}
        )
        answer = {"related": [asdict(one) for one in found.sessions], **why, **_freshness(fresh)}
        return Answer(200, answer, strategy=_strategy(found.trace))

    def notes(self) -> Answer:
        """Answer with the long-term memory and the newest day's notes."""
        caller, parameters = self._caller_and_parameters()
        requests.read_nothing(parameters)
        fresh = self._fresh(caller, requests.Freshness())
        found = self.container.memory_search.notes(caller.tenant_id, caller.user_id)
        return Answer(200, {"long_term": found.long_term, "daily": found.daily, **_freshness(fresh)})

    def forget(self) -> Answer:
        """Take a forget request the caller's memory, or one session of it; ingest carries it out."""
        caller, parameters = self._caller_and_parameters()
        key = requests.read_session_key(parameters)
        until, wait_seconds = next_second(time.time())
        forget_message = new_forget_message(
            new_id(until, uuid4().hex), until, caller.tenant_id, caller.user_id, key
        )
        self.container.notice_queue.send_one(forget_message)
        time.sleep(wait_seconds)  # what is saved after the answer is saved after T
        id_ = forget_message.request.id
        answer = {"id": id_, "status": "pending", "status_path": f"{STATUS_PATH}/{id_}"}
        return Answer(202, {**answer, "source_items": SOURCE_ITEMS})

    def status(self, request_id: str) -> Answer:
        """Say what became of a forget request; one that cannot be on its way any more is not known."""
        caller, parameters = self._caller_and_parameters()
        requests.read_nothing(parameters)
        id_ = requests.read_request_id(request_id)
        done = self.container.store.forgotten(caller.tenant_id, id_)
        answer: Body = {"id": request_id, "source_items": SOURCE_ITEMS}
        if done is None or done.request.user_id != caller.user_id:
            requests.check_may_wait(may_wait(id_, datetime.now(UTC)))
            return Answer(200, {**answer, "status": "pending"})
        times = {"asked_at": done.request.asked_at.isoformat(), "done_at": done.done_at.isoformat()}
        return Answer(200, {**answer, "status": "done", **times, "deleted": done.deleted})

    def health(self) -> Answer:
        """Say whether the store can be asked."""
        self.container.authenticator.admit(self.call.event)
        self.container.store.check()
        return Answer(200, {"status": "ok"})

    def document(self) -> Answer:
        """Answer with the OpenAPI document."""
        self.container.authenticator.admit(self.call.event)
        return Answer(200, json.loads(DOCUMENT.read_text("utf-8")))

    def _caller_and_body(self) -> tuple[Caller, Mapping[str, Any]]:
        caller, body = self.container.authenticator.caller(self.call.event), self.call.body()
        check_identity(body, caller)
        return caller, body

    def _caller_and_parameters(self) -> tuple[Caller, Mapping[str, Any]]:
        caller, parameters = self.container.authenticator.caller(self.call.event), self.call.parameters()
        check_identity(parameters, caller)
        return caller, parameters

    def _fresh(self, caller: Caller, ask: requests.Freshness) -> IndexFreshness:
        gate = self.container.freshness_gate
        return gate.fresh(caller.tenant_id, caller.user_id, ask.session_key, ask.min_updated_at)


def _results(ranked: Sequence[Ranked]) -> list[Body]:
    return [as_result(one) for one in ranked]


def _strategy(trace: Trace | None) -> str:
    return trace.strategy if trace else NO_SEARCH


def _explanation(told: Body, asked: Mapping[str, Any]) -> Body:
    """Return an explanation with the request that gives it again, without what is asked."""
    again = {name: value for name, value in asked.items() if name not in _ASKED and value is not None}
    return {"explanation": {**told, "request": {**again, "now": told["now"]}}}


def _freshness(fresh: IndexFreshness) -> Body:
    until = fresh.indexed_until
    return {"indexed_until": until.isoformat() if until else None, "stale": fresh.stale}


def _of_any_length(
    characters: int, action: Callable[[QueryRoutes], Answer]
) -> Callable[[QueryRoutes], Answer]:
    """Return what answers as ``action`` does, and says whether the question's beginning and end are all that it read.

    Args:
        characters: of a question that is read whole, unless the model takes less.
    """

    @wraps(action)
    def act(exchange: QueryRoutes) -> Answer:
        before = exchange.container.embedding_usage().shortened
        answer = action(exchange)
        truncated = requests.is_too_long(exchange.call.body(), characters)
        truncated |= exchange.container.embedding_usage().shortened > before
        return replace(answer, body={**answer.body, "question_truncated": truncated})

    return act


ROUTES: Final[Mapping[tuple[str, str], Callable[..., Answer]]] = {
    ("POST", f"{MEMORY_PATH}/search"): _of_any_length(requests.MAX_QUERY_CHARACTERS, QueryRoutes.search),
    ("POST", f"{MEMORY_PATH}/context"): _of_any_length(requests.MAX_TALK_CHARACTERS, QueryRoutes.context),
    ("POST", f"{MEMORY_PATH}/related"): _of_any_length(requests.MAX_TALK_CHARACTERS, QueryRoutes.related),
    ("GET", MEMORY_PATH): QueryRoutes.notes,
    ("DELETE", MEMORY_PATH): QueryRoutes.forget,
    ("GET", f"{STATUS_PATH}/<request_id>"): QueryRoutes.status,
    ("GET", "/api/v1/health"): QueryRoutes.health,
    ("GET", "/api/v1/openapi.json"): QueryRoutes.document,
}
