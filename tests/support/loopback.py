"""The real query handler behind real HTTP on 127.0.0.1: each request becomes an event as the function's URL makes it."""

import threading
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace
from typing import Any, Self
from urllib.parse import parse_qsl, urlsplit

from support.caller_events import AGENT, url_event

from pipeline.handlers import query

CONTEXT: Any = SimpleNamespace(function_name="query")
Principal = Callable[[Mapping[str, str], bytes], str | None]


class Loopback:
    """Use it as a context manager.

    Args:
        principal: says who signed a request, from its headers and body; ``None`` is refused with 403, as AWS does.
    """

    def __init__(self, principal: Principal = lambda _headers, _body: AGENT) -> None:
        seen: list[dict[str, Any]] = []
        one_at_a_time = threading.Lock()  # a Lambda takes one event at a time

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def __getattr__(self, name: str) -> Any:
                if name.startswith("do_"):  # whatever the method
                    return self._serve
                raise AttributeError(name)

            def _serve(self) -> None:
                body = self.rfile.read(int(self.headers.get("content-length") or 0))
                headers = {name.lower(): value for name, value in self.headers.items()}
                caller = principal(headers, body)
                if caller is None:
                    self._answer({"statusCode": 403, "headers": {}, "body": '{"Message": "Forbidden"}'})
                    return
                event = _event(self.command, self.path, headers, body, caller)
                seen.append(event)
                with one_at_a_time:
                    self._answer(query.handler(event, CONTEXT))

            def _answer(self, answer: dict[str, Any]) -> None:
                body = answer["body"].encode()
                self.send_response(answer["statusCode"])
                for name, value in answer["headers"].items():
                    self.send_header(name, value)
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(body)

            def log_message(self, *_: Any) -> None:
                pass

        self.seen = seen
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()


def _event(
    method: str, target: str, headers: Mapping[str, str], body: bytes, principal: str
) -> dict[str, Any]:
    parts = urlsplit(target)
    try:
        text: str | None = body.decode() if body else None
    except UnicodeDecodeError:
        text = body.decode("utf-8", "replace")
    parameters = dict(parse_qsl(parts.query, keep_blank_values=True))
    event = url_event(method, parts.path, text, parameters, None, None, principal)
    event["headers"] = dict(headers)
    return event
