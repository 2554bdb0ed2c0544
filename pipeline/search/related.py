"""Past conversations that bear on this one: one entry a session, nothing rather than noise. Pure."""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from pipeline.search.calibration import Evidence, logistic
from pipeline.search.empty_answers import answering
from pipeline.search.passages import day, position
from pipeline.search.ranking import Piece, Ranked
from pipeline.search.trace import BEYOND, Trace, matched, places, searched
from pipeline.search.updates import newest_first
from pipeline.search.windows import words_of
from pipeline.stores.chunk_text import body
from pipeline.stores.search_requests import Hit

MIN_STANDS_OUT = 3.5
"""Standard deviations that the closest chunk of a session is above the usual, for a whole conversation to bear on it."""
MIN_SHARED_WEIGHT = 30.0
"""Of rare words in common, each counting ln(sessions / sessions that have it): thirteen words that only two of twenty
sessions have. Of the same 512 pairs, 3.9% reach 24, 0.8% 28 and 0.2% 32."""
RARE_SHARE = 0.1
FEWEST = 20
"""Of fewer sessions it cannot be told which words are rare: they are taken for so many."""
SNIPPET_CHARACTERS = 160
TITLE_CHARACTERS = 60
UNSURE, ECHO, USUAL = "less sure than asked for", "it only asks the same", "nothing of it stands out"
"""Why a session is not told."""


@dataclass(frozen=True, slots=True)
class RelatedSession:
    """A past conversation.

    Args:
        key: the session's key.
        title: how it began.
        date: ``YYYY-MM-DD`` of the passage that bears on this conversation most.
        snippet: that passage, shortened.
        score: 0..1.
        why: ``vector`` and ``lexical``: how much by meaning and by rare words; the larger is the score.
        superseded_by: the key of the session that says the same thing anew, if there is one.
    """

    key: str
    title: str = field(repr=False)
    date: str
    snippet: str = field(repr=False)
    score: float
    why: Mapping[str, float]
    superseded_by: str | None = None


@dataclass(frozen=True, slots=True)
class RelatedCandidate:
    """How much a session bears on the conversation: its closest chunk, and two parts, 0..1, of which the larger counts.

    Args:
        left_out: why it is not told, if it is not.
        superseded_by: the key of the session that says the same thing anew, if there is one.
    """

    hit: Hit
    vector: float
    lexical: float
    left_out: str | None = None
    superseded_by: str | None = None

    @property
    def key(self) -> str:
        """The session's."""
        return str(self.hit.metadata.get("key", ""))

    @property
    def score(self) -> float:
        """How much the session bears on the conversation, 0..1."""
        return max(self.vector, self.lexical)


def judged_sessions(looked: Trace, least: float, top_k: int, *, typed: bool) -> list[RelatedCandidate]:
    """Return all sessions, first those that bear on what was asked, best first; none does where nothing stands out.

    To what is being typed a session is related if its chunks answer it as they would a question. To a conversation it
    is if a chunk of it is close by meaning, or if it shares many words that few sessions have.

    Args:
        least: the least confidence, 0..1.
        typed: it is short, and being typed.
    """
    sessions: dict[str, list[Hit]] = {}
    for hit in looked.hits:
        sessions.setdefault(str(hit.metadata.get("key")), []).append(hit)
    if typed:
        judged = [_answering(own, looked.judge.evidence, least) for own in sessions.values()]
    else:
        shared = _shared_weights(sessions, frozenset(looked.question.terms))
        judged = [_judged(own, shared[key], looked.judge.evidence) for key, own in sessions.items()]
    order = sorted(judged, key=lambda one: (-one.score, one.hit.id))
    best = [one for one in order if one.left_out is None]
    # What was said at some time is asked for as it was then.
    ordered = _newest_first(best, looked) if typed and not looked.question.time_spans else best
    beyond = [replace(one, left_out=BEYOND) for one in ordered[top_k:]]
    return [*ordered[:top_k], *beyond, *(one for one in order if one.left_out)]


def _newest_first(best: Sequence[RelatedCandidate], looked: Trace) -> list[RelatedCandidate]:
    """Return ``best`` with each session behind the one whose closest chunk says the same thing anew."""
    of = {one.hit.id: one for one in best}
    passages = [
        Ranked(one.hit, one.vector, one.lexical, one.score, pieces=(Piece(one.hit, body(one.hit.content)),))
        for one in best
    ]
    return [
        replace(of[one.hit.id], superseded_by=of[one.superseded_by].key if one.superseded_by else None)
        for one in newest_first(passages, looked.judge.evidence.term_idf)
    ]


def _answering(own: Sequence[Hit], known: Evidence, least: float) -> RelatedCandidate:
    asking = known.term_idf.of.keys()
    confidence = known.confidence(own)
    best = max(own, key=lambda hit: (known.relevance(hit.similarity, words_of(hit, asking)), hit.id))
    lexical = known.term_idf.share(words_of(best, asking)) * confidence
    if confidence < least:
        return RelatedCandidate(best, confidence, lexical, UNSURE)
    said = "\n".join(body(hit.content) for hit in sorted(own, key=position))
    return RelatedCandidate(best, confidence, lexical, None if answering(said, asking).strip() else ECHO)


def _judged(own: Sequence[Hit], weight: float, known: Evidence) -> RelatedCandidate:
    closest = min(own, key=lambda hit: (-hit.similarity, hit.id))
    stands_out = known.background.stands_out(closest.similarity)
    near = stands_out >= MIN_STANDS_OUT
    left_out = None if near or weight >= MIN_SHARED_WEIGHT else USUAL
    most_words = min(own, key=lambda hit: (-hit.lexical, hit.id))
    nearness = logistic(stands_out - MIN_STANDS_OUT) * near
    return RelatedCandidate(
        closest if near else most_words, nearness, weight / (weight + MIN_SHARED_WEIGHT), left_out
    )


def _shared_weights(sessions: Mapping[str, Sequence[Hit]], query_terms: frozenset[str]) -> dict[str, float]:
    words = {
        key: {term for hit in own for term in words_of(hit, query_terms) if not term.isdecimal()}
        for key, own in sessions.items()
    }
    seen = Counter(term for own in words.values() for term in own)
    total = max(FEWEST, len(sessions))
    return {
        key: sum(math.log(total / seen[term]) for term in own if seen[term] <= total * RARE_SHARE)
        for key, own in words.items()
    }


def explained_sessions(trace: Trace, judged: Sequence[RelatedCandidate]) -> dict[str, Any]:
    """Return how sessions came to be named or left out, as JSON; see :func:`pipeline.search.trace.explained`."""
    return {
        **searched(trace),
        "min_confidence": trace.least,
        "sessions": [_session(one, trace) for one in judged],
    }


def _session(one: RelatedCandidate, trace: Trace) -> dict[str, Any]:
    background = trace.judge.evidence.background
    return {
        "key": one.key,
        "told": one.left_out is None,
        "left_out": one.left_out,
        "score": round(one.score, 4),
        "vector": round(one.vector, 4),
        "lexical": round(one.lexical, 4),
        "chunk": one.hit.id,
        "similarity": round(one.hit.similarity, 4),
        "stands_out": round(background.stands_out(one.hit.similarity), 2),
        **matched(trace, [one.hit]),
        "place": places(trace, {one.hit.id}),
        "superseded_by": one.superseded_by,
    }


def entry(one: RelatedCandidate, opening: str) -> RelatedSession:
    """Return the entry of the session that ``one`` is of, which begins with ``opening``."""
    hit = one.hit
    return RelatedSession(
        key=one.key,
        title=shortened(_first_words(opening), TITLE_CHARACTERS),
        date=day(hit.metadata, hit.created_at),
        snippet=shortened(body(hit.content), SNIPPET_CHARACTERS),
        score=one.score,
        why={"vector": one.vector, "lexical": one.lexical},
        superseded_by=one.superseded_by,
    )


def shortened(text: str, characters: int) -> str:
    """Return ``text`` on one line, of at most ``characters``."""
    line = " ".join(text.split())
    return line if len(line) <= characters else line[: characters - 1].rstrip() + "…"


def _first_words(opening: str) -> str:
    lines = body(opening).strip().splitlines() or [""]
    speaker, colon, said = lines[0].partition(": ")
    return said if colon and len(speaker) <= TITLE_CHARACTERS else lines[0]
