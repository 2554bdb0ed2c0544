"""Whatever is asked, Postgres gets a question it can answer."""

import json
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from support.chunks import planned
from support.words import SPACE, WordEmbedder

from pipeline.handlers import query
from pipeline.search.memory_search import MemorySearch
from pipeline.stores.chunks import Chunk
from pipeline.stores.pgvector.connection import Connector
from pipeline.stores.pgvector.store import PgVectorStore

pytestmark = pytest.mark.integration

ODD = {
    "blank": " \n\t ",
    "a megabyte of one word": "word " * 200_000,
    "a megabyte of different words": " ".join(f"w{number}" for number in range(150_000)),
    "a megabyte of kanji": "山川田" * 110_000,
    "emoji": "👩‍👩‍👧‍👦🇯🇵👍🏽",
    "right to left": "\u202eمرحبا بالعالم\u202c שלום",
    "SQL": "'; DROP TABLE memories; --",
    "tsquery": "tea & !soba | (rain <-> snow):*AB \\ 'x",
    "quotes": "'\"\\''\\\\`´",
    "NUL": "tea\x00soba",
    "a lone surrogate": "tea\ud800soba",
    "long code": "a-" * 100_000 + "b",
    "combining marks": "e" + "\u0301" * 50_000,
    "percent": "%(terms)s %s %% {0} $1",
}


@pytest.mark.parametrize("question", ODD.values(), ids=list(ODD))
def test_an_odd_question_has_an_answer(database: Callable[..., str], question: str) -> None:
    ingest, query = (
        PgVectorStore(Connector(lambda role=role: database(role)), SPACE)
        for role in ("memory_ingest", "memory_query")
    )
    embedder = WordEmbedder()
    text = "[2026-11-22]\nuser: tea and soba in the rain, 山川"
    chunk = Chunk("00000000-0000-0000-0000-000000000001", "mika", text, ("m",), "f", None, {"key": "chat:1"})
    change = planned('["sessions", "acme", "chat:1"]', upserts=[(chunk, embedder.embed([text])[0])])
    assert not ingest.apply("acme", [change])

    [found] = MemorySearch(embedder, query, min_confidence=0.0).search("acme", "mika", question, 5).passages
    assert found.hit.content == text


@pytest.mark.parametrize("path", ["search", "context", "related"])
def test_through_the_function_it_has_an_answer_or_a_clear_refusal(
    query_function: PgVectorStore, path: str
) -> None:
    assert query_function
    context: Any = SimpleNamespace(function_name="query")
    for name, question in ODD.items():
        body = {"messages": [question]} if path == "related" else {"query": question}
        event = {"method": "POST", "path": f"/api/v1/memory/{path}", "tenant_id": "acme", "body": body}
        answer = query.handler(event, context)
        told = json.loads(answer["body"])
        assert answer["statusCode"] in {200, 400, 413}, name
        assert answer["statusCode"] == 200 or (told["code"] and told["hint"]), name
