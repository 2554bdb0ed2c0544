"""What is let in, and what every answer tells the browser. Pure."""

from collections.abc import Mapping

MAX_BODY_BYTES = 1_000_000

_POLICY = {
    "default-src": "'none'",
    "script-src": "'self'",
    "style-src": "'self'",
    "img-src": "'self'",
    "connect-src": "'self'",
    "base-uri": "'none'",
    "form-action": "'none'",
    "frame-ancestors": "'none'",
    "require-trusted-types-for": "'script'",
    "trusted-types": "'none'",
}
HEADERS: Mapping[str, str] = {
    "content-security-policy": "; ".join(f"{name} {value}" for name, value in _POLICY.items()),
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "cache-control": "no-store",
}


def refused_request(method: str, headers: Mapping[str, str], port: int) -> tuple[int, str] | None:
    """Return status and reason if a request is not for this page, or not from it.

    The Host header stops DNS rebinding: a foreign name that suddenly resolves to this machine. The Origin header
    stops other pages from posting here; browsers send it with every request that is not a plain read.
    """
    own = {f"127.0.0.1:{port}", f"localhost:{port}"}
    if headers.get("host", "").lower() not in own:
        return 421, "this page answers at 127.0.0.1 only"
    origin = headers.get("origin")
    if origin is not None and origin.removeprefix("http://").lower() not in own:
        return 403, "requests come from the page itself"
    navigates = method == "GET" and headers.get("sec-fetch-mode") == "navigate"
    if headers.get("sec-fetch-site", "same-origin") not in {"same-origin", "none"} and not navigates:
        return 403, "requests come from the page itself"
    if method in {"GET", "HEAD"}:
        return None
    return _of_body(headers)


def _of_body(headers: Mapping[str, str]) -> tuple[int, str] | None:
    length = headers.get("content-length", "")
    if not length.isdecimal():
        return 411, "say how long the body is"
    if int(length) > MAX_BODY_BYTES:
        return 413, f"a body has at most {MAX_BODY_BYTES} bytes"
    if headers.get("content-type", "").partition(";")[0].strip() != "application/json":
        return 415, "send JSON"
    return None
