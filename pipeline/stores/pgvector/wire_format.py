"""Vectors and columns as Postgres sends and receives them. Pure, and without a list of Python floats on the way."""

import struct
import sys
from array import array
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Generic, TypeVar

from pipeline.embedding.vectors import Vector
from pipeline.stores.pgvector.sparse_terms import WORD_DIMENSIONS, Sparse

Number = TypeVar("Number", int, float)
Value = TypeVar("Value")
_LENGTH, _MICROSECONDS = struct.Struct(">i").pack, struct.Struct(">q").pack
_NULL = _LENGTH(-1)
_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Binary:
    """A parameter in its type's own binary form; the statement must say which type that is."""

    payload: bytes


def vector(values: Vector) -> bytes:
    """Return a ``vector``."""
    return struct.pack(">hh", len(values), 0) + _floats(values)


def sparse(values: Sparse) -> bytes:
    """Return a ``sparsevec``; its coordinates must be in order."""
    head = struct.pack(">3i", WORD_DIMENSIONS, len(values), 0)
    return head + struct.pack(f">{len(values)}i", *values) + struct.pack(f">{len(values)}f", *values.values())


def sparse_values(
    sent: Sequence[bytes | None], coordinates: frozenset[int]
) -> Iterator[Sequence[tuple[int, float]]]:
    """Yield, for each of ``sent``, what its vectors have at ``coordinates``, with the values, a vector after the other.

    Args:
        sent: each ``sparsevec`` as it is sent, one after the other; ``None`` is no vector.
        coordinates: the order of what is found is that of a set of it.
    """
    everything = b"".join(filter(None, sent))
    whole, real = _turned(array("i", everything)), _turned(array("f", everything))
    start = 0
    for vectors in sent:
        found: Sequence[tuple[int, float]] = ()
        end = start + len(vectors or b"") // whole.itemsize
        while start < end:
            first, middle = start + _HEAD, start + _HEAD + whole[start + 1]
            own = whole[first:middle]
            found = [*found, *[(at, real[middle + own.index(at)]) for at in coordinates.intersection(own)]]
            start = 2 * middle - first
        yield found


_HEAD = 3
"""Numbers before a ``sparsevec``'s coordinates: dimensions, how many values, and one without meaning."""


def array_of(element_oid: int, elements: Sequence[bytes]) -> bytes:
    """Return a one-dimensional array without NULLs."""
    parts = [part for element in elements for part in (_LENGTH(len(element)), element)]
    return _array(element_oid, parts, len(elements))


@dataclass(frozen=True, slots=True)
class Kind(Generic[Value]):
    """A type of which columns are made.

    Args:
        oid: its number, the same in every database (pg_type.dat).
        encode: value → its binary form.
    """

    oid: int
    encode: Callable[[Value], bytes]


def _uuid(id_: str) -> bytes:
    """Return a UUID's bytes; none of what is no UUID, which the server refuses as it would its text."""
    try:
        return bytes.fromhex(id_.replace("-", ""))
    except ValueError:
        return b""


TEXT: Kind[str] = Kind(25, str.encode)
UUID: Kind[str] = Kind(2950, _uuid)
JSONB: Kind[str] = Kind(3802, lambda text: b"\x01" + text.encode())
BOOL: Kind[bool] = Kind(16, lambda value: b"\x01" if value else b"\x00")
INT2: Kind[int] = Kind(21, struct.Struct(">h").pack)
INT4: Kind[int] = Kind(23, _LENGTH)
FLOAT8: Kind[float] = Kind(701, struct.Struct(">d").pack)
TIMESTAMPTZ: Kind[datetime] = Kind(
    1184, lambda time: _MICROSECONDS((time - _EPOCH) // timedelta(microseconds=1))
)


def column(kind: Kind[Value], values: Sequence[Value | None]) -> Binary:
    """Return a column of many rows as an array: what most rows have in common is encoded once."""
    parts = {value: _NULL if value is None else _element(kind.encode(value)) for value in set(values)}
    return Binary(_array(kind.oid, [parts[value] for value in values], len(values), nulls=None in parts))


def _element(encoded: bytes) -> bytes:
    return _LENGTH(len(encoded)) + encoded


def _array(element_oid: int, parts: Sequence[bytes], count: int, *, nulls: bool = False) -> bytes:
    if not count:
        return struct.pack(">3I", 0, 0, element_oid)
    return struct.pack(">5I", 1, nulls, element_oid, count, 1) + b"".join(parts)


def _floats(values: Vector) -> bytes:
    return _turned(array("f", values)).tobytes()  # a copy: it is about to be turned round


def _turned(values: "array[Number]") -> "array[Number]":
    """Return ``values``, which are turned to the order of bytes on the wire, or back."""
    if sys.byteorder == "little":
        values.byteswap()
    return values
