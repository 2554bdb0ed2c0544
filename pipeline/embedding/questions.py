"""Embeds questions. A question that is too long is embedded from its beginning and its end. Pure."""

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

from pipeline.embedding.vectors import Embedder, Vector
from pipeline.errors import EmbeddingRejectedError

GAP = "\n…\n"
"""Stands where the middle of a question is left out."""
SHORTEST = 200
"""Characters of a question that every model takes: one of so many that is refused is not refused for its length."""


@runtime_checkable
class TellsQuestions(Protocol):
    """An embedder whose model embeds questions another way than what they are to find."""

    def embed_questions(self, texts: Sequence[str]) -> Sequence[Vector]:
        """As :meth:`Embedder.embed`."""
        ...


def question_vectors(embedder: Embedder, texts: Sequence[str]) -> Sequence[Vector]:
    """Embed questions; those that the provider refuses are shortened by half, and counted in the embedder's usage.

    Raises:
        EmbeddingUnavailableError: no vectors now.
        EmbeddingRejectedError: the provider refuses a question that is as short as can be.
    """
    ask = embedder.embed_questions if isinstance(embedder, TellsQuestions) else embedder.embed
    try:
        return ask(texts)
    except EmbeddingRejectedError:
        shorter = [beginning_and_end(text, max(SHORTEST, len(text) // 2)) for text in texts]
        if shorter == list(texts):
            raise
    embedder.usage.shortened += 1
    return question_vectors(embedder, shorter)


def beginning_and_end(text: str, characters: int) -> str:
    """Return ``text`` if it has at most so many characters, else its beginning and its end, that long together."""
    if len(text) <= characters:
        return text
    kept = characters - len(GAP)
    return text[: kept - kept // 2] + GAP + text[len(text) - kept // 2 :]
