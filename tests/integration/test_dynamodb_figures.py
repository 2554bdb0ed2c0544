"""How long an exact search in the function takes. Printed (``-s``), never judged: clocks are not to be trusted here."""

import math
import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from support.chunks import chunk, put
from support.local_aws import Tables

from pipeline.embedding.vectors import EmbeddingSpace, Vector, float32
from pipeline.local.aws import LocalAws
from pipeline.stores.search_requests import SearchRequest

CHUNKS, DIMENSIONS, TOP_K = 1_000, 1536, 10
WORDS = [
    "the",
    "crate",
    "ships",
    "on",
    "friday",
    "unless",
    "the",
    "reducer",
    "from",
    "kurogane",
    "is",
    "late",
    "again",
    "says",
    "mika",
    "in",
    "the",
    "morning",
]


def median_ms(work: Callable[[], Any], times: int = 50) -> float:
    taken = []
    for _ in range(times):
        started = time.perf_counter()
        work()
        taken.append((time.perf_counter() - started) * 1000)
    return statistics.median(taken)


def naive(question: Vector, vectors: list[Vector]) -> list[int]:
    """Cosine in plain Python, as one would write it first."""
    scores = []
    for vector in vectors:
        dot = sum(a * b for a, b in zip(vector, question, strict=True))
        length = math.sqrt(sum(a * a for a in vector)) * math.sqrt(sum(b * b for b in question))
        scores.append(dot / length)
    return sorted(range(len(scores)), key=lambda place: -scores[place])[:TOP_K]


def test_figures_of_a_thousand_chunks(local_aws: LocalAws) -> None:
    random = np.random.default_rng(11)
    vectors = random.standard_normal((CHUNKS, DIMENSIONS)).astype(np.float32)
    texts = [" ".join(random.choice(WORDS, 40)) for _ in range(CHUNKS)]
    tables = Tables(local_aws.client("dynamodb"), EmbeddingSpace("figures", DIMENSIONS))
    put(tables.store(), *((chunk(place, texts[place]), float32(vectors[place])) for place in range(CHUNKS)))
    question = random.standard_normal(DIMENSIONS).astype(np.float32)
    closest = SearchRequest("acme", "mika", float32(question), TOP_K)
    hybrid = SearchRequest("acme", "mika", float32(question), 50, ("reducer", "friday", "kurogane"))
    lengths = np.linalg.norm(vectors, axis=1)

    def numpy_alone() -> Any:
        cosine = (vectors @ question) / lengths / np.linalg.norm(question)
        return np.argsort(-cosine)[:TOP_K]

    started = time.perf_counter()
    store = tables.store()
    first = store.search(closest).hits
    cold = (time.perf_counter() - started) * 1000
    matrix = store._matrix("acme", "mika")
    plain = [list(map(float, vector)) for vector in vectors]
    expected = naive(question.tolist(), plain)
    assert (
        [hit.content for hit in first]
        == [texts[place] for place in expected]
        == [texts[place] for place in numpy_alone()]
    )

    alone, ours = median_ms(numpy_alone), median_ms(lambda: matrix.hits(closest))
    both, whole = median_ms(lambda: matrix.hits(hybrid)), median_ms(lambda: store.search(closest))
    slow = median_ms(lambda: naive(question.tolist(), plain), 3)
    asked = median_ms(lambda: store._ledger.state("acme", "mika"))
    print(
        f"\n{CHUNKS} chunks, {DIMENSIONS} dimensions, warm p50: NumPy alone {alone:.2f} ms, search {ours:.2f} ms "
        f"({ours / alone:.1f}x), hybrid top 50 {both:.2f} ms, naive Python {slow:.0f} ms ({slow / ours:.0f}x ours); "
        f"with the question whether anything changed (local AWS: {asked:.1f} ms) {whole:.1f} ms; "
        f"cold, rows read and indexed, {cold:.0f} ms"
    )
