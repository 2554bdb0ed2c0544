"""Candidates of both kinds → passages in one order, none of which repeats another. Pure, the same for every store."""

import heapq
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import islice
from typing import Generic, NamedTuple, TypeVar

from pipeline.lexical.terms import terms
from pipeline.search.calibration import HALF_AT, Evidence, evidence, idf, logistic
from pipeline.search.empty_answers import answering
from pipeline.search.quotations import SeenText, UnseenText
from pipeline.search.times import TimeSpan as TimeSpan  # noqa: PLC0414
from pipeline.search.windows import Part, Window, chains, parts_of, windows_of
from pipeline.stores.chunk_text import header
from pipeline.stores.search_requests import Hit

VECTOR_WEIGHT = 0.4
"""Of meaning against words, where the words of the question are found; where they are not, they count less by themselves."""
SHORT, LONG = 64, 128
"""Tokens of a chunk up to which meaning weighs :data:`VECTOR_WEIGHT`, and from which it weighs as much as it may: a long chunk has
some of the question's words by chance, and it is of one message, so that its vector says one thing."""
ODDS_OF_LONG = 1.5
"""Of meaning against words, times those of a short chunk: .4 becomes half and half."""
SHARE_HALF_AT, SHARE_STEEPNESS = 0.4, 10.0
"""Share of the question's idf mass at which words count half, and how quickly that changes: who asks in other words than
those of the answer shares a fifth of it with many passages, and none of them for its words."""
BM25_K1, BM25_B = 0.8, 0.3
"""BM25's k1 and b. Windows are of much the same length, so it matters little."""
CHUNK_SHARE = 0.5
"""Of a passage's score, what its best chunk is worth alone; the rest is the whole's. Between .3 and .5 is flat."""
SHARE_AMONG = 0.4
"""Of the best BM25: what fits less does not carry most of the question."""
TIME_SHARE = 0.25
"""Of a score, whether it is of the time asked for: it decides between passages that fit alike."""
REPETITION_PENALTY = 0.5
"""Of a passage that is told already; between .3 and .8 in the experiments makes no difference."""
MOST_REPEATED = 0.7
"""Share of a passage that may be told already; it is left out of it."""
SAME_CONVERSATION = 0.9
"""Of a passage's place, for each better passage of its conversation: one that has spoken has less to add than another that
fits nearly as well."""


@dataclass(frozen=True, slots=True)
class Piece:
    """What one chunk adds to a passage: its text without header and without what is told elsewhere."""

    hit: Hit
    text: str = field(repr=False)

    @property
    def id(self) -> str:
        """The chunk's."""
        return self.hit.id


@dataclass(frozen=True, slots=True)
class Ranked:
    """A passage and why it stands where it stands.

    Args:
        hit: what is told of it, under the id of its closest chunk; ``similarity`` is that chunk's.
        vector: how far its similarity stands out, 0..1.
        lexical: how well its words fit, 0..1.
        score: the weighted sum, mixed with that of its best chunk; less for what is told already and for age if that
            counts, 0..1.
        relevance: how sure it is that it bears on the question at all, 0..1; 0 if it only asks the same.
        pieces: what it is made of, in order.
        superseded_by: the id of the passage that says the same thing anew, if there is one.
    """

    hit: Hit
    vector: float
    lexical: float
    score: float
    relevance: float = 0.0
    pieces: tuple[Piece, ...] = ()
    superseded_by: str | None = None

    @property
    def chunks(self) -> tuple[str, ...]:
        """The ids of all chunks in it."""
        return tuple(piece.id for piece in self.pieces)


@dataclass(frozen=True, slots=True)
class ScoringWeights:
    """How a score is made.

    Args:
        vector: weight of meaning against words, 0..1.
        time_spans: times that the question speaks of; what was said or is dated then counts more.
        days: the terms of their days.
        half_life_days: a passage so old counts half as much as one of today; ``None``: age does not matter.
        now: what ages are counted from.
    """

    vector: float = VECTOR_WEIGHT
    half_life_days: float | None = None
    now: datetime | None = None
    time_spans: tuple[TimeSpan, ...] = ()
    days: frozenset[str] = frozenset()

    @property
    def ageless(self) -> bool:
        """Tell whether time makes no difference to a score."""
        return self.half_life_days is None and not self.time_spans

    def of_age(self, written: datetime | None) -> float:
        """Return the factor of something written then, 0..1; what has no date does not age."""
        if self.half_life_days is None or self.now is None or written is None:
            return 1.0
        days = max(0.0, (self.now - written) / timedelta(days=1))
        return float(0.5 ** (days / self.half_life_days))


Span = TypeVar("Span", Part, Window)
"""What is scored: chunks alone, or windows of them."""


class Scored(NamedTuple, Generic[Span]):
    """A span's score and what it is made of, 0..1 each."""

    span: Span
    vector: float
    lexical: float
    score: float


@dataclass(frozen=True, slots=True)
class Judge:
    """Scores chunks and windows of one question's hits."""

    evidence: Evidence
    weights: ScoringWeights = ScoringWeights()

    @property
    def of_meaning(self) -> tuple[float, float]:
        """The weight of meaning against words, in short chunks and in long ones, 0..1."""
        weight = self.weights.vector if self.evidence.term_idf.mass else 1.0
        contrast = self.evidence.contrast
        return at_odds(weight, contrast), at_odds(weight, contrast * ODDS_OF_LONG)

    def scored(self, time_spans: Sequence[Span]) -> list[Scored[Span]]:
        """Return the score of each span, by meaning and by words."""
        return list(map(Scored, time_spans, *self.scores(time_spans)))

    def scores(self, time_spans: Sequence[Span]) -> tuple[list[float], list[float], list[float]]:
        """Return how each span fits by meaning and by words, and its score: a column each."""
        mean, spread = self.evidence.background.mean, self.evidence.background.spread
        vectors = [logistic((span.similarity - mean) / spread - HALF_AT) for span in time_spans]
        words = self._words(time_spans)
        least, most = self.of_meaning
        scores = [
            word + (least + (most - least) * of_long(span.chunk_tokens)) * (vector - word)
            for span, vector, word in zip(time_spans, vectors, words, strict=True)
        ]
        if not self.weights.ageless:
            scores = [aged(one, span, self.weights) for one, span in zip(scores, time_spans, strict=True)]
        return vectors, words, scores

    def _words(self, time_spans: Sequence[Span]) -> list[float]:
        """Return how well the words of each span fit: BM25, the best at what the share of the question counts that it carries."""
        fits = bm25_scores(time_spans)
        best = max(fits, default=0.0)
        if not best:
            return fits
        term_idf = self.evidence.term_idf
        fitting = (
            span.words for span, fit in zip(time_spans, fits, strict=True) if fit >= best * SHARE_AMONG
        )
        share = max(map(term_idf.share, fitting))
        scale = logistic(SHARE_STEEPNESS * (share - SHARE_HALF_AT)) / best
        return [fit * scale for fit in fits]


def rank(
    hits: Sequence[Hit],
    query_terms: Iterable[str] = (),
    top_k: int | None = None,
    told: SeenText | None = None,
    judge: Judge | None = None,
) -> list[Ranked]:
    """Return passages made of ``hits``, best first; ties by id.

    Args:
        query_terms: the question's terms, the same as the store was asked for; none, or none that any hit has, leaves the
            order to the vectors.
        top_k: how many; all by default.
        told: what the reader knows already; no passage repeats it.
        judge: scores; by default it is made of these hits.
    """
    sought = frozenset(query_terms)
    judge = judge or Judge(evidence(hits, sought))
    passages = _passages(_judged(parts_of(hits, sought), judge), told or SeenText(), judge.evidence)
    return list(islice(passages, len(hits) if top_k is None else top_k))


def _judged(parts: Sequence[Part], judge: Judge) -> list[Scored[Window]]:
    """Return the windows of hits, each with what its best chunk adds to it."""
    found = chains(parts)
    windows = list(windows_of(found))
    vectors, words, wholes = judge.scores(windows)
    alone = judge.scores(parts)[-1]
    own = {id(chain): [alone[part.at] for part in chain] for chain in found}
    best = [max(own[id(chain)][start:end]) for chain, start, end, _, _, _ in windows]
    scores = [(1 - CHUNK_SHARE) * whole + CHUNK_SHARE * one for whole, one in zip(wholes, best, strict=True)]
    return [*map(Scored, windows, vectors, words, scores)]


def at_odds(weight: float, times: float) -> float:
    """Return a weight whose odds are so many times those of ``weight``; one of 0 or 1 stays what it is."""
    return weight * times / (weight * times + 1 - weight)


def of_long(tokens: float) -> float:
    """Return how long chunks of so many tokens are, 0..1."""
    return min(1.0, max(0.0, (tokens - SHORT) / (LONG - SHORT)))


def best_scores(found: Iterable[Scored[Span]]) -> Mapping[str, float]:
    """Return the score of the best span that each chunk is in, by the chunk's id."""
    best: dict[str, float] = {}
    for span, _, _, score in found:
        for part in span.parts:
            best[part.id] = max(best.get(part.id, 0.0), score)
    return best


def aged(score: float, span: Part | Window, weights: ScoringWeights) -> float:
    """Return a score as its time has it: mixed with being of the time asked for, less for age."""
    if weights.time_spans:
        score = (1 - TIME_SHARE) * score + TIME_SHARE * of_time(span, weights)
    return score * _of_youngest(span, weights)


def of_time(span: Part | Window, weights: ScoringWeights) -> bool:
    """Tell whether a span was said at a time that the question speaks of, or names a day of it."""
    if not weights.days.isdisjoint(span.words):
        return True
    return any(one.holds(part.hit.created_at) for one in weights.time_spans for part in span.parts)


def _of_youngest(span: Part | Window, weights: ScoringWeights) -> float:
    if weights.half_life_days is None:
        return 1.0
    return max(weights.of_age(part.hit.created_at) for part in span.parts)


def _passages(found: Iterable[Scored[Window]], told: SeenText, known: Evidence) -> Iterator[Ranked]:
    """Yield the best passage again and again, each judged by what is new in it (lazily: places only ever sink).

    A conversation that has spoken stands back for others. That changes the order alone: a score says how well a passage
    fits, whatever else was found.
    """
    heap = [(-one.score, one.span.last.id, one) for one in found]
    heapq.heapify(heap)
    spoken = Counter[str]()
    while heap:
        _, id_, one = heapq.heappop(heap)
        fresh = told.fresh(one.span)
        if fresh.repeated > MOST_REPEATED or not fresh.pieces:
            continue
        answers = _still_asked(one.span, fresh, known)
        score = one.score * (1 - REPETITION_PENALTY * fresh.repeated) * answers
        key = str(one.span.last.metadata.get("key"))
        # An echo without an answer stands behind all others.
        place = score * SAME_CONVERSATION ** spoken[key] - (not answers)
        if heap and (-place, id_) > heap[0][:2]:
            heapq.heappush(heap, (-place, id_, one))
            continue
        yield _ranked(one, fresh.pieces, score, known, answers)
        told.add(fresh.pieces)
        spoken[key] += 1


def _still_asked(window: Window, fresh: UnseenText, known: Evidence) -> float:
    """Return the share of the window's words that still answer without quotations, and questions without an answer.

    What merely echoes an earlier answer, or the question, would stand before what it echoes otherwise.
    """
    query_terms = window.words.keys()
    if not query_terms:
        return 1.0
    joined = "\n".join(text for _, text in fresh.pieces)
    kept = answering(joined, known.term_idf.of.keys())
    if not fresh.quotes and len(kept) == len(joined):
        return 1.0
    return len(query_terms & frozenset(terms(kept))) / len(query_terms)


def _ranked(
    one: Scored[Window], fresh: Sequence[tuple[Hit, str]], score: float, known: Evidence, answers: float
) -> Ranked:
    hits = [hit for hit, _ in fresh]
    best = min(hits, key=lambda hit: (-hit.similarity, hit.id))
    roles = sorted({str(role) for hit in hits for role in hit.metadata.get("roles", ())})
    passage = Hit(
        id=best.id,
        content=_joined(fresh),
        similarity=best.similarity,
        created_at=hits[0].created_at,
        metadata={**best.metadata, "date": hits[0].metadata.get("date"), "roles": roles},
        lexical=one.lexical,
    )
    pieces = tuple(Piece(hit, text) for hit, text in fresh)
    relevance = known.relevance(best.similarity, one.span.words) * answers
    return Ranked(passage, one.vector, one.lexical, score, relevance, pieces)


def _joined(fresh: Sequence[tuple[Hit, str]]) -> str:
    """Return the texts as one, behind the first one's header; pieces of one message without a break."""
    text = header(fresh[0][0].content) + fresh[0][1]
    for (hit, said), (earlier, _) in zip(fresh[1:], fresh, strict=False):
        one_message = hit.metadata.get("part") and hit.metadata.get("last") == earlier.metadata.get("last")
        text += said if one_message else f"\n{said}"
    return text


def bm25_scores(time_spans: Sequence[Span]) -> list[float]:
    """Return BM25 of each span, the spans themselves being the collection."""
    mean = sum([span.tokens for span in time_spans]) / max(1, len(time_spans))
    frequency = Counter([term for span in time_spans for term in span.words])
    term_idf = {term: (BM25_K1 + 1) * idf(len(time_spans), count) for term, count in frequency.items()}
    return [_bm25(span, term_idf, mean) for span in time_spans]


def _bm25(span: Span, term_idf: Mapping[str, float], mean: float) -> float:
    if not span.words:
        return 0
    norm = BM25_K1 * (1 - BM25_B + BM25_B * span.tokens / mean)
    return sum([term_idf[term] * count / (count + norm) for term, count in span.words.items()])
