"""Ways to the query function: here the HTTP API with a token; those that AWS guards are in :mod:`vector_memory.aws`.

A transport sends one request and tells what came back; what that means, and whether to ask again, is the client's.
"""

import json
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol
from urllib.parse import urlencode, urlsplit

import urllib3
from urllib3.exceptions import HTTPError, LocationValueError

from vector_memory.errors import InvalidRequestError, MemoryUnavailableError, SettingsError

DEFAULT_TIMEOUT_SECONDS = 10.0
CONNECT_TIMEOUT_SECONDS = 3.0
CONNECTIONS = 10
"""Kept open to one host: so many threads need not wait for each other."""
PASSING = frozenset({408, 429, 502, 503, 504})
"""Statuses of faults that pass."""
REDIRECTED, REFUSED, FAILED = 300, 400, 500
_TOKEN = re.compile(r"[\x21-\x7e]+")
_URL_ADVICE = "give the stack's output QueryUrl or QueryApiEndpoint as it is"
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
        headers = {"authorization": f"Bearer {_sendable(self.token())}"}
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
        InvalidRequestError: somebody else answers at that URL, or a parameter is no text.
        SettingsError: the URL is not one that a key or a token may be sent to, or the timeout is none.
    """
    url = f"{safe_url(base_url)}{request.path}{_query(request.parameters)}"
    body = json.dumps(request.body).encode() if request.body is not None else b""
    signed = sign(request.method, url, {**headers, "content-type": "application/json"}, body)
    seconds = checked_timeout(timeout_seconds)
    limit = urllib3.Timeout(connect=min(CONNECT_TIMEOUT_SECONDS, seconds), read=seconds)
    try:
        answer = _pool.request(request.method, url, body=body, headers=signed, timeout=limit, redirect=False)
    except LocationValueError:
        raise SettingsError(f"the URL of memory is none: {_URL_ADVICE}") from None
    except HTTPError as error:
        raise MemoryUnavailableError(f"memory was not reached: {type(error).__name__}") from None
    return answer.status, _json_of(answer.status, answer.data)


def _json_of(status: int, text: bytes) -> Any:  # noqa: ANN401  # whatever JSON came
    """Return what came back; what is no JSON, or leads elsewhere, is of somebody else."""
    redirected = REDIRECTED <= status < REFUSED
    try:
        if not redirected:
            return read_json(text)
    except MemoryUnavailableError:
        if status in PASSING or not REFUSED <= status < FAILED:
            raise MemoryUnavailableError(f"memory answered {status} without JSON") from None
    raise InvalidRequestError(
        f"this URL answered {status}, and not as memory does",
        code=str(status),
        status=status,
        hint=_URL_ADVICE,
    )


def _query(parameters: Mapping[str, str]) -> str:
    try:
        return f"?{urlencode(parameters)}" if parameters else ""
    except UnicodeEncodeError:
        raise InvalidRequestError(
            "an id has a lone surrogate", hint="give text that UTF-8 can hold"
        ) from None


def _sendable(token: object) -> str:
    """Return a token that a header can hold, without the line break at its end that a file may have.

    Raises:
        SettingsError: there is none; it is not told which.
    """
    text = token.strip() if isinstance(token, str) else ""
    if not _TOKEN.fullmatch(text):
        raise SettingsError(
            "token() returned no token: it must be of visible ASCII characters, without blanks"
        )
    return text


def checked_timeout(seconds: object) -> float:
    """Return how many seconds to wait.

    Raises:
        SettingsError: it is no such number.
    """
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not 0 < seconds < math.inf:
        raise SettingsError("the timeout must be a number of seconds above 0")
    return float(seconds)


def read_json(text: bytes | str) -> Any:  # noqa: ANN401  # whatever JSON came
    """Return what came back.

    Raises:
        MemoryUnavailableError: it is no JSON.
    """
    try:
        return json.loads(text)
    except ValueError:
        raise MemoryUnavailableError("memory did not answer with JSON") from None


def safe_url(url: str) -> str:
    """Return ``url`` if a token may be sent there: https anywhere, http on loopback only.

    Raises:
        SettingsError: it may not.
    """
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        parts = urlsplit("")
    if parts.query:
        raise SettingsError(f"the URL of memory has no query string: {_URL_ADVICE}")
    loopback = parts.scheme == "http" and parts.hostname in LOOPBACK_HOSTS
    if not (parts.hostname and (parts.scheme == "https" or loopback)):
        raise SettingsError("the URL of memory must start with https:// (http:// is for 127.0.0.1 only)")
    return parts._replace(path=parts.path.rstrip("/"), fragment="").geturl()
