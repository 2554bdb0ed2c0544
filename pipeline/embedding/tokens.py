"""How many tokens a text has, near enough to plan with, without a model's tables. Pure.

Each character has a weight, by what it is. Words of lower-case letters cost four letters a token, as OpenAI's rule of thumb says
(help.openai.com, "What are tokens"); digits, capitals within a word and rare characters cost as much as in the
tokenizers that spend most on them. ``tests/unit/test_token_estimate.py`` measures the estimate against real tokenizers: it is never
below any of them by more than a fifth, and above the thriftiest by up to the factor it prints.
"""

import math
import re
import unicodedata
from collections import Counter

LETTER = 0.25
DIGIT, CAPITAL = 1.0, 1.0
"""SentencePiece models spend a token a digit; random capitals come with random letters around them."""
MARK, STOP = 0.75, 0.5
BESIDE_DIGIT = 0.5
"""More for a letter next to a digit: it is no word's."""
COMMON_IDEOGRAPH, RARE_IDEOGRAPH = 1.25, 3.0
FALLBACK = 0.8
"""Tokens a byte, of what a vocabulary does not have and spells in bytes."""

SCRIPTS = {
    "LATIN": 1.0, "GREEK": 1.0, "CYRILLIC": 0.55, "HEBREW": 1.0, "ARABIC": 1.0, "HIRAGANA": 0.9, "KATAKANA": 0.95, "HANGUL": 1.75,
    "THAI": 1.3, "DEVANAGARI": 1.3, "IDEOGRAPHIC": 0.9, "FULLWIDTH": 1.2,
}  # fmt: skip
"""First word of a character's Unicode name → weight."""
_INITIAL = re.compile(r"(?<!\S)[A-Z](?=[a-z])")
_BESIDE_DIGIT = re.compile(r"(?<=[0-9])[a-z]|[a-z](?=[0-9])")
_COMMON_UNTIL = (("euc_jp", 0xCF), ("gb2312", 0xD7))
"""Standards put their common ideographs first: JIS X 0208 and GB 2312, level 1, end with these rows."""


def estimate_tokens(text: str) -> int:
    """Return about how many tokens ``text`` has, rounded up."""
    return math.ceil(token_share(text) - 1e-9)


def token_share(text: str) -> float:
    """Return the same before it is rounded up: the shares of words and lines add up to the text's."""
    if text.isascii():
        return _ascii_share(text)
    whole = sum(count * _WEIGHTS[letter] for letter, count in Counter(text).items())
    return (
        whole
        - (CAPITAL - LETTER) * len(_INITIAL.findall(text))
        + BESIDE_DIGIT * len(_BESIDE_DIGIT.findall(text))
    )


_KINDS = bytes.maketrans(
    bytes(range(128)),
    bytes(
        b"d"[0] if letter in b"0123456789"
        else b"C"[0] if letter in b"ABCDEFGHIJKLMNOPQRSTUVWXYZ"
        else b"a"[0] if letter in b"abcdefghijklmnopqrstuvwxyz"
        else b"s"[0] if letter in b" \t\n\r\x0b\x0c\x1c\x1d\x1e\x1f"
        else b"h"[0] if letter in b",.'"
        else b"m"[0]
        for letter in range(128)
    ),
)  # fmt: skip
"""Each character's kind: digit, Capital, a small letter, space, half a token, or another mark."""
_COUNTED = (b"d", b"C", b"h", b"m")


def _ascii_share(text: str) -> float:
    """Return the same sum by kinds of characters: every weight is a number of quarters, so no order of adding matters."""
    kinds = text.encode().translate(_KINDS)
    digits, capitals, stops, marks = (len(kinds) - len(kinds.translate(None, kind)) for kind in _COUNTED)
    letters = len(kinds) - digits - capitals - stops - marks
    whole = LETTER * letters + DIGIT * digits + CAPITAL * capitals + STOP * stops + MARK * marks
    initials = kinds.count(b"sCa") + kinds.startswith(b"Ca") if capitals else 0
    return whole - (CAPITAL - LETTER) * initials + BESIDE_DIGIT * (_beside_digits(kinds) if digits else 0)


def _beside_digits(kinds: bytes) -> int:
    """Return how many small letters have a digit on either side."""
    return kinds.count(b"da") + kinds.count(b"ad") - _between_digits(kinds)


def _between_digits(kinds: bytes) -> int:
    """Return how many have one on both; digits are doubled, so that no two of these share one."""
    return kinds.replace(b"d", b"dd").count(b"dad") if b"dad" in kinds else 0


class _Weights(dict[str, float]):
    def __missing__(self, letter: str) -> float:
        weight = max(_weight(letter), len(letter.encode("utf-8", "replace")) / 4)
        self[letter] = weight
        return weight


_WEIGHTS = _Weights()


def _weight(letter: str) -> float:
    if letter.isascii():
        return _ascii_weight(letter)
    name = unicodedata.name(letter, "").partition(" ")[0]
    if name == "CJK":
        return COMMON_IDEOGRAPH if _is_common(letter) else RARE_IDEOGRAPH
    return SCRIPTS.get(name) or FALLBACK * len(letter.encode("utf-8", "replace"))


def _ascii_weight(letter: str) -> float:
    if letter.isdigit():
        return DIGIT
    if letter.isupper():
        return CAPITAL
    if letter.islower() or letter.isspace():
        return LETTER
    return STOP if letter in ",.'" else MARK


def _is_common(letter: str) -> bool:
    for codec, last_row in _COMMON_UNTIL:
        try:
            code = letter.encode(codec)
        except UnicodeEncodeError:
            continue
        if len(code) == 2 and code[0] <= last_row:  # noqa: PLR2004  # row and cell
            return True
    return False
