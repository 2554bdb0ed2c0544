"""The chat app's own requests, replayed through every entrance: its shapes stay valid, whatever is added."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest
from support.caller_events import direct_event, jwt_event, url_event
from support.chunks import planned
from support.wiring import wire

from pipeline.container import Container
from pipeline.errors import SecretUnavailableError
from pipeline.handlers import query
from pipeline.stores.chunks import Chunk
from pipeline.stores.memory import InMemoryStore

CONTEXT: Any = SimpleNamespace(function_name="query")
TIME = datetime(2026, 11, 22, 10, 0, tzinfo=UTC)
MEMORIES = [
    ("chat:1", "session", "user: aaaa", "user"),
    ("memory:long_term", "long_term", "- likes tea", "long_term"),
    ("memory:daily:2026-11-22", "daily", "[daily 2026-11-22]\n- Q: aaaa... → A: bbbb...", "daily"),
]
REAL_EMBEDDER = vars(Container)["embedder"]
Ask = Callable[..., tuple[int, dict[str, Any]]]


@pytest.fixture(autouse=True)
def memory(index: InMemoryStore, embedder: Any, monkeypatch: pytest.MonkeyPatch) -> InMemoryStore:
    grants = {"arn:aws:iam::123456789012:role/agent": {"acme": ["mika"]}}
    monkeypatch.setenv("TRUSTED_CALLERS", json.dumps(grants))
    monkeypatch.setenv("JWT_TENANT_CLAIM", "tenant")
    for number, (key, kind, text, role) in enumerate(MEMORIES):
        metadata = {"key": key, "kind": kind, "roles": [role], "date": "2026-11-22"}
        chunk = Chunk(f"id-{number}", "mika", text, (f"m{number}",), "f", TIME, metadata)
        [vector] = embedder.embed([text])
        fields: Any = {"name": key, "updated_at": TIME}
        change = planned(f"s{number}", upserts=[(chunk, vector)], **fields)
        index.apply("acme", [change])
    return index


@pytest.fixture(params=["direct", "url", "jwt"])
def ask(request: pytest.FixtureRequest) -> Ask:
    return through(request.param)


def through(entrance: str) -> Ask:
    def by_door(
        method: str, path: str, body: Any = None, parameters: Any = None
    ) -> tuple[int, dict[str, Any]]:
        match entrance:
            case "direct":
                event = direct_event(method, path, body, parameters, tenant_id="acme", user_id="mika")
            case "url":
                event = url_event(method, path, body, parameters)
            case _:
                event = jwt_event(method, path, body, parameters)
        answer = query.handler(event, CONTEXT)
        return answer["statusCode"], json.loads(answer["body"])

    return by_door


def test_search(ask: Ask) -> None:
    status, body = ask("POST", "/api/v1/memory/search", {"query": "aaaa", "top_k": 5})
    assert status == 200
    assert body["query"] == "aaaa"
    assert {"key", "content", "similarity"} <= body["results"][0].keys()
    assert (body["indexed_until"], body["stale"]) == (TIME.isoformat(), False)
    assert ask("POST", "/api/v1/memory/search", {"query": "aaaa"})[0] == 200


def test_notes(ask: Ask) -> None:
    status, body = ask("GET", "/api/v1/memory")
    assert status == 200
    assert (body["long_term"], body["daily"]) == ("- likes tea", "- Q: aaaa... → A: bbbb...")


@pytest.mark.usefixtures("aws")
def test_clearing(ask: Ask, monkeypatch: pytest.MonkeyPatch, index: InMemoryStore) -> None:
    wire(monkeypatch, store=index)
    status, body = ask("DELETE", "/api/v1/memory")
    assert status == 202
    assert ask("GET", body["status_path"])[1]["status"] == "pending"


def test_nobody_is_401_in_the_apps_own_words() -> None:
    for event in (
        direct_event("POST", "/api/v1/memory/search", {"query": "a"}),
        url_event("POST", "/api/v1/memory/search", {"query": "a"}, tenant=None),
    ):
        answer = query.handler(event, CONTEXT)
        assert answer["statusCode"] == 401
        assert json.loads(answer["body"])["error"] == "Unauthorized"


def test_without_embeddings_search_is_503_and_notes_are_read(
    ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Container, "embedder", REAL_EMBEDDER)
    status, body = ask("POST", "/api/v1/memory/search", {"query": "aaaa"})
    assert (status, body["code"]) == (503, "embedding_not_configured")
    assert ask("GET", "/api/v1/memory")[0] == 200


def test_context_and_related_are_there_as_well(ask: Ask) -> None:
    status, body = ask("POST", "/api/v1/memory/context", {"query": "aaaa"})
    assert status == 200
    assert "likes tea" in body["text"]
    assert body["tokens"] <= 1_500
    status, body = ask("POST", "/api/v1/memory/related", {"messages": ["user: aaaa"]})
    assert status == 200
    assert body["related"][0]["key"] == "chat:1"
    status, body = ask("POST", "/api/v1/memory/related", {"session_key": "chat:1"})
    assert body["related"] == []


@pytest.mark.parametrize(
    ("asked", "keys"),
    [
        ({"kinds": ["daily"]}, ["memory:daily:2026-11-22"]),
        ({"roles": ["user"]}, ["chat:1"]),
        ({"sessions": ["memory:long_term"]}, ["memory:long_term"]),
        ({"excluded_sessions": ["memory:long_term", "memory:daily:2026-11-22"]}, ["chat:1"]),
        ({"since": "2026-11-22T10:00:00.000001Z"}, []),
        ({"until": "2026-11-22T19:00:00+09:00"}, []),
        ({"min_similarity": 1}, []),
        ({"half_life_days": 30, "kinds": ["session"]}, ["chat:1"]),
        ({"min_similarity": -1, "kinds": ["session"], "top_k": None}, ["chat:1"]),
    ],
)
def test_filters(ask: Ask, asked: dict[str, Any], keys: list[str]) -> None:
    _, body = ask("POST", "/api/v1/memory/search", {"query": "zz", **asked})
    assert [result["key"] for result in body["results"]] == keys


def test_a_save_that_is_not_indexed_makes_the_answer_stale(ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.sleep", lambda _: None)
    forget_message = {"query": "aaaa", "session_key": "chat:1"}
    fresh = ask("POST", "/api/v1/memory/search", {**forget_message, "min_updated_at": TIME.isoformat()})[1]
    assert (fresh["stale"], fresh["indexed_until"]) == (False, TIME.isoformat())
    stale = ask(
        "POST", "/api/v1/memory/search", {**forget_message, "min_updated_at": "2026-11-22T10:00:01Z"}
    )[1]
    assert (stale["stale"], stale["indexed_until"]) == (True, TIME.isoformat())
    never = ask(
        "POST",
        "/api/v1/memory/search",
        {**forget_message, "session_key": "x", "min_updated_at": "2026-11-22T10:00:01Z"},
    )[1]
    assert (never["stale"], never["indexed_until"]) == (True, None)


@pytest.mark.parametrize(
    "body",
    [
        {"unknown": 1},
        {"": None},
        {"kinds": ["poem"]},
        {"kinds": "session"},
        {"roles": [""]},
        {"sessions": ["\x00"]},
        {"sessions": ["\ud800"]},
        {"sessions": ["x" * 1025]},
        {"sessions": ["x"] * 101},
        {"since": "yesterday"},
        {"since": 7},
        {"until": "2026-13-01T00:00:00Z"},
        {"until": "0001-01-01T00:00:00+14:00"},
        {"min_similarity": "1"},
        {"min_similarity": 1.1},
        {"min_similarity": True},
        {"half_life_days": 0},
        {"half_life_days": "30"},
        {"min_updated_at": "2026-11-22T10:00:00Z"},
        {"session_key": 7},
        {"query": ["a"]},
    ],
)
def test_an_invalid_request_is_400_and_says_what_to_do(body: dict[str, Any]) -> None:
    status, answer = through("url")("POST", "/api/v1/memory/search", {"query": "aaaa", **body})
    assert (status, answer["code"]) == (400, "invalid_request")
    assert answer["error"]
    assert answer["hint"]


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("context", {"max_tokens": 63}),
        ("context", {"query": " "}),
        ("context", {"messages": []}),
        ("related", {}),
        ("related", {"messages": []}),
        ("related", {"messages": [7]}),
        ("related", {"messages": ["a"], "top_k": 21}),
    ],
)
def test_nor_can_this_of_the_others(path: str, body: dict[str, Any]) -> None:
    assert through("jwt")("POST", f"/api/v1/memory/{path}", body)[0] == 400


@pytest.mark.parametrize("parameters", [{"session": "x"}, {"session_key": ""}, {"session_key": "\x00"}])
def test_nor_forgetting_what_is_not_named(parameters: dict[str, str]) -> None:
    assert through("direct")("DELETE", "/api/v1/memory", parameters=parameters)[0] == 400


def test_a_query_string_names_nobody_else(ask: Ask) -> None:
    assert ask("DELETE", "/api/v1/memory", parameters={"tenant_id": "bravo"})[0] == 403
    assert ask("GET", "/api/v1/memory", parameters={"tenant_id": "acme", "user_id": "mika"})[0] == 200


def test_health_says_whether_the_store_answers(ask: Ask, memory: InMemoryStore, monkeypatch: Any) -> None:
    assert ask("GET", "/api/v1/health") == (200, {"status": "ok"})

    def away() -> None:
        raise SecretUnavailableError("a secret could not be read")

    monkeypatch.setattr(memory, "check", away)
    assert ask("GET", "/api/v1/health")[0] == 503


def test_a_body_in_base64_is_read_and_nonsense_is_400() -> None:
    event = url_event("POST", "/api/v1/memory/search", "eyJxdWVyeSI6ICJhYWFhIn0=")
    event["isBase64Encoded"] = True
    assert query.handler(event, CONTEXT)["statusCode"] == 200
    for body in ("%%%", "/w==", "e30"):
        assert query.handler({**event, "body": body}, CONTEXT)["statusCode"] == 400
