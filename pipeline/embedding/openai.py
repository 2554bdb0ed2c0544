"""OpenAI's embeddings, or any API that speaks the same call."""

import base64
import binascii
import json
import sys
from array import array
from collections.abc import Callable, Sequence
from http import HTTPStatus
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

from pipeline.embedding.batching import batches
from pipeline.embedding.retrying import MAX_PAUSE_SECONDS, FailedCallError, retrying
from pipeline.embedding.vectors import Space, Usage, Vector, check_vectors, float32
from pipeline.errors import EmbeddingRejectedError
from pipeline.settings import EmbeddingSettings

if TYPE_CHECKING:
    from urllib3 import BaseHTTPResponse, PoolManager

_BAD_INPUT = frozenset({400, 413, 422})
_KEY_REFUSED = frozenset({401, 403})
_FINAL_FOR_NOW = frozenset({401, 403, 404})


class OpenAIEmbedder:
    """Embeds by one HTTP call; the ``openai`` package takes a second to import, which a question would wait for.

    Args:
        settings: model, dimensions, address, limits.
        key: the API key, or what reads it: asked again after the key was refused, so that a new one is found.
        sleep: how to wait between tries, in seconds.
    """

    def __init__(
        self, settings: EmbeddingSettings, key: str | Callable[[], str], sleep: Callable[[float], None]
    ) -> None:
        self._settings = settings
        self._key = key
        self._sleep = sleep
        self._authorization: str | None = None
        self._pool: PoolManager | None = None
        self.space = Space(settings.model, settings.dimensions)
        self.usage = Usage()

    def embed(self, texts: Sequence[str]) -> Sequence[Vector]:
        """Embed ``texts`` in as few requests as the API's limits allow."""
        vectors: list[Vector] = []
        for batch in batches(texts):
            vectors += retrying(self._settings.max_attempts, self._sleep)(self._request, batch)
        return vectors

    def _request(self, texts: Sequence[str]) -> Sequence[Vector]:
        import urllib3  # noqa: PLC0415  # needed only when something is embedded

        self.usage.requests += 1
        try:
            answer = self._post(texts)
            payload = _json(answer) if answer.status == HTTPStatus.OK else None
        except (urllib3.exceptions.HTTPError, ValueError) as error:
            raise FailedCallError(
                f"the embedding API gave no answer: {type(error).__name__}", again=True
            ) from None
        if payload is None:
            self._authorization = None if answer.status in _KEY_REFUSED else self._authorization
            raise _refusal(answer.status, _code(answer), answer.headers)
        self.usage.tokens += _tokens(payload)
        vectors = _in_order(payload)
        check_vectors(vectors, len(texts), self.space)
        return vectors

    def _post(self, texts: Sequence[str]) -> "BaseHTTPResponse":
        """Send one request; it follows no redirect, which might take the key elsewhere."""
        url = f"{self._settings.base_url}/embeddings"
        if self._pool is None:
            self._pool = _pool(url, self._settings.timeout_seconds)
        if self._authorization is None:
            self._authorization = f"Bearer {self._key if isinstance(self._key, str) else self._key()}"
        body = {
            "model": self.space.model,
            "input": list(texts),
            "dimensions": self.space.dimensions,
            "encoding_format": "base64",
        }
        headers = {"Authorization": self._authorization, "Content-Type": "application/json"}
        return self._pool.request("POST", url, body=json.dumps(body).encode(), headers=headers)


def _pool(url: str, timeout_seconds: float) -> "PoolManager":
    """Return what connects to ``url``: certificates verified, through the environment's proxy if it names one."""
    import urllib3  # noqa: PLC0415  # needed only when something is embedded

    parts = urlsplit(url)
    proxy = None if proxy_bypass(parts.hostname or "") else getproxies().get(parts.scheme)
    timeout = urllib3.Timeout(connect=timeout_seconds, read=timeout_seconds)
    if proxy:
        return urllib3.ProxyManager(proxy, timeout=timeout, retries=False)
    return urllib3.PoolManager(
        timeout=timeout, retries=False
    )  # tenacity retries, so that every call is counted


def _json(answer: "BaseHTTPResponse") -> Any:  # noqa: ANN401  # whatever JSON came
    return json.loads(answer.data)


def _code(answer: "BaseHTTPResponse") -> str | None:
    """Return the error code that the API gives beside its status, if it does."""
    try:
        code = _json(answer)["error"]["code"]
    except (ValueError, KeyError, TypeError):
        return None
    return code if isinstance(code, str) else None


def _refusal(status: int, code: str | None, headers: Any) -> Exception:  # noqa: ANN401  # case-insensitive, as HTTP's are
    wished = _retry_after(headers)
    if code == "insufficient_quota":
        return FailedCallError(
            "the embedding API's quota is spent: add credit to the account", again=False, refused=True
        )
    if status in _FINAL_FOR_NOW:
        return FailedCallError(
            f"the embedding API refused key or model ({status}): check the secret and EMBEDDING_MODEL",
            again=False,
            refused=True,
        )
    if status in _BAD_INPUT:
        return EmbeddingRejectedError(f"the embedding API refused the input ({status})")
    again = wished is None or wished <= MAX_PAUSE_SECONDS
    return FailedCallError(f"the embedding API answered {status}", again=again, retry_after_seconds=wished)


def _retry_after(headers: Any) -> float | None:  # noqa: ANN401  # case-insensitive, as HTTP's are
    for name, seconds in (("retry-after-ms", 0.001), ("retry-after", 1.0)):
        try:
            return max(0.0, float(headers[name]) * seconds)
        except (KeyError, ValueError):
            continue
    return None


def _in_order(payload: Any) -> Sequence[Vector]:  # noqa: ANN401  # whatever JSON came
    try:
        rows = {row["index"]: row["embedding"] for row in payload["data"]}
        if sorted(rows) != list(range(len(payload["data"]))):
            raise FailedCallError(
                "the embedding API returned indexes that do not match its inputs", again=True
            )
        return [_vector(rows[index]) for index in range(len(rows))]
    except (KeyError, TypeError, ValueError, binascii.Error) as error:
        raise FailedCallError(
            f"the embedding API's answer has another shape: {type(error).__name__}", again=True
        ) from None


def _vector(value: Any) -> Vector:  # noqa: ANN401  # base64 text, or a list from APIs that know no base64
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
    return next((count for count in counts if isinstance(count, int)), 0)
