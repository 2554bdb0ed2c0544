"""Two ways to the query function that AWS itself guards: invoking it, and its URL with a signature. Needs the extra ``aws``."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import boto3
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from vector_memory.errors import InvalidRequestError, MemoryUnavailableError
from vector_memory.transports import (
    CONNECT_TIMEOUT_SECONDS,
    DEFAULT_TIMEOUT_SECONDS,
    Request,
    read_json,
    send_over_http,
)

if TYPE_CHECKING:
    from mypy_boto3_lambda import LambdaClient

_REFUSED = frozenset({"AccessDeniedException", "ResourceNotFoundException", "UnrecognizedClientException"})


@dataclass(frozen=True, slots=True)
class LambdaTransport:
    """Invokes the function. IAM decides who may; whoever may names any tenant.

    Args:
        function: name or ARN, such as the stack's output ``QueryAliasArn``.
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
        return send_over_http(self.url, request, headers, self.timeout_seconds, self._signed)

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


def _read(payload: bytes) -> tuple[int, Any]:
    answer = read_json(payload)
    try:
        return int(answer["statusCode"]), read_json(answer["body"])
    except (KeyError, TypeError, ValueError):
        raise MemoryUnavailableError("this function is not memory's query function") from None


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
