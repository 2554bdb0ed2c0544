"""Questions → answers. One door: direct invocation, which IAM guards; tenant and user come in the payload.

The event is the request::

    {"method": "POST", "path": "/api/v1/memory/search", "tenant_id": "acme", "user_id": "mika",
     "body": {"query": "when does it ship?", "top_k": 5}}

``user_id`` is the tenant's own when left out; ``body`` may be an object or its JSON. The answer is
``{"statusCode", "headers", "body"}`` with ``body`` a JSON string: ``{"results": [{"key", "content", "similarity", …}],
"query"}``, or ``{"error", "code"}``. An event that came over HTTP is refused: no such door is open yet.
"""

import json
import re
import time
from dataclasses import dataclass
from typing import Any

from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.typing import LambdaContext

from pipeline import bootstrap
from pipeline.errors import EmbeddingRejectedError, InvalidRequestError, RetryableError, describe
from pipeline.handlers import snapshot
from pipeline.search.recall import as_result

logger = Logger(service="query")
snapshot.prepare()

SEARCH_PATH = "/api/v1/memory/search"
MAX_QUERY_CHARACTERS = 8_000
"""About what an embedding input of 8,192 tokens holds in Japanese."""
MAX_TOP_K = 100
DEFAULT_TOP_K = 5
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class _Search:
    tenant_id: str
    user_id: str
    query: str
    top_k: int


def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:  # noqa: ARG001  # Lambda's signature
    """Answer one request. Never raises for bad input or a dependency that is down: the status says it."""
    started = time.perf_counter()
    reason = None
    try:
        status, body = 200, _search(_request(event))
    except InvalidRequestError as error:
        status, body = error.status, {"error": str(error), "code": error.code}
        reason = error.code
    except EmbeddingRejectedError as error:
        status, body = (
            413,
            {"error": f"the query cannot be embedded; shorten it ({error})", "code": error.cause},
        )
        reason = error.cause
    except RetryableError as error:
        status, body = 503, {"error": f"{error}; try again in a moment", "code": error.cause}
        reason = describe(error)
    except Exception as error:  # noqa: BLE001  # the runtime would log the message, which may quote a value
        status, body = 500, {"error": "internal error: see the function's log", "code": "internal"}
        reason = describe(error)
    milliseconds = round((time.perf_counter() - started) * 1000, 1)
    logger.info(
        "answered", status=status, hits=len(body.get("results", ())), reason=reason, milliseconds=milliseconds
    )
    return _answer(status, body)


def _search(request: _Search) -> dict[str, Any]:
    hits = bootstrap.recall().search(request.tenant_id, request.user_id, request.query, request.top_k)
    return {"results": [as_result(hit) for hit in hits], "query": request.query}


def _answer(status: int, body: dict[str, Any]) -> dict[str, Any]:
    headers = {"content-type": "application/json; charset=utf-8"}
    return {"statusCode": status, "headers": headers, "body": json.dumps(body, ensure_ascii=False)}


def _request(event: dict[str, Any]) -> _Search:
    if "requestContext" in event:
        raise InvalidRequestError(
            "no HTTP door is open: invoke this function directly", code="forbidden", status=403
        )
    if event.get("path", SEARCH_PATH) != SEARCH_PATH:
        raise InvalidRequestError(f"there is only {SEARCH_PATH} here", code="not_found", status=404)
    if event.get("method", "POST") != "POST":
        raise InvalidRequestError(f"{SEARCH_PATH} takes POST", code="method_not_allowed", status=405)
    tenant_id = event.get("tenant_id")
    if not isinstance(tenant_id, str) or not tenant_id:
        raise InvalidRequestError("Unauthorized", code="unauthorized", status=401)
    body = _body(event)
    return _Search(
        _storable(tenant_id, "tenant_id"),
        _storable(_user(event, tenant_id), "user_id"),
        _query(body.get("query")),
        _top_k(body.get("top_k", DEFAULT_TOP_K)),
    )


def _body(event: dict[str, Any]) -> dict[str, Any]:
    body = event.get("body", event)
    try:
        body = json.loads(body) if isinstance(body, str) else body
    except (ValueError, RecursionError):
        body = None
    if not isinstance(body, dict):
        raise InvalidRequestError('the body must be a JSON object such as {"query": "…", "top_k": 5}')
    return body


def _user(event: dict[str, Any], tenant_id: str) -> str:
    user_id = event.get("user_id") or tenant_id
    if not isinstance(user_id, str):
        raise InvalidRequestError("user_id must be a string")
    return user_id


def _query(query: object) -> str:
    if not isinstance(query, str) or not query.strip():
        raise InvalidRequestError("query must be a string that is not blank")
    if len(query) > MAX_QUERY_CHARACTERS:
        raise InvalidRequestError(
            f"query must be at most {MAX_QUERY_CHARACTERS} characters", code="too_large", status=413
        )
    return query.encode("utf-8", "replace").decode()


def _top_k(top_k: object) -> int:
    if isinstance(top_k, bool) or not isinstance(top_k, int) or not 1 <= top_k <= MAX_TOP_K:
        raise InvalidRequestError(f"top_k must be a whole number from 1 to {MAX_TOP_K}")
    return top_k


def _storable(value: str, name: str) -> str:
    if _UNSTORABLE.search(value):
        raise InvalidRequestError(f"{name} contains characters that no id has")
    return value
