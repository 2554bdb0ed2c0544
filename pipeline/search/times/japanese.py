"""How Japanese says when. Pure. Full-width digits and letters have been made plain before."""

import re
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from pipeline.search.times import calendar as cal
from pipeline.search.times.numeric import NEVER, NUMERIC
from pipeline.search.times.spans import Grammar, Range, Rule

_DIGITS = {digit: at for at, digit in enumerate("〇一二三四五六七八九")} | {"零": 0}
_PLACES = {"十": 10, "百": 100}
_WEEKDAY_OF = {name: at for at, name in enumerate("月火水木金土日")}
_SEASONS = {"春": 3, "夏": 6, "秋": 9, "冬": 12}
_ERAS = {
    "明治": 1867,
    "大正": 1911,
    "昭和": 1925,
    "平成": 1988,
    "令和": 2018,
    "M": 1867,
    "T": 1911,
    "S": 1925,
    "H": 1988,
    "R": 2018,
}
"""The year before an era's first."""
_SHIFT = {
    "先々": -2, "先先": -2, "前々": -2, "一昨": -2, "先": -1, "前の": -1, "前": -1, "昨": -1, "去": -1, "今": 0, "この": 0, "本": 0,
    "来": 1, "翌": 1, "再来": 2, "さ来": 2, "来々": 2, "来来": 2,
}  # fmt: skip
_YEARS = {
    "一昨々年": -3, "一昨昨年": -3, "さきおととし": -3, "一昨年": -2, "おととし": -2, "去年": -1, "昨年": -1, "前年": -1, "今年": 0,
    "ことし": 0, "本年": 0, "来年": 1, "翌年": 1, "再来年": 2, "さ来年": 2,
}  # fmt: skip
_DAYS = {
    "一昨々日": -3, "一昨昨日": -3, "さきおととい": -3, "一昨日": -2, "おととい": -2, "おとつい": -2, "一昨夜": -2, "一昨晩": -2, "昨日": -1,
    "きのう": -1, "昨夜": -1, "昨晩": -1, "昨夕": -1, "ゆうべ": -1, "夕べ": -1, "今日": 0, "きょう": 0, "本日": 0, "今朝": 0, "けさ": 0,
    "今夜": 0, "今晩": 0, "今夕": 0, "明日": 1, "あした": 1, "あす": 1, "明朝": 1, "明晩": 1, "明後日": 2, "あさって": 2, "明々後日": 3,
    "明明後日": 3, "しあさって": 3,
}  # fmt: skip
_NAMED_DAYS = {
    "クリスマスイブ": (12, 24, 1), "クリスマス": (12, 25, 1), "大晦日": (12, 31, 1), "大みそか": (12, 31, 1), "元旦": (1, 1, 1),
    "元日": (1, 1, 1), "お正月": (1, 1, 7), "正月": (1, 1, 7), "三が日": (1, 1, 3), "年始": (1, 1, 7), "年末年始": (12, 28, 8),
    "年末": (12, 21, 11), "お盆": (8, 13, 4), "ゴールデンウィーク": (4, 29, 7), "GW": (4, 29, 7), "バレンタイン": (2, 14, 1),
    "ハロウィン": (10, 31, 1), "七夕": (7, 7, 1), "節分": (2, 3, 1),
}  # fmt: skip
_PARTS = {
    "早朝": (4, 8), "朝": (4, 12), "午前": (0, 12), "午後": (12, 24), "昼": (11, 15), "夕方": (15, 20), "夕": (15, 20), "夜": (17, 30),
    "晩": (17, 30), "深夜": (22, 29), "ゆうべ": (17, 30), "けさ": (4, 12), "夕べ": (17, 30),
}  # fmt: skip
_PORTIONS = {
    "初め": (0, 1 / 6), "始め": (0, 1 / 6), "はじめ": (0, 1 / 6), "頭": (0, 1 / 6), "初旬": (0, 1 / 3), "上旬": (0, 1 / 3),
    "前半": (0, 1 / 2), "半ば": (1 / 3, 2 / 3), "中旬": (1 / 3, 2 / 3), "中頃": (1 / 3, 2 / 3), "後半": (1 / 2, 1), "下旬": (2 / 3, 1),
    "末": (5 / 6, 1), "終わり": (5 / 6, 1), "おわり": (5 / 6, 1),
}  # fmt: skip
_UNITS = {
    "分": "minute",
    "時間": "hour",
    "日": "day",
    "週間": "week",
    "週": "week",
    "月": "month",
    "年": "year",
}
LEAST_FEW, MOST_FEW = 2, 6
OTHER_DAY = 14
"""Days back to which 先日 reaches."""
APRIL = 4
_FIRST = "元"
"""The first year of an era."""


def _any(words: Iterable[str]) -> str:
    return "|".join(sorted(map(re.escape, words), key=len, reverse=True))


_KANJI = "〇零一二三四五六七八九十百"
_N = rf"(?:\d{{1,3}}|[{_KANJI}]{{1,5}})"
_NOT_IN_NUMBER = rf"(?<![\d{_KANJI}.])"
_MONTHS = r"[かヶヵケカ箇個ヵ]月"
_AGO = rf"{_NOT_IN_NUMBER}(?:(?P<least>{_N})\s*[、,~〜・-]\s*)?(?P<count>{_N}|数|ひと|ふた|半(?!分))\s*(?P<unit>分|時間|日|週間?|{_MONTHS}|月|年)(?P<half>半)?"
_ABOUT = r"\s*(?:ほど|くらい|ぐらい|ばかり|程)?\s*の?"
_RELATIVE_YEAR = rf"(?P<yearly>{_any(_YEARS)})|{_NOT_IN_NUMBER}(?P<years_ago>{_N})年前"
_NAMED_YEAR = (
    rf"{_NOT_IN_NUMBER}(?P<year>\d{{4}}|[一二][〇零一二三四五六七八九]{{3}})年(?P<decade>代)?"
    rf"|(?<![A-Za-z])(?P<era>{_any(_ERAS)})\s*(?P<of_era>{_N}|{_FIRST})年"
)
_YEAR = f"(?:{_RELATIVE_YEAR}|{_NAMED_YEAR})"
_SEASON = "[春夏秋冬]"
_COMPOUND = "[ァ-ヺ]|(?![頃前後以])[一-鿿]"  # クリスマスツリー is no day
_NO_DAY = r"(?![間前後目坊分連以ぶ]|おき|ごと|ずつ|に[\d一二三]回)"


def _number(text: str) -> int:
    """Return a number of digits, or of kanji up to 999."""
    if text.isdecimal():
        return int(text)
    total, digit = 0, 0
    for character in text:
        if character in _PLACES:
            total, digit = total + (digit or 1) * _PLACES[character], 0
        else:
            digit = digit * 10 + _DIGITS[character]
    return total + digit


def _is_two_numbers(text: str) -> bool:
    """Tell whether it is ``二三``, two or three."""
    return len(text) == 2 and {*text} <= {*_DIGITS} and _DIGITS[text[1]] == _DIGITS[text[0]] + 1  # noqa: PLR2004  # so many


def _said(match: re.Match[str]) -> dict[str, str]:
    return {name: text for name, text in match.groupdict().items() if text is not None}


def _year_said(said: dict[str, str], now: datetime) -> int | None:
    if "yearly" in said:
        return now.year + _YEARS[said["yearly"]]
    if "years_ago" in said:
        return now.year - _number(said["years_ago"])
    if "era" in said:
        return _ERAS[said["era"].upper()] + (1 if said["of_era"] == _FIRST else _number(said["of_era"]))
    return _number(said["year"]) if "year" in said else None


def _day(match: re.Match[str], now: datetime) -> Range:
    day = cal.days(now, _DAYS[match[0]])
    part = max((name for name in _PARTS if name in match[0]), key=len, default=None)
    return cal.part_of_day(day[0], _PARTS[part]) if part else day


def _ago(match: re.Match[str], now: datetime) -> Range:
    said = _said(match)
    unit, ahead = _UNITS[said["unit"].lstrip("かヶヵケカ箇個")], -1 if said["way"] == "後" else 1
    if said["count"] == "半":
        return cal.days(now, -18 * ahead, 7) if unit == "month" else cal.ago(now, unit, ahead * 0.5)
    if said["count"] == "数":
        return cal.between_ago(now, unit, ahead * LEAST_FEW, ahead * MOST_FEW)
    count = {"ひと": 1, "ふた": 2}.get(said["count"]) or _number(said["count"])
    if _is_two_numbers(said["count"]):
        return cal.between_ago(now, unit, ahead * (count // 10), ahead * (count % 10))
    if "least" in said:
        return cal.between_ago(now, unit, ahead * _number(said["least"]), ahead * count)
    return cal.ago(now, unit, ahead * (count + 0.5 * ("half" in said)))


def _rolling(match: re.Match[str], now: datetime) -> Range:
    said = _said(match)
    count = (
        MOST_FEW
        if said["count"] == "数"
        else {"ひと": 1, "ふた": 2}.get(said["count"]) or _number(said["count"])
    )
    return cal.rolling(now, _UNITS[said["unit"].lstrip("かヶヵケカ箇個")], count)


def _period(match: re.Match[str], now: datetime) -> Range:
    said = _said(match)
    shift = _SHIFT[said["shift"]]
    if said["period"] == "週末":
        return cal.weekend(now, shift)
    if "weekday" in said:
        return cal.weekday_of_week(now, shift, _WEEKDAY_OF[said["weekday"]])
    if said["period"] == "週":
        return cal.week(now, shift)
    month = cal.months(now, shift)
    return cal.day_of(month, _number(said["day"])) if "day" in said else month


def _weekday(match: re.Match[str], now: datetime) -> Range:
    return cal.last_weekday(now, _WEEKDAY_OF[match["weekday"]])


def _next_weekday(match: re.Match[str], now: datetime) -> Range:
    return cal.next_weekday(now, _WEEKDAY_OF[match["weekday"]], not_today=True)


def _other_day(_: re.Match[str], now: datetime) -> Range:
    return cal.days(now, -OTHER_DAY, OTHER_DAY)


def _fiscal_year(match: re.Match[str], now: datetime) -> Range:
    """Read ``昨年度``: Japan's fiscal year begins in April (地方自治法 208条, 財政法 11条)."""
    said = _said(match)
    begun = now.year - (now.month < APRIL)
    year = begun + _YEARS[said["yearly"]] if "yearly" in said else _year_said(said, now)
    if year is None:
        raise ValueError
    return cal.month(now, year, APRIL, 12)


def _weekend(_: re.Match[str], now: datetime) -> Range:
    return cal.weekend(now, 0 if now.weekday() >= cal.WEEKEND else -1)


def _date(match: re.Match[str], now: datetime) -> Range:
    said = _said(match)
    year, month, day = _year_said(said, now), _number(said["month"]), _number(said["day"])
    return cal.nearest_date(now, month, day) if year is None else cal.date(now, year, month, day)


def _month(match: re.Match[str], now: datetime) -> Range:
    said = _said(match)
    year, month = _year_said(said, now), _number(said["month"])
    begun = cal.begun_month(now, month)
    return begun if year is None else cal.month(now, year, month)


def _nth_day(match: re.Match[str], now: datetime) -> Range:
    return cal.begun_day_of_month(now, _number(match["nth"]))


def _whole_year(match: re.Match[str], now: datetime) -> Range:
    year = _year_said(_said(match), now)
    if year is None:
        raise ValueError
    return cal.year(now, year, 10 if match.groupdict().get("decade") else 1)


def _season(match: re.Match[str], now: datetime) -> Range:
    said = _said(match)
    first, year = _SEASONS[said["season"]], _year_said(said, now)
    if "shift" in said:
        year = now.year + _SHIFT[said["shift"]]
    return cal.begun_season(now, first) if year is None else cal.season(now, year, first)


def _named_day(match: re.Match[str], now: datetime) -> Range:
    said = _said(match)
    month, day, count = _NAMED_DAYS[said["name"].upper()]
    year = _year_said(said, now)
    if year is None:
        return cal.begun_date(now, month, day, count)
    return cal.days(cal.date(now, year, month, day)[0], 0, count)


def _around(match: re.Match[str], now: datetime) -> Range:
    said = _said(match)
    year = _year_said(said, now)
    if year is not None:
        return cal.around(now, "year", year - now.year)
    return cal.around(now, "week" if said["period"] == "週" else "month", _SHIFT[said["shift"]])


_SHIFTED = rf"(?P<shift>{_any(_SHIFT)})"
_DATES: Mapping[str, Any] = {"named": True, "dated": True, "cycle": "year"}
_NOW = r"の?(?:今頃|今ごろ|いまごろ|今の時期|同じ時期|同時期|この時期)"
_RULES = (
    *NUMERIC,
    Rule(rf"(?:{_any(_DAYS)})(?![子香葉菜美])", _day),
    Rule(rf"{_AGO}{_ABOUT}(?P<way>前)(?!後)", _ago),
    Rule(rf"(?<!その){_AGO}{_ABOUT}(?P<way>後)(?!半|ろ)", _ago),
    Rule(rf"(?:この|ここ|直近の?|過去|最近の?)\s*(?P<count>{_N}|数|ひと|ふた)\s*(?P<unit>時間|日|週間?|{_MONTHS}|月|年)間?", _rolling),
    Rule(rf"(?<![午直]){_SHIFTED}(?P<period>週末|週|月)(?!曜)(?:[の(]?(?P<weekday>[月火水木金土日])曜日?)?", _period),
    Rule(rf"(?<![午直]){_SHIFTED}(?P<period>月)の?(?P<day>{_N})日{_NO_DAY}", _period, named=True),
    Rule(r"(?<![毎各隔]週)(?<![毎各隔]週の)(?<!毎)(?<!第[一二三四五1-5])(?P<weekday>[月火水木金土日])曜日?", _weekday, named=True, cycle="week"),
    Rule(r"(?:今度|こんど|次|つぎ)の(?P<weekday>[月火水木金土日])曜日?", _next_weekday),
    Rule(r"(?:先日|こないだ|この間(?![にで一-鿿]))の?", _other_day),
    Rule(r"週末", _weekend),
    Rule(rf"(?:{_YEAR}の?)?{_NOT_IN_NUMBER}(?P<month>{_N})月(?P<day>{_N})日", _date, **_DATES),
    Rule(r"(?<![A-Za-z])(?P<era>[MTSHR])(?P<of_era>\d{1,2})[./](?P<month>\d{1,2})[./](?P<day>\d{1,2})(?!\d)", _date, named=True, dated=True),
    Rule(r"(?<![\d/.])(?P<month>\d{1,2})/(?P<day>\d{1,2})(?=\s*(?:[にのはもでをが、~〜(]|から|まで|頃|ごろ|以降|以前))", _date, **_DATES),
    Rule(rf"(?:{_YEAR}の?)?{_NOT_IN_NUMBER}(?P<month>{_N})月(?![曜日])", _month, **_DATES),
    Rule(rf"{_NOT_IN_NUMBER}(?<![月年])(?P<nth>\d{{1,2}}|[二三]?十[一二三四五六七八九]?)日{_NO_DAY}", _nth_day, named=True, cycle="month"),
    Rule(_RELATIVE_YEAR, _whole_year),
    Rule(_NAMED_YEAR, _whole_year, named=True),
    Rule(rf"(?P<yearly>{_any(_YEARS)})度", _fiscal_year),
    Rule(rf"(?:{_NAMED_YEAR})度", _fiscal_year, named=True),
    Rule(rf"{_YEAR}の?(?P<season>{_SEASON})", _season, named=True),
    Rule(rf"(?P<shift>一昨|昨|今|来)(?P<season>{_SEASON})", _season, named=True),
    Rule(rf"(?P<season>{_SEASON})(?=に|頃|ごろ|休みに|休み中)", _season, named=True, cycle="year"),
    Rule(rf"(?:{_YEAR}の?)?(?P<name>{_any(_NAMED_DAYS)})(?!{_COMPOUND})", _named_day, **_DATES),
    Rule(rf"{_YEAR}{_NOW}", _around),
    Rule(rf"{_SHIFTED}(?P<period>月|週){_NOW}", _around),
)  # fmt: skip

JAPANESE = Grammar(
    rules=_RULES,
    bare=(),
    opener=NEVER,
    connector=re.compile(r"\s*(?:から|より|[~〜–—→-])\s*"),
    letters=re.compile(r"[^\x00-\x7f]|\d"),
    ahead=re.compile("予定|スケジュール|計画|締め?切り?|期限|今度の|次の"),
    over=re.compile("(?:(?<!ま)た|んだ)(?:の|ん|こと|か|っけ|よね|[?。一-鿿]|$)|前回|先日"),
    ahead_rules=(),
    part_before=NEVER,
    part_after=re.compile(rf"\s*の?(?P<part>{_any(_PARTS)})(?!行)"),
    portion_before=NEVER,
    portion_after=re.compile(rf"の?(?P<portion>{_any(_PORTIONS)})"),
    bound_before=NEVER,
    bound_after=re.compile(
        r"(?P<since>以降|以来|以後|から)|(?P<until>まで|以前)|(?P<before>より前|の前(?![の日週月年]))|(?P<after>より後|の後(?!半))"
    ),
    parts=_PARTS,
    portions=_PORTIONS,
)
