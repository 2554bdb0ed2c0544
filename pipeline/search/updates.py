"""The newest statement first: of passages that say the same kind of thing about the same thing, the later one leads. Pure.

Two passages say the same kind of thing if their sentences that fit the question best carry about as much of it, and
share words; the later one says it anew if it has other figures, or says that something changed. Nothing is rewritten or
left out: the earlier one follows, marked.
"""

import re
from collections.abc import Iterator, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import replace
from datetime import UTC, datetime
from functools import lru_cache
from typing import NamedTuple

from pipeline.lexical.terms import terms
from pipeline.search.calibration import TermIdf
from pipeline.search.change_words import says_change
from pipeline.search.ranking import Ranked

LOOKED_AT = 5
"""Passages at the top that are compared with each other."""
AS_MUCH = 0.6
"""Least share of the earlier passage's score, and of what its sentence carries of the question, that the later one has."""
LEAST_SHARE = 0.3
"""Of the question's mass: of sentences that carry less it cannot be told what they are about."""
ALIKE = 0.4
"""Share of the shorter sentence's terms that both have."""
FEWEST_COMMON = 2

_SENTENCE = re.compile(r"[^\n.!?。！？]+(?:[.!?](?!\s|$)[^\n.!?。！？]*)*[\n.!?。！？]*")
_SPEAKER = re.compile(r"^[^:\n]{1,60}: ")


class _Statement(NamedTuple):
    """The sentence of a passage that carries most of the question."""

    terms: AbstractSet[str]
    asked: AbstractSet[str]
    share: float
    said_at: datetime
    asks: bool
    changes: bool


def newest_first(ranked: Sequence[Ranked], term_idf: TermIdf) -> list[Ranked]:
    """Return ``ranked`` with each passage behind those of :data:`LOOKED_AT` that say it anew; ``superseded_by`` names the newest."""
    order = list(ranked[:LOOKED_AT])
    said = {one.hit.id: _statement(one, term_idf) for one in order}
    for later in sorted(order, key=lambda one: said[one.hit.id].said_at):
        for at, earlier in enumerate(order):
            fits = later.score >= AS_MUCH * earlier.score
            if fits and _replaces(said[later.hit.id], said[earlier.hit.id]):
                order[at] = replace(earlier, superseded_by=later.hit.id)
    for later in sorted(order, key=lambda one: said[one.hit.id].said_at):
        first = next((at for at, one in enumerate(order) if one.superseded_by == later.hit.id), None)
        if first is not None and order.index(later) > first:
            order.remove(later)
            order.insert(first, later)
    return [*order, *ranked[LOOKED_AT:]]


def _replaces(later: _Statement, earlier: _Statement) -> bool:
    common = len(later.terms & earlier.terms)
    return (
        later.said_at > earlier.said_at
        and not later.asks
        and not earlier.asks
        and earlier.share >= LEAST_SHARE
        and later.share >= AS_MUCH * earlier.share
        and common >= FEWEST_COMMON
        and common >= ALIKE * min(len(later.terms), len(earlier.terms))
        and (later.changes or _other_figures(later.terms, earlier.terms))
        and not _of_another(later, earlier)
    )


def _of_another(later: _Statement, earlier: _Statement) -> bool:
    """Tell whether ``later`` says it of another thing: door 8 where door 7 is asked for, one name in place of the one asked for.

    What says that something changed may lack what is asked for because just that changed: "the meeting moved to the 10th".
    """
    missing = earlier.asked - later.terms
    if later.changes or not missing:
        return False
    return any(map(_is_figure, missing)) or any(not _is_figure(term) for term in later.terms - earlier.terms)


def _other_figures(later: AbstractSet[str], earlier: AbstractSet[str]) -> bool:
    return any(map(_is_figure, later - earlier)) and any(map(_is_figure, earlier - later))


def _is_figure(term: str) -> bool:
    return any(map(str.isdigit, term))


def _statement(passage: Ranked, term_idf: TermIdf) -> _Statement:
    said = [
        statement
        for piece in passage.pieces
        for statement in _statements(piece.text, piece.hit.created_at, term_idf)
    ]
    return max(said, key=lambda one: (one.share, not one.asks, one.said_at), default=_NOTHING_SAID)


_NOTHING_SAID = _Statement(
    frozenset(), frozenset(), 0.0, datetime.min.replace(tzinfo=UTC), asks=False, changes=False
)


def _statements(text: str, said_at: datetime, term_idf: TermIdf) -> Iterator[_Statement]:
    for found, asks, changes in _sentences(text):
        if query_terms := found & term_idf.of.keys():
            yield _Statement(found, query_terms, term_idf.share(query_terms), said_at, asks, changes)


@lru_cache(maxsize=2048)
def _sentences(text: str) -> tuple[tuple[frozenset[str], bool, bool], ...]:
    written = (_SPEAKER.sub("", one).strip() for one in _SENTENCE.findall(text))
    return tuple(
        (frozenset(terms(one)), one.endswith(("?", "？")), says_change(one)) for one in written if one
    )
