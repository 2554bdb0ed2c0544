"""What the page shows of a hit, and how hits become one entry a conversation. Pure."""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from pipeline.local.page.chats import FORGOTTEN_TEXT
from pipeline.local.page.replies import is_reply

Hit = Mapping[str, Any]
SNIPPET_CHARACTERS = 220
_HEADER = re.compile(r"\A\[[^\[\]\n]*\]\n")


def body(content: str) -> str:
    """Return a chunk's text without its header."""
    return _HEADER.sub("", content)


def tells(hit: Hit) -> bool:
    """Tell whether a hit says anything: what stands for forgotten messages, or is the demo's own reply, does not."""
    lines = body(str(hit["content"])).splitlines()
    said = (line.partition(": ")[2] or line for line in lines if line.strip())
    return any(text != FORGOTTEN_TEXT and not is_reply(text) for text in said)


def shown(hit: Hit) -> dict[str, Any]:
    """Return what the page shows of a hit."""
    names = ("id", "key", "kind", "roles", "created_at", "similarity", "score", "why")
    return {name: hit.get(name) for name in names} | {"text": body(str(hit["content"]))}


def one_each(hits: Iterable[Hit], current: str | None, top_k: int) -> list[Hit]:
    """Return the best hit of each conversation but the current one."""
    best: dict[str, Hit] = {}
    for hit in hits:
        if hit["key"] != current and hit.get("kind") == "session":
            best.setdefault(hit["key"], hit)
    return list(best.values())[:top_k]


def passes(hit: Hit, wanted: Mapping[str, Any]) -> bool:
    """Tell whether a hit is what the page asked for: kinds, roles, since and until (dates, both included)."""
    day = str(hit.get("created_at") or "")[:10]
    kinds: Sequence[str] = wanted.get("kinds") or ()
    roles: Sequence[str] = wanted.get("roles") or ()
    return (
        (not kinds or hit.get("kind") in kinds)
        and (not roles or bool(set(roles) & set(hit.get("roles") or ())))
        and (not wanted.get("since") or day >= wanted["since"])
        and (not wanted.get("until") or day <= wanted["until"])
    )
