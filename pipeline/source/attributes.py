"""DynamoDB's typed attribute values as plain values, and identities that are strings or numbers. Pure.

Types: docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_AttributeValue.html. An identity is a string (S) or a
number (N), and both name the same thing: user ``7`` is user ``"7"``. Whatever else stands there is no identity, and is
never taken for the one that a missing attribute means.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from decimal import Context, Decimal, InvalidOperation
from typing import Any

from pipeline.errors import MalformedItemError

Item = Mapping[str, Mapping[str, Any]]

UNSTORABLE = re.compile("[\x00\ud800-\udfff]")
"""What UTF-8 or Postgres cannot hold."""

_NUMBERS = Context(prec=40)
"""DynamoDB's numbers have at most 38 digits."""
MAX_MAGNITUDE = 130
"""Their exponents go from -130 to 126."""


def safe_text(text: str) -> str:
    """Return ``text`` with what UTF-8 or Postgres cannot hold replaced by U+FFFD."""
    if text.isascii() and "\x00" not in text:  # most text, told without looking at each character
        return text
    return UNSTORABLE.sub("\ufffd", text)


BINARY = b"binary"
"""Stands for any binary value: something is there, and nobody knows what it says."""


def plain(value: object) -> object:
    """Return the JSON value of a typed attribute value: lists, maps, strings, numbers; a set is a list, binary is ``BINARY``.

    Raises:
        MalformedItemError: it is no typed value, or nested deeper than DynamoDB allows.
    """
    try:
        return _plain(value)
    except (KeyError, ValueError, TypeError, AttributeError, InvalidOperation, RecursionError):
        raise MalformedItemError("an attribute is not one of DynamoDB's types") from None


def _plain(value: Any) -> object:  # noqa: ANN401  # whatever the item holds
    [(kind, held)] = value.items()
    return _READERS[kind](held)


def typed(value: object) -> dict[str, Any]:
    """Return a JSON value as a typed attribute value."""
    if value is None:
        return {"NULL": True}
    if isinstance(value, bool):
        return {"BOOL": value}
    if isinstance(value, str):
        return {"S": value}
    if isinstance(value, Mapping):
        return {"M": {str(name): typed(each) for name, each in value.items()}}
    if isinstance(value, Sequence):
        return {"L": [typed(each) for each in value]}
    return {"N": str(value)}


def is_typed_item(value: object) -> bool:
    """Tell whether a JSON object is an item as DynamoDB's API writes it: each attribute an object of one type."""
    return (
        isinstance(value, Mapping)
        and bool(value)
        and all(
            isinstance(each, Mapping) and len(each) == 1 and each.keys() <= _READERS.keys()
            for each in value.values()
        )
    )


def _number(text: object) -> int | float:
    number = Decimal(str(text))
    return int(number) if number == number.to_integral_value() and abs(number) < 10**38 else float(number)


_READERS: Mapping[str, Callable[[Any], object]] = {
    "S": lambda held: held,
    "BOOL": lambda held: held,
    "N": _number,
    "L": lambda held: [_plain(each) for each in held],
    "M": lambda held: {name: _plain(each) for name, each in held.items()},
    "SS": list,
    "NS": lambda held: [_number(each) for each in held],
    "NULL": lambda _: None,
    **dict.fromkeys(("B", "BS"), lambda _: BINARY),
}


def identity(value: Mapping[str, Any], name: str) -> str:
    """Return the text of an identity: a string as it is, a number without its spelling (``7.0`` is ``7``).

    Raises:
        MalformedItemError: it is empty, null, a list, a map, a truth value or binary.
    """
    match value:
        case {"S": str(text)} if text and len(value) == 1:
            return safe_text(text)
        case {"N": str(text) | int(text)} if len(value) == 1:
            return number_text(str(text), name)
        case _:
            kinds = ", ".join(sorted(map(str, value)))
            raise MalformedItemError(
                f"attribute {name!r} must name somebody: a string (S) that is not empty, or a number (N); "
                f"it is of type {kinds or 'nothing'}"
            )


def number_text(text: str, name: str) -> str:
    """Return one spelling for a number.

    Raises:
        MalformedItemError: it is no number.
    """
    try:
        number = Decimal(text).normalize(_NUMBERS)
    except InvalidOperation:
        number = Decimal("NaN")
    if not number.is_finite() or abs(number.adjusted()) > MAX_MAGNITUDE:
        raise MalformedItemError(f"attribute {name!r} is of type N and holds no number")
    return "0" if number == 0 else format(number, "f")
