"""What a question found: which of the ranked passages are told, why the others are not, and their shape in an answer. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from pipeline.search.question import Question
from pipeline.search.quotations import SeenText
from pipeline.search.ranking import Ranked, rank
from pipeline.search.trace import BEYOND, UNLIKE, UNSURE, Trace
from pipeline.search.updates import LOOKED_AT, newest_first

MAX_WIDE = 100
"""Passages that a least similarity chooses from."""


@dataclass(frozen=True, slots=True)
class FoundPassages:
    """What a question found.

    Args:
        passages: best first; none where nothing is sure enough.
        confidence: how sure it is that memory holds an answer, 0..1, whether or not it is told.
        trace: how it came to that.
    """

    passages: Sequence[Ranked]
    confidence: float
    trace: Trace = field(repr=False)


def told_passages(  # noqa: PLR0913, PLR0917  # what decides what is told
    looked: Trace,
    question: Question,
    top_k: int,
    told: SeenText,
    least: float,
    min_similarity: float | None = None,
) -> FoundPassages:
    """Return the passages that are told, the newest statement of each thing first."""
    wide = max(top_k, MAX_WIDE) if min_similarity is not None else top_k
    ranked = rank(looked.hits, question.sought, max(wide, LOOKED_AT), told, looked.judge)
    known = looked.judge.evidence
    first = [one for one in ranked[:LOOKED_AT] if one.relevance]  # however many are asked for
    confidence = known.confidence([piece.hit for one in first for piece in one.pieces])
    # What was said at some time is asked for as it was then.
    dated = ranked if question.time_spans else newest_first(ranked, known.term_idf)
    sure = dated if confidence >= least else []
    similar = [one for one in sure if min_similarity is None or one.hit.similarity >= min_similarity]
    passages = similar[:top_k]
    left_out = (
        without(dated, sure, UNSURE) | without(sure, similar, UNLIKE) | without(similar, passages, BEYOND)
    )
    trace = replace(looked, ranked=dated, told=told, left_out=left_out, least=least, confidence=confidence)
    return FoundPassages(passages, confidence, trace)


def without(before: Sequence[Ranked], after: Sequence[Ranked], reason: str) -> dict[str, str]:
    """Return the reason for each passage that a step left out, by its id."""
    kept = {one.hit.id for one in after}
    return {one.hit.id: reason for one in before if one.hit.id not in kept}


def as_result(ranked: Ranked) -> dict[str, Any]:
    """Return a hit in the shape the chat app knows (key, content, similarity), with more fields after it."""
    hit = ranked.hit
    return {
        "key": hit.metadata.get("key", hit.id),
        "content": hit.content,
        "similarity": hit.similarity,
        "score": ranked.score,
        "why": {"vector": ranked.vector, "lexical": ranked.lexical},
        "superseded_by": ranked.superseded_by,
        "id": hit.id,
        "kind": hit.metadata.get("kind"),
        "roles": hit.metadata.get("roles", []),
        "created_at": hit.created_at.isoformat(),
    }
