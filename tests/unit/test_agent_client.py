"""The client asks as it should, tries again what may pass, and says what to do about the rest."""

import asyncio
import io
import json
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, date, datetime
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib import metadata
from types import SimpleNamespace
from typing import Any

import boto3
import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.exceptions import ClientError, NoCredentialsError, ParamValidationError, ReadTimeoutError
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from support.caller_events import AGENT
from support.chunks import planned
from support.loopback import Loopback

from pipeline.handlers import query
from pipeline.ingest.forget_messages import new_id
from pipeline.stores.chunks import Chunk
from pipeline.stores.memory import InMemoryStore
from vector_memory import (
    AsyncMemoryClient,
    BearerTransport,
    InvalidRequestError,
    MemoryClient,
    MemoryUnavailableError,
    Request,
    SettingsError,
    Transport,
)
from vector_memory.aws import LambdaTransport, UrlTransport, lambda_client

TIME = datetime(2026, 11, 22, 10, 0, tzinfo=UTC)
ROLE = "arn:aws:iam::123456789012:role/agent"
KEYS = ("AKIDEXAMPLE", "secret")


@pytest.fixture(autouse=True)
def memory(index: InMemoryStore, embedder: Any, monkeypatch: pytest.MonkeyPatch) -> InMemoryStore:
    monkeypatch.setenv("TRUSTED_CALLERS", json.dumps({ROLE: {"株式会社": "*"}}))
    metadata = {"key": "chat:1", "kind": "session", "roles": ["user"], "date": "2026-11-22"}
    chunk = Chunk("id-1", "mika", "user: aaaa", ("m1",), "f", TIME, metadata)
    [vector] = embedder.embed([chunk.text])
    fields: Any = {"name": "chat:1", "updated_at": TIME}
    index.apply("株式会社", [planned("s1", upserts=[(chunk, vector)], **fields)])
    return index


def _refused(code: str, status: int) -> ClientError:
    return ClientError({"Error": {"Code": code}, "ResponseMetadata": {"HTTPStatusCode": status}}, "Invoke")  # type: ignore[typeddict-item]


class Scripted:
    """Answers as it was told to, and remembers what it was asked."""

    def __init__(self, *answers: Any) -> None:
        self.answers = list(answers)
        self.requests: list[Request] = []

    def send(self, request: Request) -> tuple[int, Any]:
        self.requests.append(request)
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer  # type: ignore[no-any-return]


class InProcess:
    """Lambda's client, with the function behind it."""

    def invoke(self, FunctionName: str, Payload: bytes) -> dict[str, Any]:  # noqa: N803  # boto3's names
        assert FunctionName == "memory"
        context: Any = SimpleNamespace(function_name="query")
        answer = query.handler(json.loads(Payload), context)
        return {"Payload": io.BytesIO(json.dumps(answer).encode())}


def verified(headers: Mapping[str, str], body: bytes) -> str | None:
    """Check a signature as AWS does; return who signed."""
    scope, names, signature = (part.partition("=")[2] for part in headers["authorization"].split(", "))
    assert scope.endswith("/us-east-1/lambda/aws4_request")
    signed = {name: headers[name] for name in names.split(";") if name != "host"}
    url = f"http://{headers['host']}/api/v1/memory/search"
    request = AWSRequest("POST", url, headers=signed, data=body)
    request.context["timestamp"] = headers["x-amz-date"]
    auth = SigV4Auth(Credentials(*KEYS), "lambda", "us-east-1")
    wanted = auth.signature(auth.string_to_sign(request, auth.canonical_request(request)), request)
    covered = {"x-tenant-id", "x-user-id", "host"} <= set(names.split(";"))
    return AGENT if wanted == signature and covered else None


@pytest.fixture(params=["lambda", "url"])
def transport(request: pytest.FixtureRequest) -> Iterator[Transport]:
    if request.param == "lambda":
        client: Any = InProcess()
        yield LambdaTransport("memory", "株式会社", "mika", client)
        return
    session = boto3.Session(*KEYS, region_name="us-east-1")
    with Loopback(verified) as loopback:
        yield UrlTransport(loopback.url, "株式会社", "mika", session)


def test_a_search_through_the_real_handler(transport: Transport) -> None:
    found = MemoryClient(transport).search("aaaa", kinds=["session"], until=datetime(2027, 1, 1, tzinfo=UTC))
    [memory] = found.results
    assert (memory.key, memory.content, memory.created_at) == ("chat:1", "user: aaaa", TIME)
    assert (found.freshness.indexed_until, found.freshness.stale) == (TIME, False)


def test_a_wrong_signature_is_refused_and_not_tried_again() -> None:
    session = boto3.Session("AKIDEXAMPLE", "other", region_name="us-east-1")
    with Loopback(verified) as loopback:
        client = MemoryClient(UrlTransport(loopback.url, "株式会社", "mika", session))
        with pytest.raises(InvalidRequestError, match="Forbidden") as caught:
            client.search("aaaa")
        assert caught.value.status == 403
        assert loopback.seen == []


def test_every_other_question_through_the_real_handler() -> None:
    lambda_: Any = InProcess()
    client = MemoryClient(LambdaTransport("memory", "株式会社", "mika", lambda_))
    assert "aaaa" in client.context("aaaa").text
    assert client.context(session_key="chat:9").tokens >= 0
    assert [one.key for one in client.related(messages=["user: aaaa"]).sessions] == ["chat:1"]
    for answer in (client.context("aaaa", explain=True), client.related(messages=["aaaa"], explain=True)):
        assert answer.explanation
        assert answer.explanation["request"]["explain"] is True
    assert client.notes().long_term == ""
    assert client.forgetting(new_id(datetime.now(UTC), "4f" * 12)).done is False
    fresh = client.search("aaaa", session_key="chat:1", min_updated_at=TIME)
    assert fresh.freshness.stale is False


def test_a_forget_request_to_forget(aws: Any) -> None:  # noqa: ARG001  # a queue
    lambda_: Any = InProcess()
    client = MemoryClient(LambdaTransport("memory", "株式会社", "mika", lambda_))
    forget_message = client.forget("chat:1")
    assert (forget_message.done, forget_message.source_items) == (False, "kept")
    assert client.forgetting(forget_message.id).done is False


NOTES = {"long_term": "", "daily": "", "indexed_until": None, "stale": False}


@pytest.mark.parametrize(
    "passing", [(503, {"error": "away"}), (429, {}), MemoryUnavailableError("timed out")]
)
def test_a_passing_fault_is_tried_again_after_a_pause(passing: Any) -> None:
    scripted, pauses = Scripted(passing, passing, (200, NOTES)), list[float]()
    assert MemoryClient(scripted, pause=pauses.append).notes().daily == ""
    assert len(pauses) == 2
    scripted = Scripted(passing, passing, passing)
    with pytest.raises(MemoryUnavailableError):
        MemoryClient(scripted, pause=pauses.append).notes()


@pytest.mark.parametrize(
    ("status", "answer", "code"),
    [
        (400, {"error": "no", "code": "invalid_request", "hint": "yes"}, "invalid_request"),
        (401, {"message": "Unauthorized"}, "401"),
        (500, {"error": "internal error", "code": "internal", "hint": "log"}, "internal"),
    ],
)
def test_a_lasting_fault_is_not_tried_again(status: int, answer: dict[str, str], code: str) -> None:
    scripted = Scripted((status, answer))
    with pytest.raises(InvalidRequestError) as caught:
        MemoryClient(scripted).notes()
    assert (caught.value.status, caught.value.code) == (status, code)
    assert caught.value.hint


@pytest.mark.parametrize("answer", [{}, [], {"long_term": ""}, {**NOTES, "indexed_until": "then"}])
def test_an_answer_of_another_version_is_no_answer(answer: Any) -> None:
    with pytest.raises(MemoryUnavailableError):
        MemoryClient(Scripted((200, answer)), attempts=1).notes()


def test_a_time_without_a_zone_is_refused_before_anything_is_sent() -> None:
    scripted = Scripted()
    with pytest.raises(InvalidRequestError, match="zone"):
        MemoryClient(scripted).search("a", since=datetime(2026, 1, 1))  # noqa: DTZ001  # the point
    assert scripted.requests == []


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        (ClientError({"Error": {"Code": "TooManyRequestsException"}}, "Invoke"), MemoryUnavailableError),
        (ClientError({"Error": {"Code": "AccessDeniedException"}}, "Invoke"), InvalidRequestError),
        (_refused("InvalidSignatureException", 403), InvalidRequestError),
        (_refused("ThrottlingException", 400), MemoryUnavailableError),
        (_refused("TooManyRequestsException", 429), MemoryUnavailableError),
        (_refused("ServiceException", 500), MemoryUnavailableError),
        (NoCredentialsError(), InvalidRequestError),
        (ParamValidationError(report="no name"), InvalidRequestError),
        (ReadTimeoutError(endpoint_url="http://127.0.0.1"), MemoryUnavailableError),
    ],
)
def test_errors_of_aws_are_told_apart(fault: Exception, kind: type[Exception]) -> None:
    class Refusing:
        def invoke(self, **_: Any) -> Any:
            raise fault

    client: Any = Refusing()
    with pytest.raises(kind):
        LambdaTransport("memory", "acme", "mika", client).send(Request("GET", "/"))


@pytest.mark.parametrize(
    "answer",
    [
        {"FunctionError": "Unhandled", "Payload": io.BytesIO(b'{"errorMessage": "x"}')},
        {"Payload": io.BytesIO(b"null")},
        {"Payload": io.BytesIO(b"{")},
        {"Payload": io.BytesIO(b'{"statusCode": 200, "body": "{"}')},
    ],
)
def test_a_function_that_crashed_or_is_another_is_no_answer(answer: dict[str, Any]) -> None:
    class Odd:
        def invoke(self, **_: Any) -> Any:
            return answer

    client: Any = Odd()
    with pytest.raises(MemoryUnavailableError):
        LambdaTransport("memory", "acme", "mika", client).send(Request("GET", "/"))


def test_a_token_is_asked_for_at_every_request_and_sent_to_safe_places_only() -> None:
    tokens = iter(["one", "two"])
    with Loopback() as loopback:
        transport = BearerTransport(loopback.url, lambda: next(tokens))
        for _ in range(2):
            transport.send(Request("GET", "/api/v1/health"))
        assert [event["headers"]["authorization"] for event in loopback.seen] == ["Bearer one", "Bearer two"]
    with pytest.raises(SettingsError, match="https"):
        BearerTransport("http://memory.example.com", lambda: "secret").send(Request("GET", "/"))


def test_nobody_at_the_other_end_is_a_clear_error() -> None:
    with Loopback() as loopback:
        url = loopback.url
    with pytest.raises(MemoryUnavailableError, match="not reached"):
        BearerTransport(url, lambda: "t", timeout_seconds=1).send(Request("GET", "/"))


def test_boto_leaves_retries_and_waiting_to_us(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    config: Any = lambda_client(4.0).meta.config
    assert config.read_timeout == 4.0
    assert config.retries["total_max_attempts"] == 1


@pytest.mark.parametrize("token", ["", "two words", "秘密の鍵", None])
def test_a_token_that_no_header_can_hold_is_refused_and_not_told(token: Any) -> None:
    with pytest.raises(SettingsError) as caught:
        MemoryClient(BearerTransport("http://127.0.0.1:9", lambda: token)).notes()
    assert not token or token not in str(caught.value)


def test_a_line_break_behind_a_token_is_left_out() -> None:
    with Loopback() as loopback:
        client = MemoryClient(BearerTransport(loopback.url, lambda: "a.b.c\n"))
        with pytest.raises(
            InvalidRequestError, match="Unauthorized"
        ):  # it was sent; nobody checks tokens here
            client.notes()


@pytest.mark.parametrize("seconds", [0, -1, float("nan"), float("inf"), None, "5"])
def test_a_timeout_that_is_none_is_a_wrong_setting(seconds: Any) -> None:
    with pytest.raises(SettingsError, match="above 0"):
        MemoryClient(BearerTransport("http://127.0.0.1:9", lambda: "t", seconds)).notes()
    with pytest.raises(SettingsError, match="above 0"):
        lambda_client(seconds)


@pytest.mark.parametrize(
    "url", ["https://host:99999", "https://ho st", "https://host/?stage=1", f"https://{'a' * 70}.example"]
)
def test_a_url_that_is_none_is_a_wrong_setting(url: str) -> None:
    with pytest.raises(SettingsError, match="URL of memory"):
        MemoryClient(BearerTransport(url, lambda: "t")).notes()


@pytest.mark.parametrize(
    ("status", "kind"),
    [(301, InvalidRequestError), (404, InvalidRequestError), (429, MemoryUnavailableError), (502, MemoryUnavailableError), (200, MemoryUnavailableError)],
)  # fmt: skip
def test_an_answer_that_is_no_json_is_of_another_server_or_passes(status: int, kind: type[Exception]) -> None:
    with _web_site(status) as url, pytest.raises(kind, match=str(status)):
        MemoryClient(BearerTransport(url, lambda: "t"), pause=lambda _: None).notes()


@contextmanager
def _web_site(status: int) -> Iterator[str]:
    class Page(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            self.send_header("location", "https://elsewhere.example/")
            self.send_header("content-length", "6")
            self.end_headers()
            self.wfile.write(b"<html>")

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Page) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


@pytest.mark.parametrize(
    "argument",
    [{"since": date(2026, 11, 22)}, {"min_confidence": Decimal("0.5")}, {"min_confidence": float("nan")}, {"kinds": iter(["session"])}],
)  # fmt: skip
def test_an_argument_that_json_cannot_hold_is_named(argument: dict[str, Any]) -> None:
    scripted = Scripted()
    with pytest.raises(InvalidRequestError, match=next(iter(argument))) as caught:
        MemoryClient(scripted).search("aaaa", **argument)
    assert caught.value.hint
    assert scripted.requests == []


def test_an_id_of_a_request_leads_to_no_other_path() -> None:
    scripted = Scripted((404, {"error": "not known", "code": "not_found"}))
    with pytest.raises(InvalidRequestError):
        MemoryClient(scripted).forgetting("../../health?x=1")
    assert scripted.requests[0].path == "/api/v1/memory/status/..%2F..%2Fhealth%3Fx%3D1"


def test_a_session_key_that_utf_8_cannot_hold_is_refused() -> None:
    with pytest.raises(InvalidRequestError, match="surrogate"):
        MemoryClient(BearerTransport("http://127.0.0.1:9", lambda: "t")).forget("\ud800")


def test_without_region_or_profile_the_client_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(SettingsError, match="AWS_REGION"):
        lambda_client()
    monkeypatch.setenv("AWS_REGION", "eu-west-1")
    assert lambda_client().meta.region_name == "eu-west-1"
    monkeypatch.setenv("AWS_PROFILE", "nobodys")
    for make in (lambda_client, lambda: UrlTransport("https://x.example", "acme", "mika")):
        with pytest.raises(SettingsError, match="AWS_PROFILE"):
            make()


@pytest.mark.parametrize(
    ("host", "region"),
    [("abc.lambda-url.ap-northeast-1.on.aws", "ap-northeast-1"), ("127.0.0.1", "eu-west-1")],
)
def test_a_request_is_signed_for_the_region_of_its_url(host: str, region: str) -> None:
    session = boto3.Session(*KEYS, region_name="eu-west-1")
    transport = UrlTransport(f"https://{host}", "acme", "mika", session)
    signed = transport._signed("POST", f"https://{host}/x", {}, b"")  # nobody is asked
    assert f"/{region}/lambda/aws4_request" in signed["Authorization"]


def test_asyncio_asks_in_threads_and_gets_the_same_answers() -> None:
    answer = {"long_term": "tea", "daily": "", "indexed_until": None, "stale": False}
    together = threading.Barrier(3, timeout=30)

    class Meeting:
        """Answers only when three are asking at once."""

        def send(self, request: Request) -> tuple[int, Any]:  # noqa: ARG002  # as transports do
            together.wait()
            return 200, answer

    async def ask() -> list[str]:
        memory = AsyncMemoryClient(MemoryClient(Meeting()))
        return [notes.long_term for notes in await asyncio.gather(*(memory.notes() for _ in range(3)))]

    assert asyncio.run(ask()) == ["tea"] * 3


def test_asyncio_raises_what_the_client_raises() -> None:
    scripted = Scripted((400, {"error": "no", "code": "invalid_request"}))

    async def ask() -> None:
        await AsyncMemoryClient(MemoryClient(scripted)).search("x")

    with pytest.raises(InvalidRequestError):
        asyncio.run(ask())


def test_asyncio_has_every_method_of_the_client() -> None:
    def of(made: type) -> set[str]:
        return {name for name in vars(made) if not name.startswith("_") and callable(getattr(made, name))}

    assert of(AsyncMemoryClient) == of(MemoryClient)


def test_importing_the_client_loads_no_aws_no_mcp_and_no_part_of_the_pipeline() -> None:
    heavy = ("boto3", "botocore", "mcp", "psycopg", "numpy", "pipeline", "openai")
    program = (
        "import sys, vector_memory, vector_memory.tools; print(sorted(set(sys.modules) & set(sys.argv[1:])))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, *heavy], capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout.strip() == "[]"


def test_the_client_needs_few_packages() -> None:
    """Names all that an installation brings, extras included; no database driver is among them."""
    assert packages("vector-memory-client", set()) == {"vector-memory-client", "tenacity", "urllib3"}
    with_aws = packages("vector-memory-client", {"aws"})
    assert "boto3" in with_aws
    assert len(with_aws) <= 15
    assert not with_aws & {"psycopg", "psycopg-binary", "opensearch-py", "numpy"}


def packages(name: str, extras: set[str]) -> set[str]:
    """Return what an installation of a distribution brings here, itself included."""
    found = {canonicalize_name(name)}
    for text in metadata.requires(name) or []:
        requirement = Requirement(text)
        environments: list[dict[str, str]] = [{"extra": extra} for extra in (*extras, "")]
        if requirement.marker is None or any(requirement.marker.evaluate(each) for each in environments):
            found |= packages(requirement.name, requirement.extras)
    return found
