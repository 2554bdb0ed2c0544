"""An embeddings API on this machine, with whatever weather a test wants."""

import base64
import json
import struct
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

Reply = tuple[int, dict[str, str], bytes]
Answer = Callable[[dict[str, Any]], Reply]
HANG: Reply = (0, {}, b"")
"""Takes the request and says nothing."""


class EmbeddingApi:
    """An embeddings API on this machine. ``replies`` are given in turn, then it answers as it should."""

    def __init__(self) -> None:
        self.requests: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self.replies: list[Reply | Answer] = []
        self._over = threading.Event()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["content-length"])))
                outer.requests.append({**body, "path": self.path})
                outer.headers.append({name.lower(): value for name, value in self.headers.items()})
                status, headers, content = outer.answer(body)
                if not status:
                    outer._over.wait()
                    return
                self.send_response(status)
                for name, value in (
                    {"content-length": str(len(content)), "content-type": "application/json"} | headers
                ).items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *_: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.base_url = f"http://127.0.0.1:{self.server.server_port}/v1"

    def answer(self, body: dict[str, Any]) -> Reply:
        """Return the next reply."""
        given = self.replies.pop(0) if self.replies else answered
        return given(body) if callable(given) else given

    def __enter__(self) -> Self:
        serve = {"poll_interval": 0.01}
        self._thread = threading.Thread(target=self.server.serve_forever, kwargs=serve, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self.server.shutdown()
        self.server.server_close()
        self._thread.join()


def vector_of(text: str, dimensions: int = 3) -> list[float]:
    return [float(len(text)), 1.0, *[0.5] * (dimensions - 2)]


def encoded(vector: list[float]) -> str:
    return base64.b64encode(struct.pack(f"<{len(vector)}f", *vector)).decode()


def rows(texts: list[str], dimensions: int = 3) -> list[dict[str, Any]]:
    return [
        {"object": "embedding", "index": index, "embedding": encoded(vector_of(text, dimensions))}
        for index, text in enumerate(texts)
    ]


def reply(data: Any, tokens: int = 7) -> Reply:
    usage = {"prompt_tokens": tokens, "total_tokens": tokens}
    return 200, {}, json.dumps({"object": "list", "data": data, "model": "m", "usage": usage}).encode()


def answered(body: dict[str, Any]) -> Reply:
    return reply(rows(body["input"], body.get("dimensions", 3)))


def refused(status: int, code: str | None = None, **headers: str) -> Reply:
    error = {"message": "canary sk-canary-key", "type": "x", "code": code}
    return (
        status,
        {name.replace("_", "-"): value for name, value in headers.items()},
        json.dumps({"error": error}).encode(),
    )
