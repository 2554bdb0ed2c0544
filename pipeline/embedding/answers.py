"""Reads the answers of servers that speak OpenAI's embeddings call, each with habits of its own. Pure.

A good answer (platform.openai.com/docs/api-reference/embeddings) is ``{"data": [{"index", "embedding"}], "usage"}``.
Of a refusal only status, code and the names of our own parameters are taken: its message may quote the text.
"""

import base64
import json
import math
import re
import sys
import time
from array import array
from collections.abc import Mapping, Sequence
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Any

from pipeline.embedding.retrying import MAX_PAUSE_SECONDS, FailedCallError, checked
from pipeline.embedding.vectors import MAX_COUNT, EmbeddingSpace, Vector, float32

OPTIONAL_PARAMETERS = frozenset({"dimensions", "encoding_format"})
"""What we send in addition to model and input; a server that knows one of them not is asked without it."""
KEY_REFUSED = frozenset({401, 403})

_SUSPECT = 500
_ERROR_STATUS = re.compile(r"[45]\d\d")
_NEVER_THE_TEXT = frozenset({401, 402, 407, 408, 409, 425, 429})
_LATER = frozenset({408, 409, 425, 429})
_ACCOUNT = re.compile(r"quota|budget|billing|credit|balance|arrear|payment", re.IGNORECASE)
_CODE = re.compile(r"[A-Za-z][A-Za-z0-9_.\-]{1,47}")
_ADVICE = {
    400: "check EMBEDDING_MODEL, EMBEDDING_DIMENSIONS, the key and the account's budget",
    401: "check the key in the secret",
    402: "add credit to the account or raise its budget",
    403: "check what the key may do, and EMBEDDING_MODEL",
    404: "check OPENAI_BASE_URL and EMBEDDING_MODEL",
    413: "check MAX_CHUNK_TOKENS, and what the server takes",
    422: "check EMBEDDING_MODEL and EMBEDDING_DIMENSIONS",
}


def read_vectors(body: bytes, count: int, space: EmbeddingSpace) -> tuple[Sequence[Vector], int]:
    """Return the vectors of an answer in the order of their texts, and the tokens it counts (0 if it counts none).

    Raises:
        FailedCallError: it does not hold ``count`` usable vectors of ``space``.
    """
    try:
        payload = json.loads(body)
        vectors = [_vector(row["embedding"]) for row in _in_order(payload["data"])]
    except (AttributeError, KeyError, TypeError, ValueError, ArithmeticError, RecursionError) as error:
        raise _unusable(f"the embedding API's answer has another shape: {type(error).__name__}") from None
    return checked(vectors, count, space), _tokens(payload)


def _unusable(message: str) -> FailedCallError:
    return FailedCallError(message, again=True, suspect=True)


def read_refusal(
    status: int, headers: Mapping[str, str], body: bytes, secrets: Sequence[str]
) -> FailedCallError:
    """Return what an answer other than 200 means.

    Args:
        headers: with names that match in any case.
        secrets: texts and key, as they were sent: none of them is taken for a code.
    """
    wished = _retry_after(headers)
    code = _code(body, secrets)
    said = f"the embedding API answered {status}" + (f" ({code})" if code else "")
    if code and _ACCOUNT.search(code):
        advice = f"the account's quota or budget is spent, {_ADVICE[402]}"
        return FailedCallError(
            said, advice, again=False, retry_after_seconds=wished, status=status, refused=True
        )
    if status in _LATER or status > _SUSPECT or status < 400:  # noqa: PLR2004  # redirects and what is under way
        again = wished is None or wished <= MAX_PAUSE_SECONDS
        return FailedCallError(said, again=again, retry_after_seconds=wished, status=status)
    named = frozenset(name for name in OPTIONAL_PARAMETERS if name.encode() in body)
    return FailedCallError(
        said,
        "" if status == _SUSPECT else _ADVICE.get(status, _ADVICE[400]),
        again=status == _SUSPECT and not named,
        retry_after_seconds=wished,
        suspect=status not in _NEVER_THE_TEXT,
        status=status,
        named=named,
        refused=status < _SUSPECT,
    )


def true_status(status: int, body: bytes) -> int:
    """Return the status that an answer means: gateways send the error of the provider behind them with 200 (OpenRouter).

    See openrouter.ai/docs/api-reference/errors: the body's ``error.code`` is then the status.
    """
    if status != HTTPStatus.OK or b'"error"' not in body:
        return status
    payload = _object(body)
    error = payload.get("error")
    code = str(error.get("code")) if isinstance(error, dict) and not payload.get("data") else ""
    return int(code) if _ERROR_STATUS.fullmatch(code) else status


def _object(body: bytes) -> Mapping[str, Any]:
    try:
        payload = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return payload if isinstance(payload, dict) else {}


def _code(body: bytes, secrets: Sequence[str]) -> str | None:
    """Return the error's code or type, where it is a name, and not of the secrets."""
    outer = _object(body)
    error = outer.get("error")
    inner = error if isinstance(error, dict) else {"code": error}
    found = (one.get(name) for one in (inner, outer) for name in ("code", "type", "error_type"))
    names = (one for one in found if isinstance(one, str) and _CODE.fullmatch(one) and one != "None")
    return next((one for one in names if not any(one in secret for secret in secrets)), None)


def _retry_after(headers: Mapping[str, str]) -> float | None:
    """Return for how many seconds to wait; ``Retry-After`` may be a date (RFC 9110, section 10.2.3)."""
    for name, seconds in (("retry-after-ms", 0.001), ("retry-after", 1.0)):
        try:
            wished = float(headers[name]) * seconds
        except (KeyError, ValueError):
            continue
        return None if math.isnan(wished) else max(0.0, wished)
    until = _moment(headers, "retry-after")
    # Counted by the server's own clock, where it says what that shows.
    return until and max(0.0, until - (_moment(headers, "date") or time.time()))


def _moment(headers: Mapping[str, str], name: str) -> float | None:
    try:
        return parsedate_to_datetime(headers[name]).timestamp()
    except (KeyError, TypeError, ValueError, OverflowError):
        return None


def _in_order(rows: Any) -> Sequence[Mapping[str, Any]]:  # noqa: ANN401  # whatever JSON came
    """Return the rows by index; a row without one stands where it came."""
    placed = {_index(row, position): row for position, row in enumerate(rows)}
    if placed.keys() != set(range(len(rows))):
        raise _unusable("the embedding API returned indexes that contradict each other")
    return [placed[index] for index in range(len(rows))]


def _index(row: Any, position: int) -> int:  # noqa: ANN401  # whatever JSON came
    index = row.get("index")
    if index is None:
        return position
    if not isinstance(index, int) or isinstance(index, bool):
        raise TypeError
    return index


def _vector(value: Any) -> Vector:  # noqa: ANN401  # base64 of little-endian float32, or a list of numbers
    if not isinstance(value, str):
        return float32(value)
    vector = array("f")
    vector.frombytes(base64.b64decode(value, validate=True))
    if sys.byteorder == "big":
        vector.byteswap()
    return vector


def _tokens(payload: Any) -> int:  # noqa: ANN401  # whatever JSON came
    usage = payload.get("usage") if isinstance(payload, dict) else None
    counts = (
        [usage.get(name) for name in ("total_tokens", "prompt_tokens")] if isinstance(usage, dict) else []
    )
    return next((count for count in counts if type(count) is int and 0 <= count < MAX_COUNT), 0)
