"""Ranking reads numbers that were stored with the texts; the answers are those that reading the texts would give, to the last bit."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import psycopg
import pytest
from support.words import WordEmbedder

from lab.evaluation.command import JAPANESE
from lab.evaluation.memory import Memory
from lab.evaluation.sets import read_set
from pipeline.lexical.terms import MOST_COUNTED, counts
from pipeline.search.calibration import evidence
from pipeline.search.memory_search import AROUND, CANDIDATES, WHOLE
from pipeline.search.question import Question, read_question
from pipeline.search.ranking import CHUNK_SHARE, Judge, Ranked, ScoringWeights, rank
from pipeline.search.windows import Window, chains, parts_of, windows_of
from pipeline.stores.chunk_text import said_tokens
from pipeline.stores.pgvector.connection import Connector
from pipeline.stores.pgvector.store import PgVectorStore
from pipeline.stores.search_requests import Hit, SearchRequest

pytestmark = pytest.mark.integration
SETS = sorted(JAPANESE.parent.glob("*.jsonl"))
NOW = datetime(2026, 11, 20, tzinfo=UTC)
Asked = tuple[Question, Sequence[Hit]]


@pytest.fixture(params=SETS, ids=lambda path: path.stem)
def asked(request: pytest.FixtureRequest, database: Callable[..., str]) -> list[Asked]:
    """Every question of a set, and its candidates: of a memory that is read whole, and of lists."""
    conversations = read_set(Path(request.param))
    writing, reading = database("memory_ingest"), database("memory_query")
    embedder = WordEmbedder()
    writer = PgVectorStore(Connector(lambda: writing), embedder.space)
    reader = PgVectorStore(Connector(lambda: reading), embedder.space)
    memory = Memory(embedder, writer, reader)
    for conversation in conversations:
        memory.save_at_once(conversation)
    return [
        (question, reader.search(_request(conversation.name, question, embedder, whole)).hits)
        for conversation in conversations
        for one in conversation.questions
        for question in [read_question(one.text, one.now or NOW)]
        for whole in (WHOLE, 0)
    ]


def _request(user: str, question: Question, embedder: WordEmbedder, whole: int) -> SearchRequest:
    [vector] = embedder.embed([question.text])
    return SearchRequest(user, user, vector, CANDIDATES, question.sought, around=AROUND, whole=whole)


def test_the_answers_to_the_evaluations_questions_are_those_that_texts_give(asked: list[Asked]) -> None:
    assert len(asked) >= 80
    for question, hits in asked:
        assert hits
        sought = frozenset(question.sought)
        for hit in hits:
            found = counts(hit.content)
            assert hit.tokens == said_tokens(hit.content)
            assert hit.counts == {term: min(found[term], MOST_COUNTED) for term in found.keys() & sought}
        numbers, texts = (
            _ranked(question, hits),
            _ranked(question, [replace(hit, tokens=None) for hit in hits]),
        )
        assert _without_numbers(numbers) == _without_numbers(texts)
        assert _judged_plainly(question, hits).issuperset(one.score for one in numbers[:1] if one.relevance)


def _judged_plainly(question: Question, hits: Sequence[Hit]) -> set[float]:
    """Return the score of each window: half the whole's, half its best chunk's."""
    judge = _judge(question, hits)
    parts = parts_of(hits, frozenset(question.sought))
    alone = {one.span.hit.id: one.score for one in judge.scored(parts)}
    windows: list[Window] = list(windows_of(chains(parts)))
    best = [max(alone[part.hit.id] for part in window.parts) for window in windows]
    return {
        (1 - CHUNK_SHARE) * whole.score + CHUNK_SHARE * chunk
        for whole, chunk in zip(judge.scored(windows), best, strict=True)
    }


def _judge(question: Question, hits: Sequence[Hit]) -> Judge:
    weights = ScoringWeights(
        half_life_days=30.0, now=NOW, time_spans=question.time_spans, days=frozenset(question.days)
    )
    return Judge(evidence(hits, question.about), weights)


def _ranked(question: Question, hits: Sequence[Hit]) -> list[Ranked]:
    return rank(hits, question.sought, 20, judge=_judge(question, hits))


def _without_numbers(ranked: Sequence[Ranked]) -> list[Ranked]:
    return [
        replace(
            one, pieces=tuple(replace(piece, hit=replace(piece.hit, tokens=None)) for piece in one.pieces)
        )
        for one in ranked
    ]


def test_a_row_of_the_chat_app_is_counted_when_it_is_read(database: Callable[..., str]) -> None:
    embedder, reading = WordEmbedder(), database("memory_query")
    [vector] = embedder.embed(["the canary sings"])
    with psycopg.connect(database("memory_app"), autocommit=True) as app:
        app.execute("SELECT set_config('app.tenant_id', 'acme', false)")
        app.execute(
            "INSERT INTO memories (user_id, content, embedding) VALUES ('mika', 'the canary sings', %s::vector)",
            [str(list(vector))],
        )
    store = PgVectorStore(Connector(lambda: reading), embedder.space)
    [hit] = store.search(SearchRequest("acme", "mika", vector, 5, ("canari",))).hits
    assert hit.tokens is None
    [part] = parts_of([hit], frozenset(["canari"]))
    assert part.tokens == said_tokens("the canary sings")
