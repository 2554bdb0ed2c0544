"""Reads what English expressions of time say: words and matches → spans. Pure."""

import re
from datetime import datetime

from pipeline.search.times import calendar as cal
from pipeline.search.times.spans import Range

ONES = [
    "one",
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eight",
    "nine",
    "ten",
    "eleven",
    "twelve",
    "thirteen",
    "fourteen",
    "fifteen",
    "sixteen",
    "seventeen",
    "eighteen",
    "nineteen",
]
NUMBERS = {name: at for at, name in enumerate(ONES, 1)} | {
    "a": 1, "an": 1, "a couple": 2, "couple": 2, "a couple of": 2, "couple of": 2,
}  # fmt: skip
TENS = {
    name: 10 * at
    for at, name in enumerate(
        ["twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"], 2
    )
}
FEW = ("a few", "few", "several")
LEAST_FEW, MOST_FEW = 2, 6
OTHER_DAY = 14
"""Days back to which "the other day" reaches."""
ORDINALS = [
    "first",
    "second",
    "third",
    "fourth",
    "fifth",
    "sixth",
    "seventh",
    "eighth",
    "ninth",
    "tenth",
    "eleventh",
    "twelfth",
    "thirteenth",
    "fourteenth",
    "fifteenth",
    "sixteenth",
    "seventeenth",
    "eighteenth",
    "nineteenth",
    "twentieth",
    "twenty-first",
    "twenty-second",
    "twenty-third",
    "twenty-fourth",
    "twenty-fifth",
    "twenty-sixth",
    "twenty-seventh",
    "twenty-eighth",
    "twenty-ninth",
    "thirtieth",
    "thirty-first",
]
MONTHS = (
    "january|jan", "february|feb", "march|mar", "april|apr", "may", "june|jun", "july|jul", "august|aug", "september|sept|sep",
    "october|oct", "november|nov", "december|dec",
)  # fmt: skip
WEEKDAYS = (
    "monday|mon", "tuesday|tues|tue", "wednesday|wed", "thursday|thurs|thu", "friday|fri", "saturday|sat", "sunday|sun",
)  # fmt: skip
MONTH_OF = {name: at for at, names in enumerate(MONTHS, 1) for name in names.split("|")}
WEEKDAY_OF = {name: at for at, names in enumerate(WEEKDAYS) for name in names.split("|")}
SEASONS = {"spring": 3, "summer": 6, "autumn": 9, "fall": 9, "winter": 12}
SHIFT = {"last": -1, "previous": -1, "past": -1, "this": 0, "this past": -1, "next": 1, "coming": 1}
UNITS = {"fortnight": ("week", 2), "decade": ("year", 10)}
DAYS = {
    "the day before yesterday": -2, "day before yesterday": -2, "yesterday": -1, "last night": -1, "the night before last": -2,
    "today": 0, "tonight": 0, "this morning": 0, "this afternoon": 0, "this evening": 0, "tomorrow": 1,
    "the day after tomorrow": 2, "day after tomorrow": 2,
}  # fmt: skip
NAMED_DAYS = {
    "christmas eve": (12, 24), "christmas day": (12, 25), "christmas": (12, 25), "boxing day": (12, 26), "halloween": (10, 31),
    "new year's eve": (12, 31), "new year's day": (1, 1), "new year's": (1, 1), "new year": (1, 1), "valentine's day": (2, 14),
}  # fmt: skip
PARTS = {"morning": (4, 12), "afternoon": (12, 18), "evening": (16, 24), "night": (18, 30)}
PORTIONS = {
    "early": (0, 1 / 3), "mid": (1 / 3, 2 / 3), "middle": (1 / 3, 2 / 3), "late": (2 / 3, 1), "beginning": (0, 1 / 6),
    "start": (0, 1 / 6), "end": (5 / 6, 1), "first half": (0, 1 / 2), "second half": (1 / 2, 1), "first week": (0, 1 / 4), "last week": (3 / 4, 1),
}  # fmt: skip


def _plain(text: str) -> str:
    return " ".join(text.lower().split())


def _number(text: str) -> int:
    if text.isdecimal():
        return int(text)
    tens, _, ones = text.replace("-", " ").partition(" ")
    return NUMBERS[text] if tens not in TENS else TENS[tens] + (NUMBERS[ones] if ones else 0)


def _nth(text: str) -> int:
    return ORDINALS.index(text) + 1 if text in ORDINALS else int(text.rstrip("stndrh"))


def _said(match: re.Match[str]) -> dict[str, str]:
    return {name: _plain(text) for name, text in match.groupdict().items() if text is not None}


def _year_said(said: dict[str, str], now: datetime) -> int | None:
    if "year" in said:
        return int(said["year"])
    return now.year + SHIFT[said["yearly"]] if "yearly" in said else None


def _unit(said: dict[str, str]) -> tuple[str, int]:
    return UNITS.get(said["unit"], (said["unit"], 1))


def read_slashes(match: re.Match[str], now: datetime) -> Range:
    """Read ``10/3`` and ``10/3/2025``: month and day, unless there is no such month."""
    month, day = int(match["m"]), int(match["d"])
    if month > len(MONTHS):
        month, day = day, month
    year = match.groupdict().get("year")
    return cal.date(now, int(year), month, day) if year else cal.nearest_date(now, month, day)


def read_day(match: re.Match[str], now: datetime) -> Range:
    """Read ``yesterday`` and ``last night``."""
    said = _plain(match[0])
    day = cal.days(now, DAYS[said])
    part = next((hours for name, hours in PARTS.items() if name in said.replace("tonight", "night")), None)
    return cal.part_of_day(day[0], part) if part else day


def read_ago(match: re.Match[str], now: datetime) -> Range:
    """Read ``3 days ago``, ``a few weeks ago``, ``a week from now``."""
    said = _said(match)
    (unit, times), ahead = _unit(said), -1 if "ahead" in said else 1
    if said["count"] in FEW:
        unit = "day" if unit == "night" else unit
        return cal.between_ago(now, unit, ahead * LEAST_FEW * times, ahead * MOST_FEW * times)
    count = ahead * (_number(said["count"]) + 0.5 * ("half" in said)) * times
    if unit == "night":
        return cal.part_of_day(cal.days(now, -round(count))[0], PARTS["night"])
    if "day" in said and unit in {"day", *cal.CYCLES}:
        return cal.days(cal.moved(now, unit, -round(count)), DAYS[said["day"]])
    return cal.ago(now, unit, count)


def read_half_a_unit_ago(match: re.Match[str], now: datetime) -> Range:
    """Read ``half a year ago``."""
    return cal.months(now, -6) if match["unit"].lower() == "year" else cal.days(now, -18, 7)


def read_rolling(match: re.Match[str], now: datetime) -> Range:
    """Read ``the last three days`` and ``the past week``."""
    said = _said(match)
    unit, times = _unit(said)
    count = said.get("count", "a")
    number = times * (MOST_FEW if count in FEW else _number(count))
    return cal.rolling(now, unit, number if SHIFT[said["shift"]] < 0 else -number)


def read_period(match: re.Match[str], now: datetime) -> Range:
    """Read ``last week`` and ``next year``."""
    said = _said(match)
    return _shifted(said["period"], SHIFT.get(said["shift"], 0), now)


def read_beyond(match: re.Match[str], now: datetime) -> Range:
    """Read ``the week before last`` and ``the month after next``."""
    said = _said(match)
    shift = -2 if said["beyond"] == "before last" else 2
    if said["period"] in WEEKDAY_OF:
        weekday = WEEKDAY_OF[said["period"]]
        first, _ = (
            cal.last_weekday(now, weekday) if shift < 0 else cal.next_weekday(now, weekday, not_today=True)
        )
        return cal.days(first, 7 * (shift + 1 if shift < 0 else shift - 1))
    return _shifted(said["period"], shift, now)


def _shifted(period: str, shift: int, now: datetime) -> Range:
    if period == "weekend":
        return cal.weekend(now, shift)
    if period == "week":
        return cal.week(now, shift)
    if period == "quarter":
        return cal.quarter(now, now.year, (now.month + 2) // 3 + shift)
    return cal.year(now, now.year + shift) if period == "year" else cal.months(now, shift)


def read_weekend(_: re.Match[str], now: datetime) -> Range:
    """Read ``over the weekend``: the last one that has begun."""
    return cal.weekend(now, 0 if now.weekday() >= cal.WEEKEND else -1)


def read_weekday(match: re.Match[str], now: datetime) -> Range:
    """Read ``on Friday`` and ``last Tuesday``."""
    said = _said(match)
    weekday, shift = WEEKDAY_OF[said["weekday"]], SHIFT[said.get("shift", "last")]
    if shift < 0:
        return cal.last_weekday(now, weekday)
    return cal.next_weekday(now, weekday, not_today=shift > 0)


def read_weekday_of_week(match: re.Match[str], now: datetime) -> Range:
    """Read ``Friday last week``."""
    said = _said(match)
    return cal.weekday_of_week(now, SHIFT[said["shift"]], WEEKDAY_OF[said["weekday"]])


def read_date(match: re.Match[str], now: datetime) -> Range:
    """Read ``November 3`` and ``November 1-10``, with a year or without."""
    said = _said(match)
    month = MONTH_OF[said["month"]]
    day = _nth(said.get("nth") or said["day"])
    year = _year_said(said, now)
    first = cal.nearest_date(now, month, day) if year is None else cal.date(now, year, month, day)
    last = cal.date(now, first[0].year, month, _nth(said["last"])) if "last" in said else first
    return first[0], max(first[1], last[1])


def read_other_day(_: re.Match[str], now: datetime) -> Range:
    """Read ``the other day``."""
    return cal.days(now, -OTHER_DAY, OTHER_DAY)


def read_month(match: re.Match[str], now: datetime) -> Range:
    """Read ``in October`` and ``October last year``."""
    said = _said(match)
    month, year, shift = MONTH_OF[said["month"]], _year_said(said, now), said.get("shift")
    if year is None and shift == "this":
        year = now.year
    if year is None and shift == "last":
        year = now.year - (month >= now.month)
    if year is None and shift == "next":
        year = now.year + (month <= now.month)
    return cal.begun_month(now, month) if year is None else cal.month(now, year, month)


def read_nth_day(match: re.Match[str], now: datetime) -> Range:
    """Read ``on the 3rd`` and ``the 3rd of last month``."""
    said = _said(match)
    if "shift" in said:
        return cal.day_of(cal.months(now, SHIFT[said["shift"]]), _nth(said["nth"]))
    return cal.begun_day_of_month(now, _nth(said["nth"]))


def read_calendar_year(match: re.Match[str], now: datetime) -> Range:
    """Read ``in 2025`` and ``the 1990s``."""
    return cal.year(now, int(match["year"]), 10 if match["decade"] else 1)


def read_season(match: re.Match[str], now: datetime) -> Range:
    """Read ``last summer`` and ``the summer of 2025``."""
    said = _said(match)
    first, year = SEASONS[said["season"]], _year_said(said, now)
    if year is not None:
        return cal.season(now, year, first)
    return (
        cal.shifted_season(now, first, SHIFT[said["shift"]])
        if "shift" in said
        else cal.begun_season(now, first)
    )


def read_season_before_last(match: re.Match[str], now: datetime) -> Range:
    """Read ``the summer before last``."""
    first = SEASONS[_plain(match["season"])]
    return cal.season(now, cal.shifted_season(now, first, -1)[0].year - 1, first)


def read_quarter(match: re.Match[str], now: datetime) -> Range:
    """Read ``Q3`` and ``the third quarter``."""
    said = _said(match)
    number = int(said["q"]) if "q" in said else _nth(said["nth"])
    year = _year_said(said, now)
    begun = now.year - (3 * number - 2 > now.month)
    return cal.quarter(now, begun if year is None else year, number)


def read_named_day(match: re.Match[str], now: datetime) -> Range:
    """Read ``Christmas``, with a year or without."""
    said = _said(match)
    month, day = NAMED_DAYS[said["name"].replace("’", "'")]
    year = _year_said(said, now)
    if year is not None:
        return cal.date(now, year, month, day)
    if said.get("shift") == "this":
        return cal.date(now, now.year, month, day)
    begun = cal.begun_date(now, month, day)
    return cal.days(cal.moved(begun[0], "year", 1), 0) if said.get("shift") == "next" else begun


def read_around(match: re.Match[str], now: datetime) -> Range:
    """Read ``this time last year``."""
    said = _said(match)
    if said.get("day"):
        return cal.days(now, DAYS[said["day"]])
    return cal.around(now, said["unit"], SHIFT[said["shift"]])
