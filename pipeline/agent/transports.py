"""Three ways to the query function: invoking it, its URL with a signature, an HTTP API with a token.

A transport sends one request and tells what came back; what that means, and whether to ask again, is the client's.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import quote, urlencode

import boto3
import urllib3
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from urllib3.exceptions import HTTPError

from pipeline.errors import InvalidRequestError, MemoryUnavailableError
from pipeline.settings import safe_base_url

if TYPE_CHECKING:
    from mypy_boto3_lambda import LambdaClient

DEFAULT_TIMEOUT_SECONDS = 10.0
CONNECT_TIMEOUT_SECONDS = 3.0
_REFUSED = frozenset({"AccessDeniedException", "ResourceNotFoundException", "UnrecognizedClientException"})


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
class LambdaTransport:
    """Invokes the function. IAM decides who may; whoever may names any tenant.

    Args:
        function: name or ARN: the stack's output ``QueryFunctionName``.
        client: see :func:`lambda_client`.
    """

    function: str
    tenant_id: str
    user_id: str
    client: "LambdaClient"

    def send(self, request: Request) -> tuple[int, Any]:
        """Invoke, and wait for the answer."""
        event = {
            "method": request.method,
            "path": request.path,
            "tenant_id": self.tenant_id,
            "user_id": self.user_id,
            "params": dict(request.parameters),
            "body": dict(request.body or {}),
        }
        try:
            answer = self.client.invoke(FunctionName=self.function, Payload=json.dumps(event).encode())
            payload = answer["Payload"].read()
        except (ClientError, BotoCoreError) as error:
            raise _of_aws(error) from None
        if "FunctionError" in answer:
            raise MemoryUnavailableError("the query function crashed or ran out of time: see its log")
        return _read(payload)


@dataclass(frozen=True, slots=True)
class UrlTransport:
    """Signs requests to the function's URL; the principal must stand in the stack's TrustedCallers.

    Args:
        url: the stack's output ``QueryUrl``.
        session: where credentials come from, at every request.
    """

    url: str
    tenant_id: str
    user_id: str
    session: boto3.Session = field(default_factory=boto3.Session, repr=False)
    timeout_seconds: float = DEFAULT_TIMEOUT_SECONDS

    def send(self, request: Request) -> tuple[int, Any]:
        """Sign and send."""
        headers = {"x-tenant-id": quote(self.tenant_id, safe=""), "x-user-id": quote(self.user_id, safe="")}
        return _send(self.url, request, headers, self.timeout_seconds, self._signed)

    def _signed(self, method: str, url: str, headers: Mapping[str, str], body: bytes) -> dict[str, str]:
        credentials = self.session.get_credentials()
        if credentials is None:
            raise InvalidRequestError(
                "there are no AWS credentials", code="unauthorized", status=401, hint="configure some"
            )
        unsigned = AWSRequest(method, url, headers=dict(headers), data=body)
        region = self.session.region_name or "us-east-1"
        SigV4Auth(credentials.get_frozen_credentials(), "lambda", region).add_auth(unsigned)
        return dict(unsigned.headers.items())


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
        return _send(
            self.url, request, headers, self.timeout_seconds, lambda _method, _url, given, _body: dict(given)
        )


def lambda_client(
    timeout_seconds: float = DEFAULT_TIMEOUT_SECONDS, session: boto3.Session | None = None
) -> "LambdaClient":
    """Return a client that waits no longer than ``timeout_seconds`` for an answer, and leaves retries to us."""
    config = Config(
        connect_timeout=CONNECT_TIMEOUT_SECONDS,
        read_timeout=timeout_seconds,
        retries={"total_max_attempts": 1},
    )
    client: LambdaClient = (session or boto3.Session()).client("lambda", config=config)
    return client


Sign = Callable[[str, str, Mapping[str, str], bytes], dict[str, str]]
_pool = urllib3.PoolManager(retries=False)


def _send(
    base_url: str, request: Request, headers: Mapping[str, str], timeout_seconds: float, sign: Sign
) -> tuple[int, Any]:
    base = safe_base_url(base_url, "the URL of memory")
    query = f"?{urlencode(request.parameters)}" if request.parameters else ""
    url = f"{base}{request.path}{query}"
    body = json.dumps(request.body).encode() if request.body is not None else b""
    signed = sign(request.method, url, {**headers, "content-type": "application/json"}, body)
    limit = urllib3.Timeout(connect=min(CONNECT_TIMEOUT_SECONDS, timeout_seconds), read=timeout_seconds)
    try:
        answer = _pool.request(request.method, url, body=body, headers=signed, timeout=limit, redirect=False)
    except HTTPError as error:
        raise MemoryUnavailableError(f"memory was not reached: {type(error).__name__}") from None
    return answer.status, _json(answer.data)


def _read(payload: bytes) -> tuple[int, Any]:
    answer = _json(payload)
    try:
        return int(answer["statusCode"]), _json(answer["body"])
    except (KeyError, TypeError, ValueError):
        raise MemoryUnavailableError("this function is not memory's query function") from None


def _json(text: bytes | str) -> Any:  # noqa: ANN401  # whatever JSON came
    try:
        return json.loads(text)
    except ValueError:
        raise MemoryUnavailableError("memory did not answer with JSON") from None


def _of_aws(error: ClientError | BotoCoreError) -> Exception:
    code = error.response["Error"]["Code"] if isinstance(error, ClientError) else type(error).__name__
    if code in _REFUSED:
        return InvalidRequestError(
            f"AWS answered {code}",
            code="forbidden",
            status=403,
            hint="check the function's name and the permission lambda:InvokeFunction",
        )
    return MemoryUnavailableError(f"memory was not reached: {code}")
