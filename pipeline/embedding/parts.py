"""Embeds texts in parts, so that one text or one limit of the provider does not stop the others. Pure."""

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from pipeline.embedding.batching import batches
from pipeline.embedding.vectors import Embedder, Vector
from pipeline.errors import EmbeddingRejectedError


@dataclass(frozen=True, slots=True)
class Refused:
    """Stands where a vector would: the provider refuses this very text, and accepts others.

    Args:
        reason: the server's code and what to do; it may be logged, stored and shown.
    """

    reason: str


Outcome = Vector | Refused


@dataclass(frozen=True, slots=True)
class Parts:
    """What came of asking in parts.

    Args:
        outcomes: one a text, in order.
        size: most texts of a request that all went well; only that of the last ones counts.
        size_refusals: refusals of whole requests that no single text explains.
    """

    outcomes: list[Outcome]
    size: int
    size_refusals: tuple[EmbeddingRejectedError, ...] = ()


def embed_each(embedder: Embedder, texts: Sequence[str]) -> list[Outcome]:
    """Return for each text its vector, or why the provider refuses it.

    Works with every embedder: one that only says "one of these" is asked again for ever smaller parts.

    Raises:
        EmbeddingUnavailableError: no vectors now; the same texts may do later.
    """
    return in_parts(lambda part, _: embedder.embed(part), texts, sys.maxsize, sys.maxsize).outcomes


def in_parts(
    ask: Callable[[Sequence[str], bool], Sequence[Vector]],
    texts: Sequence[str],
    max_inputs: int,
    max_bytes: int,
) -> Parts:
    """Ask for the vectors of ``texts``, of at most ``max_inputs`` texts and ``max_bytes`` at a time.

    A part that is refused is asked for again in halves, down to the single text. After a text was refused parts have
    their full size again; a smaller size that takes all of the texts is taken for the provider's limit.

    Args:
        ask: (texts, whether they are part of a request that was refused) → vectors; its EmbeddingRejectedError means
            that at least one of the texts, or their number, is refused. Others of its errors pass.
    """
    outcomes: list[Outcome] = []
    size, refusals = max_inputs, list[EmbeddingRejectedError]()
    while len(outcomes) < len(texts):
        part = next(batches(texts[len(outcomes) :], size, max_bytes))
        try:
            outcomes += ask(part, bool(refusals))
        except EmbeddingRejectedError as error:
            if error.reasons or len(part) == 1:
                outcomes += _told(error, len(part))
                size, refusals = max_inputs, []
            else:
                size = len(part) // 2
                refusals.append(error)
    return Parts(outcomes, size, tuple(refusals))


def _told(error: EmbeddingRejectedError, count: int) -> list[Outcome]:
    reasons = error.reasons or {0: str(error)}
    return [Refused(reasons[index]) if index in reasons else error.vectors[index] for index in range(count)]


def all_vectors(outcomes: Sequence[Outcome]) -> Sequence[Vector]:
    """Return the vectors.

    Raises:
        EmbeddingRejectedError: a text was refused; the error says which, why, and has the vectors of the others.
    """
    reasons = {index: one.reason for index, one in enumerate(outcomes) if isinstance(one, Refused)}
    vectors = {index: one for index, one in enumerate(outcomes) if not isinstance(one, Refused)}
    if reasons:
        reason = next(iter(reasons.values()))
        raise EmbeddingRejectedError(
            f"{len(reasons)} of {len(outcomes)} texts: {reason}", reasons=reasons, vectors=vectors
        )
    return list(vectors.values())
