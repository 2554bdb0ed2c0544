from collections.abc import Iterator

import pytest
from support.chat_api import ChatApi
from support.embedding_api import EmbeddingApi

from pipeline.digest.summarisers import ChatSummariser
from pipeline.embedding.address import embeddings_url, key_header
from pipeline.embedding.openai import OpenAIEmbedder
from pipeline.settings import EmbeddingSettings
from pipeline.variables import safe_base_url

AZURE = "https://example.openai.azure.com/openai/deployments/e"
VERSION = "api-version=2024-02-01"


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


@pytest.fixture
def api() -> Iterator[EmbeddingApi]:
    with EmbeddingApi() as made:
        yield made


@pytest.mark.parametrize(
    ("given", "posted_to"),
    [
        ("https://api.openai.com/v1", "https://api.openai.com/v1/embeddings"),
        ("https://api.openai.com/v1/", "https://api.openai.com/v1/embeddings"),
        (f"{AZURE}?{VERSION}", f"{AZURE}/embeddings?{VERSION}"),
        (f"{AZURE}/?{VERSION}", f"{AZURE}/embeddings?{VERSION}"),
        (f"{AZURE}/embeddings?{VERSION}", f"{AZURE}/embeddings?{VERSION}"),
        ("https://example.com", "https://example.com/embeddings"),
        ("https://example.com?a=1&b=2", "https://example.com/embeddings?a=1&b=2"),
        ("https://example.com/v1#part", "https://example.com/v1/embeddings"),
    ],
)
def test_the_path_stands_before_the_query_and_once(given: str, posted_to: str) -> None:
    assert embeddings_url(safe_base_url(given)) == posted_to


@pytest.mark.parametrize(
    ("url", "header"),
    [
        ("https://api.openai.com/v1", {"Authorization": "Bearer k"}),
        (f"{AZURE}?{VERSION}", {"api-key": "k"}),
        ("https://example.services.ai.azure.com/openai/v1", {"api-key": "k"}),
        (f"https://gateway.example.com/openai/deployments/e?{VERSION}", {"api-key": "k"}),
        ("https://openai.azure.com.example.com/v1", {"Authorization": "Bearer k"}),
    ],
)
def test_azure_is_given_its_key_in_its_own_header(url: str, header: dict[str, str]) -> None:
    assert key_header(url, "k") == header


def test_a_request_to_azure_arrives_where_it_should(api: EmbeddingApi) -> None:
    base_url = f"{api.root}/openai/deployments/e?{VERSION}"
    settings = EmbeddingSettings(model="e", dimensions=3, base_url=base_url)
    assert len(OpenAIEmbedder(settings, "a key", lambda _: None).embed(["a"])) == 1
    assert api.requests[0]["path"] == f"/openai/deployments/e/embeddings?{VERSION}"
    assert api.headers[0]["api-key"] == "a key"
    assert "authorization" not in api.headers[0]


@pytest.mark.parametrize(
    ("path", "header"),
    [(f"/openai/deployments/c?{VERSION}", "api-key"), ("/v1", "authorization")],
)
def test_a_summariser_asks_at_the_same_kind_of_address(path: str, header: str) -> None:
    api = ChatApi(lambda _: "* tea at four")
    summariser = ChatSummariser("c", f"{api.root}{path}", lambda: "a key")
    assert summariser.summarise("2026-11-22\nuser: tea at four\n") == "* tea at four"
    api.close()
    base, _, query = path.partition("?")
    assert api.requests[0]["path"] == f"{base}/chat/completions" + (f"?{query}" if query else "")
    assert {"api-key", "authorization"} & api.headers[0].keys() == {header}
