"""What each chunk is worth to a question, by itself and for what stands around it. Pure.

Hits are long, because a reader wants to see what a sentence stands in. A context has little room, and takes of each
passage what says most.
"""

import re
from collections.abc import Iterable, Sequence
from collections.abc import Set as AbstractSet

from pipeline.lexical.terms import terms
from pipeline.search.ranking import Judge, best_scores
from pipeline.search.windows import WINDOW_TOKENS, chains, parts_of, windows_of
from pipeline.stores.chunk_text import body
from pipeline.stores.search_requests import Hit

SCALES = (120, 200, WINDOW_TOKENS)
"""Tokens of the windows that a chunk is judged in, besides alone."""
SPEAKER_WEIGHT = 0.2
"""Of what somebody said whom the question names, on top of the mean over the scales (0..1)."""

_SPEAKER = re.compile(r"^([^:\n]{1,60}): ", re.MULTILINE)


def chunk_values(hits: Sequence[Hit], query_terms: Iterable[str], judge: Judge) -> dict[str, float]:
    """Return what each chunk is worth to the terms ``query_terms``, by its id; more is better.

    That is the mean of the best windows it is in, alone and over :data:`SCALES`, and more if whoever is asked about said it.
    """
    sought = frozenset(query_terms)
    parts = parts_of(hits, sought)
    found = chains(parts)
    scales = [
        best_scores(judge.scored(parts)),
        *(best_scores(judge.scored(list(windows_of(found, tokens)))) for tokens in SCALES),
    ]
    return {
        hit.id: sum(scale[hit.id] for scale in scales) / len(scales) + SPEAKER_WEIGHT * _spoken(hit, sought)
        for hit in hits
    }


def _spoken(hit: Hit, sought: AbstractSet[str]) -> float:
    """Return the share of the chunk's turns that belong to somebody whom the question names."""
    speakers = _SPEAKER.findall(body(hit.content))
    return sum(not sought.isdisjoint(terms(name)) for name in speakers) / max(1, len(speakers))
