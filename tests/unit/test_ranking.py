"""Two lists of candidates become one order."""

from datetime import UTC, datetime

import pytest

from pipeline.search.ranking import rank
from pipeline.stores.protocol import Hit

TIME = datetime(2026, 11, 22, tzinfo=UTC)


def hit(name: str, similarity: float, lexical: float = 0.0) -> Hit:
    return Hit(name, name, similarity, TIME, {}, lexical)


def order(*hits: Hit, weight: float = 0.4) -> list[str]:
    return [ranked.hit.id for ranked in rank(hits)]


def test_nothing_ranks_to_nothing() -> None:
    assert rank([]) == []


def test_without_words_the_vector_decides() -> None:
    assert order(hit("far", 0.1), hit("near", 0.9)) == ["near", "far"]


def test_words_can_outweigh_the_vector() -> None:
    assert order(hit("near", 0.9), hit("words", 0.5, 2.0), hit("far", 0.1)) == ["words", "near", "far"]


def test_scores_are_scaled_and_weighed() -> None:
    best, *_ = rank([hit("a", 0.8, 1.0), hit("b", 0.6, 3.0), hit("c", 0.4)], 0.5)
    assert (best.hit.id, best.vector, best.lexical) == ("b", pytest.approx(0.5), 1.0)
    assert best.score == pytest.approx(0.75)


def test_ties_go_by_id() -> None:
    assert order(hit("b", 0.5), hit("a", 0.5)) == ["a", "b"]
