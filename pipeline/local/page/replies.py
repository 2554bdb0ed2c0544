"""What the demo's responder says. There is no language model here: it only tells what memory found. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

MAX_SOURCES = 3
MIN_SIMILARITY = 0.25
"""Below it the offline embedder finds something in common between any two texts."""

_TEXTS = {
    "en": {
        "none": "Noted. Memory holds nothing yet that bears on this.",
        "one": "Memory found 1 earlier passage that bears on this.",
        "many": "Memory found {count} earlier passages that bear on this.",
        "away": "Noted. Memory does not answer just now; the message is saved all the same.",
    },
    "ja": {
        "none": "承知しました。これに関わる記憶はまだありません。",
        "one": "これに関わる記憶が1件見つかりました。",
        "many": "これに関わる記憶が{count}件見つかりました。",
        "away": "承知しました。いま記憶を参照できませんが、メッセージは保存されています。",
    },
}

_ALL = frozenset(
    text.format(count=count)
    for texts in _TEXTS.values()
    for text in texts.values()
    for count in range(MAX_SOURCES + 1)
)


def recalled(results: Iterable[Mapping[str, Any]], session_key: str) -> list[Mapping[str, Any]]:
    """Return the hits worth telling: alike enough or sharing words, of other conversations, one an item."""
    best: dict[str, Mapping[str, Any]] = {}
    for hit in results:
        if hit["key"] != session_key and (hit["similarity"] >= MIN_SIMILARITY):
            best.setdefault(hit["key"], hit)
    return list(best.values())[:MAX_SOURCES]


def reply(found: Sequence[Mapping[str, Any]] | None, language: str) -> str:
    """Return what is said and saved: how much was found, never what.

    A reply becomes memory as well. Were it to repeat what was recalled, memory would find its own echo next time, and
    forgetting the original would leave the copy.

    Args:
        found: ``None`` when memory did not answer.
        language: ``en`` or ``ja``.
    """
    texts = _TEXTS["ja" if language == "ja" else "en"]
    if found is None:
        return texts["away"]
    name = {0: "none", 1: "one"}.get(len(found), "many")
    return texts[name].format(count=len(found))


def is_reply(text: str) -> bool:
    """Tell whether ``text`` is one that the responder says."""
    return text in _ALL
