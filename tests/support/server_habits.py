"""Habits of servers that speak OpenAI's embeddings call, as people have reported them; each answers one request.

A habit that names a product answers in that product's words, so that what is read of them is what they say.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from support.embedding_api import encoded, letters
from support.json_server import DROP, Answer, Reply, as_json

DIMENSIONS = 16
POISON = "POISON"
Body = dict[str, Any]
Outcome = Literal["indexed", "retried", "dead_lettered"]
"""Of a text: it has its vector; all wait and heal by themselves; it is refused, alone and for good."""


@dataclass(frozen=True, slots=True)
class Habit:
    """One server.

    Args:
        outcome: of 60 texts.
        poisoned: of the one text that says POISON, where it differs.
        says: what the error or the reason must say, as a pattern.
        learned: requests that the second time takes; 1 where nothing is in the way.
    """

    name: str
    answer: Answer
    outcome: Outcome = "indexed"
    poisoned: Outcome | None = None
    says: str = ""
    learned: int = 1


def vectors(body: Body, vector: Callable[[str], Any] | None = None) -> list[dict[str, Any]]:
    as_text = body.get("encoding_format") == "base64"
    made = vector or (lambda text: _coded(letters(text, DIMENSIONS), as_text=as_text))
    return [
        {"object": "embedding", "index": index, "embedding": made(text)}
        for index, text in enumerate(body["input"])
    ]


def _coded(values: list[float], *, as_text: bool) -> str | list[float]:
    return encoded(values) if as_text else values


def good(body: Body) -> Reply:
    return with_rows(body, vectors(body))


def with_rows(body: Body, rows: Sequence[dict[str, Any]]) -> Reply:
    tokens = sum(len(text) // 4 + 1 for text in body["input"])
    usage = {"prompt_tokens": tokens, "total_tokens": tokens}
    return as_json(200, {"object": "list", "data": rows, "model": body["model"], "usage": usage})


def openai_error(status: int, message: str, type_: str | None = None, code: Any = None) -> Reply:
    return as_json(status, {"error": {"message": message, "type": type_, "param": None, "code": code}})


def unless(refused: Callable[[Body], bool], reply: Reply | Answer, otherwise: Answer = good) -> Answer:
    def answer(body: Body) -> Reply:
        if not refused(body):
            return otherwise(body)
        return reply(body) if callable(reply) else reply

    return answer


def has(*names: str) -> Callable[[Body], bool]:
    return lambda body: any(name in body for name in names)


def more_than(count: int) -> Callable[[Body], bool]:
    return lambda body: len(body["input"]) > count


def more_bytes_than(count: int) -> Callable[[Body], bool]:
    return lambda body: len("".join(body["input"]).encode()) > count


def poisoned(body: Body) -> bool:
    return any(POISON in text for text in body["input"])


def always(_: Body) -> bool:
    return True


def echoed(body: Body) -> Reply:
    """FastAPI's answer to a body it does not like: it quotes the body."""
    detail = {"type": "extra_forbidden", "loc": ["body", "dimensions"], "input": body["input"]}
    return as_json(422, {"detail": [detail]})


def _without_index(rows: list[dict[str, Any]], *which: int) -> list[dict[str, Any]]:
    return [
        {
            name: value
            for name, value in row.items()
            if name != "index" or (which and row["index"] not in which)
        }
        for row in rows
    ]


def _indexed(index: Any) -> Answer:
    return lambda body: with_rows(
        body, [{**row, "index": index(row["index"], len(body["input"]))} for row in vectors(body)]
    )


def _spoilt(value: float) -> Answer:
    def vector(text: str) -> list[float]:
        return [value] * DIMENSIONS if POISON in text else letters(text, DIMENSIONS)

    return lambda body: with_rows(body, vectors(body, vector))


_VLLM = as_json(
    400,
    {
        "object": "error",
        "message": 'Model "bge-m3" does not support matryoshka representation, changing output dimensions will lead to poor results.',
        "type": "BadRequestError",
        "param": None,
        "code": 400,
    },
)
_LITELLM = openai_error(
    500, "litellm.UnsupportedParamsError: Setting dimensions is not supported", "None", "500"
)
_GEMINI = openai_error(
    400, "vertex_ai does not support parameters: {'encoding_format': 'base64'}", None, "400"
)
_DASHSCOPE = openai_error(
    400,
    "<400> InternalError.Algo.InvalidParameter: Value error, batch size is invalid, it should not be larger than 10.",
    "InvalidParameter",
    "InvalidParameter",
)
_TEI = as_json(413, {"error": "batch size 60 > maximum allowed batch size 32", "error_type": "Validation"})
_TEI_422 = as_json(
    422, {"error": "batch size 60 > maximum allowed batch size 32", "error_type": "Validation"}
)
_TOO_LONG = openai_error(
    400,
    "This model's maximum context length is 512 tokens, however you requested 700 tokens",
    "invalid_request_error",
    "context_length_exceeded",
)
_TOO_MANY_TOKENS = openai_error(
    400,
    "Requested 9000 tokens, max 8000 tokens per request",
    "max_tokens_per_request",
    "max_tokens_per_request",
)
_OLLAMA_NAN = openai_error(500, "failed to encode response: json: unsupported value: NaN", "api_error")
_FILTER = openai_error(400, "the response was filtered", None, "content_filter")

HABITS = (
    Habit("answers as OpenAI does", good),
    Habit("floats only, base64 not known", lambda body: good({**body, "encoding_format": "float"})),
    Habit("refuses dimensions, says so (vLLM, 400)", unless(has("dimensions"), _VLLM)),
    Habit("refuses dimensions, says so (LiteLLM, 500)", unless(has("dimensions"), _LITELLM)),
    Habit("refuses dimensions, quotes the body (422)", unless(has("dimensions"), echoed)),
    Habit("refuses dimensions, says nothing (400)", unless(has("dimensions"), as_json(400, {}))),
    Habit("refuses encoding_format (Gemini, 400)", unless(has("encoding_format"), _GEMINI)),
    Habit(
        "refuses both, one after the other",
        unless(has("dimensions"), _VLLM, unless(has("encoding_format"), _GEMINI)),
    ),
    Habit("refuses both, says nothing (422)", unless(has("dimensions", "encoding_format"), as_json(422, {}))),
    Habit(
        "refuses dimensions and makes others",
        unless(has("dimensions"), _VLLM, lambda body: with_rows(body, vectors(body, lambda _: [1.0] * 24))),
        "retried",
        says="24 dimensions.*set EMBEDDING_DIMENSIONS",
    ),
    Habit("takes 32 texts (TEI, 413)", unless(more_than(32), _TEI), learned=2),
    Habit("takes 32 texts (TEI, 422)", unless(more_than(32), _TEI_422), learned=2),
    Habit("takes 10 texts (DashScope, 400)", unless(more_than(10), _DASHSCOPE), learned=9),
    Habit("takes 1 text (400)", unless(more_than(1), as_json(400, {})), learned=60),
    Habit("takes 1 text, answers the first only", lambda body: good({**body, "input": body["input"][:1]}), learned=0),
    Habit("takes 600 bytes (413, no JSON)", unless(more_bytes_than(600), (413, {}, b"<html>")), poisoned="dead_lettered", says="413", learned=0),
    Habit("takes so many tokens a request (400)", unless(more_bytes_than(600), _TOO_MANY_TOKENS), poisoned="dead_lettered", says="max_tokens_per_request", learned=0),
    Habit(
        "takes 10 texts and no dimensions",
        unless(has("dimensions"), _VLLM, unless(more_than(10), _DASHSCOPE)),
        learned=9,
    ),
    Habit("index left out where it is 0", lambda body: with_rows(body, _without_index(vectors(body), 0))),
    Habit("no index at all", lambda body: with_rows(body, _without_index(vectors(body)))),
    Habit("index is null", _indexed(lambda *_: None)),
    Habit("rows shuffled", lambda body: with_rows(body, vectors(body)[::-1])),
    Habit(
        "indexes contradict each other",
        lambda body: with_rows(body, _without_index(vectors(body), 0)[::-1] + vectors(body)[:1]),
        "retried",
        says="contradict",
    ),
    Habit("refuses one text (400)", unless(poisoned, _FILTER), poisoned="dead_lettered", says="content_filter"),
    Habit("refuses one text (413)", unless(poisoned, as_json(413, {})), poisoned="dead_lettered", says="413"),
    Habit("refuses one text (422)", unless(poisoned, as_json(422, {})), poisoned="dead_lettered", says="422"),
    Habit("refuses one text (403)", unless(poisoned, as_json(403, {})), poisoned="dead_lettered", says="403"),
    Habit("fails at one text (Ollama, 500)", unless(poisoned, _OLLAMA_NAN), poisoned="dead_lettered", says="500"),
    Habit("drops the connection at one text", unless(poisoned, DROP), poisoned="dead_lettered", says="no answer"),
    Habit("answers NaN for one text", _spoilt(math.nan), poisoned="dead_lettered", says="not finite"),
    Habit("answers zeros for one text", _spoilt(0.0), poisoned="dead_lettered", says="zero"),
    Habit(
        "takes 10 texts, refuses one text",
        unless(poisoned, _FILTER, unless(more_than(10), _DASHSCOPE)),
        poisoned="dead_lettered",
        says="content_filter",
        learned=9,
    ),
    Habit(
        "takes 512 tokens a text (400)",
        unless(lambda body: any(len(text) > 2_000 for text in body["input"]), _TOO_LONG),
        poisoned="dead_lettered",
        says="context_length_exceeded.*MAX_CHUNK_TOKENS",
    ),
    Habit(
        "budget spent (LiteLLM, 400)",
        unless(always, openai_error(400, "Budget has been exceeded!", "budget_exceeded", "400")),
        "retried",
        says="budget_exceeded.*add credit",
    ),
    Habit(
        "budget spent, no code (400)",
        unless(always, openai_error(400, "Budget has been exceeded!", None, "400")),
        "retried",
        says="budget",
    ),
    Habit("account in arrears (DashScope, 400)", unless(always, openai_error(400, "x", "Arrearage", "Arrearage")), "retried", says="Arrearage"),
    Habit("payment required (402)", unless(always, as_json(402, {})), "retried", says="402.*add credit"),
    Habit("not allowed (403)", unless(always, as_json(403, {})), "retried", says="403.*what the key may do"),
    Habit("no such model (Ollama, 404)", unless(always, openai_error(404, 'model "x" not found, try pulling it first', "not_found_error")), "retried", says="404 .not_found_error.*EMBEDDING_MODEL"),
    Habit("no such model (LiteLLM, 400)", unless(always, openai_error(400, "Invalid model name", "invalid_request_error", "400")), "retried", says="400 .invalid_request_error.*EMBEDDING_MODEL"),
    Habit("quota spent (OpenAI, 429)", unless(always, openai_error(429, "x", "insufficient_quota", "insufficient_quota")), "retried", says="insufficient_quota.*add credit"),
    Habit("key refused (401)", unless(always, openai_error(401, "x", None, "invalid_api_key")), "retried", says="invalid_api_key.*secret"),
    Habit("throttled (429)", unless(always, openai_error(429, "x", None, "rate_limit_exceeded")), "retried", says="429 .rate_limit_exceeded"),
    Habit("overloaded (503)", unless(always, as_json(503, {})), "retried", says="503"),
    Habit("broken (500)", unless(always, as_json(500, {})), "retried", says="500"),
    Habit("another program answers (200, HTML)", unless(always, (200, {}, b"<html>canary</html>")), "retried", says="another shape"),
)  # fmt: skip


def long_poison() -> str:
    return f"{POISON} canary " + "word " * 600
