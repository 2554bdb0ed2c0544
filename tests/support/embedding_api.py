"""An embeddings API on this machine, with whatever faults or habits a test wants."""

import base64
import struct
import threading
from collections.abc import Sequence
from typing import Any

from support.json_server import HANG, Answer, JsonServer, Reply, as_json

__all__ = [
    "HANG",
    "Answer",
    "CountingApi",
    "EmbeddingApi",
    "Reply",
    "answered",
    "encoded",
    "refused",
    "reply",
    "rows",
]


class EmbeddingApi(JsonServer):
    """``replies`` are given in turn, then it answers as ``always`` says."""

    def __init__(self, always: Answer | None = None) -> None:
        self.replies: list[Reply | Answer] = []
        self.always: Answer = always or answered
        super().__init__(self.answer)

    def answer(self, body: dict[str, Any]) -> Reply:
        """Return the next reply."""
        given = self.replies.pop(0) if self.replies else self.always
        return given(body) if callable(given) else given


class CountingApi(JsonServer):
    """Answers as OpenAI does, or with 503 while ``down``.

    ``tokens`` is what it told its callers they used, ``refused`` how many calls it turned away.
    """

    DIMENSIONS = 16

    def __init__(self) -> None:
        self.down = False
        self.tokens = self.refused = 0
        self._lock = threading.Lock()
        super().__init__(lambda body: self._answer(body["input"]))

    @staticmethod
    def tokens_of(texts: Sequence[str]) -> int:
        """Return what embedding ``texts`` uses."""
        return sum(len(text) // 3 + 1 for text in texts)

    def _answer(self, texts: list[str]) -> Reply:
        with self._lock:
            if self.down:
                self.refused += 1
                return as_json(503, {"error": {"message": "the model is overloaded"}})
            used = self.tokens_of(texts)
            self.tokens += used
        made = [
            {"object": "embedding", "index": n, "embedding": encoded(letters(text, self.DIMENSIONS))}
            for n, text in enumerate(texts)
        ]
        return reply(made, used)


def letters(text: str, dimensions: int) -> list[float]:
    """Return a vector that says how often each letter stands in the text."""
    return [1.0 + text.count(chr(97 + letter)) for letter in range(dimensions)]


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
    return as_json(200, {"object": "list", "data": data, "model": "m", "usage": usage})


def answered(body: dict[str, Any]) -> Reply:
    return reply(rows(body["input"], body.get("dimensions", 3)))


def refused(status: int, code: str | None = None, **headers: str) -> Reply:
    error = {"message": "canary sk-canary-key", "type": "x", "code": code}
    return as_json(status, {"error": error}, **headers)
