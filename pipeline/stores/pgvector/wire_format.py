"""Vectors as Postgres sends and receives them. Pure, and without a list of Python floats on the way."""

import struct
import sys
from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

from pipeline.embedding.vectors import Vector
from pipeline.stores.pgvector.sparse_terms import WORD_DIMENSIONS, Sparse

Number = TypeVar("Number", int, float)


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


def sparse_values(sent: bytes, coordinates: Sequence[tuple[int, bytes]]) -> Iterator[dict[int, float]]:
    """Yield those of ``coordinates`` that each vector in ``sent`` has, with their values.

    Args:
        sent: each ``sparsevec`` as it is sent, one after the other.
        coordinates: each with its :func:`coordinate_bytes`. A question has few and a document many: they are looked for
            where they lie, so that nothing else is read.
    """
    start = 0
    while start < len(sent):
        (many,) = _MANY.unpack_from(sent, start)
        first, middle = start + _HEAD, start + _HEAD + 4 * many
        found: dict[int, float] = {}
        for coordinate, wanted in coordinates:
            at = sent.find(wanted, first, middle)
            while at >= 0 and (at - first) % 4:  # the end of one number and the beginning of the next
                at = sent.find(wanted, at + 1, middle)
            if at >= 0:
                (found[coordinate],) = _VALUE.unpack_from(sent, middle + at - first)
        yield found
        start = middle + 4 * many


def coordinate_bytes(coordinate: int) -> bytes:
    """Return a coordinate as a ``sparsevec`` sends it."""
    return struct.pack(">i", coordinate)


_HEAD, _MANY, _VALUE = 12, struct.Struct(">4xi"), struct.Struct(">f")
"""Dimensions, how many values, and a number without meaning."""


def array_of(element_oid: int, elements: Sequence[bytes]) -> bytes:
    """Return a one-dimensional array without NULLs."""
    head = (
        struct.pack(">3I2I", 1, 0, element_oid, len(elements), 1)
        if elements
        else struct.pack(">3I", 0, 0, element_oid)
    )
    return head + b"".join(struct.pack(">I", len(element)) + element for element in elements)


def _floats(values: Vector) -> bytes:
    return _turned(array("f", values)).tobytes()  # a copy: it is about to be turned round


def _turned(values: "array[Number]") -> "array[Number]":
    """Return ``values``, which are turned to the order of bytes on the wire, or back."""
    if sys.byteorder == "little":
        values.byteswap()
    return values
