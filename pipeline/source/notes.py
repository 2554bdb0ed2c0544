"""Splits a note into what it says, block by block. Pure."""

import re
from collections.abc import Iterator

_BLOCK_START = re.compile(r"([-*+]|\d+[.)])\s")
_HEADING = re.compile(r"#{1,6}\s+(.*)")
_FENCE = re.compile(r"\s*(`{3,}+(?!.*`)|~{3,})(.*)")


def section(heading: str | None, date: str | None) -> str | None:
    """Return the heading, unless it only repeats the day that the chunk's header names."""
    return None if heading == date else heading


def markdown_blocks(text: str) -> Iterator[tuple[str | None, str]]:
    """Split a note into (heading, block): list items and paragraphs, fenced code kept whole."""
    heading: str | None = None
    block: list[str] = []
    fence: str | None = None
    for line in [*text.splitlines(), ""]:
        title = None if fence else _HEADING.match(line)
        starts = title or not line.strip() or _BLOCK_START.match(line)
        if starts and not fence and block:
            yield heading, "\n".join(block)
            block = []
        if title:
            heading = title[1].strip()
        elif line.strip() or fence:
            block.append(line.rstrip())
        fence = _fence_after(line, fence)
    if block:
        yield heading, "\n".join(block).rstrip()


def _fence_after(line: str, fence: str | None) -> str | None:
    """Return the fence that is open after ``line``: only its own mark, at least as long, closes one (CommonMark 4.5)."""
    mark = _FENCE.match(line)
    if mark is None:
        return fence
    if fence is None:
        return mark[1]
    return None if mark[1].startswith(fence) and not mark[2].strip() else fence
