"""Events of the three entrances, made from the payloads in ``tests/events``."""

import copy
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

EVENTS = Path(__file__).parent.parent / "events"
AGENT = "arn:aws:sts::123456789012:assumed-role/agent/chat"


def _http(
    name: str, method: str, path: str, body: Any, parameters: Mapping[str, str] | None
) -> dict[str, Any]:
    event: dict[str, Any] = json.loads((EVENTS / f"{name}.json").read_text("utf-8"))
    event["rawPath"] = event["requestContext"]["http"]["path"] = path
    event["requestContext"]["http"]["method"] = method
    event["body"] = body if body is None or isinstance(body, str) else json.dumps(body)
    if parameters:
        event["queryStringParameters"] = dict(parameters)
    return event


def url_event(  # noqa: PLR0913, PLR0917  # one word each of a request
    method: str,
    path: str,
    body: Any = None,
    parameters: Mapping[str, str] | None = None,
    tenant: str | None = "acme",
    user: str | None = "mika",
    principal: str = AGENT,
) -> dict[str, Any]:
    """Return an event as the function's URL makes it of a signed request."""
    event = _http("function-url", method, path, body, parameters)
    for name, value in (("x-tenant-id", tenant), ("x-user-id", user)):
        event["headers"].pop(name)
        if value is not None:
            event["headers"][name] = quote(value, safe=":/-_.@", errors="surrogatepass")
    event["requestContext"]["authorizer"]["iam"]["userArn"] = principal
    return event


def jwt_event(
    method: str,
    path: str,
    body: Any = None,
    parameters: Mapping[str, str] | None = None,
    headers: Mapping[str, str] | None = None,
    **claims: Any,
) -> dict[str, Any]:
    """Return an event as an HTTP API makes it of a request whose token it verified; a claim of None is left out."""
    event = _http("http-api-jwt", method, path, body, parameters)
    held = event["requestContext"]["authorizer"]["jwt"]["claims"]
    held.update(claims)
    for name in [name for name, value in held.items() if value is None]:
        del held[name]
    event["headers"].update(headers or {})
    return event


def direct_event(
    method: str, path: str, body: Any = None, parameters: Mapping[str, str] | None = None, **identity: Any
) -> dict[str, Any]:
    """Return the event of a direct invocation."""
    event: dict[str, Any] = {"method": method, "path": path, **identity}
    if body is not None:
        event["body"] = copy.deepcopy(body)
    if parameters:
        event["params"] = dict(parameters)
    return event
