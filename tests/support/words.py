"""Vectors that need no model."""

import hashlib
from collections.abc import Sequence

from pipeline.embedding.vectors import EmbeddingSpace, Usage, Vector, float32

SPACE = EmbeddingSpace("test-words", 16)


class WordEmbedder:
    """Counts words into buckets: the same words give the same vector, and nothing is downloaded."""

    def __init__(self, space: EmbeddingSpace = SPACE) -> None:
        self.space = space
        self.usage = Usage()
        self.texts: list[str] = []

    def embed(self, texts: Sequence[str]) -> Sequence[Vector]:
        self.texts += texts
        self.usage.requests += 1
        self.usage.tokens += sum(len(text.split()) for text in texts)
        return [self._vector(text) for text in texts]

    def _vector(self, text: str) -> Vector:
        values = [0.0] * self.space.dimensions
        for word in text.lower().split() or ["nothing"]:
            values[hashlib.sha256(word.encode()).digest()[0] % self.space.dimensions] += 1.0
        return float32(values)
