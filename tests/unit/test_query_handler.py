import io
import json
from collections.abc import Callable
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest
from support.chunks import planned

from pipeline.container import Container
from pipeline.errors import EmbeddingUnavailableError, SettingsError, StoreUnavailableError
from pipeline.handlers import query
from pipeline.stores.chunks import Chunk
from pipeline.stores.memory import InMemoryStore

Build = Callable[..., Any]
CONTEXT: Any = SimpleNamespace(function_name="query")
TIME = datetime(2026, 11, 22, 10, 0, tzinfo=UTC)


@pytest.fixture(autouse=True)
def memory(index: InMemoryStore, embedder: Any) -> InMemoryStore:
    """Two tenants; mika's memories and ken's at acme."""
    rows = [
        ("acme", "mika", "aaaa"),
        ("acme", "mika", "bbbb"),
        ("acme", "ken", "aaaa"),
        ("bravo", "mika", "aaaa"),
    ]
    for number, (tenant_id, user_id, text) in enumerate(rows):
        metadata = {"key": f"chat:{number}", "kind": "session", "roles": ["user"]}
        chunk = Chunk(f"id-{number}", user_id, text, (f"m{number}",), "f", TIME, metadata)
        [vector] = embedder.embed([text])
        index.apply(tenant_id, [planned(f"s{number}", upserts=[(chunk, vector)])])
    embedder.calls.clear()
    return index


def ask(**event: Any) -> tuple[int, dict[str, Any]]:
    answer = query.handler(event, CONTEXT)
    assert answer["headers"]["Content-Type"].startswith("application/json")
    return answer["statusCode"], json.loads(answer["body"])


def test_the_answer_has_the_chat_apps_shape() -> None:
    status, body = ask(tenant_id="acme", user_id="mika", body={"query": "aaaa", "top_k": 1})
    assert status == 200
    assert body["query"] == "aaaa"
    [result] = body["results"]
    assert result == {
        "key": "chat:0",
        "content": "aaaa",
        "similarity": pytest.approx(1.0),
        "score": pytest.approx(0.4 * 0.83 + 0.6, abs=0.01),
        "why": {"vector": pytest.approx(0.83, abs=0.01), "lexical": pytest.approx(1.0, abs=0.01)},
        "superseded_by": None,
        "id": "id-0",
        "kind": "session",
        "roles": ["user"],
        "created_at": "2026-11-22T10:00:00+00:00",
    }


def test_the_closest_comes_first() -> None:
    _, body = ask(tenant_id="acme", user_id="mika", body={"query": "bbbb"})
    assert [result["content"] for result in body["results"]] == ["bbbb", "aaaa"]


@pytest.mark.parametrize(
    ("tenant_id", "user_id", "keys"),
    [("acme", "ken", ["chat:2"]), ("bravo", "mika", ["chat:3"]), ("bravo", "ken", []), ("mika", "mika", [])],
)
def test_nobody_finds_anothers_memory(tenant_id: str, user_id: str, keys: list[str]) -> None:
    _, body = ask(tenant_id=tenant_id, user_id=user_id, body={"query": "aaaa"})
    assert [result["key"] for result in body["results"]] == keys


def test_the_user_is_the_tenants_own_when_left_out(memory: InMemoryStore) -> None:
    chunk = Chunk("id-9", "solo", "aaaa", ("m",), "f", None, {})
    memory.apply("solo", [planned("s", upserts=[(chunk, [1.0] * 8)])])
    _, body = ask(tenant_id="solo", body={"query": "aaaa"})
    assert [(result["key"], result["kind"], result["roles"]) for result in body["results"]] == [
        ("id-9", None, [])
    ]


@pytest.mark.parametrize("body", [{"query": "aaaa"}, '{"query": "aaaa"}'])
def test_the_body_may_be_an_object_or_its_json(body: Any) -> None:
    assert ask(tenant_id="acme", user_id="mika", body=body)[0] == 200


def test_the_request_may_be_flat() -> None:
    assert ask(tenant_id="acme", user_id="mika", query="aaaa", top_k=1)[0] == 200


def test_identity_never_comes_from_the_body() -> None:
    status, _ = ask(body={"query": "aaaa", "tenant_id": "acme", "user_id": "mika"})
    assert status == 401
    for other in ({"tenant_id": "acme"}, {"user_id": "mika"}, {"tenant_id": ["bravo"]}):
        status, body = ask(tenant_id="bravo", user_id="ken", body={"query": "aaaa", **other})
        assert (status, body["code"]) == (403, "forbidden")
    own = {"query": "aaaa", "tenant_id": "acme", "user_id": "ken"}
    assert [r["key"] for r in ask(tenant_id="acme", user_id="ken", body=own)[1]["results"]] == ["chat:2"]


@pytest.mark.parametrize(
    ("change", "status", "code"),
    [
        ({"requestContext": {"http": {}}}, 403, "forbidden"),
        ({"requestContext": None}, 403, "forbidden"),
        ({"path": "/api/v1/memory"}, 405, "method_not_allowed"),
        ({"path": "/api/v1/other"}, 404, "not_found"),
        ({"path": "/api/v1/メモ"}, 404, "not_found"),
        ({"path": 7}, 404, "not_found"),
        ({"method": 7}, 405, "method_not_allowed"),
        ({"method": "GET"}, 405, "method_not_allowed"),
        ({"tenant_id": None}, 401, "unauthorized"),
        ({"tenant_id": ""}, 401, "unauthorized"),
        ({"tenant_id": 7}, 401, "unauthorized"),
        ({"tenant_id": "a\x00"}, 400, "invalid_request"),
        ({"tenant_id": "a\ud800"}, 400, "invalid_request"),
        ({"user_id": 7}, 400, "invalid_request"),
        ({"user_id": "\x00"}, 400, "invalid_request"),
        ({"body": "not json"}, 400, "invalid_request"),
        ({"body": "[" * 100_000}, 400, "invalid_request"),
        ({"body": []}, 400, "invalid_request"),
        ({"body": None}, 400, "invalid_request"),
        ({"body": {}}, 400, "invalid_request"),
        ({"body": {"query": " \n"}}, 400, "invalid_request"),
        ({"body": {"query": 7}}, 400, "invalid_request"),
        *(({"body": {"query": "x", "top_k": top_k}}, 400, "invalid_request") for top_k in (0, -1, 101, 1.5, "5", True, [])),
    ],
)  # fmt: skip
def test_a_request_that_cannot_be_served_says_why(
    embedder: Any, change: dict[str, Any], status: int, code: str
) -> None:
    event = {"tenant_id": "acme", "user_id": "mika", "body": {"query": "aaaa"}} | change
    answered, body = ask(**event)
    assert (answered, body["code"]) == (status, code)
    assert body["error"]
    assert embedder.calls == []


@pytest.mark.parametrize(("length", "truncated"), [(3_000, False), (9_000, True)])
@pytest.mark.parametrize("path", ["search", "context", "related"])
def test_a_long_question_is_answered_and_the_answer_says_so(path: str, length: int, truncated: bool) -> None:
    said = ("The importer fails again, what did we do last time? " * 200)[:length]
    body = {"messages": [said[:2_000], said[2_001:]]} if path == "related" else {"query": said}
    status, answer = ask(tenant_id="acme", user_id="mika", path=f"/api/v1/memory/{path}", body=body)
    assert (status, answer["question_truncated"]) == (200, truncated)


@pytest.mark.parametrize(
    ("path", "asked", "other"),
    [
        ("search", {"query": "aaaa yesterday", "top_k": 3}, {"kinds": ["session"], "half_life_days": 2.0}),
        ("context", {"query": "aaaa yesterday"}, {"max_tokens": 100}),
        ("related", {"messages": ["aaaa yesterday"]}, {"top_k": 1}),
    ],
)
def test_an_explanation_holds_the_request_that_gives_it_again(
    path: str, asked: dict[str, Any], other: dict[str, Any]
) -> None:
    def answered(body: dict[str, Any]) -> dict[str, Any]:
        return ask(tenant_id="acme", user_id="mika", path=f"/api/v1/memory/{path}", body=body)[1]

    first = answered({**asked, **other, "time_zone": "Asia/Tokyo", "explain": True, "tenant_id": "acme"})
    told = first["explanation"]
    question = {name: asked[name] for name in ("query", "messages") if name in asked}
    assert not told["request"].keys() & {"query", "messages", "tenant_id"}
    again = answered({**told["request"], **question})
    same = ("explanation", "results", "passages", "related", "confidence")
    assert [again.get(name) for name in same] == [first.get(name) for name in same]
    assert "explanation" not in answered({**asked, **other})


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"since": "2026-11-23T00:00:00Z", "until": "2026-11-22T00:00:00Z"}, "since is not before until"),
        ({"since": "2026-11-22", "until": "2026-11-22"}, "since is not before until"),
        ({"now": "0001-01-01T00:00:00Z", "time_zone": "America/New_York"}, "outside of the calendar"),
        ({"now": "9999-12-31T23:00:00Z", "time_zone": "Asia/Tokyo"}, "outside of the calendar"),
        ({"query": "\u200b"}, "not blank"),
        ({"query": " \u3164\ufeff\u2800\x7f"}, "not blank"),
    ],
)
def test_a_request_that_nothing_can_fit_is_refused(change: dict[str, Any], error: str) -> None:
    status, body = ask(tenant_id="acme", user_id="mika", body={"query": "aaaa", **change})
    assert (status, body["code"]) == (400, "invalid_request")
    assert error in body["error"]


def test_messages_that_nobody_can_see_relate_to_nothing() -> None:
    path = "/api/v1/memory/related"
    assert ask(tenant_id="acme", user_id="mika", path=path, body={"messages": ["\u200b"]})[1]["related"] == []


def test_times_without_an_offset_are_of_the_zone_that_is_named() -> None:
    def keys(**times: str) -> list[str]:
        body = {"query": "aaaa", "top_k": 1, "time_zone": "Asia/Tokyo", **times}
        return [row["key"] for row in ask(tenant_id="acme", user_id="mika", body=body)[1]["results"]]

    assert keys(since="2026-11-22T19:00:00", until="2026-11-22T19:00:01")
    assert not keys(since="2026-11-22T10:00:00", until="2026-11-22T10:00:01")
    told = ask(
        tenant_id="acme",
        user_id="mika",
        body={"query": "today", "now": "2026-11-22T00:30:00", "time_zone": "Asia/Tokyo", "explain": True},
    )[1]["explanation"]
    assert told["times"][0]["start"] == "2026-11-22T00:00:00+09:00"


@pytest.mark.parametrize("event", [[], None, "aaaa", 7])
def test_an_event_that_is_no_object_names_no_tenant(event: Any) -> None:
    answer = query.handler(event, CONTEXT)
    assert (answer["statusCode"], json.loads(answer["body"])["code"]) == (401, "unauthorized")


def test_401_has_the_chat_apps_own_words() -> None:
    assert ask(body={"query": "aaaa"})[1]["error"] == "Unauthorized"


def test_a_lone_surrogate_in_the_question_is_no_failure() -> None:
    assert ask(tenant_id="acme", user_id="mika", body={"query": "aaaa \ud800"})[0] == 200


@pytest.mark.parametrize("top_k", [1, 100, 1.0])
def test_the_bounds_of_top_k_are_allowed(top_k: float) -> None:
    assert ask(tenant_id="acme", user_id="mika", body={"query": "a", "top_k": top_k})[0] == 200


def test_with_the_embedding_api_down_the_answer_is_503_not_empty(embedder: Any, logs: io.StringIO) -> None:
    embedder.error = EmbeddingUnavailableError("the embedding API answered 500")
    status, body = ask(tenant_id="acme", user_id="mika", body={"query": "aaaa"})
    assert (status, body["code"]) == (503, "embedding_unavailable")
    assert "results" not in body
    assert "EmbeddingUnavailableError" in logs.getvalue()


def test_with_the_store_down_the_answer_is_503(
    memory: InMemoryStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(_: Any) -> Any:
        raise StoreUnavailableError("Postgres was not reached")

    monkeypatch.setattr(memory, "search", away)
    status, body = ask(tenant_id="acme", user_id="mika", body={"query": "aaaa"})
    assert (status, body["code"]) == (503, "store_unavailable")


def test_a_bug_is_500_without_values(embedder: Any, logs: io.StringIO) -> None:
    embedder.error = ValueError("canary")
    status, body = ask(tenant_id="acme", user_id="mika", body={"query": "aaaa"})
    assert (status, body["code"]) == (500, "internal")
    assert "canary" not in json.dumps(body) + logs.getvalue()
    assert "ValueError at" in logs.getvalue()


def test_one_line_a_request_and_no_question_in_it(logs: io.StringIO) -> None:
    ask(tenant_id="acme", user_id="mika", body={"query": "a private question", "min_confidence": 0})
    [line] = [json.loads(text) for text in logs.getvalue().splitlines()]
    assert (line["status"], line["hits"]) == (200, 2)
    assert "private" not in logs.getvalue()


def test_a_question_is_timed_by_the_strategy_that_answered_it(
    logs: io.StringIO, capsys: pytest.CaptureFixture[str]
) -> None:
    ask(tenant_id="acme", user_id="mika", body={"query": "aaaa"})
    ask(tenant_id="acme", user_id="mika", method="GET", path="/api/v1/memory")
    ask(tenant_id="acme", user_id="mika", body={"query": ""})
    told = [json.loads(line) for line in capsys.readouterr().out.splitlines() if "QueryLatency" in line]
    assert [line["strategy"] for line in told] == ["exact", "none", "none"]
    assert [json.loads(line)["strategy"] for line in logs.getvalue().splitlines()] == [
        "exact",
        "none",
        "none",
    ]


def test_a_wrong_setting_is_500_and_only_the_log_names_it(
    monkeypatch: pytest.MonkeyPatch, logs: io.StringIO
) -> None:
    def wrong(_: Any) -> Any:
        raise SettingsError("EMBEDDING_PROVIDER must be openai or offline")

    monkeypatch.setattr(Container, "memory_search", property(wrong))
    status, body = ask(tenant_id="acme", user_id="mika", body={"query": "aaaa"})
    assert status == 500
    assert "EMBEDDING_PROVIDER" not in json.dumps(body)
    assert "EMBEDDING_PROVIDER" in logs.getvalue()
