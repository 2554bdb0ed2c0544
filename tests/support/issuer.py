"""An issuer of tokens on 127.0.0.1, as OpenID Connect has it: a key, its JWKS, and RS256 signatures."""

import base64
import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

AUDIENCE = "memory"


class Issuer:
    """Use it as a context manager."""

    def __init__(self) -> None:
        self._key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        jwks = json.dumps({"keys": [self._public()]}).encode()

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                found = self.path == "/.well-known/jwks.json"
                self.send_response(200 if found else 404)
                self.end_headers()
                self.wfile.write(jwks if found else b"{}")

            def log_message(self, *_: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def token(self, key: rsa.RSAPrivateKey | None = None, **claims: Any) -> str:
        """Return a signed token; ``key`` forges it."""
        now = int(time.time())
        held = {"iss": self.url, "aud": AUDIENCE, "iat": now - 5, "exp": now + 600, **claims}
        signed = ".".join(
            _encoded(json.dumps(part).encode()) for part in ({"alg": "RS256", "kid": "k1"}, held)
        )
        signature = (key or self._key).sign(signed.encode(), padding.PKCS1v15(), hashes.SHA256())
        return f"{signed}.{_encoded(signature)}"

    def _public(self) -> dict[str, str]:
        numbers = self._key.public_key().public_numbers()
        parts = {
            name: _encoded(n.to_bytes((n.bit_length() + 7) // 8, "big"))
            for name, n in (("n", numbers.n), ("e", numbers.e))
        }
        return {"kty": "RSA", "kid": "k1", "alg": "RS256", "use": "sig", **parts}


def _encoded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
