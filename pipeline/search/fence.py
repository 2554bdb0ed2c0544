"""Marks what was recalled, so that an agent takes it for data and the pipeline knows it again. Pure.

A fence is a pair of tags whose name ends in a nonce. Stored text was there before the nonce was drawn, so it can
neither close the fence nor forge one of its own; what merely looks like a fence in it is written another way.
"""

import re
import secrets
import unicodedata

from pipeline.source.recalled import FENCE_NAME

_DEFUSED = "recalled·memory"
_LOOKALIKES = str.maketrans(
    "аеорсуԁӏɡмтгαεοϲуӀʀᴇᴄᴀʟᴅᴍᴏʏꓣꓰꓚꓮꓡꓓꓟꓳꓬᎡᎬᏟᎪᏞᎠᎷᎾᎩѕɼɾṙօʏҽ",
    "aeopcydlgmtraeocylrecaldmoyrecaldmoyrecaldmoysrrroye",
)
"""Letters that are drawn as the name's own, or nearly: Cyrillic, Greek, small capitals, Lisu, Cherokee, Latin with hooks, Armenian."""
_INVISIBLE_LETTERS = frozenset("\u115f\u1160\u3164\uffa0")
"""Letters by their category, drawn as nothing."""
_DIRECTIONS = re.compile("[\u202a-\u202e\u2066-\u2069\u200e\u200f\u061c]")
"""Characters that turn the direction of what follows: a name written backwards would be read forwards."""
_HEADING = re.compile(r"^(?=[ \t>]{0,8}[#＃﹟])", re.MULTILINE)


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


_L = "[l1i|!]"
_NAME_SEEN = re.compile(rf"reca{_L}{_L}ed[-|!]*(?:[0-9]{{2,4}}-+)?memory")
"""The name as :func:`_seen` leaves it: any joint or none, ``&#45;`` as well, and for l whatever is drawn as a stroke."""


def _seen(character: str) -> str:
    """Return what a reader sees of ``character``: lower case, no accents, hyphens for joints, nothing if it is invisible."""
    if character.isascii():
        return character.lower() if character.isalnum() or character in "|!" else "-"
    plain = unicodedata.normalize("NFKD", character.translate(_LOOKALIKES)).casefold().translate(_LOOKALIKES)
    return "".join(_seen_plain(letter) for letter in plain)


def _seen_plain(letter: str) -> str:
    if letter.isascii():
        return letter if letter.isalnum() or letter in "|!" else "-"
    category = unicodedata.category(letter)
    if category in {"Mn", "Me", "Cf", "Cc", "Co", "Cn"} or letter in _INVISIBLE_LETTERS:
        return ""
    return letter if category[0] in "LN" else "-"


def as_data(text: str) -> str:
    """Return stored ``text`` so that it can pose neither as a fence nor as a heading of ours.

    What is no heading to Markdown is none to its reader: each line that begins as one gets a backslash in front.
    """
    return _HEADING.sub(r"\\", defused(_DIRECTIONS.sub("", text)))
