"""Questions → answers. Three entrances, one behaviour; :mod:`pipeline.identity` says who may ask for whose memory.

Directly invoked, the event is the request::

    {"method": "POST", "path": "/api/v1/memory/search", "tenant_id": "acme", "user_id": "mika",
     "body": {"query": "when does it ship?", "top_k": 5}}

``user_id`` is the tenant's own when left out; ``body`` may be an object or its JSON; a request without a body takes
``params``. The answer is ``{"statusCode", "headers", "body", …}`` with ``body`` a JSON string. Paths and shapes stand in
``openapi.json`` next to this module, which is served as well.
"""

import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import wraps
from typing import Any

from aws_lambda_powertools import Logger
from aws_lambda_powertools.event_handler import LambdaFunctionUrlResolver, Response
from aws_lambda_powertools.utilities.typing import LambdaContext

from pipeline import bootstrap
from pipeline.errors import needs_mending
from pipeline.handlers import snapshot
from pipeline.handlers.metrics import emit
from pipeline.handlers.query_answers import Answer, failure, no_such_path
from pipeline.handlers.query_events import Call
from pipeline.handlers.query_routes import ROUTES, QueryRoutes
from pipeline.handlers.spending import spent_so_far
from pipeline.ingest.measures import query_measures
from pipeline.search.trace import NO_SEARCH

CONTENT_TYPE = "application/json; charset=utf-8"
logger = Logger(service="query")
snapshot.prepare()
app = LambdaFunctionUrlResolver()


@dataclass(slots=True)
class _Note:
    """What the log says of a request: no word of it."""

    hits: int = 0
    dollars: float = 0.0
    strategy: str = NO_SEARCH
    reason: str | None = None
    refused: bool = False


@dataclass(frozen=True, slots=True)
class _Request:
    call: Call
    note: _Note = field(default_factory=_Note)


def handler(event: Any, context: LambdaContext) -> dict[str, Any]:  # noqa: ANN401  # whatever JSON was invoked with
    """Answer one request. Never raises for bad input or a dependency that is down: the status says it."""
    started = time.perf_counter()
    request = _Request(Call(event if isinstance(event, dict) else {}))
    app.context["request"] = request
    answer = app.resolve(request.call.routed(), context)
    milliseconds = round((time.perf_counter() - started) * 1000, 1)
    logger.info(
        "answered",
        status=answer["statusCode"],
        hits=request.note.hits,
        strategy=request.note.strategy,
        reason=request.note.reason,
        milliseconds=milliseconds,
    )
    note = request.note
    emit(
        "query",
        query_measures(milliseconds, answer["statusCode"], note.strategy, note.dollars, refused=note.refused),
    )
    return answer


def _served(action: Callable[..., Answer]) -> Callable[..., Response[str]]:
    @wraps(action)
    def serve(**arguments: str) -> Response[str]:
        request: _Request = app.context["request"]
        container = bootstrap.current()
        before = spent_so_far(container)
        try:
            return _response(action(QueryRoutes(request.call, container), **arguments))
        finally:
            container.backend.end_of_question()
            request.note.dollars = spent_so_far(container).since(before).dollars

    return serve


def _failed(error: Exception) -> Response[str]:
    app.context["request"].note.refused = needs_mending(error)
    return _response(failure(error))


def _not_found(_: Exception) -> Response[str]:
    call: Call = app.context["request"].call
    allowed = [method for method, path in ROUTES if path == call.path]
    try:
        bootstrap.container().authenticator.admit(call.event)
    except Exception as error:  # noqa: BLE001  # what an exception handler raises is not handled
        return _failed(error)
    return _response(failure(no_such_path(allowed)), {"Allow": ", ".join(allowed)} if allowed else {})


def _response(answer: Answer, headers: dict[str, Any] | None = None) -> Response[str]:
    note: _Note = app.context["request"].note
    note.hits, note.reason, note.strategy = (
        len(answer.body.get("results", ())),
        answer.reason,
        answer.strategy,
    )
    body = json.dumps(answer.body, ensure_ascii=False)
    return Response(answer.status, CONTENT_TYPE, body, headers)


app.exception_handler(Exception)(_failed)
app.not_found(_not_found)
for (_method, _path), _action in ROUTES.items():
    app.route(_path, method=_method, operation_id=_action.__name__)(_served(_action))
snapshot.seldom_collect()
