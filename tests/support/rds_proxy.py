"""What RDS Proxy and IAM authentication are to a client: TLS, a token for a password, and an eye on statements that pin.

A server on 127.0.0.1 in front of a real Postgres. It takes TLS only, asks for the password in clear as RDS does for IAM
logins, checks the token (signature, host, login, age) as AWS documents it, and then logs in upstream with a password.
Pinning: docs.aws.amazon.com/AmazonRDS/latest/UserGuide/rds-proxy-pinning.html#rds-proxy-pinning.postgres
"""

import contextlib
import re
import socket
import ssl
import struct
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from urllib.parse import parse_qs, urlsplit

from botocore.auth import SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from psycopg import pq
from support.authority import Certificate

SSL_REQUEST = 80877103
SHOWN = (
    b"server_version",
    b"server_encoding",
    b"client_encoding",
    b"DateStyle",
    b"TimeZone",
    b"integer_datetimes",
)
PINS = {
    "SET": re.compile(r"^\s*SET\s", re.IGNORECASE),
    "set_config": re.compile(r"\bset_config\s*\(", re.IGNORECASE),
    "sequence": re.compile(r"\b(nextval|setval|currval|lastval)\s*\(", re.IGNORECASE),
    "PREPARE": re.compile(r"^\s*(PREPARE|DISCARD|LISTEN|DECLARE|LOAD)\b", re.IGNORECASE),
    "temporary": re.compile(r"\bTEMP(ORARY)?\b", re.IGNORECASE),
    "advisory lock": re.compile(r"\bpg_(try_)?advisory_", re.IGNORECASE),
}


def signed_at(token: str, login: str, region: str, credentials: Credentials) -> datetime | None:
    """Return when a token was signed, or ``None`` if it is not one for this ``login`` (a URL) by these credentials."""
    given = parse_qs(urlsplit(f"https://{token}").query)
    stamp = given.get("X-Amz-Date", [""])[0]
    request = AWSRequest("GET", login)
    request.context["timestamp"] = stamp
    signing = SigV4QueryAuth(credentials, "rds-db", region, expires=900)
    signing._modify_request_before_signing(request)
    wanted = signing.signature(signing.string_to_sign(request, signing.canonical_request(request)), request)
    if given.get("X-Amz-Signature") != [wanted]:
        return None
    return datetime.strptime(stamp, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)


class RdsProxy:
    """Use ``port``; close it.

    Args:
        upstream: connection string of the real server, without TLS.
        certificate: to show.
        accepts: tells whether a token lets somebody in.
    """

    def __init__(self, upstream: str, certificate: Certificate, accepts: Callable[[str], bool]) -> None:
        self._upstream, self._accepts = upstream, accepts
        self._tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._tls.load_cert_chain(certificate.certificate, certificate.key)
        self.logins = self.refused = 0
        self.startup: list[dict[str, str]] = []
        self.statements: list[str] = []
        self.named: list[str] = []
        self._open: list[socket.socket] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        threading.Thread(target=self._accept, daemon=True).start()

    def pinning(self) -> list[str]:
        """Return what would have pinned a connection, each statement with the reason."""
        found = [
            f"{why}: {text[:80]}"
            for text in self.statements
            for why, rule in PINS.items()
            if rule.search(text)
        ]
        options = [f"startup options: {one}" for one in self.startup if "options" in one]
        return found + options + [f"prepared statement: {name}" for name in self.named]

    def cut(self) -> None:
        """End every connection, as a failover does."""
        opened, self._open = self._open, []
        for one in opened:
            with contextlib.suppress(OSError):
                socket.socket.shutdown(one, socket.SHUT_RDWR)  # an SSLSocket's own would go on in clear

    def close(self) -> None:
        self._listener.close()
        self.cut()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, plain: socket.socket) -> None:
        with contextlib.suppress(OSError, EOFError):
            _, code = struct.unpack("!II", _exactly(plain, 8))
            if code != SSL_REQUEST:
                plain.sendall(_error("28000", "This RDS Proxy requires TLS connections"))
                return
            plain.sendall(b"S")
            client = self._tls.wrap_socket(plain, server_side=True)
            [length] = struct.unpack("!I", _exactly(client, 4))
            words = _exactly(client, length - 4)[4:].split(b"\0")
            self.startup.append(
                {words[n].decode(): words[n + 1].decode() for n in range(0, len(words) - 2, 2)}
            )
            client.sendall(b"R" + struct.pack("!II", 8, 3))
            _, body = _message(client)
            if not self._accepts(body[:-1].decode()):
                self.refused += 1
                client.sendall(_error("28000", "PAM authentication failed for user"))
                client.close()
                return
            self.logins += 1
            self._relay(client)

    def _relay(self, client: socket.socket) -> None:
        server = pq.PGconn.connect(self._upstream.encode())
        shown = b"".join(
            _framed(b"S", name + b"\0" + (server.parameter_status(name) or b"") + b"\0") for name in SHOWN
        )
        client.sendall(
            _framed(b"R", struct.pack("!I", 0)) + shown + _framed(b"K", b"\0" * 8) + _framed(b"Z", b"I")
        )
        upstream = socket.socket(fileno=socket.dup(server.socket))
        upstream.settimeout(None)
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._open += [client, upstream]
        threading.Thread(target=self._answers, args=(upstream, client, server), daemon=True).start()
        with contextlib.suppress(OSError, EOFError):
            while True:
                kind, body = _message(client)
                self._note(kind, body)
                upstream.sendall(_framed(kind, body))
        with contextlib.suppress(OSError):
            upstream.shutdown(socket.SHUT_RDWR)

    def _note(self, kind: bytes, body: bytes) -> None:
        if kind == b"P":
            name, text, _ = body.split(b"\0", 2)
            self.statements.append(text.decode())
            self.named += [name.decode()] if name else []
        elif kind == b"Q":
            self.statements.append(body[:-1].decode())

    def _answers(self, upstream: socket.socket, client: socket.socket, _keeps_it_open: object) -> None:
        with contextlib.suppress(OSError):
            while packet := upstream.recv(65536):
                client.sendall(packet)
        with contextlib.suppress(OSError):
            socket.socket.shutdown(client, socket.SHUT_RDWR)


def _message(source: socket.socket) -> tuple[bytes, bytes]:
    kind = _exactly(source, 1)
    [length] = struct.unpack("!I", _exactly(source, 4))
    return kind, _exactly(source, length - 4)


def _exactly(source: socket.socket, size: int) -> bytes:
    got = b""
    while len(got) < size:
        more = source.recv(size - len(got))
        if not more:
            raise EOFError
        got += more
    return got


def _framed(kind: bytes, body: bytes) -> bytes:
    return kind + struct.pack("!I", len(body) + 4) + body


def _error(state: str, text: str) -> bytes:
    return _framed(b"E", f"SFATAL\0VFATAL\0C{state}\0M{text}\0\0".encode())
