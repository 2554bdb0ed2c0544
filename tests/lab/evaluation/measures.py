"""What is measured of an answer, and its mean over questions. Pure."""

import math
import re
from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field, fields

CUT_OFFS = (5, 10)
READ_TOKENS = 1_000
LOST = 0.05
"""Share of answerable questions that may be lost where it is asked how many others are refused."""

_SENTENCE = re.compile(r"[^.!?。！？\n]+")


@dataclass(frozen=True, slots=True)
class Answer:
    """What one question found.

    Args:
        evidence: ids of the messages that answer it; none if memory holds no answer.
        hits: ids of the messages in each hit, best first.
        read: ids of the messages that are whole within the first :data:`READ_TOKENS` tokens of what an agent reads.
        text_read: share of the text that answers, of the evidence's or what the question says of it, that is read there.
        sessions: of the evidence.
        hit_sessions: of each hit.
        before: ids of messages that said so before, and that the evidence replaces.
        confidence: as the memory gave it.
    """

    evidence: AbstractSet[str]
    hits: Sequence[AbstractSet[str]]
    read: AbstractSet[str]
    text_read: float = 0.0
    sessions: AbstractSet[str] = frozenset()
    hit_sessions: Sequence[AbstractSet[str]] = field(default=())
    before: AbstractSet[str] = frozenset()
    confidence: float = 0.0

    def measures(self) -> dict[str, float]:
        """Return the figures of this question alone, by name."""
        five, ten = CUT_OFFS
        return {
            "r1": float(bool(self.hits) and not self.evidence.isdisjoint(self.hits[0])),
            "r5": _share(self.evidence, self.hits[:five]),
            "r10": _share(self.evidence, self.hits[:ten]),
            "mrr": 1 / _rank(self.evidence, self.hits),
            "any5": float(_rank(self.evidence, self.hits) <= five),
            "session10": _share(self.sessions, self.hit_sessions[:ten]),
            "ndcg5": _ndcg(self.evidence, self.hits[:five]),
            "b1k": len(self.evidence & self.read) / max(1, len(self.evidence)),
            "text1k": self.text_read,
        }

    @property
    def newer_first(self) -> bool:
        """Tell whether what is so now stands before what was so before."""
        return _rank(self.evidence, self.hits) < _rank(self.before, self.hits)


@dataclass(frozen=True, slots=True)
class Figures:
    """Means over questions, and the cost.

    Args:
        r5: share of the evidence in the first five hits.
        r10: the same of ten.
        mrr: 1 / rank of the first hit with any evidence, 0 if none has.
        b1k: share of the evidence that is read.
        embed_factor: tokens embedded while every session grew by a message a save, in tokens of the messages' text.
        questions: how many have an answer.
        r1: share of questions whose first hit has evidence.
        any5: share of questions with any evidence in the first five hits.
        session10: share of the evidence's sessions in the first ten hits.
        ndcg5: normalised discounted cumulative gain of the first five hits.
        text1k: share of the text that answers that is read.
        newer_first: share of updates whose new statement stands before the old; ``None`` without updates.
        refused: share of unanswerable questions less sure than all but :data:`LOST` of the answerable ones.
        roc: probability that an answerable question is surer than an unanswerable one.
        unanswerable: how many have none.
    """

    r5: float
    r10: float
    mrr: float
    b1k: float
    embed_factor: float
    questions: int
    r1: float = 0.0
    any5: float = 0.0
    session10: float = 0.0
    ndcg5: float = 0.0
    text1k: float = 0.0
    newer_first: float | None = None
    refused: float | None = None
    roc: float | None = None
    unanswerable: int = 0

    def as_json(self) -> dict[str, float | None]:
        """Return the figures by name, rounded."""
        values = {one.name: getattr(self, one.name) for one in fields(self)}
        return {name: None if value is None else round(value, 4) for name, value in values.items()}


@dataclass(frozen=True, slots=True)
class Level:
    """What a level of confidence does.

    Args:
        level: below it nothing is told.
        lost: share of answerable questions below it.
        refused: share of unanswerable ones below it; ``None`` if there are none.
        answerable: how many were asked.
        unanswerable: the same.
    """

    level: float
    lost: float
    refused: float | None
    answerable: int
    unanswerable: int


def at_level(answers: Sequence[Answer], level: float | None = None) -> Level | None:
    """Return what ``level`` does, or the level that loses :data:`LOST` of the answerable; without any of those, nothing."""
    sure = sorted(one.confidence for one in answers if one.evidence)
    none = [one.confidence for one in answers if not one.evidence]
    if not sure:
        return None
    chosen = _least(sure) if level is None else level
    lost = _mean([one < chosen for one in sure])
    refused = _mean([one < chosen for one in none]) if none else None
    return Level(chosen, lost, refused, len(sure), len(none))


def figures(answers: Sequence[Answer], embedded_tokens: int, source_tokens: int) -> Figures:
    """Return the means over ``answers``."""
    answerable = [one for one in answers if one.evidence]
    none = [one.confidence for one in answers if not one.evidence]
    sure = [one.confidence for one in answerable]
    updates = [one.newer_first for one in answerable if one.before]
    measured = [one.measures() for one in answerable]
    means = {name: _mean([one[name] for one in measured]) for name in (measured[0] if measured else ())}
    return Figures(
        **{"r5": 0.0, "r10": 0.0, "mrr": 0.0, "b1k": 0.0} | means,
        embed_factor=embedded_tokens / max(1, source_tokens),
        questions=len(answerable),
        newer_first=_mean(updates) if updates else None,
        refused=_refused(sure, none) if sure and none else None,
        roc=_roc(sure, none) if sure and none else None,
        unanswerable=len(none),
    )


def share_read(text: str, read: str) -> float:
    """Return the share of ``text``, sentence by sentence, that stands in ``read``, which has no white space."""
    sentences = ["".join(one.split()) for one in _SENTENCE.findall(text)]
    size = sum(map(len, sentences))
    return sum(len(one) for one in sentences if one in read) / size if size else 0.0


def _share(wanted: AbstractSet[str], found: Sequence[AbstractSet[str]]) -> float:
    return len(wanted & frozenset().union(*found)) / max(1, len(wanted))


def _rank(wanted: AbstractSet[str], hits: Sequence[AbstractSet[str]]) -> float:
    return next((rank for rank, hit in enumerate(hits, 1) if wanted & hit), math.inf)


def _ndcg(evidence: AbstractSet[str], hits: Sequence[AbstractSet[str]]) -> float:
    seen: set[str] = set()
    gain = 0.0
    for rank, hit in enumerate(hits, 1):
        gain += bool((evidence & hit) - seen) / math.log2(rank + 1)
        seen |= evidence & hit
    best = sum(1 / math.log2(rank + 1) for rank in range(1, min(len(evidence), len(hits)) + 1))
    return min(1.0, gain / best) if best else 0.0


def _refused(sure: Sequence[float], none: Sequence[float]) -> float:
    least = _least(sure)
    return _mean([one < least for one in none])


def _least(sure: Sequence[float]) -> float:
    return sorted(sure)[int(LOST * len(sure))]


def _roc(sure: Sequence[float], none: Sequence[float]) -> float:
    return _mean([(yes > no) + (yes == no) / 2 for yes in sure for no in none])


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values) if values else 0.0
