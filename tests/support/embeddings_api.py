"""An embeddings API on this machine that counts what it is asked for, and can be down."""

import base64
import json
import struct
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

DIMENSIONS = 16


class EmbeddingsApi:
    """Answers as OpenAI does, or with 503 while ``down``.

    ``tokens`` is what it told its callers they used, ``refused`` how many calls it turned away.
    """

    def __init__(self) -> None:
        self.down = False
        self.tokens = self.refused = 0
        self._lock = threading.Lock()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["content-length"])))
                status, answer = outer.answer(body["input"])
                content = json.dumps(answer).encode()
                self.send_response(status)
                self.send_header("content-type", "application/json")
                self.send_header("content-length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *_: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.base_url = f"http://127.0.0.1:{self._server.server_port}/v1"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def answer(self, texts: list[str]) -> tuple[int, dict[str, Any]]:
        with self._lock:
            if self.down:
                self.refused += 1
                return 503, {"error": {"message": "the model is overloaded"}}
            used = sum(len(text) // 3 + 1 for text in texts)
            self.tokens += used
        rows = [
            {"object": "embedding", "index": n, "embedding": _encoded(text)} for n, text in enumerate(texts)
        ]
        return 200, {"object": "list", "data": rows, "usage": {"prompt_tokens": used, "total_tokens": used}}


def _encoded(text: str) -> str:
    values = [1.0 + text.count(chr(97 + letter)) for letter in range(DIMENSIONS)]
    return base64.b64encode(struct.pack(f"<{DIMENSIONS}f", *values)).decode()
