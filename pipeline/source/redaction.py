"""Takes secrets out of a text before anything else is made of it. Pure.

What is found becomes ``[redacted: AWS access key]``, so that a reader knows what was there. The rest of the text stays, and
a redacted text holds nothing that would be redacted again. Secrets are looked for in the text as ASCII spells it: a
Japanese keyboard writes full-width letters and spaces, and a web page unbreakable ones.
"""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

from pipeline.errors import SettingsError
from pipeline.source.secret_rules import RULES, Rule

CARDS = "cards"
GROUPS = frozenset({*(rule.group for rule in RULES), CARDS})

MIN_DISTINCT_CHARACTERS = 6
_CARD = re.compile(
    r"(?<![\w.#/-])(?:\d{4}([ .-]?)\d{4}\1\d{4}\1\d{4}(?:\1\d{3})?|\d{4}([ -]?)\d{6}\2\d{4,5})(?![\w/-]|\.\d)",
    re.ASCII,
)
_CARD_PREFIXES = re.compile(
    r"(?:4|5[1-5]|222[1-9]|22[3-9]|2[3-6]|27[01]|2720|3[47]|6011|65|64[4-9]|35(?:2[89]|[3-8])|30[0-5]|3[689]|62)"
)
_CARD_LENGTHS = {
    "34": (15,),
    "37": (15,),
    "30": (14,),
    "36": (14,),
    "38": (14,),
    "39": (14,),
    "62": (16, 17, 18, 19),
}
_FOLDED = {
    **{0xFEE0 + code: code for code in range(0x21, 0x7F)},
    **dict.fromkeys((0xA0, 0x1680, *range(0x2000, 0x200B), 0x202F, 0x205F, 0x3000), 0x20),
    **dict.fromkeys((*range(0x2010, 0x2016), 0x2212), 0x2D),
}
"""Full-width letters, digits and marks, all spaces and all dashes → their ASCII; one character for one, so that places stay."""
_PLACEHOLDER = re.compile(
    r"your[_-]|[_-]here\b|example|placeholder|changeme|dummy|x{4}|\.{3}|process\.env|os\.environ|getenv|^https?://|^/|\\n",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Redactor:
    """Redacts some groups of secrets.

    Args:
        groups: of those in ``GROUPS``.
    """

    groups: frozenset[str] = GROUPS

    def redact(self, text: str) -> tuple[str, int]:
        """Return ``text`` without secrets, and how many there were."""
        text, found = self._redacted(text)
        return text, found.total()

    def kinds(self, text: str) -> Counter[str]:
        """Return how many secrets of each group ``text`` holds."""
        return +self._redacted(text)[1]

    def _redacted(self, text: str) -> tuple[str, Counter[str]]:
        found: Counter[str] = Counter()
        plain = text if text.isascii() else text.translate(_FOLDED)
        for rule in _applicable(plain, self.groups):
            spans = list(_secrets(rule, plain))
            text, plain = (_marked(each, spans, rule.name) for each in (text, plain))
            found[rule.group] += len(spans)
        if CARDS in self.groups:
            spans = [match.span() for match in _CARD.finditer(plain) if _is_card(match[0])]
            text = _marked(text, spans, "card number")
            found[CARDS] += len(spans)
        return text, found


def read_redactor(setting: str | None) -> Redactor:
    """Read the setting ``REDACT``: ``secrets`` (all groups, the default), ``off``, or a list of groups.

    Raises:
        SettingsError: it names something else.
    """
    words = [word.strip().lower() for word in (setting or "secrets").split(",") if word.strip()]
    if words == ["secrets"]:
        return Redactor()
    if words == ["off"]:
        return Redactor(frozenset())
    if not words or not GROUPS.issuperset(words):
        raise SettingsError(f"REDACT must be secrets, off, or a list of {', '.join(sorted(GROUPS))}")
    return Redactor(frozenset(words))


def _applicable(text: str, groups: frozenset[str]) -> Iterable[Rule]:
    """Return the rules with a hint in ``text``, in the order of the table: each hint is looked for once."""
    low = text.lower()
    places = {place for hint, own in _places_of(groups) if hint in low for place in own}
    return [RULES[place] for place in sorted(places)]


@lru_cache(maxsize=64)
def _places_of(groups: frozenset[str]) -> tuple[tuple[str, tuple[int, ...]], ...]:
    """Return each hint with the places in the table of the rules that it belongs to."""
    places: dict[str, list[int]] = {}
    for place, rule in enumerate(RULES):
        for hint in rule.hints if rule.group in groups else ():
            places.setdefault(hint, []).append(place)
    return tuple((hint, tuple(own)) for hint, own in places.items())


def _secrets(rule: Rule, plain: str) -> Iterator[tuple[int, int]]:
    """Yield where secrets of a kind begin and end."""
    for match in rule.pattern.finditer(plain):
        named = [name for name, held in match.groupdict().items() if held is not None]
        start, end = match.span(named[0]) if named else match.span()
        if _counts(rule, plain[start:end]):
            yield start, end


def _marked(text: str, spans: Sequence[tuple[int, int]], name: str) -> str:
    """Return ``text`` with what stands at ``spans`` replaced."""
    pieces, begin = [], 0
    for start, end in spans:
        pieces += [text[begin:start], f"[redacted: {name}]"]
        begin = end
    return "".join((*pieces, text[begin:]))


def _counts(rule: Rule, secret: str) -> bool:
    """Tell whether it may be a real secret."""
    if rule.free and _PLACEHOLDER.search(secret):
        return False
    return not rule.random or _random(secret)


def _random(secret: str) -> bool:
    letters = any(map(str.isalpha, secret))
    digits = any(map(str.isdigit, secret))
    return letters and digits and len(set(secret)) >= MIN_DISTINCT_CHARACTERS


def _is_card(number: str) -> bool:
    """Tell whether a number is an issuer's and its check digit is right (ISO/IEC 7812-1)."""
    digits = re.sub(r"\D", "", number)
    if len(set(digits)) < 3 or not _CARD_PREFIXES.match(digits):  # noqa: PLR2004  # 4444 4444 4444 4444 is nobody's
        return False
    if len(digits) not in _CARD_LENGTHS.get(digits[:2], (16, 19) if digits[0] == "4" else (16,)):
        return False
    doubled = [int(digit) * (1 + place % 2) for place, digit in enumerate(reversed(digits))]
    return sum(value - 9 * (value > 9) for value in doubled) % 10 == 0  # noqa: PLR2004  # the sum of its digits
