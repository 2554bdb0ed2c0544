"""An HTTP server on this machine that answers JSON with whatever a test tells it to; the fakes of model APIs are made of it."""

import json
import threading
from collections.abc import Callable
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

Reply = tuple[int, dict[str, str], bytes]
Answer = Callable[[dict[str, Any]], Reply]
HANG: Reply = (0, {}, b"")
"""Takes the request and says nothing."""
DROP: Reply = (-1, {}, b"")
"""Takes the request and closes the connection."""
DRIP: Reply = (-2, {}, b"")
"""Answers with a space now and then, for ten seconds, and comes to no end."""


def as_json(status: int, body: Any, **headers: str) -> Reply:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return status, named, json.dumps(body).encode()


def misbehave(handler: BaseHTTPRequestHandler, reply: Reply, over: threading.Event) -> None:
    """Give an answer that is none."""
    if reply == HANG:
        over.wait()
        return
    handler.close_connection = True
    if reply == DROP:
        return
    handler.send_response(HTTPStatus.OK)
    handler.send_header("content-length", "1000000")
    handler.end_headers()
    for _ in range(100):
        try:
            handler.wfile.write(b" ")
            handler.wfile.flush()
        except OSError:  # the other end has hung up
            return
        if over.wait(0.1):
            return


class JsonServer:
    """Use it as a context manager, or close it.

    ``requests`` and ``headers`` are what was asked; each request has its ``path`` too.
    """

    def __init__(self, answer: Answer) -> None:
        self.requests: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self._over = threading.Event()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            wbufsize = -1  # headers and body in one packet, or each answer waits for an acknowledgement

            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["content-length"])))
                outer.requests.append({**body, "path": self.path})
                outer.headers.append({name.lower(): value for name, value in self.headers.items()})
                status, headers, content = answer(body)
                if status < HTTPStatus.CONTINUE:
                    misbehave(self, (status, headers, content), outer._over)
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
        self.root = f"http://127.0.0.1:{self.server.server_port}"
        self.base_url = f"{self.root}/v1"
        serve = {"poll_interval": 0.01}
        self._thread = threading.Thread(target=self.server.serve_forever, kwargs=serve, daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._over.set()
        self.server.shutdown()
        self.server.server_close()
        self._thread.join()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
