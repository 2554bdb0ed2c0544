"""Time expressions of a question, English and Japanese → spans of time. Pure.

A table of patterns, since a library that knows both languages takes longer to import than a question to answer. Spans
are half-open and begin and end at midnight, or at the parts of a day, in the zone of the reference time.

===============================================  =========================================================
in the question                                  the span
===============================================  =========================================================
``today``, ``yesterday``, ``3 days ago``         the day (with ``morning``, ``evening``: that part of it)
``last week``, ``this month``, ``next year``     the calendar week (from Monday), month or year
``last Tuesday``, ``on Friday``                  the nearest one before (``next``: after) the reference day
``in October``, ``October 2025``, ``on the 3rd`` the nearest one that has begun, unless it says which
``2026-11-03``, ``November 3``                   that day
``last summer``                                  March, June, September, December and the two months after
===============================================  =========================================================

The same in Japanese: 今日, 昨日の夕方, 3日前, 先週, 来月, 去年の夏, 先週の火曜日, 10月, 11月3日, 3日.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

MOST_SPANS = 4
"""Of a question; more of them are a list, and say nothing about when."""

_NUMBERS = {
    "a": 1,
    "an": 1,
    "one": 1,
    "two": 2,
    "three": 3,
    "four": 4,
    "five": 5,
    "six": 6,
    "seven": 7,
    "ten": 10,
}
_NUMBERS |= {digit: at for at, digit in enumerate("一二三四五六七八九十", 1)}
_MONTHS: tuple[str, ...] = (
    "january|jan",
    "february|feb",
    "march",
    "april|apr",
    "may",
    "june|jun",
    "july|jul",
    "august|aug",
)
_MONTHS += ("september|sept|sep", "october|oct", "november|nov", "december|dec")
_DAYS: tuple[str, ...] = (
    "monday|mon",
    "tuesday|tue|tues",
    "wednesday|wed",
    "thursday|thu|thurs",
    "friday|fri",
    "saturday|sat",
    "sunday|sun",
)
_MONTH_OF = {name: at for at, names in enumerate(_MONTHS, 1) for name in names.split("|")}
_DAY_OF = {name: at for at, names in enumerate(_DAYS) for name in names.split("|")}
_DAY_OF |= {name: at for at, name in enumerate("月火水木金土日")}
_SEASONS = {
    "spring": 3,
    "春": 3,
    "summer": 6,
    "夏": 6,
    "autumn": 9,
    "fall": 9,
    "秋": 9,
    "winter": 12,
    "冬": 12,
}
_PARTS = {
    "morning": (4, 12),
    "朝": (4, 12),
    "午前": (0, 12),
    "afternoon": (12, 18),
    "午後": (12, 24),
    "昼": (11, 15),
}
_PARTS |= {"evening": (16, 24), "夕方": (15, 20), "night": (18, 30), "夜": (17, 30), "晩": (17, 30)}
_SHIFT = {"last": -1, "previous": -1, "past": -1, "this": 0, "next": 1, "coming": 1}
_SHIFT |= {"先々": -2, "先": -1, "前の": -1, "今": 0, "この": 0, "来": 1, "再来": 2}
_YEARS = {
    "一昨年": -2,
    "おととし": -2,
    "去年": -1,
    "昨年": -1,
    "今年": 0,
    "来年": 1,
    "last": -1,
    "this": 0,
    "next": 1,
}
_RELATIVE_DAYS = {
    "the day before yesterday": -2, "day before yesterday": -2, "一昨日": -2, "おととい": -2, "yesterday": -1, "昨日": -1,
    "きのう": -1, "last night": -1, "昨夜": -1, "昨晩": -1, "ゆうべ": -1, "today": 0, "tonight": 0, "this morning": 0,
    "this afternoon": 0, "this evening": 0, "今日": 0, "きょう": 0, "今朝": 0, "今夜": 0, "今晩": 0,
    "the day after tomorrow": 2, "day after tomorrow": 2, "明後日": 2, "あさって": 2, "tomorrow": 1, "明日": 1, "あした": 1,
}  # fmt: skip


def _any(words: object) -> str:
    return "|".join(sorted(map(re.escape, words), key=len, reverse=True))  # type: ignore[call-overload]


_MONTH = "|".join(name for names in _MONTHS for name in names.split("|"))
_DAY = "|".join(name for names in _DAYS for name in names.split("|"))
_COUNT = r"(?P<count>\d{1,3}|" + _any(word for word in _NUMBERS if word.isascii()) + ")"
_PATTERN = re.compile(
    r"(?P<iso>\b\d{4}-\d{2}-\d{2}\b)"
    rf"|\b(?P<days>{_any(word for word in _RELATIVE_DAYS if word.isascii())})\b(?:\s+(?P<part>morning|afternoon|evening|night))?"
    rf"|\b{_COUNT}\s+(?P<unit>day|week|month|year)s?\s+ago\b"
    rf"|\b(?P<shift>last|previous|past|this|next|coming)\s+(?:(?P<period>weekend|week|month|year)|(?P<weekday>{_DAY})\b|(?P<season>spring|summer|autumn|fall|winter))"
    rf"|\bon\s+(?P<on>{_DAY})\b"
    rf"|\b(?P<month>{_MONTH})\.?\s+(?P<day>\d{{1,2}})(?:st|nd|rd|th)?\b(?!:)(?:,?\s+(?P<year>\d{{4}}))?"
    rf"|\b(?P<day2>\d{{1,2}})(?:st|nd|rd|th)?\s+(?:of\s+)?(?P<month2>{_MONTH})\b(?:,?\s+(?P<year2>\d{{4}}))?"
    rf"|\b(?:in|during|since|of|last|this|next)\s+(?P<month3>{_MONTH})\b(?:,?\s+(?:of\s+)?(?P<year3>\d{{4}}))?"
    rf"|\b(?P<month4>{_MONTH})\s+(?P<year4>\d{{4}})\b"
    r"|\bon\s+the\s+(?P<nth>\d{1,2})(?:st|nd|rd|th)\b"
    rf"|(?P<jdays>{_any(word for word in _RELATIVE_DAYS if not word.isascii())})(?:の?(?P<jpart>朝|午前|午後|昼|夕方|夜|晩))?"
    r"|(?P<jcount>\d{1,3}|[一二三四五六七八九十])(?P<junit>日|週間|[かヶケカ]月|年)前"
    r"|(?P<jshift>先々|再来|先|今|来|前の|この)(?P<jperiod>週末|週|月)(?:の?(?P<jweekday>[月火水木金土日])曜)?"
    r"|(?P<jyear>一昨年|おととし|去年|昨年|今年|来年)(?:の?(?:(?P<jseason>[春夏秋冬])|(?P<jmonth0>\d{1,2})月))?"
    r"|(?:(?P<jyear2>\d{4})年)?(?P<jmonth>\d{1,2})月(?:(?P<jday>\d{1,2})日)?"
    r"|(?<![\d月])(?P<jnth>\d{1,2})日(?![間前後目])",
    re.IGNORECASE,
)


_DATED = frozenset({"iso", "month", "month2", "month3", "month4", "jmonth"})
"""Parts that name a day or a month of the calendar."""
_NAMED = _DATED | frozenset(
    {
        "nth",
        "jmonth0",
        "jnth",
        "on",
        "jseason",
        "season",
    }
)
"""Parts of an expression that texts of that time may have as well."""


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


def time_spans(question: str, now: datetime) -> tuple[TimeSpan, ...]:
    """Return the spans that ``question`` speaks of, in its order; what is no date of the calendar is passed over.

    Args:
        now: the reference time; its zone is the user's.
    """
    found = [
        TimeSpan(
            *span,
            match[0],
            relative=_NAMED.isdisjoint(_given(match)),
            dated=not _DATED.isdisjoint(_given(match)),
        )
        for match in _PATTERN.finditer(question)
        if (span := _read(match, now)) is not None
    ]
    return tuple(dict.fromkeys(found)) if len(found) <= MOST_SPANS else ()


def _given(match: re.Match[str]) -> list[str]:
    return [name for name, text in match.groupdict().items() if text]


_Range = tuple[datetime, datetime]


def _read(match: re.Match[str], now: datetime) -> _Range | None:
    given = {name: text.lower() for name, text in match.groupdict().items() if text is not None}
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
    try:
        return next(
            span for reader in _READERS if (span := reader(given, midnight, match[0].lower())) is not None
        )
    except (ValueError, OverflowError, StopIteration):
        return None


def _relative_day(given: dict[str, str], today: datetime, whole: str) -> _Range | None:
    name = given.get("days") or given.get("jdays")
    if name is None:
        return None
    start = today + timedelta(days=_RELATIVE_DAYS[name])
    return _part_of_day(start, given.get("part") or given.get("jpart") or whole)


def _part_of_day(day: datetime, said: str) -> _Range:
    hours = next((hours for name, hours in _PARTS.items() if name in said), (0, 24))
    return day + timedelta(hours=hours[0]), day + timedelta(hours=hours[1])


def _ago(given: dict[str, str], today: datetime, _: str) -> _Range | None:
    said = given.get("count") or given.get("jcount")
    if said is None:
        return None
    count = int(said) if said.isdecimal() else _NUMBERS[said]
    unit = given.get("unit") or given.get("junit") or ""
    if unit in {"day", "日"}:
        return _days(today - timedelta(days=count), 1)
    if unit in {"week", "週間"}:
        return _days(today - timedelta(days=7 * count + 3), 7)
    if unit in {"year", "年"}:
        return _year(today, today.year - count)
    return _month(today, today.year, today.month - count)


def _period(given: dict[str, str], today: datetime, _: str) -> _Range | None:
    shift, period = given.get("shift") or given.get("jshift"), given.get("period") or given.get("jperiod")
    if shift is None or period is None:
        return None
    by, monday = _SHIFT[shift], today - timedelta(days=today.weekday())
    if "jweekday" in given:
        return _days(monday + timedelta(days=7 * by + _DAY_OF[given["jweekday"]]), 1)
    past = shift in {"last", "previous", "past"}
    if period in {"weekend", "週末"}:
        by += past and today.weekday() == _DAY_OF["sunday"]  # the last one, on a Sunday, is a week ago
        return _days(monday + timedelta(days=7 * by + 5), 2)
    if period in {"week", "週"}:
        return _days(monday + timedelta(days=7 * by), 7)
    return _year(today, today.year + by) if period == "year" else _month(today, today.year, today.month + by)


def _weekday(given: dict[str, str], today: datetime, _: str) -> _Range | None:
    name = given.get("weekday") or given.get("on")
    if name is None:
        return None
    ahead = (_DAY_OF[name] - today.weekday()) % 7
    shift = _SHIFT.get(given.get("shift", ""), 0)
    if "weekday" in given and shift >= 0:
        return _days(today + timedelta(days=ahead or 7 * shift), 1)
    return _days(today + timedelta(days=ahead - 7), 1)


def _season(given: dict[str, str], today: datetime, _: str) -> _Range | None:
    name = given.get("season") or given.get("jseason")
    if name is None:
        return None
    if "jyear" in given:
        return _month(today, today.year + _YEARS[given["jyear"]], _SEASONS[name], 3)
    start, _end = _month(today, today.year, _SEASONS[name], 3)
    shift = _SHIFT[given["shift"]]
    past = -1 if shift < 0 and _end > today else 0
    return _month(
        today, start.year + (past if shift < 0 else int(shift > 0 and start <= today)), _SEASONS[name], 3
    )


def _date(given: dict[str, str], today: datetime, _: str) -> _Range | None:
    if "iso" in given:
        return _days(datetime.fromisoformat(given["iso"]).replace(tzinfo=today.tzinfo), 1)
    month = given.get("month") or given.get("month2") or given.get("jmonth")
    day = given.get("day") or given.get("day2") or given.get("jday")
    year = given.get("year") or given.get("year2") or given.get("jyear2")
    if month is None or day is None:
        return None
    number = int(month) if month.isdecimal() else _MONTH_OF[month]
    start = today.replace(year=int(year) if year else today.year, month=number, day=int(day))
    return _days(
        start if year else min((start, start.replace(year=start.year - 1)), key=lambda one: abs(one - today)),
        1,
    )


def _of_month(given: dict[str, str], today: datetime, whole: str) -> _Range | None:
    month = given.get("month3") or given.get("month4") or given.get("jmonth") or given.get("jmonth0")
    if month is None:
        return None
    number = int(month) if month.isdecimal() else _MONTH_OF[month]
    if number > len(_MONTHS):
        return None
    year = given.get("year3") or given.get("year4") or given.get("jyear2")
    if year:
        return _month(today, int(year), number)
    if "jyear" in given:
        return _month(today, today.year + _YEARS[given["jyear"]], number)
    if whole.startswith("next"):
        return _month(today, today.year + (number <= today.month), number)
    return _month(today, today.year - (number > today.month), number)


def _whole_year(given: dict[str, str], today: datetime, _: str) -> _Range | None:
    return _year(today, today.year + _YEARS[given["jyear"]]) if "jyear" in given else None


def _nth(given: dict[str, str], today: datetime, _: str) -> _Range | None:
    day = given.get("nth") or given.get("jnth")
    if day is None:
        return None
    start = today.replace(day=1)
    for _month_back in range(3):
        if start.replace(day=1) <= today:
            try:
                found = start.replace(day=int(day))
            except ValueError:
                found = None
            if found is not None and found <= today:
                return _days(found, 1)
        start = (start - timedelta(days=1)).replace(day=1)
    return None


_READERS: tuple[Callable[[dict[str, str], datetime, str], _Range | None], ...] = (
    _relative_day, _ago, _period, _weekday, _season, _date, _of_month, _whole_year, _nth,
)  # fmt: skip


def _days(start: datetime, count: int) -> _Range:
    return start, start + timedelta(days=count)


def _month(today: datetime, year: int, month: int, count: int = 1) -> _Range:
    """Return ``count`` months from one that may lie outside of 1..12."""
    first, after = ((year * 12 + month - 1 + more) for more in (0, count))
    return (
        today.replace(year=first // 12, month=first % 12 + 1, day=1),
        today.replace(year=after // 12, month=after % 12 + 1, day=1),
    )


def _year(today: datetime, year: int) -> _Range:
    return today.replace(year=year, month=1, day=1), today.replace(year=year + 1, month=1, day=1)


def without(question: str, found: tuple[TimeSpan, ...]) -> str:
    """Return ``question`` without the characters that say when."""
    for span in found:
        question = question.replace(span.written, " ", 1)
    return question


def day_terms(found: tuple[TimeSpan, ...], most_days: int) -> Iterator[str]:
    """Yield the terms by which texts that are dated in these spans are found, as headers and sentences write days."""
    for span in found:
        yield from span.days(most_days)
