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
