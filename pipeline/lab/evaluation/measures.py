"""What is measured of an answer, and its mean over questions. Pure."""

from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, fields

CUT_OFFS = (5, 10)
READ_TOKENS = 1_000


@dataclass(frozen=True, slots=True)
class Answer:
    """What one question found.

    Args:
        evidence: ids of the messages that answer it.
        hits: ids of the messages in each hit, best first.
        read: ids of the messages that are whole within the first :data:`READ_TOKENS` tokens of what an agent reads.
    """

    evidence: AbstractSet[str]
    hits: Sequence[AbstractSet[str]]
    read: AbstractSet[str]


@dataclass(frozen=True, slots=True)
class Figures:
    """Means over questions, and the cost.

    Args:
        r5: share of the evidence in the first five hits.
        r10: the same of ten.
        mrr: 1 / rank of the first hit with any evidence, 0 if none has.
        b1k: share of the evidence that is read.
        embed_factor: tokens embedded while every session grew by a message a save, in tokens of the messages' text.
        questions: how many.
    """

    r5: float
    r10: float
    mrr: float
    b1k: float
    embed_factor: float
    questions: int

    def as_json(self) -> dict[str, float]:
        """Return the figures by name, rounded."""
        return {one.name: round(getattr(self, one.name), 4) for one in fields(self)}


def figures(answers: Sequence[Answer], embedded_tokens: int, source_tokens: int) -> Figures:
    """Return the means over ``answers``."""
    r5, r10 = (_mean([_recall(one, cut) for one in answers]) for cut in CUT_OFFS)
    return Figures(
        r5=r5,
        r10=r10,
        mrr=_mean([_reciprocal_rank(one) for one in answers]),
        b1k=_mean([_share(one, one.read) for one in answers]),
        embed_factor=embedded_tokens / max(1, source_tokens),
        questions=len(answers),
    )


def _recall(answer: Answer, cut: int) -> float:
    return _share(answer, frozenset().union(*answer.hits[:cut]))


def _share(answer: Answer, found: AbstractSet[str]) -> float:
    return len(answer.evidence & found) / len(answer.evidence)


def _reciprocal_rank(answer: Answer) -> float:
    ranks = (rank for rank, hit in enumerate(answer.hits, 1) if answer.evidence & hit)
    return 1 / next(ranks, float("inf"))


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values) if values else 0.0
