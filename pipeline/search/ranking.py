"""Candidates of both kinds → passages in one order, none of which repeats another. Pure, the same for every store."""

import heapq
import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import islice
from typing import Generic, NamedTuple, TypeVar

from pipeline.lexical.terms import terms
from pipeline.search.passages import header
from pipeline.search.quotations import Fresh, Told
from pipeline.search.windows import Part, Window, chains, parts_of, windows_of
from pipeline.stores.protocol import Hit

VECTOR_WEIGHT = 0.4
"""Flat between .2 and .6 in the experiments; words carry the rest."""
SATURATION, LENGTH_SHARE = 0.8, 0.3
"""BM25's k1 and b. Windows are of much the same length, so it matters little."""
CHUNK_SHARE = 0.3
"""Of a passage's score, what its best chunk is worth alone; the rest is the whole's. Between .3 and .5 is flat."""
REPETITION_PENALTY = 0.5
"""Of a passage that is told already; between .3 and .8 in the experiments makes no difference."""
MOST_REPEATED = 0.7
"""Share of a passage that may be told already; it is left out of it."""


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
        vector: similarity, scaled to 0..1 among the candidates.
        lexical: words' score, scaled to 0..1 among the candidates.
        score: the weighted sum, mixed with that of its best chunk; less for what is told already and for age if that
            counts, 0..1.
        pieces: what it is made of, in order.
    """

    hit: Hit
    vector: float
    lexical: float
    score: float
    pieces: tuple[Piece, ...] = ()

    @property
    def chunks(self) -> tuple[str, ...]:
        """The ids of all chunks in it."""
        return tuple(piece.id for piece in self.pieces)


@dataclass(frozen=True, slots=True)
class Weighing:
    """How a score is made.

    Args:
        vector: weight of meaning beside words, 0..1.
        half_life_days: a passage so old counts half as much as one of today; ``None``: age does not matter.
        now: what ages are counted from.
    """

    vector: float = VECTOR_WEIGHT
    half_life_days: float | None = None
    now: datetime | None = None

    def of_age(self, written: datetime | None) -> float:
        """Return the factor of something written then, 0..1; what has no date does not age."""
        if self.half_life_days is None or self.now is None or written is None:
            return 1.0
        days = max(0.0, (self.now - written) / timedelta(days=1))
        return float(0.5 ** (days / self.half_life_days))


Span = TypeVar("Span", Part, Window)
"""What is scored: chunks alone, or windows of them."""


class Scored(NamedTuple, Generic[Span]):
    """A span's score and what it is made of, 0..1 each; scaled among those it was scored with."""

    span: Span
    vector: float
    lexical: float
    score: float


def rank(
    hits: Sequence[Hit],
    asked: Iterable[str] = (),
    top_k: int | None = None,
    told: Told | None = None,
    weighing: Weighing = Weighing(),
) -> list[Ranked]:
    """Return passages made of ``hits``, best first; ties by id.

    Args:
        asked: the question's terms, the same as the store was asked for; none, or none that any hit has, leaves the
            order to the vectors.
        top_k: how many; all by default.
        told: what the reader knows already; no passage repeats it.
        weighing: of meaning, words and age.
    """
    parts = parts_of(hits, frozenset(asked))
    passages = _passages(_judged(parts, weighing), told or Told())
    return list(islice(passages, len(hits) if top_k is None else top_k))


def _judged(parts: Sequence[Part], weighing: Weighing) -> Iterator[Scored[Window]]:
    """Yield the windows of hits, each with what its best chunk adds to it."""
    alone = best_scores(scored(parts, weighing))
    for window, vector, lexical, whole in scored(list(windows_of(chains(parts))), weighing):
        best = max([alone[part.hit.id] for part in window.parts])
        yield Scored(window, vector, lexical, (1 - CHUNK_SHARE) * whole + CHUNK_SHARE * best)


def best_scores(found: Iterable[Scored[Span]]) -> Mapping[str, float]:
    """Return the score of the best span that each chunk is in, by the chunk's id."""
    best: dict[str, float] = {}
    for span, _, _, score in found:
        for part in span.parts:
            best[part.hit.id] = max(best.get(part.hit.id, 0.0), score)
    return best


def scored(spans: Sequence[Span], weighing: Weighing) -> list[Scored[Span]]:
    """Return the score of each span, by meaning and by words."""
    lexical = _lexical(spans)
    weight = weighing.vector if any(lexical) else 1.0
    vectors, words = _scaled([span.similarity for span in spans]), _scaled(lexical)
    return [
        Scored(span, vector, word, (weight * vector + (1 - weight) * word) * _of_youngest(span, weighing))
        for span, vector, word in zip(spans, vectors, words, strict=True)
    ]


def _of_youngest(span: Span, weighing: Weighing) -> float:
    if weighing.half_life_days is None:
        return 1.0
    return max(weighing.of_age(part.hit.created_at) for part in span.parts)


def _passages(found: Iterable[Scored[Window]], told: Told) -> Iterator[Ranked]:
    """Yield the best passage again and again, each judged by what is new in it (lazily: scores only ever sink)."""
    heap = [(-one.score, one.span.last.hit.id, one) for one in found]
    heapq.heapify(heap)
    while heap:
        _, id_, one = heapq.heappop(heap)
        fresh = told.fresh(one.span)
        if fresh.repeated > MOST_REPEATED or not fresh.pieces:
            continue
        answering = _still_asked(one.span, fresh)
        score = one.score * (1 - REPETITION_PENALTY * fresh.repeated) * answering - (not answering)
        if heap and (-score, id_) > heap[0][:2]:
            heapq.heappush(heap, (-score, id_, one))
            continue
        # An echo without an answer stands behind all others.
        yield _ranked(one, fresh.pieces, max(0.0, score))
        told.add(fresh.pieces)


def _still_asked(window: Window, fresh: Fresh) -> float:
    """Return the share of the window's words that still answer once quotations are left out of it.

    What merely echoes an earlier answer, or the question, would stand before what it echoes otherwise.
    """
    asked = window.words.keys()
    if not fresh.quotes or not asked:
        return 1.0
    left = frozenset(term for _, text in fresh.pieces for term in terms(text))
    return len(asked & left) / len(asked)


def _ranked(one: Scored[Window], fresh: Sequence[tuple[Hit, str]], score: float) -> Ranked:
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
    return Ranked(passage, one.vector, one.lexical, score, pieces)


def _joined(fresh: Sequence[tuple[Hit, str]]) -> str:
    """Return the texts as one, behind the first one's header; pieces of one message without a break."""
    text = header(fresh[0][0].content) + fresh[0][1]
    for (hit, said), (earlier, _) in zip(fresh[1:], fresh, strict=False):
        one_message = hit.metadata.get("part") and hit.metadata.get("last") == earlier.metadata.get("last")
        text += said if one_message else f"\n{said}"
    return text


def _lexical(spans: Sequence[Span]) -> list[float]:
    """Return BM25 of each span, the spans themselves being the collection."""
    mean = sum([span.tokens for span in spans]) / max(1, len(spans))
    frequency = Counter([term for span in spans for term in span.words])
    rarity = {
        term: (SATURATION + 1) * math.log(1 + (len(spans) - count + 0.5) / (count + 0.5))
        for term, count in frequency.items()
    }
    return [_fit(span, rarity, mean) for span in spans]


def _fit(span: Span, rarity: Mapping[str, float], mean: float) -> float:
    norm = SATURATION * (1 - LENGTH_SHARE + LENGTH_SHARE * span.tokens / mean)
    return sum([rarity[term] * count / (count + norm) for term, count in span.words.items()])


def _scaled(values: Sequence[float]) -> list[float]:
    low, high = min(values, default=0.0), max(values, default=0.0)
    return [(value - low) / (high - low) if high > low else float(high > 0) for value in values]
