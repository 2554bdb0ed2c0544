"""The values of this room, and the port that providers fill. Pure."""

import math
from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from pipeline.errors import EmbeddingUnavailableError

Vector = Sequence[float]
MAX_COUNT = 2**31
"""An answer's number of tokens that is as large, or negative, is none: books would carry it for good."""


@dataclass(frozen=True, slots=True)
class EmbeddingSpace:
    """An embedding model and its dimensions. Vectors of two spaces are never compared."""

    model: str
    dimensions: int


@dataclass(slots=True)
class Usage:
    """What a provider was asked for so far, successful or not.

    Args:
        requests: calls made.
        tokens: input tokens, as the provider counted them in its answers.
        shortened: questions that were embedded from their beginning and end only.
    """

    requests: int = 0
    tokens: int = 0
    shortened: int = 0


class Embedder(Protocol):
    """Makes vectors of one space."""

    @property
    def space(self) -> EmbeddingSpace:
        """The space all vectors are in."""
        ...

    @property
    def usage(self) -> Usage:
        """Everything asked for since the embedder was made, thrown-away answers included."""
        ...

    def embed(self, texts: Sequence[str]) -> Sequence[Vector]:
        """Return one float32 vector a text, in order; no text is blank.

        Raises:
            EmbeddingUnavailableError: no vectors now; the same texts may do later.
            EmbeddingRejectedError: the provider refuses some of the texts; which, and the vectors of all others,
                stand in the error if the embedder can tell. See :func:`pipeline.embedding.parts.embed_each`.
        """
        ...


def float32(values: Sequence[float]) -> Vector:
    """Return ``values`` as float32, four bytes each."""
    return array("f", values)


def placeholder(space: EmbeddingSpace) -> Vector:
    """Return what stands in for the vector of a text that is not embedded yet: of unit length, and meaning nothing."""
    return float32([1.0] + [0.0] * (space.dimensions - 1))


def check_vectors(vectors: Sequence[Vector], count: int, space: EmbeddingSpace) -> None:
    """Refuse an answer that does not hold ``count`` finite, non-zero vectors of ``space``.

    Raises:
        EmbeddingUnavailableError: it does not; nothing of it may be stored.
    """
    if len(vectors) != count:
        raise EmbeddingUnavailableError(f"the provider returned {len(vectors)} vectors for {count} texts")
    for vector in vectors:
        if len(vector) != space.dimensions:
            raise EmbeddingUnavailableError(
                f"the provider returned {len(vector)} dimensions where {space.model} is set to {space.dimensions}"
            )
        if not all(map(math.isfinite, vector)) or not any(vector):
            raise EmbeddingUnavailableError("the provider returned a vector that is zero or not finite")
