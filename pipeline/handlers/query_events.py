"""One shape for what comes through any entrance: method, path, fields. Pure.

Over HTTP the event has API Gateway's payload format 2.0, which the function's URL shares; shapes stand in
``tests/events``. A direct event is the request itself, see :mod:`pipeline.handlers.query`.
"""

import base64
import binascii
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pipeline.errors import InvalidRequestError

ENVELOPE = frozenset({"method", "path", "tenant_id", "user_id", "body", "params"})
DEFAULT_PATH = "/api/v1/memory/search"


@dataclass(frozen=True, slots=True)
class Call:
    """One request.

    Args:
        event: as it came.
    """

    event: Mapping[str, Any]

    @property
    def over_http(self) -> bool:
        """Whether AWS says that it came over HTTP."""
        return "requestContext" in self.event

    @property
    def method(self) -> str:
        """In capitals."""
        given = self._http.get("method") if self.over_http else self.event.get("method", "POST")
        return given.upper() if isinstance(given, str) else ""

    @property
    def path(self) -> str:
        """Without a query string."""
        given = self.event.get("rawPath") if self.over_http else self.event.get("path", DEFAULT_PATH)
        return given if isinstance(given, str) else ""

    def routed(self) -> dict[str, Any]:
        """Return the event that Powertools routes by: no more of it than method and path."""
        http = {"method": self.method, "path": self.path}
        return {
            "version": "2.0",
            "rawPath": self.path,
            "headers": {},
            "requestContext": {"http": http, "stage": "$default"},
        }

    def body(self) -> Mapping[str, Any]:
        """Return the body's fields.

        Raises:
            InvalidRequestError: 400, it is no JSON object.
        """
        try:
            body = _json(self._text())
        except (ValueError, RecursionError):
            body = None
        if not isinstance(body, dict):
            raise InvalidRequestError(
                "the body is no JSON object", hint='send one such as {"query": "…", "top_k": 5}'
            )
        return body

    def parameters(self) -> Mapping[str, Any]:
        """Return the query string's fields; directly, those of ``params``.

        Raises:
            InvalidRequestError: 400, ``params`` is no object.
        """
        name = "queryStringParameters" if self.over_http else "params"
        parameters = self.event.get(name)
        if parameters is None:
            return {}
        if not isinstance(parameters, dict):
            raise InvalidRequestError(f"{name} must be an object")
        return parameters

    def _text(self) -> object:
        if not self.over_http and "body" not in self.event:
            return {name: value for name, value in self.event.items() if name not in ENVELOPE}
        body = self.event.get("body")
        if self.over_http and self.event.get("isBase64Encoded") and isinstance(body, str):
            return _decoded(body)
        return body

    @property
    def _http(self) -> Mapping[str, Any]:
        context = self.event["requestContext"]
        http = context.get("http") if isinstance(context, dict) else None
        return http if isinstance(http, dict) else {}


def _json(text: object) -> object:
    return json.loads(text) if isinstance(text, str) else text


def _decoded(body: str) -> str:
    try:
        return base64.b64decode(body, validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        raise ValueError from None
