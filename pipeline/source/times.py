"""Reads the instant that a timestamp names, however it is spelled. Pure.

=============================================  ==================================================================
spelling                                       example
=============================================  ==================================================================
ISO 8601 and RFC 3339, extended or basic       ``2026-11-22T10:00:00Z``, ``2026-11-22 19:00 +0900``, ``20261122T100000Z``
the same with a zone's name behind it          ``2026-11-22T19:00+09:00[Asia/Tokyo]``, ``2026-11-22 10:00:00 UTC``
slashes, Japanese                              ``2026/11/22 19:00``, ``2026年11月22日 19:00``
a clock of twelve hours                        ``2026-11-22, 7:00:00 p.m.``, ``2026年11月22日 午後7:00``
RFC 2822, RFC 850, ``asctime``, JavaScript     ``Sun, 22 Nov 2026 10:00:00 GMT``, ``Sun Nov 22 2026 19:00:00 GMT+0900 (JST)``
epoch seconds, milli-, micro-, nanoseconds     ``1795341600``, ``"1795341600000"``, ``"1795341600.000100"`` (Slack)
fourteen digits                                ``20261122190000``
a month by its name                            ``Nov 22, 2026, 7:00 PM``, ``7:00 pm on 22 November, 2026``
objects                                        ``{"$date": …}``, ``{"seconds": …, "nanos": …}``, ``{"epochSecond": …, "nano": …}``
a list of numbers, year first                  ``[2026, 11, 22, 19, 0]``
=============================================  ==================================================================

A time without a zone is in the zone that the settings name. One whose zone is not known is no time: hours would be wrong. Numbers
before 1973 are counters, not times.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from email.utils import parsedate_to_datetime
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pipeline.errors import SettingsError

EARLIEST_EPOCH = 1e8
"""Seconds; March 1973. A smaller number is a message's place in a list, or seconds since the chat began."""

_SCALES = ((1e11, 1), (1e14, 1_000), (1e17, 1_000_000), (1e20, 1_000_000_000))
"""Below the first number an epoch counts in the unit of which the second number make a second."""
_EPOCH = re.compile(r"\d{9,20}(?:\.\d*)?\Z")
_COMPACT = re.compile(r"(?:19|20)\d{12}\Z")
_ZONES = {
    "Z": 0, "UT": 0, "UTC": 0, "GMT": 0, "EST": -5, "EDT": -4, "CST": -6, "CDT": -5, "MST": -7, "MDT": -6, "PST": -8, "PDT": -7,
    "JST": 9, "KST": 9, "CET": 1, "CEST": 2,
}  # fmt: skip
"""Zones that are known by their letters: those of RFC 5322 (section 4.3), and some that mean one thing only."""
_ISO = re.compile(
    r"(?P<date>\d{4}-\d\d?-\d\d?|\d{8})"
    r"(?:(?:,?[T ]\s*)(?P<clock>\d\d?(?::?\d\d)(?::?\d\d(?:[.,]\d+)?)?)(?:\s*(?P<half>[ap])\.?m\.?)?)?"
    rf"(?:\s*(?P<zone>{'|'.join(_ZONES)}|[+-]\d\d(?::?\d\d)?(?::?\d\d)?)(?:\s*\[[\w/+-]+\]|\s+[A-Z]{{3,5}}|\s*\([^)]*\))?)?\Z",
    re.IGNORECASE,
)
_HALF_IN_FRONT = re.compile(r"(午前|午後)\s*(\d\d?(?:[:時]\d\d?)*)[分秒]?")
_WEEKDAY = re.compile(r"\s*[(（][日月火水木金土](?:曜日?)?[)）]\s*")
_JAPANESE = str.maketrans({"年": "-", "月": "-", "日": " ", "/": "-", "時": ":", "分": ":", "秒": " "})
_JAVASCRIPT = re.compile(r"([A-Z][a-z]{2}) ([A-Z][a-z]{2}) (\d\d?) (\d{4}) ([\d:]{8}) GMT([+-]\d{4})")
_MONTH = re.compile(
    r"(?:(?P<day>\d{1,2})(?:st|nd|rd|th)?\s+)?(?P<month>jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*\.?"
    r"(?:\s+(?P<day_behind>\d{1,2})(?:st|nd|rd|th)?)?,?\s+(?P<year>\d{4})(?!\d)",
    re.IGNORECASE,
)
_CLOCK = re.compile(
    r"(?<!\d)(\d{1,2}):(\d\d)(?::(\d\d)(?:\.\d+)?)?(?:\s*([ap])(?:\.?m\b)?(?![a-z]))?", re.IGNORECASE
)
_OFFSET = re.compile(
    r"\d:\d\d(?:\.\d+)?(?:\s*[ap]\.?m\.?)?\s*\(?(?:GMT|UTC)?\s*([+-])(\d\d?):?(\d\d)?(?!\d)", re.IGNORECASE
)
_LETTERS = re.compile(r"(?<![A-Za-z\d])[A-Z]{1,5}(?![A-Za-z])")
_NO_ZONE = frozenset(
    {
        "AM",
        "PM",
        "A",
        "P",
        "M",
        "AT",
        "ON",
        "OF",
        "T",
        "SUN",
        "MON",
        "TUE",
        "WED",
        "THU",
        "FRI",
        "SAT",
        "SEPT",
    }
)
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_DOT_NET = re.compile(r"/Date\((\d+)(?:[+-]\d{4})?\)/\Z")
_MAX_CHARACTERS = 80
_DATE_PARTS = range(3, 8)

WRAPPED = ("$date", "iso", "value", "$numberlong", "$numberdouble", "$numberdecimal", "n", "s", "timestamp")
"""Keys, in lower case, of objects that hold a stamp."""
SECONDS = ("seconds", "_seconds", "epochsecond", "epochseconds")
NANOSECONDS = ("nanos", "_nanoseconds", "nanoseconds", "nano")


def zone_named(name: str) -> ZoneInfo:
    """Return the time zone called ``name``, such as ``Asia/Tokyo``.

    Raises:
        SettingsError: there is none.
    """
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise SettingsError(
            "TIME_ZONE must be a name of the time-zone database, such as Asia/Tokyo or UTC"
        ) from None


def read_time(stamp: object, zone: tzinfo = UTC) -> datetime | None:
    """Return the instant ``stamp`` names, with a zone, if it names one.

    Args:
        zone: of stamps that name none.
    """
    try:
        time = _read(stamp, zone)
        if time is None:
            return None
        time = time if time.tzinfo else time.replace(tzinfo=zone)
        time.astimezone(UTC)  # on the calendar's edges this fails, and no database could give it back
    except (ValueError, OverflowError, OSError, TypeError, ArithmeticError, RecursionError):
        return None
    return time


def _read(stamp: object, zone: tzinfo) -> datetime | None:
    if stamp is None or isinstance(stamp, bool):
        return None
    if isinstance(stamp, str):
        return _of_text(stamp.strip()) if len(stamp) <= _MAX_CHARACTERS else None
    if isinstance(stamp, Mapping):
        return _of_object({str(key).lower(): value for key, value in stamp.items()}, zone)
    if isinstance(stamp, Sequence):
        return datetime(*stamp[:6]) if len(stamp) in _DATE_PARTS else None  # noqa: DTZ001  # the caller adds the zone
    if isinstance(stamp, int | float) and not _COMPACT.match(str(stamp)):
        return _of_epoch(str(stamp))
    return _of_text(str(stamp))


def _of_text(text: str) -> datetime | None:
    for reader in _READERS:
        try:
            time = reader(text)
        except (ValueError, IndexError, TypeError, OverflowError):
            continue
        if time is not None:
            return time if time.tzinfo else _in_own_zone(time, text)
    return None


def _in_own_zone(time: datetime, text: str) -> datetime | None:
    """Return a time that was read without its zone in the one that the text names; ``None`` if that is not known."""
    if offset := _OFFSET.search(text):
        sign, hours, minutes = offset.groups()
        shift = timedelta(hours=int(hours), minutes=int(minutes or 0))
        return time.replace(tzinfo=timezone(-shift if sign == "-" else shift))
    named = [
        word for word in _LETTERS.findall(text) if word not in _NO_ZONE and word[:3].lower() not in _MONTHS
    ]
    if not named:
        return time
    return time.replace(tzinfo=timezone(timedelta(hours=_ZONES[named[0]]))) if named[0] in _ZONES else None


def _of_object(fields: Mapping[str, object], zone: tzinfo) -> datetime | None:
    seconds = next((fields[name] for name in SECONDS if name in fields), None)
    if seconds is not None:
        whole = _read(seconds, zone)
        nanoseconds = next((fields[name] for name in NANOSECONDS if name in fields), 0)
        return whole + timedelta(microseconds=int(str(nanoseconds)) // 1_000) if whole else None
    return next((_read(fields[name], zone) for name in WRAPPED if name in fields), None)


def _of_epoch(text: str) -> datetime | None:
    number = float(text)
    if not number >= EARLIEST_EPOCH:
        return None
    scale = next((scale for below, scale in _SCALES if number < below), None)
    if scale is None:
        return None
    whole, _, fraction = text.partition(".") if "e" not in text.lower() else (str(int(number)), "", "")
    microseconds = int(whole) * 1_000_000 // scale
    if scale == 1:
        microseconds += int(f"{fraction[:6]:0<6}" or 0)
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=microseconds)


def _of_digits(text: str) -> datetime | None:
    return _of_epoch(text) if _EPOCH.match(text) else None


def _of_compact(text: str) -> datetime | None:
    if not _COMPACT.match(text):
        return None
    return datetime.strptime(text, "%Y%m%d%H%M%S")  # noqa: DTZ007  # the caller adds the zone


def _of_iso(text: str) -> datetime | None:
    text = _HALF_IN_FRONT.sub(lambda half: f"{half[2]} {'ap'[half[1] == '午後']}m", _WEEKDAY.sub(" ", text))
    match = _ISO.match(" ".join(text.translate(_JAPANESE).split()).replace(": ", " ").rstrip(": -"))
    if match is None:
        return None
    date = match["date"]
    if "-" in date:
        date = "-".join(part.rjust(2, "0") for part in date.split("-"))
    clock, zone = match["clock"] or "", (match["zone"] or "").upper()
    if clock and not clock[1:2].isdigit():
        clock = f"0{clock}"
    zone = f"{_ZONES[zone]:+03d}:00" if zone in _ZONES else zone
    time = datetime.fromisoformat(f"{date}T{clock}{zone}" if clock else date)
    return time.replace(hour=_of_twelve(time.hour, match["half"]))


def _of_mail(text: str) -> datetime | None:
    return parsedate_to_datetime(text) if text[:1].isalpha() or (text[:1].isdigit() and " " in text) else None


def _of_javascript(text: str) -> datetime | None:
    match = _JAVASCRIPT.match(text)
    return parsedate_to_datetime("{0}, {2} {1} {3} {4} {5}".format(*match.groups())) if match else None


def _of_month_name(text: str) -> datetime | None:
    """Read ``Nov 22, 2026, 7:00 PM`` and ``7:00 pm on 22 November, 2026``."""
    date, clock = _MONTH.search(text), _CLOCK.search(text)
    day = date and (date["day"] or date["day_behind"])
    if not date or not day:
        return None
    hour, minute, second = (int(part or 0) for part in clock.groups()[:3]) if clock else (0, 0, 0)
    hour = _of_twelve(hour, clock[4] if clock else None)
    parts = int(date["year"]), _MONTHS.index(date["month"].lower()) + 1, int(day), hour, minute, second
    return datetime(*parts)  # noqa: DTZ001  # the caller adds the zone


def _of_twelve(hour: int, half: str | None) -> int:
    """Return the hour of a clock of twelve hours as one of twenty-four."""
    return hour % 12 + 12 * (half.lower() == "p") if half else hour


def _of_dot_net(text: str) -> datetime | None:
    match = _DOT_NET.match(text)
    return _of_epoch(match[1]) if match else None


_READERS: tuple[Callable[[str], datetime | None], ...] = (
    _of_compact,
    _of_digits,
    _of_iso,
    _of_javascript,
    _of_dot_net,
    _of_month_name,
    _of_mail,
)
