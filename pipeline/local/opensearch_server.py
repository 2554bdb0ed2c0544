"""OpenSearch Serverless on 127.0.0.1: one collection in memory, exact, and as strict as the service is.

It refuses what the service refuses, in both generations (docs.aws.amazon.com/opensearch-service, serverless): unsigned
requests, document ids in a Classic collection, forced refreshes, and every API that is not there. What is written or
deleted is visible to searches only after the next refresh. It is a stand-in for tests and trials; vectors are compared
one by one.
"""

import json
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import parse_qsl, unquote, urlsplit

from pipeline.local.opensearch_index import Index, RefusedError
from pipeline.local.signatures import Signatures
from pipeline.store_settings import Generation

REFRESH_SECONDS = {"classic": 60.0, "nextgen": 10.0}
READY_SECONDS = 0.0
"""How long a new index refuses writes; up to 15 at the service."""
ACCESS_KEY, SECRET_KEY = "local", "a secret of nobody's"
KEYS = {ACCESS_KEY: SECRET_KEY}
"""Who may sign."""


class OpenSearchServer:
    """Use it as a context manager; its address is ``endpoint``.

    Args:
        refresh_seconds: default that of the generation.
        ready_seconds: how long a new index refuses writes.
        sessions: see :class:`Signatures`.
        clock: seconds.
    """

    def __init__(
        self,
        generation: Generation = "classic",
        refresh_seconds: float | None = None,
        ready_seconds: float = READY_SECONDS,
        clock: Callable[[], float] = time.monotonic,
        *,
        sessions: bool = False,
    ) -> None:
        self.generation = generation
        self.refresh_seconds = REFRESH_SECONDS[generation] if refresh_seconds is None else refresh_seconds
        self.ready_seconds, self.clock = ready_seconds, clock
        self.indices: dict[str, Index] = {}
        self.signatures = Signatures(KEYS, "aoss", sessions)
        self.requests: list[tuple[str, str]] = []
        self.lock = threading.Lock()
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._http.daemon_threads = True
        self._thread: threading.Thread | None = None

    @property
    def endpoint(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self._http.server_address[1]}"

    def open(self) -> None:
        """Listen, until closed."""
        self._thread = threading.Thread(target=self._http.serve_forever, daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop listening; closing again does nothing."""
        if self._thread:
            self._http.shutdown()
            self._thread = None
        self._http.server_close()

    def __enter__(self) -> Self:
        """Listen."""
        self.open()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop listening."""
        self.close()

    def answer(self, method: str, target: str, body: bytes) -> tuple[int, Any]:  # noqa: PLR0911  # one an API
        """Return status and JSON for a request that was rightly signed."""
        parts = urlsplit(target)
        names = [unquote(name) for name in parts.path.split("/") if name]
        options = dict(parse_qsl(parts.query, keep_blank_values=True))
        self.requests.append((method, parts.path))
        if options.get("refresh") in {"true", "wait_for", ""}:
            raise RefusedError(400, "refresh policy is not supported")
        match method, names:
            case ("PUT", [name]) if not name.startswith("_"):
                return 200, self._create(name, json.loads(body or b"{}"))
            case ("HEAD" | "GET", [name]) if not name.startswith("_"):
                return 200, {name: self._index(name).body}
            case ("DELETE", [name]) if not name.startswith("_"):
                self._index(name)
                del self.indices[name]
                return 200, {"acknowledged": True}
            case ("POST" | "PUT", [name, "_bulk"]):
                return 200, self._index(name).bulk(body.decode(), self.clock())
            case ("POST" | "GET", [name, "_search"]):
                return 200, self._index(name).search(json.loads(body or b"{}"), self.clock())
            case ("POST", [name, "_doc"]):
                return 201, self._index(name).add(json.loads(body), None, self.clock())
            case ("PUT" | "POST", [name, "_doc" | "_create", id_]):
                return 201, self._index(name).add(json.loads(body), id_, self.clock())
            case _:
                raise RefusedError(404, "there is no such API")

    def _create(self, name: str, body: Any) -> Any:  # JSON
        if name in self.indices:
            raise RefusedError(400, "resource_already_exists_exception")
        ready_at = self.clock() + self.ready_seconds
        self.indices[name] = Index(body, self.generation, self.refresh_seconds, ready_at)
        return {"acknowledged": True, "index": name}

    def _index(self, name: str) -> Index:
        if name not in self.indices:
            raise RefusedError(404, "index_not_found_exception")
        return self.indices[name]


def _handler(server: OpenSearchServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _serve(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length") or 0))
            try:
                server.signatures.check(self.command, self.path, dict(self.headers.items()), body)
                with server.lock:
                    status, answer = server.answer(self.command, self.path, body)
            except RefusedError as refused:
                status, answer = (
                    refused.status,
                    {"error": {"type": refused.reason, "reason": refused.reason}, "status": refused.status},
                )
            except (ValueError, KeyError, TypeError) as error:
                status, answer = (
                    400,
                    {"error": {"type": "parsing_exception", "reason": type(error).__name__}, "status": 400},
                )
            self._say(status, json.dumps(answer, ensure_ascii=False).encode())

        do_GET = do_POST = do_PUT = do_DELETE = do_HEAD = _serve  # noqa: N815  # http.server's names

        def _say(self, status: int, payload: bytes) -> None:
            self.send_response(status)
            self.send_header("content-type", "application/json; charset=UTF-8")
            self.send_header("content-length", str(len(payload)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(payload)

        def log_message(self, *_: Any) -> None:
            """Write nothing."""

    return Handler
