"""What the page shows of a hit, and how the page's filters are asked for. Pure."""

import re
from collections.abc import Mapping
from datetime import date, timedelta
from typing import Any

from pipeline.local.page.chats import FORGOTTEN_TEXT
from pipeline.local.page.replies import is_reply

Hit = Mapping[str, Any]
_HEADER = re.compile(r"\A\[[^\[\]\n]*\]\n")


def body(content: str) -> str:
    """Return a chunk's text without its header."""
    return _HEADER.sub("", content)


def tells(hit: Hit) -> bool:
    """Tell whether a hit says anything: what stands for forgotten messages, or is the demo's own reply, does not."""
    return bool(_telling(body(str(hit["content"]))).strip())


def _telling(text: str) -> str:
    """Return ``text`` without the lines that tell nothing."""
    return "\n".join(line for line in text.splitlines() if not _is_filler(line.partition(": ")[2] or line))


def _is_filler(said: str) -> bool:
    return said == FORGOTTEN_TEXT or is_reply(said)


def shown(hit: Hit) -> dict[str, Any]:
    """Return what the page shows of a hit."""
    names = ("id", "key", "kind", "roles", "created_at", "similarity", "score", "why")
    return {name: hit.get(name) for name in names} | {"text": _telling(body(str(hit["content"])))}


def shown_session(related: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the page shows of a related conversation, in the shape of a hit."""
    return {
        "key": related["key"],
        "kind": "session",
        "title": related["title"],
        "text": related["snippet"],
        "created_at": related["date"],
        "why": related["why"],
    }


def filters(asked: Mapping[str, Any]) -> dict[str, Any]:
    """Return the query function's filters for what the page asks; its dates include the last day."""
    wanted = {name: asked[name] for name in ("kinds", "roles", "since") if asked.get(name)}
    try:
        last = date.fromisoformat(str(asked.get("until")))
        return {**wanted, "until": (last + timedelta(days=1)).isoformat()}
    except (ValueError, OverflowError):
        return wanted
