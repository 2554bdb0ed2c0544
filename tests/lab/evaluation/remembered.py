"""What was embedded once is not embedded again: several measurements of the same texts cost one."""

from collections.abc import Sequence

from pipeline.embedding.vectors import Embedder, EmbeddingSpace, Usage, Vector


class RememberedEmbedder:
    """Embeds each text once."""

    def __init__(self, embedder: Embedder) -> None:
        self._embedder = embedder
        self._vectors: dict[str, Vector] = {}

    @property
    def space(self) -> EmbeddingSpace:
        """The space of the one behind it."""
        return self._embedder.space

    @property
    def usage(self) -> Usage:
        """What the one behind it has used."""
        return self._embedder.usage

    def embed(self, texts: Sequence[str]) -> Sequence[Vector]:
        """Return the vectors of ``texts``."""
        unknown = [text for text in dict.fromkeys(texts) if text not in self._vectors]
        if unknown:
            self._vectors |= zip(unknown, self._embedder.embed(unknown), strict=True)
        return [self._vectors[text] for text in texts]
