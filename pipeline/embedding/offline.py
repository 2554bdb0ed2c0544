"""An embedder that needs no key and no network: WordLlama, whose weights come inside its wheel.

Static token embeddings, 256 dimensions: good enough to see the pipeline work and to test it, far from what a
hosted model finds. Deterministic.
"""

import logging
import warnings
from array import array
from collections.abc import Sequence
from pathlib import Path

from pipeline.embedding.vectors import Space, Usage, Vector, check_vectors
from pipeline.errors import SettingsError

MODEL = "wordllama-256"
DIMENSIONS = 256


class OfflineEmbedder:
    """Embeds with WordLlama's built-in model."""

    space = Space(MODEL, DIMENSIONS)

    def __init__(self) -> None:
        root = logging.getLogger()
        handlers, level = list(root.handlers), root.level
        try:
            import wordllama  # noqa: PLC0415  # an extra; imported where it is needed only
        except ImportError:
            raise SettingsError(
                "EMBEDDING_PROVIDER=offline needs the extra: pip install 'vector-memory[offline]'"
            ) from None
        # Importing it calls logging.basicConfig: put the root logger back as it was.
        root.handlers[:] = handlers
        root.setLevel(level)
        self._model = wordllama.WordLlama.load(
            cache_dir=Path(wordllama.__file__).parent, disable_download=True
        )

        self.usage = Usage()

    def embed(self, texts: Sequence[str]) -> Sequence[Vector]:
        """Embed ``texts``; usage counts the model's own tokens."""
        if not texts:
            return []
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)  # a text without a known token has no norm
            rows = self._model.embed(list(texts), norm=True)
        vectors = [_vector(row.tobytes()) for row in rows]
        self.usage.requests += 1
        self.usage.tokens += sum(
            sum(encoding.attention_mask) for encoding in self._model.tokenize(list(texts))
        )
        check_vectors(vectors, len(texts), self.space)
        return vectors


def _vector(raw: bytes) -> Vector:
    vector = array("f")
    vector.frombytes(raw)
    return vector
