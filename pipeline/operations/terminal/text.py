"""Text for a terminal: aligned columns, ages, and nothing that could move the cursor. Pure."""

import unicodedata
from collections.abc import Sequence

_UNITS = ((86400, "d"), (3600, "h"), (60, "min"), (1, "s"))


def printable(text: str) -> str:
    """Return ``text`` on one line, with whatever a terminal would obey replaced by U+FFFD."""
    return "".join(" " if char.isspace() else char if char.isprintable() else "\ufffd" for char in text)


def safe_lines(text: str) -> str:
    """Return ``text`` for a terminal, its line breaks kept, with whatever else a terminal would obey replaced by U+FFFD."""
    return "\n".join(map(printable, text.split("\n")))


def age(seconds: float) -> str:
    """Return a duration in its largest unit, such as ``3 h``; one that has not begun is ``0 s``."""
    for size, unit in _UNITS:
        if seconds >= size:
            return f"{int(seconds // size)} {unit}"
    return "0 s"


def width(text: str) -> int:
    """Return how many columns a terminal takes for ``text``: two for a wide character, none for a combining one."""
    return sum(
        0 if unicodedata.combining(char) else 2 if unicodedata.east_asian_width(char) in "WF" else 1
        for char in text
    )


def aligned(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return columns two spaces apart, the last as wide as it is."""
    lines = [header, *rows]
    widths = [max(width(line[column]) for line in lines) for column in range(len(header))]
    return "\n".join(
        "  ".join(cell + " " * (size - width(cell)) for cell, size in zip(line, widths, strict=True)).rstrip()
        for line in lines
    )


def counted(number: int, noun: str) -> str:
    """Return ``1 letter``, ``2 letters``, ``2 batches``."""
    plural = f"{noun}es" if noun.endswith("ch") else f"{noun}s"
    return f"{number} {noun if number == 1 else plural}"


def money(dollars: float | None) -> str:
    """Return dollars as people read them, with as many digits as the sum deserves."""
    if dollars is None:
        return "price unknown"
    return f"${dollars:.2f}" if dollars >= 1 or dollars == 0 else f"${dollars:.4f}"
