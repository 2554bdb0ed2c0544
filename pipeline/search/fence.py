"""Marks what was recalled, so that an agent takes it for data and the pipeline knows it again. Pure.

A fence is a pair of tags whose name ends in a nonce. Stored text was there before the nonce was drawn, so it can
neither close the fence nor forge one of its own; what merely looks like a fence in it is written another way.
"""

import re
import secrets
import unicodedata

from pipeline.source.recalled import FENCE_NAME

_DEFUSED = "recalled·memory"
_LOOKALIKES = str.maketrans("аеорсуԁӏɡмтгαεοϲуӀ", "aeopcydlgmtraeocyl")
"""Cyrillic and Greek letters that are drawn as the name's own, or nearly."""
_JOINT = frozenset("-_ ·.\u30fb")


def new_nonce() -> str:
    """Return 64 random bits in hex."""
    return secrets.token_hex(8)


def fenced(text: str, nonce: str) -> str:
    """Return ``text`` inside a fence. Every piece of stored text in it has been through :func:`defused`."""
    return f"<{FENCE_NAME}-{nonce}>\n{text}\n</{FENCE_NAME}-{nonce}>"


def defused(text: str) -> str:
    """Return ``text`` with every lookalike of a fence's name written so that it is none.

    Lookalikes are found as a reader would: whatever the case, the width, the accents, the joint between both words,
    invisible characters within them, or the alphabet the letters are borrowed from.
    """
    shape = [(letter, index) for index, character in enumerate(text) for letter in _seen(character)]
    plain = "".join(letter for letter, _ in shape)
    pieces, start = [], 0
    for match in _NAME_SEEN.finditer(plain):
        begin, end = shape[match.start()][1], shape[match.end() - 1][1] + 1
        pieces += [text[start:begin], _DEFUSED]
        start = end
    return "".join(pieces) + text[start:]


_NAME_SEEN = re.compile("recalled-*memory")


def _seen(character: str) -> str:
    """Return what a reader sees of ``character``: lower case, no accents, joints as hyphens, nothing if invisible."""
    if character.isascii():
        return "-" if character in _JOINT else character.lower()
    plain = unicodedata.normalize("NFKD", character).casefold().translate(_LOOKALIKES)
    return "".join(_seen_plain(letter) for letter in plain)


def _seen_plain(letter: str) -> str:
    category = unicodedata.category(letter)
    if category in {"Mn", "Me", "Cf", "Cc", "Co", "Cn"}:
        return ""
    return "-" if category in {"Pd", "Pc", "Zs"} or letter in _JOINT else letter
