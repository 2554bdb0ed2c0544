"""Spans of the calendar about a reference time: days, weeks from Monday, months, quarters, seasons, years. Pure.

``now`` is the reference time in the user's zone. Spans begin and end at midnight there.
"""

import calendar
import math
from collections.abc import Callable
from datetime import datetime, timedelta

from pipeline.search.times.spans import Range

BEGINNING_YEAR = 1970
"""Nothing was said before: what began "until last week" began then."""
MONTHS_A_SEASON = 3
WEEKEND = 5
"""Saturday, counted from Monday."""
LEAP_CYCLE = 8
"""So many years may lie between two 29 February."""
CYCLES = ("week", "month", "year")
"""Units in which spans come again, the shortest first."""


def midnight(now: datetime) -> datetime:
    """Return the beginning of the day."""
    return now.replace(hour=0, minute=0, second=0, microsecond=0)


def days(now: datetime, shift: int, count: int = 1) -> Range:
    """Return ``count`` days, the first of them ``shift`` days from the reference day."""
    start = midnight(now) + timedelta(days=shift)
    return start, start + timedelta(days=count)


def date(now: datetime, year: int, month: int, day: int) -> Range:
    """Return a day."""
    return days(now.replace(year=year, month=month, day=day), 0)


def week(now: datetime, shift: int) -> Range:
    """Return a calendar week."""
    return days(now, 7 * shift - now.weekday(), 7)


def weekend(now: datetime, shift: int) -> Range:
    """Return the Saturday and Sunday of a calendar week."""
    return days(now, 7 * shift - now.weekday() + WEEKEND, 2)


def weekday_of_week(now: datetime, shift: int, weekday: int) -> Range:
    """Return a day of a calendar week."""
    return days(now, 7 * shift - now.weekday() + weekday)


def last_weekday(now: datetime, weekday: int, weeks_before: int = 0) -> Range:
    """Return the nearest one before the reference day, or one of the weeks before that."""
    return days(now, (weekday - now.weekday()) % 7 - 7 - 7 * weeks_before)


def next_weekday(now: datetime, weekday: int, *, not_today: bool) -> Range:
    """Return the nearest one from the reference day on."""
    return days(now, (weekday - now.weekday()) % 7 or 7 * not_today)


def month(now: datetime, year: int, number: int, count: int = 1) -> Range:
    """Return ``count`` months from one that may lie outside of 1..12."""
    first, after = ((year * 12 + number - 1 + more) for more in (0, count))
    start = midnight(now).replace(day=1)
    return (
        start.replace(year=first // 12, month=first % 12 + 1),
        start.replace(year=after // 12, month=after % 12 + 1),
    )


def months(now: datetime, shift: int) -> Range:
    """Return the calendar month that is ``shift`` from this one."""
    return month(now, now.year, now.month + shift)


def begun_month(now: datetime, number: int) -> Range:
    """Return the nearest month of that number that has begun."""
    return month(now, now.year - (_month_number(number) > now.month), number)


def year(now: datetime, number: int, count: int = 1) -> Range:
    """Return ``count`` years."""
    return month(now, number, 1, 12 * count)


def quarter(now: datetime, year_: int, number: int) -> Range:
    """Return a quarter, whose number may lie outside of 1..4."""
    return month(now, year_, 3 * number - 2, 3)


def season(now: datetime, year_: int, first_month: int) -> Range:
    """Return the season that begins in that year."""
    return month(now, year_, first_month, MONTHS_A_SEASON)


def begun_season(now: datetime, first_month: int) -> Range:
    """Return the nearest season of that name that has begun."""
    return season(now, now.year - (first_month > now.month), first_month)


def shifted_season(now: datetime, first_month: int, shift: int) -> Range:
    """Return the last (-1), this (0) or the next (1) season of that name."""
    start, end = begun_season(now, first_month)
    ongoing = end > now
    if shift == 0 and not ongoing:
        return season(now, now.year, first_month)
    return season(now, start.year + shift + (shift < 0 and not ongoing), first_month)


def nearest_date(now: datetime, number: int, day: int) -> Range:
    """Return that day of this year or of the one before, whichever is nearer; of 29 February, the last one there was."""
    found = [
        date(now, year_, number, day)
        for year_ in range(now.year, now.year - LEAP_CYCLE - 1, -1)
        if day <= calendar.monthrange(year_, number)[1]
    ]
    return min(found[:2], key=lambda one: abs(one[0] - midnight(now)))


def begun_date(now: datetime, number: int, day: int, count: int = 1) -> Range:
    """Return ``count`` days from the nearest such date that has begun."""
    start, _ = date(now, now.year - ((number, day) > (now.month, now.day)), number, day)
    return days(start, 0, count)


def begun_day_of_month(now: datetime, day: int) -> Range:
    """Return the nearest day of that number that has begun."""
    for back in range(3):
        first, after = months(now, -back)
        found = first + timedelta(days=day - 1)
        if found < after and found <= now:
            return days(found, 0)
    raise ValueError


def not_over(now: datetime, range_: Range, cycle: str) -> Range:
    """Return the nearest repetition that is not over before the reference day."""
    start, end = range_
    while end <= midnight(now):
        start, end = moved(start, cycle, 1), moved(end, cycle, 1)
    return start, end


def day_of(range_: Range, day: int) -> Range:
    """Return a day of a month."""
    found = range_[0] + timedelta(days=day - 1)
    if not range_[0] <= found < range_[1]:
        raise ValueError
    return days(found, 0)


def ago(now: datetime, unit: str, count: float) -> Range:
    """Return what lies ``count`` units back, or ahead if it is negative: about as exact as the unit is.

    Args:
        unit: ``minute``, ``hour``, ``day``, ``week``, ``month`` or ``year``.
    """
    if unit in _CLOCK_SECONDS:
        then = now - timedelta(seconds=count * _CLOCK_SECONDS[unit])
        about = timedelta(seconds=_CLOCK_SECONDS["hour"] if unit == "hour" else 900)
        return then - about, then + about
    if unit == "day":
        return days(now, -round(count))
    if unit == "week":
        return days(now, -round(7 * count) - 3, 7)
    if unit == "year" and count == int(count):
        return year(now, now.year - int(count))
    return months(now, -round(count * (12 if unit == "year" else 1)))


def between_ago(now: datetime, unit: str, least: float, most: float) -> Range:
    """Return what lies from ``most`` to ``least`` units back."""
    one, two = ago(now, unit, most), ago(now, unit, least)
    return min(one[0], two[0]), max(one[1], two[1])


def rolling(now: datetime, unit: str, count: int) -> Range:
    """Return the ``count`` units up to and with the reference day, or if it is negative those after it."""
    today, tomorrow = days(now, 0)
    if unit == "hour":
        return min(now, now - timedelta(hours=count)), max(now, now - timedelta(hours=count))
    other = moved(today, unit, -count)
    return (other, tomorrow) if count > 0 else (tomorrow, other + timedelta(days=1))


def moved(day: datetime, unit: str, count: int) -> datetime:
    """Return the same moment ``count`` units later; a day that a month lacks is its last."""
    if unit in {"day", "week"}:
        return day + timedelta(days=count * (7 if unit == "week" else 1))
    number = day.year * 12 + day.month - 1 + count * (12 if unit == "year" else 1)
    year_, month_ = number // 12, number % 12 + 1
    return day.replace(year=year_, month=month_, day=min(day.day, calendar.monthrange(year_, month_)[1]))


def around(now: datetime, unit: str, shift: int) -> Range:
    """Return what lies about "this time" of another year (a month), month (a week), week or day (a day)."""
    then = moved(midnight(now), unit, shift)
    about = {"year": 15, "month": 3}.get(unit, 0)
    return days(then, -about, 2 * about + 1)


def part_of_day(day: datetime, hours: tuple[int, int]) -> Range:
    """Return hours of a day, which may reach into the next one."""
    return day + timedelta(hours=hours[0]), day + timedelta(hours=hours[1])


def portion(range_: Range, share: tuple[float, float]) -> Range:
    """Return a share of a span, in whole days."""
    count = (range_[1] - range_[0]) / timedelta(days=1)
    first, after = math.floor(count * share[0] + 0.5), math.ceil(count * share[1] - 0.5)
    return range_[0] + timedelta(days=first), range_[0] + timedelta(days=max(after, first + 1))


def bounded(now: datetime, range_: Range, bound: str) -> Range:
    """Return the time since, after, before or until a span; what is open ends today."""
    beginning, tomorrow = year(now, BEGINNING_YEAR)[0], days(now, 1)[0]
    if bound in {"since", "after"}:
        return range_[bound == "after"], max(tomorrow, range_[1])
    return beginning, range_[bound == "until"]


def joined(one: Range, other: Range, cycles: tuple[str | None, str | None]) -> Range:
    """Return the time from one span to the end of another.

    Args:
        cycles: the unit in which each comes again; the one that comes again sooner is taken where it fits the other.
    """
    start, end = one[0], other[1]
    first, second = cycles
    if second and (not first or CYCLES.index(second) < CYCLES.index(first)):
        end = _nearest(end, second, lambda moment: moment > start, earliest=True)
    elif first:
        start = _nearest(start, first, lambda moment: moment < end, earliest=False)
    if end <= start:
        raise ValueError
    return start, end


def _nearest(moment: datetime, unit: str, fits: Callable[[datetime], bool], *, earliest: bool) -> datetime:
    """Return the earliest, or the latest, repetition of ``moment`` that fits."""
    way = 1 if earliest else -1
    while fits(before := moved(moment, unit, -way)):
        moment = before
    while not fits(moment):
        moment = moved(moment, unit, way)
    return moment


def _month_number(number: int) -> int:
    if not 1 <= number <= 12:  # noqa: PLR2004  # months a year
        raise ValueError
    return number


_CLOCK_SECONDS = {"minute": 60, "hour": 3600}
