"""How an answer came about, kept as it was made, and told when somebody asks why. Pure.

A trace holds texts. What :func:`explained` makes of it holds none but the question's own terms.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from pipeline.search.question import Question
from pipeline.search.ranking import Judge, Ranked, of_time
from pipeline.search.windows import parts_of, words_of
from pipeline.stores.protocol import Hit


@dataclass(frozen=True, slots=True)
class Trace:
    """What a question was answered from.

    Args:
        hits: the candidates.
        judge: what they were judged by.
        strategy: how the store was searched.
        ranked: the passages made of them, best first, before any was left out.
        least: the confidence that was asked for.
        confidence: the one there is.
    """

    question: Question
    hits: Sequence[Hit] = field(repr=False)
    judge: Judge = field(repr=False)
    strategy: str
    ranked: Sequence[Ranked] = field(default=(), repr=False)
    least: float = 0.0
    confidence: float = 0.0


def explained(trace: Trace, told: Sequence[Ranked]) -> dict[str, Any]:
    """Return how the passages ``told`` came to be told, as JSON: asking the same with the same ``now`` gives it again."""
    known, weighing = trace.judge.evidence, trace.judge.weighing
    shown = {one.hit.id for one in told}
    return {
        "strategy": trace.strategy,
        "now": weighing.now.isoformat() if weighing.now else None,
        "candidates": {
            "all": len(trace.hits),
            "with_words": sum(1 for hit in trace.hits if words_of(hit, known.rarity.of.keys())),
        },
        "terms": {term: round(value, 3) for term, value in known.rarity.of.items()},
        "similarity": {
            "usual": round(known.background.mean, 4),
            "spread": round(known.background.spread, 4),
            "weight": weighing.vector if known.rarity.mass else 1.0,
        },
        "times": [
            {"start": span.start.isoformat(), "end": span.end.isoformat(), "relative": span.relative}
            for span in trace.question.spans
        ],
        "half_life_days": weighing.half_life_days,
        "confidence": round(trace.confidence, 4),
        "min_confidence": trace.least,
        "passages": [_passage(one, trace, told=one.hit.id in shown) for one in trace.ranked],
    }


def _passage(one: Ranked, trace: Trace, *, told: bool) -> dict[str, Any]:
    known, weighing = trace.judge.evidence, trace.judge.weighing
    parts = parts_of([piece.hit for piece in one.pieces], known.rarity.of.keys())
    words = {term for part in parts for term in part.words if term in known.rarity.of}
    return {
        "id": one.hit.id,
        "told": told,
        "left_out": None if told else _reason(one, trace),
        "score": round(one.score, 4),
        "relevance": round(one.relevance, 4),
        "similarity": round(one.hit.similarity, 4),
        "stands_out": round(known.background.stands_out(one.hit.similarity), 2),
        "words": {term: round(known.rarity.of[term], 3) for term in sorted(words)},
        "words_share": round(known.rarity.share(words), 4),
        "of_time_asked": any(of_time(part, weighing) for part in parts) if weighing.spans else None,
        "age_factor": round(max((weighing.of_age(part.hit.created_at) for part in parts), default=1.0), 4),
        "superseded_by": one.superseded_by,
        "chunks": list(one.chunks),
    }


def _reason(one: Ranked, trace: Trace) -> str:
    if trace.confidence < trace.least:
        return "nothing is sure enough"
    if not one.relevance:
        return "it only asks the same"
    return "no room, or not asked for"
