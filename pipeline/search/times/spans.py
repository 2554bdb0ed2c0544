"""A span of time that a question speaks of, and a rule that finds one. Pure."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property

Range = tuple[datetime, datetime]
"""The first moment, and the first one after it."""


@dataclass(frozen=True, slots=True)
class TimeSpan:
    """A span of time that a question speaks of.

    Args:
        start: its first moment.
        end: the first moment after it.
        written: the characters of the question that say it.
        relative: they say it by the reference time alone, so that no text of that time has them.
        dated: they name a day or a month, which is part of what is asked about.
    """

    start: datetime
    end: datetime
    written: str = ""
    relative: bool = False
    dated: bool = False

    def holds(self, time: datetime) -> bool:
        """Tell whether ``time`` is in it."""
        return self.start <= time < self.end

    def days(self, most: int) -> tuple[str, ...]:
        """Return its days, ``YYYY-MM-DD``; none if there are more than ``most``."""
        count = -((self.start - self.end) // timedelta(days=1))
        if count > most:
            return ()
        return tuple((self.start + timedelta(days=at)).date().isoformat() for at in range(count))


@dataclass(frozen=True)
class Rule:
    """Expressions of one form.

    Args:
        expression: finds them, whatever the case; a group ``at`` at their beginning is a preposition.
        read: returns the span, given the match and the reference time; raises ValueError if the calendar has none.
        named: texts of that time may have the same words.
        dated: it names a day or a month.
        cycle: the unit (``week``, ``month`` or ``year``) in which the calendar has such a span again, unless a group of
            :data:`FIXING` says which is meant.
    """

    expression: str
    read: Callable[[re.Match[str], datetime], Range]
    named: bool = False
    dated: bool = False
    cycle: str | None = None

    @cached_property
    def pattern(self) -> re.Pattern[str]:
        """Compiled when first needed: no language's patterns are, before a question is asked in it."""
        return re.compile(self.expression, re.IGNORECASE)


FIXING = ("year", "yearly", "shift")


@dataclass(frozen=True, slots=True)
class Grammar:
    """How a language says when.

    Args:
        rules: of expressions that stand alone.
        bare: of those that are one only behind a connector (``from March to May``).
        opener: what stands before the first end of a span and makes it one whatever is between.
        connector: what is between both ends of a span; with a group ``weak``, only behind an opener.
        letters: a question without any of them does not say so in this language.
        ahead: a question that holds it asks of what is planned, unless it holds ``over``: what comes again is the next then.
        over: what shows that it is over.
        ahead_rules: further rules, of a question of what is planned.
        part_before: what stands before a day and names a part of it, in the group ``part``.
        part_after: the same, behind it.
        portion_before: what stands before an expression and takes a portion of it, in the group ``portion``.
        portion_after: the same, behind it.
        bound_before: what stands before an expression and makes it a bound, in a group of :data:`BOUNDS`.
        bound_after: the same, behind it.
        parts: the first hour of a part of the day, and the first one after it.
        portions: from which share of a span to which a word takes.
    """

    rules: tuple[Rule, ...]
    bare: tuple[Rule, ...]
    opener: re.Pattern[str]
    connector: re.Pattern[str]
    letters: re.Pattern[str]
    ahead: re.Pattern[str]
    over: re.Pattern[str]
    ahead_rules: tuple[Rule, ...]
    part_before: re.Pattern[str]
    part_after: re.Pattern[str]
    portion_before: re.Pattern[str]
    portion_after: re.Pattern[str]
    bound_before: re.Pattern[str]
    bound_after: re.Pattern[str]
    parts: Mapping[str, tuple[int, int]]
    portions: Mapping[str, tuple[float, float]]

    def looks_ahead(self, text: str) -> bool:
        """Tell whether a question asks of what is planned."""
        return bool(self.ahead.search(text)) and not self.over.search(text)


BOUNDS = ("since", "after", "before", "until")
"""Since the beginning of a span, after its end, before its beginning, until its end."""
