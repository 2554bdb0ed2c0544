"""Dates in digits, the same in every language. Pure."""

import re
from datetime import datetime

from pipeline.search.times import calendar as cal
from pipeline.search.times.spans import Range, Rule

NEVER = re.compile(r"(?!)")
"""Matches nothing."""


def _date(match: re.Match[str], now: datetime) -> Range:
    year, month, day = map(int, match.group("year", "month", "day"))
    return cal.date(now, year, month, day)


def _month(match: re.Match[str], now: datetime) -> Range:
    return cal.month(now, int(match["year"]), int(match["month"]))


NUMERIC = tuple(
    Rule(pattern, read, named=True, dated=True)
    for pattern, read in (
        (r"(?<![\d-])(?P<year>\d{4})-(?P<month>\d{2})-(?P<day>\d{2})(?![\d-])", _date),
        (r"(?<![\d/.])(?P<year>(?:19|20)\d\d)[/.](?P<month>\d{1,2})[/.](?P<day>\d{1,2})(?![/.]?\d)", _date),
        (r"(?<![\d-])(?P<year>(?:19|20)\d\d)-(?P<month>0[1-9]|1[0-2])(?![\d-])", _month),
    )
)
