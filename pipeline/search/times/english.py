"""How English says when. Pure."""

import re
from collections.abc import Iterable, Mapping
from typing import Any

from pipeline.search.times import english_words as words
from pipeline.search.times.numeric import NEVER, NUMERIC
from pipeline.search.times.spans import Grammar, Rule


def _any(words: Iterable[str]) -> str:
    return "|".join(sorted(map(re.escape, words), key=len, reverse=True)).replace(r"\ ", r"\s+")


_MONTH = _any(words.MONTH_OF)
_WEEKDAY = _any(words.WEEKDAY_OF)
_SEASON = _any(words.SEASONS)
_COUNT = rf"\d{{1,4}}|(?:{_any(words.TENS)})(?:[-\s](?:{_any(words.ONES[:9])}))?|{_any([*words.NUMBERS, *words.FEW])}"
_NTH = rf"\d{{1,2}}(?:st|nd|rd|th)|{_any(words.ORDINALS)}"
_UNIT = r"minute|hour|day|night|week|fortnight|month|year|decade"
_SHIFTED = r"last|previous|this\s+past|this|next|coming"
_THAT_YEAR = r"last|this|next"
_CALENDAR_YEAR = r"(?:19|20)\d\d"
_YEARLY = rf"(?:,?\s+(?:of\s+|in\s+)?(?:(?P<year>{_CALENDAR_YEAR})\b(?!-)|(?P<yearly>{_THAT_YEAR})\s+year\b))"
_IN = r"(?P<at>\b(?:in|during|since|of|between|from|before|after|until|till|through|early|mid|late|(?:prior|up)\s+to)[\s-]+(?:the\s+)?)"
_ON = r"(?P<at>\b(?:on|of|since|until|till|before|after|from|between|(?:prior|up)\s+to)\s+(?:the\s+)?)"
_AT_A_FEAST = r"(?P<at>\b(?:at|on|over|during|for|since|until|till|before|after|around|about|from|between|of|(?:prior|up)\s+to)\s+)"
_TO = r"\s*(?:\bto\b|\bthrough\b|\buntil\b|\btill\b|[-–~])\s*"
_EVERY = r"(?<!\bevery )"


_COUNTED = r"day|time|week|floor|page|try|attempt|round|street|line|row|place|grade|anniversary|birthday|century|of\s+(?!last|this|next)"
"""What is numbered as days are."""
_OF_MONTH = r"(?:\s+of\s+(?P<shift>last|this|next)\s+month\b)?"
_DAY_NUMBER = r"\d{1,2}(?:st|nd|rd|th)?"
_LAST_DAY = rf"(?:{_TO}(?:the\s+)?(?P<last>{_DAY_NUMBER})\b(?![:/-]|\s*[ap]m\b))"
_NAMES = f"{_any(words.NAMED_DAYS)}|{_any(name.replace(chr(39), chr(0x2019)) for name in words.NAMED_DAYS)}"
_DATES: Mapping[str, Any] = {"dated": True, "named": True, "cycle": "year"}
_MONTHLY: Mapping[str, Any] = {"named": True, "cycle": "month"}
_WEEKLY: Mapping[str, Any] = {"named": True, "cycle": "week"}
_SEASONAL: Mapping[str, Any] = {"named": True, "cycle": "year"}
_RULES = (
    *NUMERIC,
    Rule(r"(?<![\d/])(?P<m>\d{1,2})/(?P<d>\d{1,2})/(?P<year>\d{4})(?![\d/])", words.read_slashes, **_DATES),
    Rule(r"\bon\s+(?P<m>\d{1,2})/(?P<d>\d{1,2})(?![\d/])", words.read_slashes, **_DATES),
    Rule(rf"\b(?:{_any(words.DAYS)})\b", words.read_day),
    Rule(r"\bthe\s+other\s+(?:day|evening|night|week)\b", words.read_other_day),
    Rule(rf"(?<![-\w.])(?P<count>{_COUNT})\s+(?P<unit>{_UNIT})s?(?P<half>\s+and\s+a\s+half)?\s+(?:ago|back)(?:\s+(?P<day>today|yesterday))?\b", words.read_ago),
    Rule(rf"\b(?P<count>an?|one)(?P<half>\s+and\s+a\s+half)\s+(?P<unit>{_UNIT})s?\s+ago\b", words.read_ago),
    Rule(r"\bhalf\s+a\s+(?P<unit>month|year)\s+ago\b", words.read_half_a_unit_ago),
    Rule(rf"(?<![-\w.])(?P<count>{_COUNT})\s+(?P<unit>day|week|fortnight|month|year)s?\s+(?P<ahead>from\s+(?:now|today))\b", words.read_ago),
    Rule(rf"\b(?P<shift>last|past|previous|next|coming)\s+(?P<count>{_COUNT})\s+(?P<unit>hour|day|week|fortnight|month|year|decade)s?\b", words.read_rolling),
    Rule(r"\b(?P<shift>past)\s+(?P<unit>day|week|fortnight|month|year|decade)\b", words.read_rolling),
    Rule(rf"\b(?P<shift>{_SHIFTED})\s+(?P<period>weekend|week|month|year|quarter)(?:'s)?\b(?!\s+of\s+(?:{_MONTH})\b)", words.read_period),
    Rule(r"\b(?P<at>(?:beginning|start|middle|end|half|rest)\s+of\s+)(?P<shift>the)\s+(?P<period>week|month|year|quarter)\b", words.read_period),
    Rule(rf"\b(?:the\s+)?(?P<period>weekend|week|month|year|quarter|{_WEEKDAY})\s+(?P<beyond>before\s+last|after\s+next)\b", words.read_beyond),
    Rule(r"\b(?:over|on|at|during)\s+the\s+weekend\b", words.read_weekend),
    Rule(rf"\b(?P<shift>{_SHIFTED})\s+(?P<weekday>{_WEEKDAY})\b", words.read_weekday),
    Rule(rf"{_ON}(?<!the )(?P<weekday>{_WEEKDAY})\b", words.read_weekday, **_WEEKLY),
    Rule(rf"{_EVERY}\b(?P<weekday>{_WEEKDAY})(?=\s+(?:morning|afternoon|evening|night)\b|{_TO}(?:{_WEEKDAY})\b)", words.read_weekday, **_WEEKLY),
    Rule(rf"\b(?:on\s+)?(?P<weekday>{_WEEKDAY}),?\s+(?:of\s+)?(?P<shift>last|this|next)\s+week\b", words.read_weekday_of_week),
    Rule(rf"\b(?P<shift>last|this|next)\s+week(?:'s|,)?\s+(?:on\s+)?(?P<weekday>{_WEEKDAY})\b", words.read_weekday_of_week),
    Rule(rf"\b(?P<month>{_MONTH})\.?\s+(?:the\s+(?P<nth>{_NTH})|(?P<day>{_DAY_NUMBER}))\b(?!:){_LAST_DAY}?{_YEARLY}?", words.read_date, **_DATES),
    Rule(rf"\b(?:(?P<nth>{_any(words.ORDINALS)})\s+of|(?P<day>{_DAY_NUMBER}){_LAST_DAY}?(?:\s+of)?)\s+(?P<month>{_MONTH})\b{_YEARLY}?", words.read_date, **_DATES),
    Rule(rf"{_IN}(?P<month>{_MONTH})\b{_YEARLY}?", words.read_month, **_DATES),
    Rule(rf"\b(?P<month>{_MONTH}){_YEARLY}?(?={_TO}(?:{_MONTH})\b)", words.read_month, **_DATES),
    Rule(rf"\b(?P<shift>last|this|next)\s+(?P<month>{_MONTH})\b", words.read_month, **_DATES),
    Rule(rf"\b(?P<month>{_MONTH}){_YEARLY}", words.read_month, **_DATES),
    Rule(rf"\b(?P<yearly>{_THAT_YEAR})\s+year(?:'s)?,?\s+(?:in\s+)?(?P<month>{_MONTH})\b", words.read_month, **_DATES),
    Rule(rf"\b(?P<year>{_CALENDAR_YEAR}),?\s+(?P<month>{_MONTH})\b", words.read_month, **_DATES),
    Rule(rf"{_ON}(?P<nth>\d{{1,2}}(?:st|nd|rd|th))\b(?!-|\s+(?:{_COUNTED})\b){_OF_MONTH}", words.read_nth_day, **_MONTHLY),
    Rule(rf"{_ON}(?P<nth>{_any(words.ORDINALS)})\b(?=\s*(?:[,.?!;]|$|(?:and|to|at|in|till?|until|through)\b)|\s+of\s+(?:last|this|next)\s+month\b){_OF_MONTH}", words.read_nth_day, **_MONTHLY),
    Rule(rf"\b(?P<nth>{_NTH})\s+of\s+(?P<shift>last|this|next)\s+month\b", words.read_nth_day, **_MONTHLY),
    Rule(rf"\b(?P<shift>last|this|next)\s+month,?\s+on\s+the\s+(?P<nth>{_NTH})\b", words.read_nth_day, **_MONTHLY),
    Rule(rf"{_IN}(?P<year>{_CALENDAR_YEAR})(?P<decade>s)?\b(?![-/:,.]?\d)", words.read_calendar_year, named=True),
    Rule(rf"\b(?P<shift>last|this|next)\s+(?P<season>{_SEASON})\b", words.read_season, **_SEASONAL),
    Rule(rf"(?P<at>\b(?:in|during|since|over|of|before|after|until|early|mid|late)[\s-]+(?:the\s+)?)(?P<season>{_SEASON})\b{_YEARLY}?", words.read_season, **_SEASONAL),
    Rule(rf"\b(?P<season>{_SEASON}){_YEARLY}", words.read_season, **_SEASONAL),
    Rule(rf"\b(?P<season>{_SEASON})\s+before\s+last\b", words.read_season_before_last, named=True),
    Rule(rf"\b(?P<yearly>{_THAT_YEAR})\s+year(?:'s)?\s+(?P<season>{_SEASON})\b", words.read_season, **_SEASONAL),
    Rule(rf"\bQ(?P<q>[1-4])\b(?:,?(?:\s+of)?\s+(?P<year>{_CALENDAR_YEAR}))?", words.read_quarter, **_DATES),
    Rule(rf"\b(?P<nth>first|second|third|fourth)\s+quarter\b{_YEARLY}?", words.read_quarter, **_SEASONAL),
    Rule(rf"{_AT_A_FEAST}(?P<name>{_NAMES})\b{_YEARLY}?", words.read_named_day, **_DATES),
    Rule(rf"\b(?P<shift>last|this|next)\s+(?P<name>{_NAMES})\b", words.read_named_day, **_DATES),
    Rule(rf"\b(?P<name>{_NAMES})\b{_YEARLY}", words.read_named_day, **_DATES),
    Rule(rf"\b(?P<name>{_NAMES})(?:(?<=day)|(?<=eve))\b", words.read_named_day, **_DATES),
    Rule(r"\b(?:this|the\s+same)\s+time\s+(?:(?P<shift>last|next)\s+(?P<unit>week|month|year)|(?P<day>yesterday|tomorrow))\b", words.read_around),
)  # fmt: skip
_AHEAD_RULES = (
    Rule(rf"\b(?P<ahead>in)\s+(?P<count>{_COUNT})\s+(?P<unit>day|week|fortnight|month|year)s?\b", words.read_ago),
    Rule(rf"\bfor\s+(?P<weekday>{_WEEKDAY})\b", words.read_weekday, **_WEEKLY),
    Rule(rf"\bfor\s+(?P<month>{_MONTH})\b{_YEARLY}?", words.read_month, **_DATES),
)  # fmt: skip
_BARE = (
    Rule(rf"(?P<month>{_MONTH})\b{_YEARLY}?", words.read_month, **_DATES),
    Rule(rf"(?P<weekday>{_WEEKDAY})\b", words.read_weekday, **_WEEKLY),
    Rule(rf"(?P<nth>{_NTH})\b", words.read_nth_day, **_MONTHLY),
    Rule(rf"(?P<year>{_CALENDAR_YEAR})(?P<decade>s)?\b(?![-/:,.]?\d)", words.read_calendar_year, named=True),
)

ENGLISH = Grammar(
    rules=_RULES,
    bare=_BARE,
    opener=re.compile(r"\bbetween\s+(?:the\s+)?\Z", re.IGNORECASE),
    connector=re.compile(rf"(?:{_TO}|\s+(?P<weak>and)\s+)(?:the\s+)?", re.IGNORECASE),
    letters=re.compile("[A-Za-z0-9]"),
    ahead=re.compile(
        r"\b(?:will|won't|going\s+to|gonna|plans?|planned|planning|schedule|scheduled|upcoming|coming\s+up|due)\b|[a-z]'ll\b",
        re.IGNORECASE,
    ),
    over=re.compile(r"\b(?:did|didn't|was|were|had|has|have|said|told|thought)\b", re.IGNORECASE),
    ahead_rules=_AHEAD_RULES,
    part_before=re.compile(rf"\b(?P<part>{_any(words.PARTS)})\s+of\s+(?:the\s+)?\Z", re.IGNORECASE),
    part_after=re.compile(rf"(?:\s+in\s+the|\s+at)?\s+(?P<part>{_any(words.PARTS)})\b", re.IGNORECASE),
    portion_before=re.compile(
        rf"\b(?P<portion>{_any(words.PORTIONS)})(?:\s+(?:of|in))?[\s-]+(?:the\s+)?\Z", re.IGNORECASE
    ),
    portion_after=NEVER,
    bound_before=re.compile(
        r"(?<!day )(?<!night )(?<!week )(?<!month )(?<!year )(?<!weekend )(?<!days )(?<!weeks )(?<!months )(?<!years )"
        r"\b(?:(?P<since>since)|(?P<after>after)|(?P<before>before|prior\s+to)|(?P<until>until|till|up\s+to))\s+(?:the\s+)?\Z",
        re.IGNORECASE,
    ),
    bound_after=re.compile(r"\s+(?P<since>onwards?)\b", re.IGNORECASE),
    parts=words.PARTS,
    portions=words.PORTIONS,
)
