"""Bedrock's embeddings over real HTTP, signed by boto3, against a server that answers as documented."""

import json
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from botocore.config import Config
from support.embedding_api import EmbeddingApi, Reply

from pipeline.embedding.bedrock import BedrockEmbedder
from pipeline.embedding.questions import question_vectors
from pipeline.errors import EmbeddingRejectedError, EmbeddingUnavailableError, SettingsError
from pipeline.settings import EmbeddingSettings

TITAN, COHERE = "amazon.titan-embed-text-v2:0", "cohere.embed-multilingual-v3"


def vector(text: str, dimensions: int) -> list[float]:
    return [float(len(text)), 1.0] + [0.5] * (dimensions - 2)


def titan(body: dict[str, Any]) -> Reply:
    text = body["inputText"]
    answer = {
        "embedding": vector(text, body["dimensions"]),
        "inputTextTokenCount": len(text),
        "embeddingsByType": {},
    }
    return 200, {}, json.dumps(answer).encode()


def cohere(body: dict[str, Any]) -> Reply:
    texts = body["texts"]
    if len(texts) > 96 or any(len(text) > 2048 for text in texts):
        return refused(400, "ValidationException", "Malformed input request: canary")
    answer = {
        "embeddings": [vector(text, 1024) for text in texts],
        "id": "1",
        "response_type": "embeddings_floats",
        "texts": texts,
    }
    return 200, {"X-Amzn-Bedrock-Input-Token-Count": str(sum(map(len, texts)))}, json.dumps(answer).encode()


def refused(status: int, code: str, message: str = "canary") -> Reply:
    return status, {"x-amzn-errortype": f"{code}:http://internal/"}, json.dumps({"message": message}).encode()


class Bedrock(EmbeddingApi):
    def __init__(self) -> None:
        super().__init__(lambda body: titan(body) if "inputText" in body else cohere(body))


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch) -> Iterator[Bedrock]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with Bedrock() as made:
        yield made


def embedder(api: Bedrock, model: str = TITAN, dimensions: int = 256) -> BedrockEmbedder:
    make: Any = boto3.client
    client = make(
        "bedrock-runtime",
        region_name="ap-northeast-1",
        endpoint_url=api.base_url.removesuffix("/v1"),
        aws_access_key_id="AKIDEXAMPLE",
        aws_secret_access_key="secret",
        config=Config(retries={"mode": "standard", "total_max_attempts": 1}),
    )
    settings = EmbeddingSettings(provider="bedrock", model=model, dimensions=dimensions)
    return BedrockEmbedder(settings, client, lambda _: None)


def test_titan_takes_one_text_a_call_and_counts_its_tokens(api: Bedrock) -> None:
    made = embedder(api)
    texts = [f"{'x' * number}" for number in range(1, 21)]
    assert [found[0] for found in made.embed(texts)] == list(range(1, 21))
    assert (made.usage.requests, made.usage.tokens) == (20, 210)
    assert min(api.requests, key=lambda request: len(request["inputText"])) == {
        "inputText": "x",
        "dimensions": 256,
        "normalize": True,
        "path": "/model/amazon.titan-embed-text-v2%3A0/invoke",
    }


def test_calls_are_signed_for_bedrock_in_the_region(api: Bedrock) -> None:
    embedder(api).embed(["x"])
    [headers] = api.headers
    assert headers["authorization"].startswith("AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/")
    assert "/ap-northeast-1/bedrock/aws4_request" in headers["authorization"]


def test_cohere_takes_96_texts_a_call_in_order(api: Bedrock) -> None:
    made = embedder(api, COHERE, 1024)
    texts = ["x" * (1 + number % 7) for number in range(100)]
    assert [found[0] for found in made.embed(texts)] == [float(len(text)) for text in texts]
    assert sorted(len(request["texts"]) for request in api.requests) == [4, 96]
    assert {(request["input_type"], request["truncate"]) for request in api.requests} == {
        ("search_document", "NONE")
    }
    assert (made.usage.requests, made.usage.tokens) == (2, sum(map(len, texts)))


def test_cohere_is_told_that_a_question_is_one_and_a_long_one_is_cut(api: Bedrock) -> None:
    made = embedder(api, COHERE, 1024)
    assert question_vectors(made, ["x" * 3000])[0][0] == 2048.0
    assert api.requests[0]["input_type"] == "search_query"


def test_tokens_are_estimated_where_nobody_counts_them(api: Bedrock) -> None:
    made = embedder(api, COHERE, 1024)
    api.replies = [(200, {}, json.dumps({"embeddings": [vector("x", 1024)]}).encode())]
    made.embed(["eight ch"])
    assert made.usage.tokens == 2


@pytest.mark.parametrize("code", ["ThrottlingException", "ModelNotReadyException", "InternalServerException"])
def test_a_busy_service_is_asked_again_and_each_call_is_counted(api: Bedrock, code: str) -> None:
    api.replies = [refused(429, code)]
    made = embedder(api)
    assert made.embed(["abc"])[0][0] == 3.0
    assert (made.usage.requests, made.usage.tokens) == (2, 3)


def test_a_service_that_stays_busy_is_unavailable(api: Bedrock) -> None:
    api.always = lambda _: refused(429, "ThrottlingException")
    with pytest.raises(EmbeddingUnavailableError, match="ThrottlingException") as caught:
        embedder(api).embed(["canary"])
    assert "canary" not in str(caught.value)
    assert len(api.requests) == 3


@pytest.mark.parametrize(
    ("status", "code", "message"),
    [
        (403, "AccessDeniedException", "canary"),
        (404, "ResourceNotFoundException", "canary"),
        (400, "ValidationException", "The provided model identifier is invalid."),
    ],
)
def test_a_refused_role_or_model_is_not_the_texts_fault(
    api: Bedrock, status: int, code: str, message: str
) -> None:
    api.always = lambda _: refused(status, code, message)
    with pytest.raises(EmbeddingUnavailableError, match=f"{code}.*bedrock:InvokeModel"):
        embedder(api).embed(["x"])
    assert len(api.requests) == (2 if code == "ValidationException" else 1)  # a probe tells


def test_a_text_that_is_refused_is_the_items_fault_and_not_quoted(api: Bedrock) -> None:
    with pytest.raises(EmbeddingRejectedError, match="ValidationException") as caught:
        embedder(api, COHERE, 1024).embed(["canary" * 400])
    assert "canary" not in str(caught.value)


def test_one_text_of_many_is_refused_and_the_others_are_embedded(api: Bedrock) -> None:
    texts = ["x" * (1 + number % 7) for number in range(100)]
    texts[41] = "canary" * 400
    with pytest.raises(EmbeddingRejectedError) as caught:
        embedder(api, COHERE, 1024).embed(texts)
    assert caught.value.reasons.keys() == {41}
    assert {index: vector[0] for index, vector in caught.value.vectors.items()} == {
        index: len(text) for index, text in enumerate(texts) if index != 41
    }


def test_titan_refuses_one_text_alone(api: Bedrock) -> None:
    def filtered(body: dict[str, Any]) -> Reply:
        if "poison" in body["inputText"]:
            return refused(400, "ValidationException")
        return titan(body)

    api.always = filtered
    with pytest.raises(
        EmbeddingRejectedError, match="1 of 3 texts: Bedrock answered ValidationException"
    ) as caught:
        embedder(api).embed(["a", "poison", "bb"])
    assert caught.value.reasons.keys() == {1}
    assert caught.value.vectors.keys() == {0, 2}


@pytest.mark.parametrize(
    "content", [b"no json", b"{}", b'{"embedding": "x", "inputTextTokenCount": 1}', b"[]"]
)
def test_an_answer_of_another_shape_is_unavailable(api: Bedrock, content: bytes) -> None:
    api.always = lambda _: (200, {}, content)
    with pytest.raises(EmbeddingUnavailableError):
        embedder(api).embed(["x"])


def test_vectors_of_other_dimensions_are_refused(api: Bedrock) -> None:
    api.replies = [(200, {}, json.dumps({"embedding": [1.0], "inputTextTokenCount": 1}).encode())]
    with pytest.raises(EmbeddingUnavailableError, match="1 dimensions"):
        embedder(api).embed(["x"])


@pytest.mark.parametrize(("model", "dimensions"), [("amazon.nova", 256), (TITAN, 1536), (COHERE, 512)])
def test_a_model_or_length_that_there_is_not_is_a_wrong_setting(
    api: Bedrock, model: str, dimensions: int
) -> None:
    with pytest.raises(SettingsError):
        embedder(api, model, dimensions)


def test_nothing_is_asked_for_nothing(api: Bedrock) -> None:
    assert embedder(api).embed([]) == []
    assert api.requests == []
