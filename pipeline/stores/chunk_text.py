"""A chunk's text: a header in square brackets on a line of its own, if it has one, and then what was said. Pure."""

import re

from pipeline.embedding.tokens import estimate_tokens

_HEADER = re.compile(r"\[[^\[\]\n]*\]\n")


def body(content: str) -> str:
    """Return ``content`` without its header."""
    return content[len(header(content)) :]


def header(content: str) -> str:
    """Return the header of ``content``, line break included; empty if it has none."""
    found = _HEADER.match(content)
    return found[0] if found else ""


def said_tokens(content: str) -> int:
    """Return how many tokens what ``content`` says is about, 1 at least: what ranking needs of a text in addition to its words."""
    return estimate_tokens(body(content)) + 1
