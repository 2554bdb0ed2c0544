"""What a document's fields hold, read as OpenSearch reads them, or refused as it refuses them. Pure.

What it does was seen on OpenSearch 2.19.1: ``tests/integration/test_opensearch_differences.py`` asks both the same.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from pipeline.local.opensearch_rules import RefusedError

MAX_KEYWORD_BYTES = 32_766
MAX_TOKEN_CHARACTERS = 255
"""The whitespace analyzer cuts longer ones."""
_LONG = range(-(2**63), 2**63)
_MALFORMED = "mapper_parsing_exception"


@dataclass(eq=False, slots=True)
class Document:
    """A document, visible to searches from one refresh to another.

    Args:
        values: keywords and numbers, by field.
        words: of the text that is searched, with how often each is there.
    """

    id: str
    source: Mapping[str, Any]
    visible_at: float
    gone_at: float = float("inf")
    values: dict[str, Sequence[Any]] = field(default_factory=dict)
    words: Counter[str] = field(default_factory=Counter)
    vector: Any = None


def read(document: Document, mapping: Mapping[str, Any]) -> None:
    """Read the fields of a document.

    Raises:
        RefusedError: a field is unknown, or cannot hold what is there.
    """
    fields = mapping["properties"]
    for name, value in document.source.items():
        if name not in fields:
            if mapping.get("dynamic") == "strict":
                raise RefusedError(400, "strict_dynamic_mapping_exception")
        elif value is not None:
            _take(document, name, fields[name], value)


def tokens(text: str) -> list[str]:
    """Return what the whitespace analyzer makes of a text."""
    return [part for word in text.split() for part in _cut(word)]


def _cut(word: str) -> Iterator[str]:
    for start in range(0, len(word), MAX_TOKEN_CHARACTERS):
        yield word[start : start + MAX_TOKEN_CHARACTERS]


def _take(document: Document, name: str, kind: Mapping[str, Any], value: Any) -> None:
    match kind["type"]:
        case "knn_vector":
            document.vector = _vector(value, kind["dimension"])
        case "keyword":
            document.values[name] = [_keyword(one) for one in listed(value)]
        case "long":
            document.values[name] = [long(one) for one in listed(value)]
        case "text":
            texts = [_text(one) for one in listed(value)]
            if kind.get("analyzer") == "whitespace":
                document.words = Counter(token for text in texts for token in tokens(text))


def _vector(value: Any, dimensions: int) -> Any:
    numbers = value if isinstance(value, list) else [value]
    if len(numbers) != dimensions or not all(_is_number(one) for one in numbers):
        raise RefusedError(400, _MALFORMED)
    with np.errstate(over="ignore"):
        vector = np.asarray(numbers, np.float32)
    if not np.isfinite(vector).all():
        raise RefusedError(400, _MALFORMED)
    return vector.astype(np.float64)


def _keyword(value: Any) -> str:
    text = _text(value)
    if len(text.encode()) > MAX_KEYWORD_BYTES:
        raise RefusedError(400, "illegal_argument_exception")
    return text


def long(value: Any) -> int:
    """Return a number of 64 bits; fractions are cut off."""
    try:
        number = int(value) if isinstance(value, str) or _is_number(value) else None
    except (ValueError, OverflowError):
        number = None
    if number is None or number not in _LONG:
        raise RefusedError(400, _MALFORMED)
    return number


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str | int | float):
        return str(value)
    raise RefusedError(400, _MALFORMED)


def listed(value: Any) -> list[Any]:
    """Return what a field holds as a list."""
    return value if isinstance(value, list) else [] if value is None else [value]


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
