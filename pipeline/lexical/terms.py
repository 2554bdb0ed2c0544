"""Text → terms. The same for documents and queries, in every store. Pure.

=====================  ================================================================================
in the text            terms
=====================  ================================================================================
English                stems, without stop words: ``conversations`` → ``convers``, ``went`` → ``go``
Japanese, Chinese      single kanji, and pairs of characters that are not both hiragana
names                  whole as well: ``田中さん``, ``サーバー``
codes                  whole as well as their parts: ``ORA-00942``, ``t4g.micro``, ``v1.2.3``, URLs, file names
numbers                ``23,870`` → ``23870``; with what they count: ``3階``
dates                  the day, and its parts as either language writes them: ``2026-11-22`` → ``november``, ``11月``
=====================  ================================================================================

Width, case and accents' encoding make no difference (NFKC, casefold).
"""

import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from functools import cache, lru_cache
from typing import Protocol

from pipeline.lexical.irregular import BASE_OF
from pipeline.lexical.stop_words import STOP_WORDS

MAX_TERM_CHARACTERS = 64
"""Longer ones are cut: nobody asks for them whole, and Postgres refuses lexemes of 2 kB."""

MOST_COUNTED = 8
"""More of the same term in a chunk says nothing more."""

_HIRAGANA = "\u3041-\u309f"
_KATAKANA = "\u30a1-\u30ff\u31f0-\u31ff"
_KANJI = "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003134f々〆"
_CJK = f"{_HIRAGANA}{_KATAKANA}{_KANJI}ー"
_LATIN = rf"[^\W_{_CJK}]"
_TOKEN = re.compile(
    rf"(?P<date>\d{{4}}([-/.])\d{{1,2}}\2\d{{1,2}}(?!\d)|(?:\d{{4}}年)?\d{{1,2}}月(?:\d{{1,2}}日)?)"
    r"|(?P<amount>\d{1,3}(?:,\d{3})+(?!\d))"
    rf"|(?P<code>{_LATIN}++(?:[-_./:@#+&=?%~]++{_LATIN}++)+|[a-z](?:\+\+|#))"
    rf"|(?P<negation>[a-z]++(?<=n)['’]t(?!{_LATIN}))"
    rf"|(?P<word>{_LATIN}++)"
    rf"|(?P<cjk>[{_CJK}]++)"
)
_PART = re.compile(rf"{_LATIN}+")
_KANJI_ONE = re.compile(f"[{_KANJI}]")
_PAIR = re.compile(f"(?=([^{_HIRAGANA}ー].|.[^{_HIRAGANA}ー]))")
_NAME = re.compile(
    rf"[{_KANJI}{_KATAKANA}]{{1,6}}(?:さん|さま|様|くん|君|ちゃん|氏|先生|部長|課長|社長)|[{_KATAKANA}ー]{{3,}}"
)
_ENGLISH = re.compile(r"[a-z]+")
_NUMBER = re.compile(r"\d+")
_MONTHS = (
    "january",
    "february",
    "march",
    "april",
    "may",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
)


def terms(text: str) -> tuple[str, ...]:
    """Return the terms of ``text`` in order, repetitions included; at most a few a character."""
    found: list[str] = []
    for piece in _normal(text).split():  # no token has a space in it
        found += _of_piece(piece) if len(piece) <= MAX_TERM_CHARACTERS else _tokenized(piece)
    return tuple(found)


def _normal(text: str) -> str:
    return text.lower() if text.isascii() else unicodedata.normalize("NFKC", text).casefold()


@lru_cache(maxsize=65_536)
def _of_piece(piece: str) -> tuple[str, ...]:
    return tuple(_tokenized(piece))


def _tokenized(normal: str) -> list[str]:
    found: list[str] = []
    for token in _TOKEN.finditer(normal):
        kind, written = token.lastgroup or "", token[0]
        if kind == "cjk":
            found += _of_cjk(written)
            continue
        found += (term[:MAX_TERM_CHARACTERS] for term in _OF_KIND[kind](written))
        if kind == "word" and written.isdecimal() and _KANJI_ONE.match(normal, token.end()):
            found.append((written + normal[token.end()])[-MAX_TERM_CHARACTERS:])
    return found


def counts(text: str) -> Mapping[str, int]:
    """Return how often each term occurs in ``text``."""
    return Counter(terms(text))


def _of_amount(written: str) -> Iterator[str]:
    yield written.replace(",", "")


def _of_negation(_: str) -> Iterator[str]:
    """Yield nothing: ``won't`` says as little as ``will``, and is not ``won``."""
    yield from ()


def _of_code(written: str) -> Iterator[str]:
    yield written
    yield from _of_words(written)


def _of_words(run: str) -> Iterator[str]:
    for word in _PART.findall(run):
        if not _ENGLISH.fullmatch(word):
            yield word
        elif word not in STOP_WORDS and len(word) > 1:
            yield _stem(word)


def _of_cjk(run: str) -> list[str]:
    names = (name for name in _NAME.findall(run) if len(name) > len("二字"))
    return [*_KANJI_ONE.findall(run), *_PAIR.findall(run), *(name[:MAX_TERM_CHARACTERS] for name in names)]


def _of_date(date: str) -> Iterator[str]:
    """Yield a date's parts, year first if there is one; what is no date of the calendar is a code."""
    numbers = [int(number) for number in _NUMBER.findall(date)]
    year = numbers.pop(0) if "年" in date or "月" not in date else None
    month, day = numbers[0], numbers[1] if len(numbers) > 1 else None
    if not 1 <= month <= len(_MONTHS):
        yield from (date, *map(str, numbers))
        return
    yield from (_stem(_MONTHS[month - 1]), f"{month}月")
    if day is not None:
        yield from (str(day), f"{day}日")
    if year is not None:
        yield str(year)
        yield f"{year:04}-{month:02}" if day is None else f"{year:04}-{month:02}-{day:02}"


_OF_KIND: Mapping[str, Callable[[str], Iterator[str]]] = {
    "date": _of_date,
    "amount": _of_amount,
    "code": _of_code,
    "negation": _of_negation,
    "word": _of_words,
}


class _Stemmer(Protocol):
    def stemWord(self, word: str) -> str: ...  # noqa: N802  # the library's name


@lru_cache(maxsize=65_536)
def _stem(word: str) -> str:
    return _stemmer().stemWord(BASE_OF.get(word, word)[:MAX_TERM_CHARACTERS])


@cache
def _stemmer() -> _Stemmer:
    import snowballstemmer  # noqa: PLC0415  # it loads every language at once, and Japanese needs none

    stemmer: _Stemmer = snowballstemmer.stemmer("english")
    return stemmer
