"""What makes a similarity and shared words evidence: the same in every question, language, store and embedding space. Pure.

A cosine says little by itself: in one space unrelated texts have 0.05, in another 0.75. It counts by how far it stands
out of what else was found, in standard deviations. Words count by the share of the question's idf mass that they
carry: a word that few chunks have says more than one that all have, and one that none has was asked for and not found.

How the numbers were chosen is told in ``docs/search.md``.
"""

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field

from pipeline.search.windows import words_in, words_of
from pipeline.stores.hit_columns import HitColumns, columns_of
from pipeline.stores.search_requests import Hit

FEWEST = 50
"""Of fewer chunks it cannot be told what stands out of them: unrelated texts fill them up."""
LEAST_SPREAD = 0.02
"""Of similarities. Texts that are all alike, or all the same, make nothing stand out."""
HALF_AT = 1.5
"""Standard deviations at which a similarity counts half in a ranking."""
FAINT, CLEAR = 1.6, 2.2
"""Standard deviations by which the closest chunk stands out where similarities say little, and where they say what they can. Of
numbers spread evenly the largest stands out by 1.7 (the square root of 3), of two hundred by chance by 2.7."""
LEAST_CONTRAST = 0.1
"""Of similarities among which nothing stands out: they still put in order what words do not."""
LOG_ODDS_OF_MEANING = 0.7
"""Of an answer, for each standard deviation that the closest chunk stands out; as those that follow fitted to questions with
and without an answer, and rounded."""
LOG_ODDS_OF_WORDS = 4.6
"""Of an answer, where one chunk carries the question's whole idf mass; with less of it, that share to the power of
:data:`WORDS_POWER`."""
WORDS_POWER = 0.7
"""Below 1: who asks in other words still shares some."""
LOG_ODDS_OF_NOTHING = -3.1
"""Of an answer where nothing stands out and no word is shared."""
FEWEST_COUNTED = 100
"""Of fewer chunks it cannot be told how rare a word is: they are taken for so many."""
MOST_MASS = 200.0
"""Of a question, about fifty rare words. A longer text need not be found whole."""


@dataclass(frozen=True, slots=True)
class Background:
    """What similarity to the question is usual."""

    mean: float
    spread: float

    def stands_out(self, similarity: float) -> float:
        """Return by how many standard deviations ``similarity`` is above the usual."""
        return (similarity - self.mean) / self.spread

    def no_less_than(self, other: "Background") -> "Background":
        """Return the larger mean with the larger spread."""
        return Background(max(self.mean, other.mean), max(self.spread, other.spread))


NO_SPACE = Background(-1.0, 0.0)
"""Of a space that was not measured: no background is less."""


@dataclass(frozen=True, slots=True)
class TermIdf:
    """What the question's terms are worth.

    Args:
        of: idf of each term.
        mass: of all of them together; 0 if nothing can be looked for by words.
    """

    of: Mapping[str, float] = field(repr=False)
    mass: float

    def share(self, words: Iterable[str]) -> float:
        """Return the share of the question's mass that ``words`` (each once) carry, 0..1."""
        return min(1.0, sum([self.of.get(word, 0.0) for word in words]) / self.mass) if self.mass else 0.0


@dataclass(frozen=True, slots=True)
class Evidence:
    """What similarities and words are measured by, for one question.

    Args:
        background: among the candidates.
        space: among texts that have nothing to do with each other. A question unlike all that was ever said has a narrow
            background, out of which chance stands far; it must stand out of this one too.
        contrast: what the odds of meaning against words are multiplied by: less than 1 where the closest chunk hardly stands
            out, as in a space that finds all texts of a language alike.
    """

    background: Background
    term_idf: TermIdf
    space: Background = NO_SPACE
    contrast: float = 1.0

    def relevance(self, similarity: float, words: Iterable[str]) -> float:
        """Return how sure it is that a text of this similarity, with these of the question's words, bears on it, 0..1.

        Log-odds add up: either kind of evidence may do alone, if there is much of it.
        """
        near = self.background.no_less_than(self.space).stands_out(similarity)
        said = self.term_idf.share(words) ** WORDS_POWER
        return logistic(LOG_ODDS_OF_NOTHING + LOG_ODDS_OF_MEANING * near + LOG_ODDS_OF_WORDS * said)

    def confidence(self, hits: Sequence[Hit]) -> float:
        """Return how sure it is that ``hits`` hold an answer: the closest and the one of most words need not be the same."""
        words = [words_of(hit, self.term_idf.of.keys()) for hit in hits]
        closest = max(
            [hit.similarity for hit in hits], default=self.background.mean - 50 * self.background.spread
        )
        return self.relevance(closest, max(words, key=self.term_idf.share, default=()))


def evidence(
    hits: Sequence[Hit],
    query_terms: AbstractSet[str],
    unrelated: Sequence[float] = (),
    space: Background = NO_SPACE,
) -> Evidence:
    """Return what the hits of one question are measured by.

    Args:
        query_terms: the question's terms.
        unrelated: similarities of the question to texts that have nothing to do with anything.
        space: what similarity is usual between such texts.
    """
    columns = columns_of(hits)
    found = columns.similarities
    compared = [*found, *_evenly(unrelated, FEWEST - len(found))]
    usual = background(compared)
    contrast = _contrast(usual.stands_out(max(found))) if len(compared) >= FEWEST and found else 1.0
    return Evidence(usual, _term_idf(columns, query_terms), space, contrast)


def _contrast(closest: float) -> float:
    """Return the factor of a question whose closest chunk stands out by so many standard deviations."""
    return max(LEAST_CONTRAST, min(1.0, (closest - FAINT) / (CLEAR - FAINT)))


def background(similarities: Sequence[float]) -> Background:
    """Return mean and standard deviation of ``similarities``; of none, those of nothing in particular."""
    if not similarities:
        return Background(0.0, 1.0)
    mean = math.fsum(similarities) / len(similarities)
    variance = math.fsum([(one - mean) ** 2 for one in similarities]) / len(similarities)
    return Background(mean, max(LEAST_SPREAD, math.sqrt(variance)))


def logistic(value: float) -> float:
    """Return ``value`` on a scale of 0..1, 0.5 for 0."""
    return (1 + math.tanh(value / 2)) / 2


def _evenly(values: Sequence[float], count: int) -> list[float]:
    """Return at most ``count`` of ``values``, spread over all of them."""
    if count >= len(values):
        return list(values)
    return [values[at * len(values) // count] for at in range(max(0, count))]


def _term_idf(hits: HitColumns, query_terms: AbstractSet[str]) -> TermIdf:
    total = max(FEWEST_COUNTED, len(hits))
    having = Counter([term for words in words_in(hits, query_terms) for term in words])
    of = {term: idf(total, having[term]) for term in sorted(query_terms)}
    return TermIdf(of, min(MOST_MASS, math.fsum(of.values())))


def idf(total: int, having: int) -> float:
    """Return BM25's inverse document frequency of a term that ``having`` of ``total`` texts have."""
    return math.log(1 + (total - having + 0.5) / (having + 0.5))
