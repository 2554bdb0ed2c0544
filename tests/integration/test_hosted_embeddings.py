"""The shipped questions with a hosted model's client, width and wire format; the same code finds the same.

No key is needed: the API on this machine answers in the documented shape (1,536 dimensions, base64) with the offline
model's vectors turned into that space, which leaves every angle as it was. What another model knows, it cannot tell.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from support.embedding_api import EmbeddingApi, Reply, encoded, reply

from lab.evaluation.command import JAPANESE, stores
from lab.evaluation.measures import figures
from lab.evaluation.memory import Memory
from lab.evaluation.sets import read_set
from pipeline.embedding.offline import OfflineEmbedder
from pipeline.embedding.openai import OpenAIEmbedder
from pipeline.embedding.tokens import estimate_tokens
from pipeline.embedding.vectors import EmbeddingSpace
from pipeline.settings import EmbeddingSettings

pytestmark = pytest.mark.integration
HOSTED = EmbeddingSpace("text-embedding-3-small", 1536)


def turned() -> Callable[[dict[str, Any]], Reply]:
    """Return an API that answers with the offline model's vectors, turned."""
    model = OfflineEmbedder()
    draws = np.random.default_rng(7).standard_normal((HOSTED.dimensions, model.space.dimensions))
    turn = np.linalg.qr(draws)[0].T

    def answer(body: dict[str, Any]) -> Reply:
        assert (body["model"], body["dimensions"]) == (HOSTED.model, HOSTED.dimensions)
        vectors = np.asarray(model.embed(body["input"])) @ turn
        data = [
            {"object": "embedding", "index": index, "embedding": encoded(vector.tolist())}
            for index, vector in enumerate(vectors)
        ]
        return reply(data, sum(map(estimate_tokens, body["input"])))

    return answer


@pytest.mark.parametrize("database", [HOSTED], indirect=True)
def test_a_hosted_models_vectors_find_the_same(
    database: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with EmbeddingApi(turned()) as api:
        settings = EmbeddingSettings(model=HOSTED.model, dimensions=HOSTED.dimensions, base_url=api.base_url)
        embedder = OpenAIEmbedder(settings, "sk-none", lambda _: None)
        memory = Memory(embedder, *stores(database(), HOSTED))
        [conversation] = read_set(JAPANESE)
        memory.save(conversation)
        embedded = embedder.usage.tokens
        answers = memory.answers(conversation)
    source = sum(estimate_tokens(message.text) for message in conversation.messages)
    found = figures(answers, embedded, source)
    assert found.r5 >= 0.86
    assert found.r10 >= 0.9
    assert found.embed_factor <= 1.5
    assert len(api.requests) == embedder.usage.requests
