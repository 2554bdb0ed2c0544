"""The HTTP entrances of the deployed template: a real JWT authorizer, and a function URL that nobody slips through."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
import urllib3
from cryptography.hazmat.primitives.asymmetric import rsa
from support.caller_events import AGENT, url_event
from support.deployed_stack import DeployedStack, until
from support.emulators import has_http_apis, over_loopback
from support.issuer import AUDIENCE, Issuer

from pipeline.local.stack import Stack

pytestmark = pytest.mark.e2e
ROLE = "arn:aws:iam::123456789012:role/agent"
MEMORY = "/api/v1/memory"


@pytest.fixture(scope="module")
def issuer() -> Iterator[Issuer]:
    with Issuer() as running:
        yield running


@pytest.fixture(scope="module")
def open_house(issuer: Issuer) -> Iterator[DeployedStack]:
    parameters = {"TrustedCallers": json.dumps({ROLE: {"acme": ["mika"]}})}
    if has_http_apis():
        parameters |= {"JwtIssuer": issuer.url, "JwtAudience": AUDIENCE}
    with Stack(parameters) as stack:
        deployed = DeployedStack(stack, "acme")
        deployed.save("chat:1", [{"role": "user", "content": "The kite is red."}], user_id="mika")
        deployed.save("chat:2", [{"role": "user", "content": "The kite is blue."}], user_id="ken")
        deployed.save(
            "chat:3", [{"role": "user", "content": "The kite is green."}], tenant="bravo", user_id="mika"
        )
        until(lambda: deployed.contents("kite", user="mika") != [], "mika's is searchable")
        until(lambda: deployed.contents("kite", user="ken") != [], "ken's is searchable")
        until(lambda: deployed.contents("kite", tenant="bravo", user="mika") != [], "bravo's is searchable")
        yield deployed


def http(
    deployed: DeployedStack, path: str, token: str | None, method: str = "GET", **body: Any
) -> tuple[int, dict[str, Any]]:
    api = deployed.stack.outputs["QueryApiEndpoint"].partition("//")[2].partition(".")[0]
    headers = {"authorization": f"Bearer {token}"} if token else {}
    answer = urllib3.request(
        method,
        f"{deployed.stack.aws.endpoint_url}/_aws/execute-api/{api}/$default{path}",
        headers={**headers, "content-type": "application/json"},
        body=json.dumps(body) if body else None,
    )
    return answer.status, answer.json()


def test_a_token_reads_its_own_users_memory(open_house: DeployedStack, issuer: Issuer) -> None:
    token = issuer.token(tenant_id="acme", sub="mika")
    status, body = http(open_house, f"{MEMORY}/search", token, "POST", query="kite")
    assert status == 200
    assert [hit["content"][-16:] for hit in body["results"]] == ["The kite is red."]
    assert http(open_house, MEMORY, token)[0] == 200
    assert http(open_house, f"{MEMORY}/search", token, "POST", query="kite", tenant_id="bravo")[0] == 403


def test_without_a_good_token_nobody_gets_in(open_house: DeployedStack, issuer: Issuer) -> None:
    forger = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    claims = {"tenant_id": "acme", "sub": "mika"}
    for token in (
        None,
        "nonsense",
        issuer.token(key=forger, **claims),
        issuer.token(**claims, aud="others"),
        issuer.token(**claims, exp=1),
        issuer.token(**claims, iss="https://elsewhere.example"),
    ):
        assert http(open_house, MEMORY, token)[0] == 401
    assert http(open_house, MEMORY, issuer.token(sub="mika"))[0] == 403


def test_the_url_lets_nobody_in_whom_aws_does_not_name(open_house: DeployedStack) -> None:
    """The local AWS names no principal in a URL's event, so even one who forges all headers is refused."""
    url, named = over_loopback(open_house.stack.outputs["QueryUrl"], open_house.stack.aws.endpoint_url)
    for headers in ({}, {"x-tenant-id": "acme", "x-user-id": "mika"}, {"x-amz-principal": ROLE}):
        answer = urllib3.request(
            "POST",
            f"{url}{MEMORY}/search",
            headers={
                **named,
                "content-type": "application/json",
                "authorization": "AWS4-HMAC-SHA256 Credential=x",
                **headers,
            },
            body=json.dumps(
                {"query": "kite", "tenant_id": "acme", "requestContext": {"authorizer": {"iam": {}}}}
            ),
        )
        assert answer.status == 403


def test_the_deployed_function_takes_an_event_as_its_url_makes_it(open_house: DeployedStack) -> None:
    status, body = open_house.invoke(
        url_event("POST", f"{MEMORY}/search", {"query": "kite"}, principal=AGENT)
    )
    assert status == 200
    assert [hit["content"][-16:] for hit in body["results"]] == ["The kite is red."]
    for change in ({"tenant": "bravo"}, {"user": "ken"}, {"principal": AGENT.replace("agent", "other")}):
        assert open_house.invoke(url_event("POST", f"{MEMORY}/search", {"query": "kite"}, **change))[0] == 403


def test_forgetting_through_an_entrance_goes_all_the_way(open_house: DeployedStack, issuer: Issuer) -> None:
    ken = issuer.token(tenant_id="acme", sub="ken")
    status, taken = http(open_house, f"{MEMORY}?session_key=chat:2", ken, "DELETE")
    assert (status, taken["source_items"]) == (202, "kept")
    until(
        lambda: http(open_house, taken["status_path"], ken)[1]["status"] == "done",
        "the forget request is carried out",
    )
    assert http(open_house, taken["status_path"], ken)[1]["deleted"] == 1
    assert http(open_house, f"{MEMORY}/search", ken, "POST", query="kite")[1]["results"] == []
    open_house.save("chat:2", [{"role": "user", "content": "The kite is blue."}], user_id="ken")
    until(lambda: open_house.demo.queue_depth() == 0, "the save was looked at")
    assert http(open_house, f"{MEMORY}/search", ken, "POST", query="kite")[1]["results"] == []


def test_a_default_deployment_has_no_entrances(stack: Stack) -> None:
    assert not {"QueryUrl", "QueryApiEndpoint"} & stack.outputs.keys()
    assert not {"AWS::Lambda::Url", "AWS::ApiGatewayV2::Api"} & stack.resource_types()
