"""Who gets in at the page's doors, and as whom."""

from typing import Any
from unittest.mock import create_autospec

import pytest
from starlette.testclient import TestClient

from pipeline.local.page.actions import Actions, AskedWronglyError
from pipeline.local.page.app import page_app
from pipeline.local.page.event_broker import EventBroker
from pipeline.local.page.memory import MemoryAwayError
from pipeline.local.page.people import Person, SessionTokens
from pipeline.local.page.security_headers import HEADERS, MAX_BODY_BYTES, refused_request

MIKA, HIRO = Person("acme", "mika"), Person("other", "hiro")
TOKENS = SessionTokens(b"k" * 32)
OWN = {"host": "127.0.0.1:8765"}
JSON = {**OWN, "content-type": "application/json", "content-length": "2"}


@pytest.mark.parametrize(
    ("method", "headers", "status"),
    [
        ("GET", OWN, None),
        ("GET", {"host": "localhost:8765"}, None),
        ("GET", {"host": "evil.example:8765"}, 421),
        ("GET", {"host": "127.0.0.1:9999"}, 421),
        ("GET", {"host": "127.0.0.1:8765.evil.example"}, 421),
        ("GET", {}, 421),
        ("GET", {**OWN, "sec-fetch-site": "cross-site"}, 403),
        ("GET", {**OWN, "sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate"}, None),
        ("GET", {**OWN, "origin": "http://evil.example"}, 403),
        ("POST", {**JSON, "origin": "http://127.0.0.1:8765"}, None),
        ("POST", {**JSON, "origin": "null"}, 403),
        ("POST", {**JSON, "origin": "https://127.0.0.1:8765"}, 403),
        ("POST", {**JSON, "sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate"}, 403),
        ("POST", {**JSON, "content-type": "text/plain"}, 415),
        ("POST", {**JSON, "content-length": str(MAX_BODY_BYTES + 1)}, 413),
        ("POST", {**OWN, "content-type": "application/json"}, 411),
    ],
)
def test_only_the_page_itself_gets_in(method: str, headers: dict[str, str], status: int | None) -> None:
    refused = refused_request(method, headers, 8765)
    assert (refused[0] if refused else None) == status


@pytest.fixture
def actions() -> Any:
    return create_autospec(Actions, instance=True)


@pytest.fixture
def client(actions: Any) -> TestClient:
    app = page_app(actions, EventBroker("s"), TOKENS, [MIKA, HIRO], 8765)
    return TestClient(app, base_url="http://127.0.0.1:8765")


def as_(person: Person) -> dict[str, str]:
    return {"authorization": f"Bearer {TOKENS.sign(person)}"}


@pytest.mark.parametrize(
    "name",
    ["chats", "chat", "note", "turn", "forget", "related", "search", "why", "agent", "held", "pipeline"],
)
def test_every_action_is_the_passs_owners_whatever_the_body_says(
    name: str, client: TestClient, actions: Any
) -> None:
    action = getattr(actions, name)
    action.return_value = {"fine": True}
    forged = {"tenant_id": "other", "user_id": "hiro", "person": ["other", "hiro"], "key": "k"}
    assert client.post(f"/api/{name}", json=forged, headers=as_(MIKA)).json() == {"fine": True}
    assert action.call_args.args[0] == MIKA
    assert client.post(f"/api/{name}", json=forged).status_code == 401
    assert (
        client.post(f"/api/{name}", json=forged, headers={"authorization": "Bearer x.y"}).status_code == 401
    )
    assert action.call_count == 1


def test_the_news_are_for_those_with_a_pass(client: TestClient) -> None:
    assert client.get("/api/events").status_code == 401


def test_only_the_people_of_the_page_get_a_pass(client: TestClient) -> None:
    given = client.post("/api/token", json={"tenant_id": "acme", "user_id": "mika"}).json()["token"]
    assert TOKENS.read(given) == MIKA
    for forged in ({"tenant_id": "acme", "user_id": "hiro"}, {"tenant_id": "acme"}, {}, []):
        assert client.post("/api/token", json=forged).status_code == 404


@pytest.mark.parametrize(
    "path", ["/", "/static/main.js", "/static/none.js", "/nowhere", "/api/people", "/static/../app.py"]
)
def test_every_answer_carries_the_security_headers(path: str, client: TestClient) -> None:
    answer = client.get(path)
    assert {name: answer.headers[name] for name in HEADERS} == HEADERS
    assert "unsafe" not in answer.headers["content-security-policy"]


def test_the_package_itself_is_not_served(client: TestClient) -> None:
    assert client.get("/static/%2e%2e/app.py").status_code == 404


@pytest.mark.parametrize(
    ("raised", "status", "code"),
    [(AskedWronglyError(404, "no_chat"), 404, "no_chat"), (MemoryAwayError("secret"), 503, "memory_away")],
)
def test_faults_are_told_by_code_alone(
    raised: Exception, status: int, code: str, client: TestClient, actions: Any
) -> None:
    actions.search.side_effect = raised
    answer = client.post("/api/search", json={"query": "x"}, headers=as_(MIKA))
    assert (answer.status_code, answer.json()) == (status, {"code": code})


@pytest.mark.parametrize("body", ["", "[1]", "{", "[" * 10_000, '"x"'])
def test_a_body_that_is_no_object_asks_for_nothing(body: str, client: TestClient, actions: Any) -> None:
    actions.search.return_value = {}
    sent = {**as_(MIKA), "content-type": "application/json"}
    assert client.post("/api/search", content=body, headers=sent).status_code == 200
    assert actions.search.call_args.args == (MIKA, {})
