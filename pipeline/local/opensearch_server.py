"""OpenSearch Serverless on 127.0.0.1: one collection, as strict as the service is.

It refuses what the service refuses, in both generations (docs.aws.amazon.com/opensearch-service, serverless): unsigned
requests, document ids in a Classic collection, forced refreshes, and every API that is not there. What is written or
deleted is visible to searches only after the next refresh. Behind these rules stands a real OpenSearch, or a stand-in
for tests and trials: in memory, comparing vectors one by one.
"""

import json
import threading
import time
from collections.abc import Callable
from contextlib import nullcontext
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import parse_qsl, unquote, urlsplit
from uuid import uuid4

from pipeline.local.opensearch_index import Index
from pipeline.local.opensearch_proxy import Node, NodeIndex
from pipeline.local.opensearch_rules import Refreshes, RefusedError, ServiceRules
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
        clock: seconds.
        sessions: see :class:`Signatures`.
        node: URL of a real OpenSearch that holds the collection; its indices are deleted in the end.
    """

    def __init__(  # noqa: PLR0913  # what may differ, each with its default
        self,
        generation: Generation = "classic",
        refresh_seconds: float | None = None,
        ready_seconds: float = READY_SECONDS,
        clock: Callable[[], float] = time.monotonic,
        *,
        sessions: bool = False,
        node: str | None = None,
    ) -> None:
        self.generation = generation
        self.refresh_seconds = REFRESH_SECONDS[generation] if refresh_seconds is None else refresh_seconds
        self.ready_seconds, self.clock = ready_seconds, clock
        self.indices: dict[str, Index | NodeIndex] = {}
        self.node = Node(node) if node else None
        self._prefix = f"{uuid4().hex}-"  # others may have theirs on the same node
        self.signatures = Signatures(KEYS, "aoss", sessions)
        self.requests: list[tuple[str, str]] = []
        self.lock = nullcontext() if node else threading.Lock()  # a real one takes many requests at once
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
        if self.node and self.indices:
            self.node.delete(self._prefix + "*")
        self.indices.clear()

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
                self._drop(name)
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
        now = self.clock()
        rules = ServiceRules(self.generation, now + self.ready_seconds)
        refreshes = Refreshes(now, self.refresh_seconds)
        if self.node:
            self.indices[name] = NodeIndex(self.node, self._prefix + name, body, rules, refreshes)
        else:
            self.indices[name] = Index(body, rules, refreshes)
        return {"acknowledged": True, "index": name}

    def _drop(self, name: str) -> None:
        del self.indices[name]
        if self.node:
            self.node.delete(self._prefix + name)

    def _index(self, name: str) -> Index | NodeIndex:
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
                plain = {
                    "error": {"type": refused.reason, "reason": refused.reason},
                    "status": refused.status,
                }
                status, answer = refused.status, refused.answer or plain
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
