"""Two ways to the query function that AWS itself guards: invoking it, and its URL with a signature. Needs the extra ``aws``."""

import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlsplit

import boto3
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    HTTPClientError,
    NoRegionError,
    ProfileNotFound,
    ResponseStreamingError,
)

from vector_memory.errors import InvalidRequestError, MemoryUnavailableError, SettingsError
from vector_memory.transports import (
    CONNECT_TIMEOUT_SECONDS,
    DEFAULT_TIMEOUT_SECONDS,
    FAILED,
    REFUSED,
    Request,
    checked_timeout,
    read_json,
    send_over_http,
)

if TYPE_CHECKING:
    from mypy_boto3_lambda import LambdaClient

TOO_MANY, CONFLICT = 429, 409
_URL_REGION = re.compile(r"\.lambda-url\.([a-z0-9-]+)\.on\.aws\Z")
_REFUSED = frozenset({"AccessDeniedException", "ResourceNotFoundException", "UnrecognizedClientException"})
_CHECK = "check the function's name and the permission lambda:InvokeFunction"
_SET_UP = "set AWS_REGION and credentials (AWS_PROFILE, or AWS_ACCESS_KEY_ID and its secret)"


def _session() -> boto3.Session:
    """Return a session that takes AWS_REGION too, which boto3 does not read.

    Raises:
        SettingsError: there is no such profile.
    """
    try:
        return boto3.Session(region_name=os.environ.get("AWS_REGION"))
    except BotoCoreError as error:
        raise _not_set_up(error) from None


def _not_set_up(error: BotoCoreError) -> SettingsError:
    said = {
        NoRegionError: "no AWS region: set AWS_REGION",
        ProfileNotFound: "no such AWS profile: correct AWS_PROFILE",
    }
    return SettingsError(said.get(type(error), f"AWS is not set up, {type(error).__name__}: {_SET_UP}"))


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
    session: boto3.Session = field(default_factory=_session, repr=False)
    timeout_seconds: float = DEFAULT_TIMEOUT_SECONDS

    def send(self, request: Request) -> tuple[int, Any]:
        """Sign and send."""
        headers = {"x-tenant-id": quote(self.tenant_id, safe=""), "x-user-id": quote(self.user_id, safe="")}
        return send_over_http(self.url, request, headers, self.timeout_seconds, self._signed)

    def _signed(self, method: str, url: str, headers: Mapping[str, str], body: bytes) -> dict[str, str]:
        try:
            credentials = self.session.get_credentials()
            frozen = credentials.get_frozen_credentials() if credentials else None
        except BotoCoreError as error:
            raise _of_aws(error) from None
        if frozen is None:
            raise InvalidRequestError(
                "there are no AWS credentials", code="unauthorized", status=401, hint=_SET_UP
            )
        unsigned = AWSRequest(method, url, headers=dict(headers), data=body)
        SigV4Auth(frozen, "lambda", self._region(url)).add_auth(unsigned)
        return dict(unsigned.headers.items())

    def _region(self, url: str) -> str:
        """Return the region that the URL names; of another host's, the session's."""
        named = _URL_REGION.search(urlsplit(url).hostname or "")
        return named[1] if named else self.session.region_name or "us-east-1"


def lambda_client(
    timeout_seconds: float = DEFAULT_TIMEOUT_SECONDS, session: boto3.Session | None = None
) -> "LambdaClient":
    """Return a client that waits no longer than ``timeout_seconds`` for an answer, and leaves retries to us.

    Raises:
        SettingsError: there is no region or no such profile, or the timeout is none.
    """
    config = Config(
        connect_timeout=CONNECT_TIMEOUT_SECONDS,
        read_timeout=checked_timeout(timeout_seconds),
        retries={"total_max_attempts": 1},
    )
    try:
        client: LambdaClient = (session or _session()).client("lambda", config=config)
    except BotoCoreError as error:
        raise _not_set_up(error) from None
    return client


def _read(payload: bytes) -> tuple[int, Any]:
    answer = read_json(payload)
    try:
        return int(answer["statusCode"]), read_json(answer["body"])
    except (KeyError, TypeError, ValueError):
        raise MemoryUnavailableError("this function is not memory's query function") from None


def _of_aws(error: ClientError | BotoCoreError) -> Exception:
    """Return ours: what AWS refuses, and what is not set up, stays so when asked again."""
    if isinstance(error, HTTPClientError | ResponseStreamingError):
        return MemoryUnavailableError(f"memory was not reached: {type(error).__name__}")
    if not isinstance(error, ClientError):
        return InvalidRequestError(
            f"AWS was not asked: {type(error).__name__}",
            code="unauthorized",
            status=401,
            hint=f"{_SET_UP}; {_CHECK}",
        )
    code = error.response["Error"]["Code"]
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    throttled = status in {TOO_MANY, CONFLICT} or "Throttl" in code
    if code in _REFUSED or (REFUSED <= status < FAILED and not throttled):
        return InvalidRequestError(f"AWS answered {code}", code="forbidden", status=403, hint=_CHECK)
    return MemoryUnavailableError(f"memory was not reached: {code}")
