"""A question as search needs it: what is asked, and about when. Pure."""

from dataclasses import dataclass, field
from datetime import datetime
from functools import cache

from pipeline.lexical.terms import terms
from pipeline.search.times import TimeSpan, day_terms, time_spans, without
from pipeline.source.layouts import safe_text

MAX_TERMS = 256
"""Of a question; a longer one is a text, whose beginning and end tell what it is about."""
MOST_DAYS = 31
"""Of a span whose days are looked for by name."""
_TALK = "talk talked discuss discussed discussion say said told tell chat conversation happen happened mention speak spoke"
_TALK_KANJI = frozenset("話会何言内容教覚相談伝事")


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked.

    Args:
        text: as it was asked.
        terms: those that are looked for, each once.
        about: those of them that do not say when by the reference time, each once.
        time_spans: what it says about when.
        days: the terms of the days in those spans, looked for besides.
    """

    text: str = field(repr=False)
    terms: tuple[str, ...] = field(repr=False)
    about: frozenset[str] = field(default=frozenset(), repr=False)
    time_spans: tuple[TimeSpan, ...] = ()
    days: tuple[str, ...] = ()

    @property
    def sought(self) -> tuple[str, ...]:
        """All terms that the store is asked for."""
        return tuple(dict.fromkeys((*self.terms, *self.days)))

    @property
    def asks_only_when(self) -> bool:
        """Tell whether nothing is asked but what was said at some time; a date alone may itself be looked for."""
        rest = terms(safe_text(without(self.text, self.time_spans)))
        when = bool(self.time_spans and (rest or all(span.relative for span in self.time_spans)))
        return when and all(term in _talk_terms() or _TALK_KANJI.issuperset(_kanji(term)) for term in rest)


@cache
def _talk_terms() -> frozenset[str]:
    """Made when first needed: a function that asks nothing has no stemmer."""
    return frozenset(terms(_TALK))


def read_question(text: str, now: datetime) -> Question:
    """Return ``text`` as a question.

    Args:
        now: the reference time of what it says about when, in the user's zone.
    """
    found = time_spans(text, now)
    plain = without(text, tuple(span for span in found if span.relative))
    query_terms = _both_ends(tuple(dict.fromkeys(terms(safe_text(plain)))))
    undated = without(text, tuple(span for span in found if not span.dated))
    about = frozenset(terms(safe_text(undated))).intersection(query_terms)
    return Question(text, query_terms, about, found, tuple(day_terms(found, MOST_DAYS)))


def _both_ends(found: tuple[str, ...]) -> tuple[str, ...]:
    return found if len(found) <= MAX_TERMS else found[: MAX_TERMS // 2] + found[-MAX_TERMS // 2 :]


def _kanji(term: str) -> str:
    return "".join(character for character in term if not "\u3041" <= character <= "\u309f") or term
