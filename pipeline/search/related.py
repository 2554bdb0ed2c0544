"""Past conversations that bear on this one: one entry a session, nothing rather than noise. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from pipeline.search.passages import body, day
from pipeline.search.ranking import Ranked

MIN_SIMILARITY = 0.35
SNIPPET_CHARACTERS = 160
TITLE_CHARACTERS = 60


@dataclass(frozen=True, slots=True)
class RelatedSession:
    """A past conversation.

    Args:
        key: the session's key.
        title: how it began.
        date: ``YYYY-MM-DD`` of the passage that bears on this conversation most.
        snippet: that passage, shortened.
        score: 0..1, comparable within one answer only.
        why: ``vector`` and ``lexical``, the two parts of the score, as in a search.
    """

    key: str
    title: str = field(repr=False)
    date: str
    snippet: str = field(repr=False)
    score: float
    why: Mapping[str, float]


def best_of_each(ranked: Sequence[Ranked], top_k: int) -> list[Ranked]:
    """Return the best passage of each session that is related at all, best first."""
    best: dict[str, Ranked] = {}
    for one in ranked:
        if one.hit.similarity >= MIN_SIMILARITY:
            best.setdefault(str(one.hit.metadata.get("key")), one)
    return list(best.values())[:top_k]


def entry(one: Ranked, opening: str) -> RelatedSession:
    """Return the entry of the session that ``one`` is of, which begins with ``opening``."""
    hit = one.hit
    return RelatedSession(
        key=str(hit.metadata.get("key", "")),
        title=shortened(_first_words(opening), TITLE_CHARACTERS),
        date=day(hit.metadata, hit.created_at),
        snippet=shortened(body(hit.content), SNIPPET_CHARACTERS),
        score=one.score,
        why={"vector": one.vector, "lexical": one.lexical},
    )


def shortened(text: str, characters: int) -> str:
    """Return ``text`` on one line, of at most ``characters``."""
    line = " ".join(text.split())
    return line if len(line) <= characters else line[: characters - 1].rstrip() + "…"


def _first_words(opening: str) -> str:
    lines = body(opening).strip().splitlines() or [""]
    speaker, colon, said = lines[0].partition(": ")
    return said if colon and len(speaker) <= TITLE_CHARACTERS else lines[0]
