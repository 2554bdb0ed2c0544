"""What was asked and not answered is no memory of the thing asked. Pure.

A question that somebody asked before fits the same question best of all, and so does "I could not find when it ships":
both say nothing about it. A question next to its answer stays, since the answer needs it.
"""

import re
from collections.abc import Iterator
from collections.abc import Set as AbstractSet
from functools import lru_cache

from pipeline.lexical.terms import terms

ECHOED = 0.6
"""Share of the question's terms that makes another question its echo."""
LONGEST_NOTHING = 300
"""Characters of an answer that found nothing; a longer one goes on to say something."""

_TURN = re.compile(r"^(?=[^:\n]{1,60}: )", re.MULTILINE)
_ASKS = re.compile(r"(?:[?？]|[かの](?:ね|な)?[。?？]?|っけ[。?？]?)[\s」』)）\"'*]*$")
_NOTHING = (
    "i don't know", "i do not know", "don't have any information", "do not have any information", "no information about",
    "couldn't find", "could not find", "can't find", "cannot find", "didn't find", "did not find", "found nothing",
    "no record of", "no mention of", "not mentioned", "don't recall", "don't remember", "have no memory of",
    "nothing in memory", "i'm not sure", "わかりません", "分かりません", "見つかりません", "見つけられません", "存じません",
    "記録がありません", "記録はありません", "情報がありません", "情報はありません", "記憶にありません", "覚えていません",
    "残っていません", "うかがっていません", "伺っていません",
)  # fmt: skip

_MARKS = ("not", "n't", "no ", "ません")
"""Each phrase above has one of these."""


def answering(text: str, query_terms: AbstractSet[str]) -> str:
    """Return ``text`` without the turns that ask the same and get no answer, and without answers that found nothing."""
    turns = [turn for turn in _TURN.split(text) if turn]
    return "".join(_kept(turns, query_terms)) if len(query_terms) > 1 else text


def _kept(turns: list[str], query_terms: AbstractSet[str]) -> Iterator[str]:
    for turn, following in zip(turns, [*turns[1:], ""], strict=True):
        unanswered = not following or found_nothing(following)
        if not found_nothing(turn) and not (unanswered and _echoes(turn, query_terms)):
            yield turn


def asks(text: str) -> bool:
    """Tell whether a text ends in a question."""
    return _ASKS.search(text) is not None


def found_nothing(turn: str) -> bool:
    """Tell whether a turn is an answer that found nothing."""
    if len(turn) > LONGEST_NOTHING:
        return False
    plain = turn.lower().replace("\u2019", "'")
    if not any(mark in plain for mark in _MARKS):  # nearly all turns
        return False
    return any(phrase in plain for phrase in _NOTHING)


def _echoes(turn: str, query_terms: AbstractSet[str]) -> bool:
    return asks(turn) and len(query_terms & _terms(turn)) >= ECHOED * len(query_terms)


@lru_cache(maxsize=1024)
def _terms(turn: str) -> frozenset[str]:
    return frozenset(terms(turn))
