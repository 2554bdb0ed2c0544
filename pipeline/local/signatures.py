"""Checks AWS Signature Version 4, worked out anew from its description (docs.aws.amazon.com, "Create a signed request")."""

import hashlib
import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, quote, urlsplit

from pipeline.local.opensearch_rules import RefusedError

_AUTHORIZATION = re.compile(
    r"AWS4-HMAC-SHA256 Credential=([^/]+)/(\d{8})/([^/]+)/([^/]+)/aws4_request, ?SignedHeaders=([^,]+), ?Signature=([0-9a-f]{64})"
)


@dataclass(frozen=True, slots=True)
class Signatures:
    """Whose requests are let in.

    Args:
        secrets: access key → secret key.
        service: that must have been signed for.
        sessions: let in whoever signs with a session's token, too, without knowing its secret: the local AWS gives its
            functions sessions of their roles, and tells nobody the secrets. All else about the request is checked.
    """

    secrets: Mapping[str, str] = field(repr=False)
    service: str
    sessions: bool = False

    def check(self, method: str, target: str, headers: Mapping[str, str], body: bytes) -> None:
        """Return if the request is rightly signed, its body included.

        Raises:
            RefusedError: it is not (403).
        """
        given = {name.lower(): " ".join(value.split()) for name, value in headers.items()}
        match = _AUTHORIZATION.fullmatch(given.get("authorization", ""))
        if not match:
            raise RefusedError(403, "the request is not signed")
        access_key, day, region, service, names, signature = match.groups()
        signed = names.split(";")
        digest = hashlib.sha256(body).hexdigest()
        session = self.sessions and "x-amz-security-token" in signed and access_key not in self.secrets
        if service != self.service or not (session or access_key in self.secrets):
            raise RefusedError(403, "signed for another service, or by nobody known")
        if (
            not {"host", "x-amz-date", "x-amz-content-sha256"} <= set(signed)
            or given.get("x-amz-content-sha256") != digest
        ):
            raise RefusedError(403, "the body is not signed")
        if session:
            return
        scope = f"{day}/{region}/{service}/aws4_request"
        canonical = _canonical(method, target, {name: given.get(name, "") for name in signed}, names, digest)
        text = "\n".join(
            ("AWS4-HMAC-SHA256", given["x-amz-date"], scope, hashlib.sha256(canonical.encode()).hexdigest())
        )
        key = f"AWS4{self.secrets[access_key]}".encode()
        for part in (day, region, service, "aws4_request"):
            key = hmac.digest(key, part.encode(), "sha256")
        if not hmac.compare_digest(hmac.new(key, text.encode(), "sha256").hexdigest(), signature):
            raise RefusedError(403, "the signature does not fit")


def _canonical(method: str, target: str, headers: Mapping[str, str], names: str, digest: str) -> str:
    parts = urlsplit(target)
    query = "&".join(
        f"{quote(name, safe='-_.~')}={quote(value, safe='-_.~')}"
        for name, value in sorted(parse_qsl(parts.query, keep_blank_values=True))
    )
    lines = [f"{name}:{headers[name]}" for name in sorted(headers)]
    return "\n".join((method, quote(parts.path, safe="/-_.~"), query, *lines, "", names, digest))
