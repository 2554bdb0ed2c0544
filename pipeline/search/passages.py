"""What passages say, and of what they are. Pure."""

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from pipeline.stores.chunks import ListedChunk
from pipeline.stores.search_requests import Hit

_KANA = re.compile(r"[\u3041-\u30ff]")
_LETTER = re.compile(r"[^\W\d_]")
JAPANESE_SHARE = 0.1
"""Of kana among the letters; a Japanese text has three to six times that, whatever English names it holds."""


def squeezed(text: str) -> str:
    """Return ``text`` without its white space."""
    return "".join(text.split())


def is_japanese(texts: Iterable[str]) -> bool:
    """Tell whether ``texts`` together read as Japanese."""
    joined = "".join(texts)
    letters = len(_LETTER.findall(joined))
    return len(_KANA.findall(joined)) > JAPANESE_SHARE * letters


def day(metadata: Mapping[str, Any], created_at: datetime) -> str:
    """Return the day a chunk belongs to, ``YYYY-MM-DD``."""
    return str(metadata.get("date") or created_at.date().isoformat())


def in_order(passages: Sequence[ListedChunk]) -> list[ListedChunk]:
    """Return the passages of one item in the order in which it says them."""
    return sorted(passages, key=position)


def position(passage: ListedChunk | Hit) -> tuple[datetime, int, int, str]:
    """Return what the chunks of one item are sorted by, to stand as it says them."""
    metadata = passage.metadata
    dated = metadata.get("kind") == "session"
    start = passage.created_at if dated else datetime.min.replace(tzinfo=passage.created_at.tzinfo)
    return start, _number(metadata, "place"), _number(metadata, "part"), passage.id


def follows(later: Hit, earlier: Hit) -> bool:
    """Tell whether nothing was said between these chunks of one item."""
    before, after = earlier.metadata, later.metadata
    if _number(after, "part"):
        return (
            before.get("last") == after.get("last") and _number(after, "part") == _number(before, "part") + 1
        )
    return after.get("after") is not None and after.get("after") == before.get("last")


def _number(metadata: Mapping[str, Any], name: str) -> int:
    value = metadata.get(name)
    return value if isinstance(value, int) else 0
