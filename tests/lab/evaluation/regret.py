"""How far the mix of meaning and words falls short of the best fixed weight, chosen with the answers known. Pure but for asking.

Two kinds of fixed weight are tried, each at 0, .1, … 1, over the same candidates, windows and rules: a weighted sum of both
sides scaled to 0..1 within the question, as retrieval does it commonly, and the product's own evidence with that weight.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from lab.evaluation.measures import CUT_OFFS, Answer, Figures, figures
from lab.evaluation.memory import Asked
from pipeline.search.quotations import SeenText
from pipeline.search.ranking import Judge, Ranked, Span, aged, bm25_scores, rank
from pipeline.search.trace import Trace
from pipeline.search.updates import LOOKED_AT, newest_first

WEIGHTS = tuple(number / 10 for number in range(11))
MEASURES = ("r5", "mrr")
KINDS = ("min-max", "evidence")


class MinMaxJudge(Judge):
    """Scores by a weighted sum of both sides, each scaled to 0..1 within what is scored."""

    def scores(self, time_spans: Sequence[Span]) -> tuple[list[float], list[float], list[float]]:
        """Return how each span fits by meaning and by words, and its score."""
        near = _scaled([span.similarity for span in time_spans])
        worded = _scaled(bm25_scores(time_spans))
        weight = self.weights.vector if self.evidence.term_idf.mass else 1.0
        mixed = [weight * v + (1 - weight) * w for v, w in zip(near, worded, strict=True)]
        return (
            near,
            worded,
            [aged(one, span, self.weights) for one, span in zip(mixed, time_spans, strict=True)],
        )


def _scaled(values: Sequence[float]) -> list[float]:
    low, high = min(values, default=0.0), max(values, default=0.0)
    return [(one - low) / (high - low) if high > low else 0.0 for one in values]


@dataclass(frozen=True, slots=True)
class Regret:
    """What the best fixed weight of a kind would have gained in one measure.

    Args:
        kind: of :data:`KINDS`.
        measure: of :data:`MEASURES`.
        ours: the mix as it is.
        best: that of the best fixed weight.
        weight: which one that is.
    """

    kind: str
    measure: str
    ours: float
    best: float
    weight: float

    @property
    def below(self) -> float:
        """How far the mix is below; negative where it is above."""
        return self.best - self.ours


def regrets(asked: Sequence[Asked]) -> Iterator[Regret]:
    """Yield the regret of every measure and kind over questions that were asked once."""
    known = [one for one in asked if one.question.evidence]
    ours = _figures(known, lambda trace: trace.judge)
    for kind in KINDS:
        found = {weight: _figures(known, _fixed(kind, weight)) for weight in WEIGHTS}
        for measure in MEASURES:
            values = {weight: float(getattr(one, measure)) for weight, one in found.items()}
            weight = max(WEIGHTS, key=lambda one: values[one])
            yield Regret(kind, measure, float(getattr(ours, measure)), values[weight], weight)


def _fixed(kind: str, weight: float) -> Callable[[Trace], Judge]:
    judge = MinMaxJudge if kind == "min-max" else Judge
    return lambda trace: judge(
        replace(trace.judge.evidence, contrast=1.0), replace(trace.judge.weights, vector=weight)
    )


def _figures(asked: Sequence[Asked], judge: Callable[[Trace], Judge]) -> Figures:
    return figures([_answer(one, ranked(one.trace, judge(one.trace))) for one in asked], 0, 1)


def ranked(trace: Trace, judge: Judge) -> Sequence[Ranked]:
    """Return the candidates of a question in the order of ``judge``, the newest statement first, as a search does."""
    order = rank(trace.hits, trace.question.sought, max(*CUT_OFFS, LOOKED_AT), SeenText(), judge)
    return order if trace.question.time_spans else newest_first(order, judge.evidence.term_idf)


def _answer(one: Asked, passages: Sequence[Ranked]) -> Answer:
    return Answer(one.question.evidence, [one.messages_in(passage) for passage in passages], frozenset())


def regret_table(rows: Sequence[tuple[str, Sequence[Regret]]]) -> str:
    """Return the regrets of cells (name, regrets) as a Markdown table, the worst of each kind last."""
    lines = ["| | kind | measure | mix | best fixed | at | below by |", "|---|---|---|---|---|---|---|"]
    lines += [
        f"| {name} | {one.kind} | {one.measure} | {one.ours:.4f} | {one.best:.4f} | {one.weight:.1f} | {one.below:+.4f} |"
        for name, found in rows
        for one in found
    ]
    every = [one for _, found in rows for one in found]
    for kind in KINDS:
        for measure in MEASURES:
            worst = max(one.below for one in every if (one.kind, one.measure) == (kind, measure))
            lines.append(f"| worst | {kind} | {measure} | | | | {worst:+.4f} |")
    return "\n".join(lines)
