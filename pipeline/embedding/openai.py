"""OpenAI's embeddings, or any API that speaks the same call."""

import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

from pipeline.deadline import seconds_left
from pipeline.embedding.address import embeddings_url, key_header
from pipeline.embedding.answers import (
    KEY_REFUSED,
    OPTIONAL_PARAMETERS,
    read_refusal,
    read_vectors,
    true_status,
)
from pipeline.embedding.batching import MAX_INPUTS, MAX_REQUEST_TOKENS
from pipeline.embedding.parts import Parts, all_vectors, in_parts
from pipeline.embedding.retrying import (
    PROBE,
    FailedCallError,
    RefusedPartError,
    WrongLengthError,
    judged,
    retrying,
)
from pipeline.embedding.vectors import EmbeddingSpace, Usage, Vector
from pipeline.settings import EmbeddingSettings

if TYPE_CHECKING:
    from urllib3 import BaseHTTPResponse, PoolManager

_BAD_REQUEST = frozenset({400, 422})
READ_BYTES = 1 << 16


@dataclass(frozen=True, slots=True)
class _Answer:
    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass(slots=True)
class Habits:
    """What this server was found to want, for as long as the process lives.

    Args:
        left_out: parameters that it refuses.
        max_inputs: most texts of a request that it takes.
    """

    left_out: frozenset[str] = frozenset()
    max_inputs: int = MAX_INPUTS


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
        self._read_key: str | None = None
        self._pool: PoolManager | None = None
        self.habits = Habits()
        self.space = EmbeddingSpace(settings.model, settings.dimensions)
        self.usage = Usage()

    def embed(self, texts: Sequence[str]) -> Sequence[Vector]:
        """Embed ``texts`` in as few requests as the server's limits allow."""
        parts = in_parts(self._ask, texts, self.habits.max_inputs, MAX_REQUEST_TOKENS)
        self._learn_size(parts)
        return all_vectors(parts.outcomes)

    def _learn_size(self, parts: Parts) -> None:
        refusals = parts.size_refusals
        by_status = all(isinstance(one, RefusedPartError) and one.lasting for one in refusals)
        if refusals and by_status:
            self.habits.max_inputs = parts.size

    def _ask(self, texts: Sequence[str], narrowed: bool) -> Sequence[Vector]:  # noqa: FBT001  # a callback of in_parts
        tries = 1 if narrowed and len(texts) > 1 else self._settings.max_attempts
        return judged(
            self._request, texts, retrying(tries, self._settings.timeout_seconds, self._sleep), self._adapted
        )

    def _adapted(self, failure: FailedCallError) -> bool:
        """Leave out parameters with which a probe is refused and without which it is not; say whether there are any."""
        if not (failure.named or failure.status in _BAD_REQUEST):
            return False
        before = self.habits.left_out
        for left_out in _candidates(failure.named, before):
            self.habits.left_out = left_out
            try:
                self._request(PROBE)
            except FailedCallError as refusal:
                self.habits.left_out = before
                if not refusal.suspect:
                    raise
            else:
                return True
        return False

    def _request(self, texts: Sequence[str]) -> Sequence[Vector]:
        import urllib3  # noqa: PLC0415  # needed only when something is embedded

        self.usage.requests += 1
        try:
            answer = self._post(texts)
        except urllib3.exceptions.HTTPError as error:
            raise _no_answer(error, texts) from None
        status = true_status(answer.status, answer.body)
        if status != HTTPStatus.OK:
            secrets = [*texts, self._read_key or ""]
            self._read_key = None if status in KEY_REFUSED else self._read_key
            raise read_refusal(status, answer.headers, answer.body, secrets)
        try:
            vectors, tokens = read_vectors(answer.body, len(texts), self.space)
        except WrongLengthError:
            self.habits.left_out = frozenset()  # with ``dimensions`` it may make the length that is set
            raise
        self.usage.tokens += tokens
        return vectors

    def _post(self, texts: Sequence[str]) -> _Answer:
        """Send one request; it follows no redirect, which might take the key elsewhere."""
        import urllib3  # noqa: PLC0415  # needed only when something is embedded

        seconds = min(self._settings.timeout_seconds, seconds_left())
        if seconds <= 0:
            raise FailedCallError("no time is left to ask the embedding API", again=False)
        ends = time.monotonic() + seconds
        url = embeddings_url(self._settings.base_url)
        if self._pool is None:
            self._pool = _pool(url)
        if self._read_key is None:
            self._read_key = self._key if isinstance(self._key, str) else self._key()
        optional = {"dimensions": self.space.dimensions, "encoding_format": "base64"}
        wanted = {name: value for name, value in optional.items() if name not in self.habits.left_out}
        body = {"model": self.space.model, "input": list(texts), **wanted}
        headers = {**key_header(url, self._read_key), "Content-Type": "application/json"}
        answer = self._pool.request(
            "POST",
            url,
            body=json.dumps(body).encode(),
            headers=headers,
            timeout=urllib3.Timeout(connect=seconds, read=seconds),
            preload_content=False,
        )
        return _Answer(answer.status, answer.headers, _read_until(answer, ends))


def _read_until(answer: "BaseHTTPResponse", ends: float) -> bytes:
    """Return the body. A server may send a space now and then for as long as it works: no read of those ever times out."""
    from urllib3.exceptions import ReadTimeoutError  # noqa: PLC0415  # needed only here

    pieces: list[bytes] = []
    while piece := answer.read1(READ_BYTES):
        pieces.append(piece)
        if time.monotonic() > ends:
            answer.close()
            raise ReadTimeoutError(None, None, "the answer does not end")  # type: ignore[arg-type]  # no text of it is used
    return b"".join(pieces)


def _no_answer(error: Exception, texts: Sequence[str]) -> FailedCallError:
    """Return what no answer means: many texts may take too long, and a text may make a server drop the connection."""
    from urllib3.exceptions import ProtocolError, ReadTimeoutError  # noqa: PLC0415  # needed only here

    late = isinstance(error, ReadTimeoutError) and len(texts) > 1
    message = f"the embedding API gave no answer: {type(error).__name__}"
    return FailedCallError(message, again=not late, suspect=late or isinstance(error, ProtocolError))


def _candidates(named: frozenset[str], before: frozenset[str]) -> Iterator[frozenset[str]]:
    """Yield what could be left out in addition to what already is: what the server names, then each, then all."""
    each = [frozenset({name}) for name in sorted(OPTIONAL_PARAMETERS, reverse=True)]
    tried = {before}
    for more in (named, *each, OPTIONAL_PARAMETERS):
        left_out = before | more
        if left_out not in tried:
            tried.add(left_out)
            yield left_out


def _pool(url: str) -> "PoolManager":
    """Return what connects to ``url``: certificates verified, through the environment's proxy if it names one."""
    import urllib3  # noqa: PLC0415  # needed only when something is embedded

    parts = urlsplit(url)
    proxy = None if proxy_bypass(parts.hostname or "") else getproxies().get(parts.scheme)
    # tenacity retries, so that every call is counted
    return urllib3.ProxyManager(proxy, retries=False) if proxy else urllib3.PoolManager(retries=False)
