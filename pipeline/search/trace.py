"""How an answer came about, kept as it was made, and told when somebody asks why. Pure.

A trace holds texts. What :func:`explained` makes of it holds none but the question's own terms.
"""

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from typing import Any

from pipeline.search.question import Question
from pipeline.search.quotations import SeenText
from pipeline.search.ranking import MOST_REPEATED, Judge, Ranked, of_time
from pipeline.search.windows import parts_of, windows_of, words_of
from pipeline.stores.search_requests import Hit

UNSURE = "nothing is sure enough"
UNLIKE = "less similar than asked for"
BEYOND = "beyond top_k"
COVERED = "its day has a summary"
NO_ROOM = "no room"

NO_SEARCH = "none"
"""The strategy of what searched nothing."""


@dataclass(frozen=True, slots=True)
class Trace:
    """What a question was answered from.

    Args:
        hits: the candidates.
        judge: what they were judged by.
        strategy: how the store was searched, see :class:`pipeline.stores.search_requests.SearchResult`; or :data:`NO_SEARCH`.
        tokens: what embedding the question cost, as the provider counted.
        ranked: the passages made of them, best first, before any was left out.
        told: what the passages say, and what the reader knew before: no other passage repeats it.
        left_out: why a passage is not told, by its id.
        least: the confidence that was asked for.
        confidence: the one there is.
    """

    question: Question
    hits: Sequence[Hit] = field(repr=False)
    judge: Judge = field(repr=False)
    strategy: str
    tokens: int = 0
    ranked: Sequence[Ranked] = field(default=(), repr=False)
    told: SeenText | None = field(default=None, repr=False)
    left_out: Mapping[str, str] = field(default_factory=dict)
    least: float = 0.0
    confidence: float = 0.0


def explained(trace: Trace, chunks: AbstractSet[str] | None = None) -> dict[str, Any]:
    """Return how the passages came to be told or left out, as JSON: asking the same with the same ``now`` gives it again.

    Args:
        chunks: the ids of those that are told; ``None``: of a passage that is told, all are.
    """
    return {
        **searched(trace),
        "confidence": round(trace.confidence, 4),
        "min_confidence": trace.least,
        "passages": [_passage(one, trace, chunks) for one in trace.ranked],
        "not_ranked": _not_ranked(trace),
    }


def searched(trace: Trace) -> dict[str, Any]:
    """Return what was looked for, how, and what it is measured by, as JSON."""
    known, weights = trace.judge.evidence, trace.judge.weights
    short, long = trace.judge.of_meaning
    return {
        "strategy": trace.strategy,
        "tokens": trace.tokens,
        "now": weights.now.isoformat() if weights.now else None,
        "candidates": {
            "all": len(trace.hits),
            "with_words": sum(1 for hit in trace.hits if words_of(hit, known.term_idf.of.keys())),
        },
        "terms": {term: round(value, 3) for term, value in known.term_idf.of.items()},
        "similarity": {
            "usual": round(known.background.mean, 4),
            "spread": round(known.background.spread, 4),
            "weight": round(short, 4),
            "weight_in_long_chunks": round(long, 4),
        },
        "times": [
            {"start": span.start.isoformat(), "end": span.end.isoformat(), "relative": span.relative}
            for span in trace.question.time_spans
        ],
        "half_life_days": weights.half_life_days,
    }


def places(trace: Trace, ids: AbstractSet[str]) -> dict[str, int | None]:
    """Return the best place of chunks among the candidates of each side, from 1; ``None`` where words find none of them."""
    by_meaning = sorted(trace.hits, key=lambda hit: (-hit.similarity, hit.id))
    by_words = sorted((hit for hit in trace.hits if hit.lexical), key=lambda hit: (-hit.lexical, hit.id))
    return {"by_meaning": _place(by_meaning, ids), "by_words": _place(by_words, ids)}


def matched(trace: Trace, hits: Sequence[Hit]) -> dict[str, Any]:
    """Return the question's words that chunks have, with their weights, and the share of the question that they carry."""
    term_idf = trace.judge.evidence.term_idf
    words = {term for hit in hits for term in words_of(hit, term_idf.of.keys()) if term in term_idf.of}
    return {
        "words": {term: round(term_idf.of[term], 3) for term in sorted(words)},
        "words_share": round(term_idf.share(words), 4),
    }


def _place(order: Sequence[Hit], ids: AbstractSet[str]) -> int | None:
    return next((place for place, hit in enumerate(order, 1) if hit.id in ids), None)


def _passage(one: Ranked, trace: Trace, chunks: AbstractSet[str] | None) -> dict[str, Any]:
    known, weights = trace.judge.evidence, trace.judge.weights
    hits = [piece.hit for piece in one.pieces]
    parts = parts_of(hits, known.term_idf.of.keys())
    told = one.hit.id not in trace.left_out
    return {
        "id": one.hit.id,
        "told": told,
        "left_out": trace.left_out.get(one.hit.id),
        "score": round(one.score, 4),
        "relevance": round(one.relevance, 4),
        "similarity": round(one.hit.similarity, 4),
        "stands_out": round(known.background.stands_out(one.hit.similarity), 2),
        **matched(trace, hits),
        "place": places(trace, {*one.chunks}),
        "of_time_asked": any(of_time(part, weights) for part in parts) if weights.time_spans else None,
        "age_factor": round(max((weights.of_age(part.hit.created_at) for part in parts), default=1.0), 4),
        "superseded_by": one.superseded_by,
        "chunks": list(one.chunks),
        "chunks_left_out": [id_ for id_ in one.chunks if told and chunks is not None and id_ not in chunks],
    }


def _not_ranked(trace: Trace) -> dict[str, Any]:
    """Return the candidates that are in no passage: those that say what is said already, and how many others."""
    ranked = {id_ for one in trace.ranked for id_ in one.chunks}
    rest = [hit for hit in trace.hits if hit.id not in ranked]
    repeating = [hit.id for hit in rest if trace.told and _repeats(hit, trace.told)]
    return {"said_already": repeating, "ranked_lower": len(rest) - len(repeating)}


def _repeats(hit: Hit, told: SeenText) -> bool:
    [window] = windows_of([parts_of([hit], frozenset())])
    fresh = told.fresh(window)
    return not fresh.pieces or fresh.repeated > MOST_REPEATED
