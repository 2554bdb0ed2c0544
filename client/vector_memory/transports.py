"""Ways to the query function: here the HTTP API with a token; those that AWS guards are in :mod:`vector_memory.aws`.

A transport sends one request and tells what came back; what that means, and whether to ask again, is the client's.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol
from urllib.parse import urlencode, urlsplit

import urllib3
from urllib3.exceptions import HTTPError

from vector_memory.errors import MemoryUnavailableError, SettingsError

DEFAULT_TIMEOUT_SECONDS = 10.0
CONNECT_TIMEOUT_SECONDS = 3.0
CONNECTIONS = 10
"""Kept open to one host: so many threads need not wait for each other."""
LOOPBACK_HOSTS = frozenset({"127.0.0.1", "::1", "localhost"})


@dataclass(frozen=True, slots=True)
class Request:
    """One request.

    Args:
        body: of a POST.
        parameters: of the query string.
    """

    method: str
    path: str
    body: Mapping[str, Any] | None = field(default=None, repr=False)
    parameters: Mapping[str, str] = field(default_factory=dict)


class Transport(Protocol):
    """Sends a request once."""

    def send(self, request: Request) -> tuple[int, Any]:
        """Return the status and the JSON that came back.

        Raises:
            MemoryUnavailableError: nothing came back, or no JSON.
            InvalidRequestError: AWS does not let us ask.
        """
        ...


@dataclass(frozen=True, slots=True)
class BearerTransport:
    """Sends a token to the HTTP API, whose claims name tenant and user.

    Args:
        url: the stack's output ``QueryApiEndpoint``.
        token: returns a valid token, at every request.
    """

    url: str
    token: Callable[[], str] = field(repr=False)
    timeout_seconds: float = DEFAULT_TIMEOUT_SECONDS

    def send(self, request: Request) -> tuple[int, Any]:
        """Send with the token."""
        headers = {"authorization": f"Bearer {self.token()}"}
        return send_over_http(
            self.url, request, headers, self.timeout_seconds, lambda _method, _url, given, _body: dict(given)
        )


Sign = Callable[[str, str, Mapping[str, str], bytes], dict[str, str]]
_pool = urllib3.PoolManager(retries=False, maxsize=CONNECTIONS)


def send_over_http(
    base_url: str, request: Request, headers: Mapping[str, str], timeout_seconds: float, sign: Sign
) -> tuple[int, Any]:
    """Send a request once, signed.

    Raises:
        MemoryUnavailableError: nothing came back, or no JSON.
        SettingsError: the URL is not one that a key or a token may be sent to.
    """
    base = _safe(base_url)
    query = f"?{urlencode(request.parameters)}" if request.parameters else ""
    url = f"{base}{request.path}{query}"
    body = json.dumps(request.body).encode() if request.body is not None else b""
    signed = sign(request.method, url, {**headers, "content-type": "application/json"}, body)
    limit = urllib3.Timeout(connect=min(CONNECT_TIMEOUT_SECONDS, timeout_seconds), read=timeout_seconds)
    try:
        answer = _pool.request(request.method, url, body=body, headers=signed, timeout=limit, redirect=False)
    except HTTPError as error:
        raise MemoryUnavailableError(f"memory was not reached: {type(error).__name__}") from None
    return answer.status, read_json(answer.data)


def read_json(text: bytes | str) -> Any:  # noqa: ANN401  # whatever JSON came
    """Return what came back.

    Raises:
        MemoryUnavailableError: it is no JSON.
    """
    try:
        return json.loads(text)
    except ValueError:
        raise MemoryUnavailableError("memory did not answer with JSON") from None


def _safe(url: str) -> str:
    """Return ``url`` if a token may be sent there: https anywhere, http on loopback only."""
    try:
        parts = urlsplit(url)
    except ValueError:
        parts = urlsplit("")
    loopback = parts.scheme == "http" and parts.hostname in LOOPBACK_HOSTS
    if not (parts.hostname and (parts.scheme == "https" or loopback)):
        raise SettingsError("the URL of memory must start with https:// (http:// is for 127.0.0.1 only)")
    return parts._replace(path=parts.path.rstrip("/"), fragment="").geturl()
