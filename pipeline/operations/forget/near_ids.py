"""Ids that look like the one that was asked for. Pure."""

from collections.abc import Iterable
from difflib import get_close_matches

MAX_SUGGESTIONS = 5


def near(wanted: str, known: Iterable[str]) -> list[str]:
    """Return up to five of ``known`` that ``wanted`` may have meant, the likeliest first: never ``wanted`` itself."""
    others = sorted({one for one in known if one and one != wanted})
    alike = [one for one in others if _plain(one) == _plain(wanted)]
    within = [one for one in others if _plain(wanted) and _plain(wanted) in _plain(one)]
    close = get_close_matches(wanted, others, MAX_SUGGESTIONS, 0.6)
    return list(dict.fromkeys([*alike, *close, *within]))[:MAX_SUGGESTIONS]


def _plain(text: str) -> str:
    return "".join(letter for letter in text.casefold() if letter.isalnum())
