"""Questions that are too long: for a request, and for a model."""

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.embedding_api import EmbeddingApi
from support.server_habits import HABITS, good
from support.words import WordEmbedder

from pipeline.embedding.openai import OpenAIEmbedder
from pipeline.embedding.questions import GAP, SHORTEST, beginning_and_end, question_vectors
from pipeline.embedding.vectors import Vector
from pipeline.errors import EmbeddingRejectedError, EmbeddingUnavailableError
from pipeline.search.requests import (
    MAX_QUERY_CHARACTERS,
    MAX_TALK_CHARACTERS,
    is_too_long,
    read_context,
    read_related,
    read_search,
)
from pipeline.settings import EmbeddingSettings

LONG = ("The importer fails again, what did we do last time?\nERROR co" * 200)[:9_000]


@given(st.text(max_size=60), st.integers(10, 50))
def test_beginning_and_end_are_kept_within_the_length(text: str, characters: int) -> None:
    kept = beginning_and_end(text, characters)
    assert len(kept) <= characters
    if len(text) <= characters:
        assert kept == text
    else:
        first, last = kept.split(GAP, 1) if text.count(GAP) == 0 else (kept[:2], kept[-2:])
        assert text.startswith(first)
        assert text.endswith(last)


@pytest.mark.parametrize("length", [MAX_QUERY_CHARACTERS + 1, 9_000, 300_000])
def test_a_long_question_keeps_beginning_and_end(length: int) -> None:
    query = f"first words {'x' * length} last words"
    for ask, characters in (
        (read_search({"query": query}), MAX_QUERY_CHARACTERS),
        (read_context({"query": query}), MAX_TALK_CHARACTERS),
    ):
        assert is_too_long({"query": query}, characters)
        assert ask.query
        assert len(ask.query) == characters
        assert ask.query.startswith("first words")
        assert ask.query.endswith("last words")


def test_long_messages_keep_beginning_and_end() -> None:
    body = {"messages": [f"first {LONG}", f"{LONG} last"]}
    [asked] = read_related(body).messages or []
    assert is_too_long(body, MAX_TALK_CHARACTERS)
    assert len(asked) == MAX_TALK_CHARACTERS
    assert asked.startswith("first")
    assert asked.endswith("last")


def test_a_short_question_is_left_as_it_is() -> None:
    query, talk = "x" * MAX_QUERY_CHARACTERS, "x" * MAX_TALK_CHARACTERS
    assert read_search({"query": query}).query == query
    assert read_context({"query": talk}).query == talk
    assert read_related({"messages": ["a", "b"]}).messages == ["a", "b"]
    assert not is_too_long({"query": query}, MAX_QUERY_CHARACTERS)
    assert not is_too_long({"messages": [talk[:2_000], talk[:1_999]]}, MAX_TALK_CHARACTERS)
    assert not is_too_long({}, MAX_TALK_CHARACTERS)


class OfFewCharacters(WordEmbedder):
    """Refuses texts longer than so many characters."""

    most = 600

    def embed(self, texts: Sequence[str]) -> Sequence[Vector]:
        if any(len(text) > self.most for text in texts):
            raise EmbeddingRejectedError("too long")
        return super().embed(texts)


def test_a_question_that_the_model_does_not_take_is_halved_until_it_does() -> None:
    made = OfFewCharacters()
    assert len(question_vectors(made, [f"first {LONG} last"])) == 1
    [asked] = made.texts
    assert 300 <= len(asked) <= 600
    assert asked.startswith("first")
    assert asked.endswith("last")
    assert made.usage.shortened > 0


def test_a_short_question_that_is_refused_is_refused() -> None:
    made = OfFewCharacters()
    made.most = SHORTEST - 1
    with pytest.raises(EmbeddingRejectedError):
        question_vectors(made, ["x" * 1_000])


def test_a_question_meets_a_model_of_512_tokens_over_http(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    habit = next(one for one in HABITS if one.name.startswith("takes 512 tokens"))
    with EmbeddingApi(habit.answer) as api:
        made = _embedder(api)
        assert len(question_vectors(made, [LONG])) == 1
        assert made.usage.shortened > 0


def test_a_server_that_is_down_shortens_no_question(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with EmbeddingApi(lambda _: (503, {}, b"")) as api:
        made = _embedder(api)
        with pytest.raises(EmbeddingUnavailableError):
            question_vectors(made, [LONG])
        assert made.usage.shortened == 0
        api.always = good
        assert len(question_vectors(made, [LONG])) == 1


def _embedder(api: EmbeddingApi) -> Any:
    settings = EmbeddingSettings(model="bge-m3", dimensions=16, base_url=api.base_url)
    return OpenAIEmbedder(settings, "a key", lambda _: None)
