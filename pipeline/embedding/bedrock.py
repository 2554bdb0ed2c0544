"""Embeddings of Amazon Bedrock: Titan Text Embeddings V2 and Cohere Embed v3, by ``InvokeModel``.

Shapes and limits: docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-titan-embed-text.html and
…/model-parameters-embed-v3.html. Contract-tested against a server of our own, not yet run against AWS.
"""

import json
import sys
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import islice
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from pipeline.embedding.parts import Outcome, all_vectors, in_parts
from pipeline.embedding.questions import beginning_and_end
from pipeline.embedding.retrying import FailedCallError, checked, judged, retrying
from pipeline.embedding.tokens import estimate_tokens
from pipeline.embedding.vectors import EmbeddingSpace, Usage, Vector, float32
from pipeline.errors import SettingsError
from pipeline.settings import EmbeddingSettings

PARALLEL = 8
"""Titan takes one text a call."""
COHERE_TEXTS = 96
COHERE_CHARACTERS = 2048
"""Of one text. Of a longer question beginning and end are embedded; a longer chunk is refused: keep MAX_CHUNK_TOKENS at 256."""
TOKENS_HEADER = "x-amzn-bedrock-input-token-count"

_BUSY = frozenset(
    {
        "InternalServerException",
        "ModelErrorException",
        "ModelNotReadyException",
        "ModelTimeoutException",
        "ServiceUnavailableException",
        "ThrottlingException",
    }
)
_SUSPECT = frozenset({"ModelErrorException", "ValidationException"})
"""What a text may cause, and so may a wrong model."""
_DIMENSIONS = {
    "amazon.titan-embed-text-v2": (1024, 512, 256),
    "cohere.embed-multilingual-v3": (1024,),
    "cohere.embed-english-v3": (1024,),
}


@dataclass(frozen=True, slots=True)
class _Call:
    """One request: its body, and how to read its answer."""

    body: dict[str, Any]
    read: Callable[[Any], tuple[Sequence[Any], Any]]


class BedrockEmbedder:
    """Embeds by Bedrock's runtime.

    Args:
        settings: model, dimensions, limits.
        client: boto3's ``bedrock-runtime``, without retries of its own, so that every call is counted.
        sleep: how to wait between tries, in seconds.

    Raises:
        SettingsError: the model is none of those above, or does not come in these dimensions.
    """

    def __init__(self, settings: EmbeddingSettings, client: Any, sleep: Callable[[float], None]) -> None:  # noqa: ANN401  # its stubs are not among ours
        _check(settings)
        self._settings, self._client, self._sleep = settings, client, sleep
        self._counting = threading.Lock()
        self.space = EmbeddingSpace(settings.model, settings.dimensions)
        self.usage = Usage()

    def embed(self, texts: Sequence[str]) -> Sequence[Vector]:
        """Embed texts that are to be found."""
        return self._embed(texts, "search_document")

    def embed_questions(self, texts: Sequence[str]) -> Sequence[Vector]:
        """Embed texts to find others by; Cohere's models tell the two apart."""
        asked = [beginning_and_end(text, COHERE_CHARACTERS) for text in texts] if self._is_cohere else texts
        self.usage.shortened += list(asked) != list(texts)
        return self._embed(asked, "search_query")

    def _embed(self, texts: Sequence[str], purpose: str) -> Sequence[Vector]:
        rest, size = iter(texts), COHERE_TEXTS if self._is_cohere else 1
        batches = list(iter(lambda: list(islice(rest, size)), []))

        def asked(batch: Sequence[str]) -> Sequence[Outcome]:
            return in_parts(partial(self._ask, purpose), batch, size, sys.maxsize).outcomes

        if len(batches) <= 1:
            answers = [asked(batch) for batch in batches]
        else:
            with ThreadPoolExecutor(PARALLEL) as pool:
                answers = list(pool.map(asked, batches))
        return all_vectors([outcome for answer in answers for outcome in answer])

    @property
    def _is_cohere(self) -> bool:
        return self.space.model.startswith("cohere.")

    def _ask(self, purpose: str, texts: Sequence[str], narrowed: bool) -> Sequence[Vector]:  # noqa: FBT001  # a callback of in_parts
        tries = 1 if narrowed and len(texts) > 1 else self._settings.max_attempts
        return judged(
            partial(self._request, purpose),
            texts,
            retrying(tries, self._settings.timeout_seconds, self._sleep),
        )

    def _call(self, purpose: str, texts: Sequence[str]) -> _Call:
        if self._is_cohere:
            body: dict[str, Any] = {"texts": list(texts), "input_type": purpose, "truncate": "NONE"}
            return _Call(body, lambda answer: (answer["embeddings"], None))
        [text] = texts
        one = {"inputText": text, "dimensions": self.space.dimensions, "normalize": True}
        return _Call(one, lambda answer: ([answer["embedding"]], answer["inputTextTokenCount"]))

    def _request(self, purpose: str, texts: Sequence[str]) -> Sequence[Vector]:
        self._count(requests=1)
        call = self._call(purpose, texts)
        try:
            answer = self._client.invoke_model(
                modelId=self.space.model,
                contentType="application/json",
                accept="application/json",
                body=json.dumps(call.body),
            )
            rows, tokens = call.read(json.loads(answer["body"].read()))
            vectors = [float32(row) for row in rows]
        except ClientError as error:
            raise _refusal(error) from None
        except (BotoCoreError, OSError, ValueError, KeyError, TypeError) as error:
            raise FailedCallError(f"Bedrock gave no answer: {type(error).__name__}", again=True) from None
        self._count(tokens=_tokens(tokens, answer, texts))
        return checked(vectors, len(texts), self.space)

    def _count(self, requests: int = 0, tokens: int = 0) -> None:
        with self._counting:
            self.usage.requests += requests
            self.usage.tokens += tokens


def _check(settings: EmbeddingSettings) -> None:
    allowed = next((many for name, many in _DIMENSIONS.items() if settings.model.startswith(name)), None)
    if allowed is None:
        raise SettingsError(
            f"EMBEDDING_PROVIDER=bedrock knows {', '.join(_DIMENSIONS)}, not {settings.model}"
        )
    if settings.dimensions not in allowed:
        raise SettingsError(f"{settings.model} comes in {', '.join(map(str, allowed))} dimensions")


def _tokens(counted: Any, answer: Any, texts: Sequence[str]) -> int:  # noqa: ANN401  # whatever JSON came
    """Return the provider's count: Titan's is in its answer, others' in a header; estimated where neither is."""
    header = answer.get("ResponseMetadata", {}).get("HTTPHeaders", {}).get(TOKENS_HEADER)
    for found in (counted, header):
        try:
            return int(found)
        except (TypeError, ValueError):
            continue
    return sum(map(estimate_tokens, texts))


def _refusal(error: ClientError) -> FailedCallError:
    """Return our error for AWS's, whose message may quote the text."""
    code = error.response.get("Error", {}).get("Code", "")
    if code in _BUSY:
        return FailedCallError(f"Bedrock answered {code}", again=True, suspect=code in _SUSPECT)
    advice = "check the model's name and access, and bedrock:InvokeModel of the role"
    return FailedCallError(
        f"Bedrock answered {code}", advice, again=False, suspect=code in _SUSPECT, refused=True
    )
