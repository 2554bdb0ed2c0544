"""Who is asking, and for whose memory. Pure.

Three entrances lead to the query function, and each says who is there in a way the asker cannot forge:

- *direct* invocation: IAM decides who may invoke; the payload names tenant and user;
- the function's URL with ``AWS_IAM``: AWS names the principal, :class:`Grants` say which tenants and users it may name in
  ``x-tenant-id`` and ``x-user-id``;
- an HTTP API with a JWT authorizer: claims name tenant and user.

An event that carries ``requestContext`` came over HTTP: AWS sets it, and no body or header can remove it. One who may
invoke directly may forge it, and gains nothing: every identity that an HTTP event can name, a direct one can name too.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote

from pipeline.errors import InvalidRequestError, SettingsError

EVERYBODY = "*"
TENANT_HEADER = "x-tenant-id"
USER_HEADER = "x-user-id"
MAX_ID_BYTES = 1024

_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")
_ASSUMED = re.compile(r"arn:([^:]+):sts::(\d*):assumed-role/([^/]+)/[^/]+")
_ROLE = re.compile(r"arn:([^:]+):iam::(\d*):role/(?:.+/)?([^/]+)")
_TENANT_ADVICE = (
    "name the tenant: `tenant_id` in a direct invocation, the header X-Tenant-Id over the function's URL"
)


@dataclass(frozen=True, slots=True)
class Caller:
    """Whose memory is asked for, once the entrance has let the asker in."""

    tenant_id: str
    user_id: str


@dataclass(frozen=True, slots=True)
class Grants:
    """What each principal may name.

    Args:
        of: principal (a role whatever its path and session, or an ARN as it is) → tenant or ``*`` → users or ``*``.
    """

    of: Mapping[str, Mapping[str, frozenset[str]]] = field(default_factory=dict)

    def allow(self, principal: str, caller: Caller) -> bool:
        """Tell whether ``principal`` may ask for ``caller``."""
        return any(
            caller.user_id in users or EVERYBODY in users
            for name in {principal, normal(principal)}
            for tenant_id in (caller.tenant_id, EVERYBODY)
            if (users := self.of.get(name, {}).get(tenant_id)) is not None
        )


@dataclass(frozen=True, slots=True)
class CallerAuthenticator:
    """Which entrances are open besides direct invocation, and to whom. By default none is.

    Args:
        grants: of the function's URL.
        tenant_claim: of the JWT authorizer's tokens; ``None`` keeps that entrance closed.
        user_claim: the same.
        any_user_scope: a token with this scope may name another user of its tenant.
    """

    grants: Grants = Grants()
    tenant_claim: str | None = None
    user_claim: str = "sub"
    any_user_scope: str | None = None

    def admit(self, event: Mapping[str, Any]) -> None:
        """Return if the event's entrance is open.

        Raises:
            InvalidRequestError: 403, it is not.
        """
        if "requestContext" not in event:
            return
        authorizer = _authorizer(event)
        principal, claims = _principal(authorizer), _claims(authorizer)
        if principal is not None and claims is None and self.grants.of:
            return
        if claims is not None and principal is None and self.tenant_claim:
            return
        raise _forbidden(
            "this HTTP entrance is not open",
            "invoke the function directly, or set TrustedCallers or the JWT parameters of the stack",
        )

    def caller(self, event: Mapping[str, Any]) -> Caller:
        """Return whose memory the event asks for.

        Raises:
            InvalidRequestError: 401 if nobody is named, 403 if the asker may not name them.
        """
        self.admit(event)
        if "requestContext" not in event:
            return _named(event.get("tenant_id"), event.get("user_id"))
        authorizer, headers = _authorizer(event), _headers(event)
        claims = _claims(authorizer)
        if claims is not None:
            return self._of_claims(claims, headers)
        caller = _named(headers.get(TENANT_HEADER), headers.get(USER_HEADER))
        if not self.grants.allow(_principal(authorizer) or "", caller):
            raise _forbidden(
                "this principal may not ask for that tenant and user",
                "add the principal, the tenant and the user to the stack's TrustedCallers",
            )
        return caller

    def _of_claims(self, claims: Mapping[str, Any], headers: Mapping[str, str]) -> Caller:
        tenant_id, user_id = claims.get(self.tenant_claim or ""), claims.get(self.user_claim)
        if not (isinstance(tenant_id, str) and tenant_id and isinstance(user_id, str) and user_id):
            raise _forbidden(
                "the token names no tenant and user",
                f"ask the issuer for the claims {self.tenant_claim} and {self.user_claim}",
            )
        own = _named(tenant_id, user_id)
        wished = _named(headers.get(TENANT_HEADER) or tenant_id, headers.get(USER_HEADER) or user_id)
        scopes = {*_words(claims.get("scope")), *_words(claims.get("scp"))}
        granted = self.any_user_scope is not None and self.any_user_scope in scopes
        if wished.tenant_id != own.tenant_id or (wished.user_id != own.user_id and not granted):
            raise _forbidden("the token is of another tenant or user", "leave X-Tenant-Id and X-User-Id out")
        return wished


def read_grants(text: str | None) -> Grants:
    """Read ``{"<principal ARN>": {"<tenant or *>": ["<user>", …] or "*"}}``; a list of tenants grants their own users.

    Raises:
        SettingsError: it is something else.
    """
    try:
        given = json.loads(text) if text else {}
        return Grants({_known(arn): _tenants(tenants) for arn, tenants in given.items()})
    except (ValueError, TypeError, AttributeError):
        raise SettingsError(
            'TRUSTED_CALLERS must be JSON such as {"arn:aws:iam::123456789012:role/agent": {"acme": "*"}}'
        ) from None


def normal(arn: str) -> str:
    """Return one name for a role, however it is written: its path and its session's name do not tell who it is."""
    for pattern in (_ASSUMED, _ROLE):
        if match := pattern.fullmatch(arn):
            return f"{match[1]}:{match[2]}:role/{match[3]}"
    return arn


def unequal_identity(fields: Mapping[str, Any], caller: Caller) -> str | None:
    """Return the field of a body or query string that names another identity than the entrance did."""
    known = {"tenant_id": caller.tenant_id, "user_id": caller.user_id}
    return next((name for name, value in known.items() if fields.get(name) not in (None, value)), None)


def check_identity(fields: Mapping[str, Any], caller: Caller) -> None:
    """Return if a body or query string names no other identity than the entrance did.

    Raises:
        InvalidRequestError: 403, it does.
    """
    if name := unequal_identity(fields, caller):
        raise _forbidden(f"{name} is not the caller's own", f"leave {name} out: the entrance says who asks")


def storable_id(value: object, name: str) -> str:
    """Return an id of a tenant, a user or a session.

    Raises:
        InvalidRequestError: 400, no item has such an id.
    """
    if not isinstance(value, str) or not value:
        raise InvalidRequestError(f"{name} must be a string that is not empty")
    if _UNSTORABLE.search(value) or len(value.encode()) > MAX_ID_BYTES:
        raise InvalidRequestError(
            f"{name} is no id: at most {MAX_ID_BYTES} bytes of UTF-8, without NUL or lone surrogates"
        )
    return value


def _named(tenant_id: object, user_id: object) -> Caller:
    if not isinstance(tenant_id, str) or not tenant_id:
        raise InvalidRequestError("Unauthorized", code="unauthorized", status=401, hint=_TENANT_ADVICE)
    tenant = storable_id(tenant_id, "tenant_id")
    return Caller(tenant, tenant if user_id is None or user_id == "" else storable_id(user_id, "user_id"))


def _authorizer(event: Mapping[str, Any]) -> Mapping[str, Any]:
    context = event.get("requestContext")
    authorizer = context.get("authorizer") if isinstance(context, dict) else None
    return authorizer if isinstance(authorizer, dict) else {}


def _principal(authorizer: Mapping[str, Any]) -> str | None:
    found = authorizer.get("iam")
    arn = found.get("userArn") if isinstance(found, dict) else None
    return arn if isinstance(arn, str) and arn.startswith("arn:") else None


def _claims(authorizer: Mapping[str, Any]) -> Mapping[str, Any] | None:
    found = authorizer.get("jwt")
    claims = found.get("claims") if isinstance(found, dict) else None
    return claims if isinstance(claims, dict) else None


def _headers(event: Mapping[str, Any]) -> dict[str, str]:
    """Return the headers in lower case, values percent-decoded: a header is ASCII, and an id may be anything."""
    given = event.get("headers")
    if not isinstance(given, dict):
        return {}
    try:
        return {
            name.lower(): unquote(value, errors="strict")
            for name, value in given.items()
            if isinstance(value, str) and name.lower() in {TENANT_HEADER, USER_HEADER}
        }
    except ValueError:
        raise InvalidRequestError("X-Tenant-Id and X-User-Id must be percent-encoded UTF-8") from None


def _words(value: object) -> list[str]:
    return value.strip("[]").split() if isinstance(value, str) else []


def _known(arn: str) -> str:
    """Return how a principal is looked up; an assumed role's ARN stays as it is, and grants to that session only."""
    if not arn.startswith("arn:"):
        raise ValueError
    return arn if _ASSUMED.fullmatch(arn) else normal(arn)


def _tenants(tenants: Any) -> Mapping[str, frozenset[str]]:  # noqa: ANN401  # whatever JSON came
    if isinstance(tenants, list) and EVERYBODY not in tenants:
        return {_id(tenant): frozenset({tenant}) for tenant in tenants}
    return {_id(tenant): _users(users) for tenant, users in tenants.items()}


def _users(users: Any) -> frozenset[str]:  # noqa: ANN401  # whatever JSON came
    if users == EVERYBODY:
        return frozenset({EVERYBODY})
    if not isinstance(users, list):
        raise TypeError
    return frozenset(map(_id, users))


def _id(value: Any) -> str:  # noqa: ANN401  # whatever JSON came
    if not isinstance(value, str) or not value:
        raise TypeError
    return value


def _forbidden(message: str, hint: str) -> InvalidRequestError:
    return InvalidRequestError(message, code="forbidden", status=403, hint=hint)
