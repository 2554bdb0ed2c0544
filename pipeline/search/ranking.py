"""Candidates of both kinds → one order. Pure, and the same for every store."""

from collections.abc import Sequence
from dataclasses import dataclass

from pipeline.stores.protocol import Hit

VECTOR_WEIGHT = 0.4
"""Flat between .3 and .6 in the experiments; words carry the rest."""


@dataclass(frozen=True, slots=True)
class Ranked:
    """A hit and why it stands where it stands.

    Args:
        vector: similarity, scaled to 0..1 among the candidates.
        lexical: words' score, scaled to 0..1 among the candidates.
        score: the weighted sum, 0..1.
    """

    hit: Hit
    vector: float
    lexical: float
    score: float


def rank(hits: Sequence[Hit], vector_weight: float = VECTOR_WEIGHT) -> list[Ranked]:
    """Return ``hits`` best first; ties by id. Without a words' score anywhere the vector decides alone."""
    weight = vector_weight if any(hit.lexical > 0 for hit in hits) else 1.0
    vectors = _scaled([hit.similarity for hit in hits])
    words = _scaled([hit.lexical for hit in hits])
    ranked = [
        Ranked(hit, vector, lexical, weight * vector + (1 - weight) * lexical)
        for hit, vector, lexical in zip(hits, vectors, words, strict=True)
    ]
    return sorted(ranked, key=lambda one: (-one.score, one.hit.id))


def _scaled(values: Sequence[float]) -> list[float]:
    low, high = min(values, default=0.0), max(values, default=0.0)
    return [(value - low) / (high - low) if high > low else float(high > 0) for value in values]
