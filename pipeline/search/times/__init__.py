"""Time expressions of a question, English and Japanese → spans of time. Pure.

Tables of patterns, since a library that knows both languages takes longer to import than a question to answer. Spans
are half-open and begin and end at midnight, or at the parts of a day, in the zone of the reference time.

====================================================  ==============================================================
in the question                                       the span
====================================================  ==============================================================
``today``, ``yesterday evening``, ``3 days ago``      the day, or that part of it
``2 weeks ago``, ``a month ago``, ``2 years ago``     seven days around that day; the calendar month or year
``a few days ago``, ``the other day``                 from six to two days ago; the two weeks before today
``last week``, ``this month``, ``next year``          the calendar week (from Monday), month, quarter or year
``the week before last``, ``the past 3 days``         the one before that; three days and today
``last Tuesday``, ``on Friday``, ``Monday morning``   the nearest one before (``next``: after) the reference day
``Friday last week``, ``the 3rd of last month``       that day
``in October``, ``on the 3rd``, ``in the summer``     the nearest one that has begun, unless it says which
``2026-11-03``, ``2026/11/3``, ``November 3``         that day; without a year, the nearer of the last two
``last summer``                                       March, June, September, December and the two months after
``Q3``, ``in 2025``, ``Christmas``                    the quarter, year or day; of those without a year the last begun
``this time last year``                               the month around that day
``early October``, ``the end of last month``          a third of it; of beginning and end, a sixth
``between March and May``, ``November 1-10``          from the beginning of the first to the end of the second
the same where it asks of plans (``will``, 予定)       the nearest one that is not over
``since``, ``after``, ``before``, ``until``           until today; from the beginning of 1970
====================================================  ==============================================================

The same in Japanese, with digits of any width or kanji, and years of eras: 今日, 昨日の夕方, 三日前, 数日前, 先々週の金曜,
先月の20日, この一週間, 去年の夏, 去年の今頃, 令和7年10月3日, R7.10.3, 10月上旬, 元旦, 3月から5月, 10月以降.
"""

import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from pipeline.embedding.questions import beginning_and_end
from pipeline.search.times.calendar import bounded, joined, not_over, part_of_day, portion
from pipeline.search.times.english import ENGLISH
from pipeline.search.times.japanese import JAPANESE
from pipeline.search.times.spans import BOUNDS, FIXING, Grammar, Range, Rule, TimeSpan

__all__ = ["MOST_SPANS", "TimeSpan", "day_terms", "time_spans", "without"]

MOST_SPANS = 4
"""Of a question; more of them are a list, and say nothing about when."""
MOST_CHARACTERS = 1_000
"""That are read; a longer question is a text, whose beginning and end say when."""
LOOK_BACK = 40
"""Characters before an expression that may hold what belongs to it."""
LEAST_DIVIDED = timedelta(days=7)
"""Shorter spans have no beginning, middle and end."""


@dataclass(frozen=True, slots=True)
class _Expression:
    """What a rule found.

    Args:
        start: of its characters, a preposition left out.
        written_from: of its characters, a preposition included.
    """

    written_from: int
    start: int
    end: int
    range: Range
    named: bool
    dated: bool
    cycle: str | None


def time_spans(question: str, now: datetime) -> tuple[TimeSpan, ...]:
    """Return the spans that ``question`` speaks of, in its order; what is no date of the calendar is passed over.

    Args:
        now: the reference time; its zone is the user's.
    """
    text = beginning_and_end(_plain(question), MOST_CHARACTERS)
    found = [
        TimeSpan(*one.range, text[one.written_from : one.end], relative=not one.named, dated=one.dated)
        for one in _of_both_languages(text, now)
    ]
    return tuple(dict.fromkeys(found)) if len(found) <= MOST_SPANS else ()


def without(question: str, found: tuple[TimeSpan, ...]) -> str:
    """Return ``question`` without the characters that say when."""
    question = _plain(question)
    for span in found:
        question = question.replace(span.written, " ", 1)
    return question


def day_terms(found: tuple[TimeSpan, ...], most_days: int) -> Iterator[str]:
    """Yield the terms by which texts that are dated in these spans are found, as headers and sentences write days."""
    for span in found:
        yield from span.days(most_days)


def _plain(question: str) -> str:
    return unicodedata.normalize("NFKC", question)


def _of_both_languages(text: str, now: datetime) -> list[_Expression]:
    """Return what each language finds; of two that overlap, the longer one."""
    found = [
        one
        for grammar in (ENGLISH, JAPANESE)
        if grammar.letters.search(text)
        for one in _spoken_of(text, grammar, now)
    ]
    kept: list[_Expression] = []
    for one in sorted(found, key=lambda one: (one.written_from - one.end, one.written_from)):
        if all(one.end <= other.written_from or other.end <= one.written_from for other in kept):
            kept.append(one)
    return sorted(kept, key=lambda one: one.written_from)


def _spoken_of(text: str, grammar: Grammar, now: datetime) -> Iterator[_Expression]:
    """Yield the spans of a language, ends joined and bounds applied."""
    rules = (*grammar.rules, *(grammar.ahead_rules if grammar.looks_ahead(text) else ()))
    alone = {
        one.start: one
        for match, rule in _leftmost(text, rules)
        if (one := _read(text, match, rule, grammar, now))
    }
    reached = 0
    for one in list(alone.values()):
        if one.start < reached:
            continue
        whole = _joined(text, one, alone, grammar, now) or _bounded(text, one, grammar, now)
        reached = whole.end
        yield whole


def _leftmost(text: str, rules: Sequence[Rule]) -> Iterator[tuple[re.Match[str], Rule]]:
    """Yield the leftmost matches that do not overlap; of those that begin together, the longest."""
    found = [
        (_start(match), -match.end(), at, match)
        for at, rule in enumerate(rules)
        for match in rule.pattern.finditer(text)
    ]
    reached = 0
    for start, _, at, match in sorted(found, key=lambda one: one[:3]):
        if start >= reached:
            reached = match.end()
            yield match, rules[at]


def _start(match: re.Match[str]) -> int:
    """Return where an expression begins, behind its preposition."""
    return match.end("at") if match.groupdict().get("at") else match.start()


def _read(text: str, match: re.Match[str], rule: Rule, grammar: Grammar, now: datetime) -> _Expression | None:
    try:
        range_ = rule.read(match, now)
    except (ValueError, OverflowError):
        return None
    groups = match.groupdict()
    cycle = None if any(groups.get(name) for name in FIXING) else rule.cycle
    if cycle and grammar.looks_ahead(text):
        range_ = not_over(now, range_, cycle)
    found = _Expression(match.start(), _start(match), match.end(), range_, rule.named, rule.dated, cycle)
    return _divided(text, found, grammar)


def _divided(text: str, one: _Expression, grammar: Grammar) -> _Expression:
    """Return the part of the day, or the portion of a longer span, that the words next to it name."""
    length = one.range[1] - one.range[0]
    if length == timedelta(days=1):
        return _part_of(text, one, grammar)
    return _portion_of(text, one, grammar) if length >= LEAST_DIVIDED else one


def _part_of(text: str, one: _Expression, grammar: Grammar) -> _Expression:
    if match := grammar.part_after.match(text, one.end) or grammar.part_before.search(_before(text, one)):
        hours = grammar.parts[match["part"].lower()]
        return replace(_widened(one, match), range=part_of_day(one.range[0], hours))
    return one


def _portion_of(text: str, one: _Expression, grammar: Grammar) -> _Expression:
    if match := grammar.portion_after.match(text, one.end) or grammar.portion_before.search(
        _before(text, one)
    ):
        share = grammar.portions[" ".join(match["portion"].lower().split())]
        return replace(_widened(one, match), range=portion(one.range, share))
    return one


def _before(text: str, one: _Expression) -> str:
    return text[max(0, one.start - LOOK_BACK) : one.start]


def _widened(one: _Expression, match: re.Match[str]) -> _Expression:
    """Return it with the words next to it: those behind it, or those that end where it begins."""
    if match.start() == one.end:
        return replace(one, end=match.end())
    start = one.start - len(match[0])
    return replace(one, start=start, written_from=min(one.written_from, start))


def _joined(
    text: str, one: _Expression, alone: dict[int, _Expression], grammar: Grammar, now: datetime
) -> _Expression | None:
    """Return the span from ``one`` to the next expression, if the words between say so."""
    between = grammar.connector.match(text, one.end)
    opened = grammar.opener.search(_before(text, one))
    if between is None or (between.groupdict().get("weak") and not opened):
        return None
    other = alone.get(between.end()) or _bare(text, between.end(), grammar, now)
    try:
        range_ = joined(one.range, other.range, (one.cycle, other.cycle)) if other else None
    except (ValueError, OverflowError):
        return None
    if other is None or range_ is None:
        return None
    one = _widened(one, opened) if opened else one
    return replace(
        one, end=other.end, range=range_, named=one.named or other.named, dated=one.dated or other.dated
    )


def _bare(text: str, at: int, grammar: Grammar, now: datetime) -> _Expression | None:
    for rule in grammar.bare:
        if match := rule.pattern.match(text, at):
            return _read(text, match, rule, grammar, now)
    return None


def _bounded(text: str, one: _Expression, grammar: Grammar, now: datetime) -> _Expression:
    """Return the time up to or from ``one`` on, if the words next to it say so."""
    if match := grammar.bound_after.match(text, one.end) or grammar.bound_before.search(_before(text, one)):
        return replace(_widened(one, match), range=bounded(now, one.range, _bound(match)))
    return one


def _bound(match: re.Match[str]) -> str:
    groups = match.groupdict()
    return next(name for name in BOUNDS if groups.get(name))
