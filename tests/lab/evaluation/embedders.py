"""The embedders that are measured: the offline one, and a weak one, since the mix must do with either."""

import logging
import warnings
from array import array
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from pipeline import bootstrap
from pipeline.embedding.offline import OfflineEmbedder
from pipeline.embedding.vectors import Embedder, EmbeddingSpace, Usage, Vector


class WordLlamaEmbedder:
    """Static word vectors, 256 dimensions: knows little Japanese. Comes with the development extra."""

    space = EmbeddingSpace("wordllama-256", 256)

    def __init__(self) -> None:
        root = logging.getLogger()
        handlers, level = list(root.handlers), root.level
        import wordllama  # noqa: PLC0415  # a development tool

        root.handlers[:] = handlers  # importing it calls logging.basicConfig
        root.setLevel(level)
        folder = Path(wordllama.__file__).parent
        self._model = wordllama.WordLlama.load(cache_dir=folder, disable_download=True)
        self.usage = Usage()

    def embed(self, texts: Sequence[str]) -> Sequence[Vector]:
        """Embed ``texts``; usage counts the model's own tokens."""
        if not texts:
            return []
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)  # a text without a known token has no norm
            rows = self._model.embed(list(texts), norm=True)
        tokens = self._model.tokenize(list(texts))
        self.usage.requests += 1
        self.usage.tokens += sum(sum(encoding.attention_mask) for encoding in tokens)
        return [array("f", row.tolist()) for row in rows]


EMBEDDERS: Mapping[str, Callable[[], Embedder]] = {
    "offline": OfflineEmbedder,
    "wordllama": WordLlamaEmbedder,
    "configured": lambda: bootstrap.container().embedder,
}
"""The last is the one that the settings name (``EMBEDDING_PROVIDER`` and so on): its tokens cost what they cost."""
