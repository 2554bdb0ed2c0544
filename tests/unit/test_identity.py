"""Who may ask for whose memory, by each entrance."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.caller_events import AGENT, direct_event, jwt_event, url_event

from pipeline.errors import InvalidRequestError, SettingsError
from pipeline.identity import Caller, CallerAuthenticator, Grants, read_grants

PATH = ("POST", "/api/v1/memory/search")
ROLE = "arn:aws:iam::123456789012:role/service/agent"


def authenticator(
    grants: str | None = f'{{"{ROLE}": {{"acme": ["mika"], "bravo": "*"}}}}', **jwt: Any
) -> CallerAuthenticator:
    return CallerAuthenticator(read_grants(grants), **jwt)


def refusal(of: CallerAuthenticator, event: dict[str, Any]) -> int:
    with pytest.raises(InvalidRequestError) as caught:
        of.caller(event)
    assert caught.value.hint
    return caught.value.status


@pytest.mark.parametrize(
    ("tenant", "user", "allowed"),
    [
        ("acme", "mika", True),
        ("acme", "ken", False),
        ("acme", None, False),
        ("bravo", "ken", True),
        ("bravo", None, True),
        ("*", "mika", False),
        ("zenith", "mika", False),
        ("acme,bravo", "mika", False),
    ],
)
def test_a_principal_names_whom_it_was_granted(tenant: str, user: str | None, allowed: bool) -> None:
    event = url_event(*PATH, tenant=tenant, user=user)
    if allowed:
        assert authenticator().caller(event) == Caller(tenant, user or tenant)
    else:
        assert refusal(authenticator(), event) == 403


def test_a_list_of_tenants_grants_their_own_users_only() -> None:
    listed = authenticator(f'{{"{ROLE}": ["acme"]}}')
    assert listed.caller(url_event(*PATH, user=None)) == Caller("acme", "acme")
    assert refusal(listed, url_event(*PATH)) == 403


def test_one_may_be_granted_every_tenant() -> None:
    assert authenticator(f'{{"{ROLE}": {{"*": "*"}}}}').caller(url_event(*PATH, tenant="会社")) == Caller(
        "会社", "mika"
    )


@pytest.mark.parametrize(
    "principal",
    [
        "arn:aws:sts::123456789012:assumed-role/other/agent",
        "arn:aws:sts::210987654321:assumed-role/agent/chat",
        "arn:aws:iam::123456789012:user/agent",
        "arn:aws:sts::123456789012:federated-user/agent",
        "arn:aws-cn:sts::123456789012:assumed-role/agent/chat",
        "aws:123456789012:role/agent",
    ],
)
def test_another_principal_gets_nothing(principal: str) -> None:
    assert refusal(authenticator(), url_event(*PATH, principal=principal)) == 403


def test_a_role_is_the_same_whatever_its_sessions_name_but_a_session_granted_is_only_that_one() -> None:
    assert authenticator().caller(url_event(*PATH, principal=AGENT.replace("/chat", "/x@y"))) == Caller(
        "acme", "mika"
    )
    session = authenticator(f'{{"{AGENT}": ["acme"]}}')
    assert session.caller(url_event(*PATH, user=None)) == Caller("acme", "acme")
    assert refusal(session, url_event(*PATH, user=None, principal=AGENT.replace("/chat", "/x"))) == 403


def test_no_tenant_is_401_and_a_shut_entrance_403() -> None:
    assert refusal(authenticator(), url_event(*PATH, tenant=None)) == 401
    assert refusal(authenticator(None), url_event(*PATH)) == 403
    assert refusal(authenticator(), jwt_event(*PATH)) == 403
    assert refusal(authenticator(None, tenant_claim="tenant"), url_event(*PATH)) == 403


def test_an_event_with_two_identities_or_none_is_refused() -> None:
    both = url_event(*PATH)
    both["requestContext"]["authorizer"]["jwt"] = {"claims": {"tenant": "acme", "sub": "mika"}}
    assert refusal(authenticator(tenant_claim="tenant"), both) == 403
    for context in (None, [], {}, {"authorizer": None}, {"authorizer": {"iam": {"userArn": 7}}}):
        forged = {**direct_event(*PATH, tenant_id="acme"), "requestContext": context}
        assert refusal(authenticator(tenant_claim="tenant"), forged) == 403


def test_a_header_that_is_no_utf_8_is_400() -> None:
    event = url_event(*PATH)
    event["headers"]["x-tenant-id"] = "%ff"
    assert refusal(authenticator(), event) == 400


def test_a_tokens_claims_name_the_caller() -> None:
    assert authenticator(tenant_claim="tenant").caller(jwt_event(*PATH)) == Caller("acme", "mika")
    named = jwt_event(*PATH, headers={"x-tenant-id": "acme", "x-user-id": "mika"})
    assert authenticator(tenant_claim="tenant").caller(named) == Caller("acme", "mika")
    assert authenticator(tenant_claim="sub", user_claim="tenant").caller(jwt_event(*PATH)) == Caller(
        "mika", "acme"
    )


@pytest.mark.parametrize(
    ("headers", "claims"),
    [
        ({"x-tenant-id": "bravo"}, {}),
        ({"x-user-id": "ken"}, {}),
        ({}, {"tenant": None}),
        ({}, {"tenant": ""}),
        ({}, {"tenant": ["acme"]}),
        ({}, {"sub": None}),
        ({"x-tenant-id": "acme", "x-user-id": "mika"}, {"tenant": None}),
        ({"x-user-id": "ken"}, {"scope": "admin.memory"}),
    ],
)
def test_a_token_reaches_no_further_than_its_claims(headers: dict[str, str], claims: dict[str, Any]) -> None:
    event = jwt_event(*PATH, headers=headers, **claims)
    assert refusal(authenticator(tenant_claim="tenant", any_user_scope="admin"), event) == 403


def test_a_scope_opens_the_other_users_of_the_tenant_and_no_other_tenant() -> None:
    open_ = authenticator(tenant_claim="tenant", any_user_scope="admin")
    ken = jwt_event(*PATH, headers={"x-user-id": "ken"}, scope="openid admin")
    assert open_.caller(ken) == Caller("acme", "ken")
    bravo = jwt_event(*PATH, headers={"x-tenant-id": "bravo"}, scope="openid admin")
    assert refusal(open_, bravo) == 403


@pytest.mark.parametrize(
    "text",
    [
        "[]",
        "{",
        '{"agent": ["acme"]}',
        f'{{"{ROLE}": "*"}}',
        f'{{"{ROLE}": ["*"]}}',
        f'{{"{ROLE}": [7]}}',
        f'{{"{ROLE}": {{"acme": "mika"}}}}',
        f'{{"{ROLE}": {{"acme": [""]}}}}',
        f'{{"{ROLE}": {{"": "*"}}}}',
    ],
)
def test_grants_that_cannot_be_read_open_nothing(text: str) -> None:
    with pytest.raises(SettingsError, match="TRUSTED_CALLERS"):
        read_grants(text)


def test_no_grants_are_none() -> None:
    assert read_grants(None) == Grants() == read_grants("{}")


IDS = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=20)


@given(tenant=IDS, user=IDS, principal=st.sampled_from([AGENT, ROLE, "arn:aws:iam::1:user/x"]))
def test_forging_an_http_event_gains_a_direct_caller_nothing(tenant: str, user: str, principal: str) -> None:
    """Whatever identity a forged event reaches, the same caller could have named outright."""
    open_ = authenticator(f'{{"{ROLE}": {{"*": "*"}}}}', tenant_claim="tenant", any_user_scope="admin")
    for event in (
        url_event(*PATH, tenant=tenant, user=user, principal=principal),
        jwt_event(*PATH, tenant=tenant, sub=user),
    ):
        try:
            reached = open_.caller(event)
        except InvalidRequestError:
            continue
        outright = direct_event(*PATH, tenant_id=reached.tenant_id, user_id=reached.user_id)
        assert open_.caller(outright) == reached == Caller(tenant, user)
