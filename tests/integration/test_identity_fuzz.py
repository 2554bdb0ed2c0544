"""Forged tenants and users through every entrance, on a real database: nobody reads, or forgets, what is another's.

``IDENTITY_FUZZ_REQUESTS`` says how many requests go through each entrance.
"""

import json
import os
import random
import re
from collections import Counter
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any
from urllib.parse import unquote

import pytest
from support.caller_events import AGENT, direct_event, jwt_event, url_event
from support.chunks import put

from pipeline.handlers import query
from pipeline.stores.chunks import Chunk
from pipeline.stores.pgvector.store import PgVectorStore

pytestmark = pytest.mark.integration
REQUESTS = int(os.environ.get("IDENTITY_FUZZ_REQUESTS", "300"))
CONTEXT: Any = SimpleNamespace(function_name="query")
MEMORY = "/api/v1/memory"
TENANTS = ["acme", "ACME", "acme ", "acme/mika", "*", "株式会社", "mika"]
USERS = ["mika", "ken", "acme", "*", "ミカ"]
ODD = [
    "",
    "' OR '1'='1",
    "acme,bravo",
    "%",
    "acme\x00",
    "\ud800",
    "x" * 2_000,
    "null",
    "{acme}",
    "MEMORY#acme",
]
OWNERS = [(tenant, user) for tenant in TENANTS for user in USERS]
GRANTS = {
    "arn:aws:iam::123456789012:role/agent": {"acme": ["mika"], "株式会社": "*"},
    "arn:aws:iam::123456789012:role/other": ["mika"],
}
PRINCIPALS = [AGENT, AGENT.replace("agent", "other"), "arn:aws:iam::1:user/agent", "*", "", "agent"]
Ask = tuple[str, str, Any, dict[str, str]]


@pytest.fixture(autouse=True)
def memories(query_function: PgVectorStore, embedder: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRUSTED_CALLERS", json.dumps(GRANTS))
    monkeypatch.setenv("JWT_TENANT_CLAIM", "tenant")
    monkeypatch.setenv("JWT_ANY_USER_SCOPE", "admin")
    for number, (tenant, user) in enumerate(OWNERS):
        text = f"user: the parcel of owner-{number} is here"
        metadata = {"key": "chat:1", "kind": "session", "roles": ["user"], "date": "2026-11-22"}
        note = {"key": "memory:long_term", "kind": "long_term", "roles": ["long_term"]}
        [vector] = embedder.embed([text])
        chunks = [
            (Chunk(f"{number:032x}", user, text, ("m",), "f", None, metadata), vector),
            (Chunk(f"{number + 1000:032x}", user, f"- owner-{number}", ("n",), "f", None, note), vector),
        ]
        put(query_function, *chunks, source=f"s{number}", tenant=tenant)


def name(dice: random.Random, known: list[str]) -> str:
    return dice.choice(known if dice.random() < 0.85 else ODD)


def asked(dice: random.Random) -> Ask:
    """Return a request, with other identities wherever a careless service might look for one."""
    forged = {"tenant_id": name(dice, TENANTS), "user_id": name(dice, USERS)}
    forged = {key: value for key, value in forged.items() if dice.random() < 0.15}
    parameters = {key: value for key, value in forged.items() if dice.random() < 0.5}
    path, body = dice.choice(
        [
            ("search", {"query": "the parcel", "top_k": 100}),
            ("search", {"query": "the parcel", "sessions": ["chat:1"], "roles": ["user"]}),
            ("context", {"query": "the parcel"}),
            ("context", {"session_key": "chat:1"}),
            ("related", {"messages": ["the parcel of owner"], "session_key": "chat:9"}),
        ]
    )
    match dice.randrange(6):
        case 0:
            return "GET", MEMORY, None, parameters
        case 1:
            return "DELETE", MEMORY, None, parameters | {"session_key": "chat:1"}
        case _:
            return "POST", f"{MEMORY}/{path}", {**body, **forged}, parameters


def direct(dice: random.Random, ask: Ask) -> tuple[dict[str, Any], tuple[object, object]]:
    tenant, user = name(dice, TENANTS), name(dice, USERS)
    event = direct_event(*ask, tenant_id=tenant, user_id=user)
    event["headers"] = {"x-tenant-id": name(dice, TENANTS), "X-User-Id": name(dice, USERS)}
    if dice.random() < 0.2:  # an HTTP event, forged
        forged = url_event(*ask, principal=dice.choice(PRINCIPALS))["requestContext"]
        return {**event, "requestContext": forged, "rawPath": ask[1]}, _of_headers(event["headers"])
    return event, (tenant, user or tenant)


def by_url(dice: random.Random, ask: Ask) -> tuple[dict[str, Any], tuple[object, object]]:
    tenant, user = name(dice, TENANTS), name(dice, USERS)
    principal = dice.choice(PRINCIPALS)
    if dice.random() < 0.4:  # mostly granted
        principal, tenant = AGENT, dice.choice(["株式会社", "acme"])
    event = url_event(*ask, tenant=tenant, user=user, principal=principal)
    event |= {
        "tenant_id": name(dice, TENANTS),
        "user_id": name(dice, USERS),
        "path": ask[1],
        "method": ask[0],
    }
    if dice.random() < 0.1:
        event["requestContext"]["authorizer"]["jwt"] = {"claims": {"tenant": tenant, "sub": user}}
    return event, _of_headers(event["headers"])


def by_token(dice: random.Random, ask: Ask) -> tuple[dict[str, Any], tuple[object, object]]:
    tenant, user = name(dice, TENANTS), name(dice, USERS)
    headers = {"x-tenant-id": name(dice, TENANTS), "x-user-id": name(dice, USERS)}
    headers = {key: value for key, value in headers.items() if dice.random() < 0.2}
    scope = dice.choice(["openid", "admin openid", "administrator", "[admin]"])
    event = jwt_event(*ask, headers=headers, tenant=tenant, sub=user, scope=scope)
    event |= {"tenant_id": name(dice, TENANTS), "user_id": name(dice, USERS)}
    wished = unquote(headers.get("x-user-id", "")) or user
    allowed = wished if wished == user or "admin" in scope.strip("[]").split() else None
    return event, (tenant, allowed)


def _of_headers(headers: dict[str, str]) -> tuple[object, object]:
    given = {key.lower(): unquote(value) for key, value in headers.items()}
    tenant = given.get("x-tenant-id")
    return tenant, given.get("x-user-id") or tenant


@pytest.mark.parametrize("entrance", [direct, by_url, by_token])
def test_no_entrance_leads_to_anothers_memory(
    entrance: Callable[[random.Random, Ask], tuple[dict[str, Any], tuple[object, object]]],
    forget_messages: Any,
) -> None:
    dice = random.Random(20261122)
    statuses: Counter[int] = Counter()
    rows = foreign = 0
    for _ in range(REQUESTS):
        event, identity = entrance(dice, asked(dice))
        sent = len(forget_messages.sent)
        answer = query.handler(event, CONTEXT)
        statuses[answer["statusCode"]] += 1
        read = {OWNERS[int(number)] for number in re.findall(r"owner-(\d+)", answer["body"])}
        forgotten = {
            (forget_message.request.tenant_id, forget_message.request.user_id)
            for forget_message in forget_messages.sent[sent:]
        }
        rows += len(read)
        foreign += len((read | forgotten) - {identity})
    print(
        f"\n{entrance.__name__}: {REQUESTS} requests, {dict(sorted(statuses.items()))}, {rows} own, {foreign} foreign"
    )
    assert foreign == 0
    assert rows > REQUESTS / 100
    assert all(status < 500 for status in statuses)


def test_the_urls_grants_are_all_that_it_opens(forget_messages: Any) -> None:
    """Every principal against every owner: an oracle of four lines."""
    for principal in PRINCIPALS:
        for tenant, user in OWNERS:
            agent, other = principal == AGENT, principal == PRINCIPALS[1]
            allowed = (agent and ((tenant, user) == ("acme", "mika") or tenant == "株式会社")) or (
                other and (tenant, user) == ("mika", "mika")
            )
            event = url_event("POST", f"{MEMORY}/search", {"query": "parcel"}, {}, tenant, user, principal)
            answer = query.handler(event, CONTEXT)
            assert (answer["statusCode"] == 200) == allowed, (principal, tenant, user)
    assert forget_messages.sent == []
