"""The TypeScript client: its types are the OpenAPI document's, and it asks the real handler as the Python one does."""

import json
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from support.chunks import planned
from support.json_server import DROP, HANG, JsonServer, as_json
from support.loopback import Loopback
from support.pages import ROOT
from support.typescript import CLIENT, NODE, described, need_node, written

from pipeline.ingest.forget_messages import new_id
from pipeline.stores.chunks import Chunk
from pipeline.stores.memory import InMemoryStore

TIME = datetime(2026, 11, 22, 10, 0, tzinfo=UTC)
MAX_LINES = 300
IDENTITY = {"x-tenant-id": "acme", "x-user-id": "mika"}
EMPTY = {"long_term": "", "daily": "", "indexed_until": None, "stale": False}


@pytest.fixture
def memory(index: InMemoryStore, embedder: Any, monkeypatch: pytest.MonkeyPatch) -> InMemoryStore:
    role = "arn:aws:iam::123456789012:role/agent"
    monkeypatch.setenv("TRUSTED_CALLERS", json.dumps({role: {"acme": ["mika"]}}))
    metadata = {"key": "chat:1", "kind": "session", "roles": ["user"], "date": "2026-11-22"}
    chunk = Chunk("id-1", "mika", "user: aaaa", ("m1",), "f", TIME, metadata)
    [vector] = embedder.embed([chunk.text])
    fields: Any = {"name": "chat:1", "updated_at": TIME}
    index.apply("acme", [planned("s1", upserts=[(chunk, vector)], **fields)])
    return index


@pytest.fixture
def url(memory: InMemoryStore) -> Iterator[str]:  # noqa: ARG001  # what is asked
    with Loopback() as loopback:
        yield loopback.url


def asked(url: str, *calls: list[Any], **more: Any) -> tuple[list[dict[str, Any]], list[float]]:
    """Let the client ask; return what came of each call, and how long it paused between tries."""
    need_node()
    given = {"url": url, "headers": IDENTITY, "options": {}, "calls": calls, **more}
    done = subprocess.run(
        [NODE, ROOT / "tests" / "support" / "typescript_asks.ts"],
        input=json.dumps(given),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    return told["outcomes"], told["pauses"]


def test_its_types_are_those_of_the_openapi_document() -> None:
    assert written() == described()


def test_it_is_small_and_needs_nothing() -> None:
    text = CLIENT.read_text("utf-8")
    assert len(text.splitlines()) < MAX_LINES
    assert "import" not in text
    assert "require(" not in text


def test_every_question_through_the_real_handler(url: str) -> None:
    forget_message = new_id(datetime.now(UTC), "4f" * 12)
    calls = [
        ["search", "aaaa", {"kinds": ["session"], "until": "2027-01-01T00:00:00Z", "top_k": 3}],
        ["context", {"query": "aaaa", "max_tokens": 600}],
        ["related", {"messages": ["aaaa"]}],
        ["notes"],
        ["health"],
        ["forgetting", forget_message],
    ]
    outcomes, pauses = asked(url, *calls)
    answers = [one.get("answer", one) for one in outcomes]
    [hit] = answers[0]["results"]
    assert (hit["key"], hit["content"], hit["created_at"]) == ("chat:1", "user: aaaa", TIME.isoformat())
    assert "aaaa" in answers[1]["text"]
    assert [one["key"] for one in answers[2]["related"]] == ["chat:1"]
    assert answers[3] | {"indexed_until": None} == EMPTY
    assert answers[4] == {"status": "ok"}
    assert (answers[5]["id"], answers[5]["status"]) == (forget_message, "pending")
    assert pauses == []


def test_a_refused_request_is_an_error_with_code_and_hint_and_not_sent_again(url: str) -> None:
    (wrong, foreign), pauses = asked(
        url, ["search", "aaaa", {"top_k": 0}], ["search", "aaaa", {"nonsense": 1}]
    )
    for one in (wrong, foreign):
        assert (one["error"], one["code"], one["status"]) == ("InvalidRequestError", "invalid_request", 400)
        assert one["hint"]
    ([refused], _) = asked(url, ["notes"], headers={**IDENTITY, "x-tenant-id": "other"})
    assert (refused["error"], refused["status"]) == ("InvalidRequestError", 403)
    assert pauses == []


@pytest.mark.parametrize("status", [429, 502, 503, 504])
def test_a_passing_fault_is_tried_again_with_growing_pauses(status: int) -> None:
    answers = iter([as_json(status, {"message": "busy"}), DROP, as_json(200, {"results": []})])
    with JsonServer(lambda _: next(answers)) as server:
        [one], pauses = asked(server.root, ["search", "aaaa"])
        assert one == {"answer": {"results": []}}
        assert len(server.requests) == 3
    assert len(pauses) == 2
    assert pauses[0] <= 200
    assert pauses[1] <= 400


def test_a_fault_that_does_not_pass_is_told_after_the_last_try() -> None:
    with JsonServer(
        lambda _: as_json(503, {"error": "the store is away", "code": "store_unavailable"})
    ) as server:
        [one], _ = asked(server.root, ["context", {}], options={"attempts": 2})
        assert one["error"] == "MemoryUnavailableError"
        assert one["message"] == "memory answered 503: the store is away"
        assert len(server.requests) == 2


@pytest.mark.parametrize(
    "reply", [HANG, (200, {}, b"<html>"), as_json(200, [1]), as_json(307, {}, location="http://127.0.0.1:9/")]
)
def test_no_answer_that_is_understood_is_memory_being_away(reply: Any) -> None:
    with JsonServer(lambda _: reply) as server:
        [one], _ = asked(server.root, ["search", "aaaa"], options={"attempts": 1, "timeoutMs": 500})
        assert one["error"] == "MemoryUnavailableError"
        assert "aaaa" not in one["message"]


def test_a_token_goes_with_every_request_and_to_safe_places_only() -> None:
    with JsonServer(lambda _: as_json(200, {"results": []})) as server:
        asked(server.root, ["search", "a"], ["search", "b"], token="t-1")
        assert [one["authorization"] for one in server.headers] == ["Bearer t-1"] * 2
    [one], _ = asked("http://memory.example.com", ["notes"], token="t-1")
    assert (one["error"], "https" in one["message"]) == ("TypeError", True)


def test_a_session_is_named_as_it_is_called(memory: InMemoryStore) -> None:  # noqa: ARG001  # what is asked
    with Loopback() as loopback:
        asked(loopback.url, ["forget", "chat:1&x=ü /#"], ["forget"])
        named, everything = loopback.seen
    assert named["requestContext"]["http"]["method"] == "DELETE"
    assert named["queryStringParameters"] == {"session_key": "chat:1&x=ü /#"}
    assert not everything.get("queryStringParameters")
