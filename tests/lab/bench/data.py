"""What is measured with: made-up memories, the same in every run. Pure."""

import zlib
from array import array
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import cache
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from pipeline.embedding.vectors import EmbeddingSpace, Usage, Vector
from pipeline.stores.chunks import Chunk

SPACE = EmbeddingSpace("bench", 1536)
TENANT = "bench"
TIME = datetime(2026, 11, 22, tzinfo=UTC)
TOPICS, TOPICS_A_USER, WORDS_A_TEXT = 200, 20, 60
_VOCABULARY = 20_000
NOISES = 5_000
MASK_OF_NUMBER = (1 << 96) - 1
"""Where in a chunk's id its number is."""

Floats = NDArray[np.float32]


class World:
    """Draws texts and vectors.

    Args:
        seed: the same gives the same.
    """

    def __init__(self, seed: int = 1, dimensions: int = SPACE.dimensions) -> None:
        self._draws = np.random.default_rng(seed)
        self._topics = self._draws.standard_normal((TOPICS, dimensions)).astype("f4")
        self._noise = self._draws.standard_normal((NOISES, dimensions)).astype("f4")
        steps = np.cumsum(1 / np.arange(1, _VOCABULARY + 1))
        self._chances = steps / steps[-1]

    def order(self, count: int) -> Sequence[int]:
        """Return the numbers below ``count``, mixed."""
        mixed: Sequence[int] = self._draws.permutation(count).tolist()
        return mixed

    def vectors(self, user: str, count: int) -> Floats:
        """Return vectors about the user's topics."""
        topics = _own_topics(user)[self._draws.integers(TOPICS_A_USER, size=count)]
        made: Floats = self._topics[topics] + self._noise[self._draws.integers(len(self._noise), size=count)]
        return made

    def vector(self, user: str) -> Vector:
        """Return one of :meth:`vectors`."""
        return array("f", self.vectors(user, 1)[0].tobytes())

    def friendly(self, user: str) -> Vector:
        """Return a question about something the user spoke of."""
        return self.vector(user)

    def below(self, count: int) -> int:
        """Return a number below ``count``."""
        return int(self._draws.integers(count))

    def off_topic(self, user: str) -> Vector:
        """Return a question about something the user never spoke of."""
        own = set(_own_topics(user).tolist())
        other = next(topic for topic in self._draws.permutation(TOPICS).tolist() if topic not in own)
        noise = self._noise[self._draws.integers(len(self._noise))]
        return array("f", (self._topics[other] + noise).astype("f4").tobytes())

    def text(self, words: int = WORDS_A_TEXT) -> str:
        """Return a text of common and rare words."""
        drawn = np.searchsorted(self._chances, self._draws.random(words))
        return " ".join(f"w{number}x" for number in drawn)

    def chunk(self, number: int, user: str, text: str | None = None, said_at: datetime = TIME) -> Chunk:
        """Return a chunk with an id of its own."""
        metadata = {"key": f"chat:{number % 50}", "kind": "session", "roles": ["user"], "date": "2026-11-22"}
        id_ = str(UUID(int=zlib.crc32(str(number).encode()) << 96 | number))
        return Chunk(
            id_, user, text or self.text(), (f"m{number:x}" * 4,), f"{number:x}" * 4, said_at, metadata
        )


@cache
def _own_topics(user: str) -> NDArray[np.int64]:
    draws = np.random.default_rng(zlib.crc32(user.encode()))
    return draws.choice(TOPICS, size=TOPICS_A_USER, replace=False)


class InstantEmbedder:
    """Answers at once with one of a thousand vectors made beforehand, chosen by the text."""

    def __init__(self, world: World) -> None:
        self.space = SPACE
        self.usage = Usage()
        self._vectors = [array("f", row.tobytes()) for row in world.vectors("anybody", 1000)]

    def embed(self, texts: Sequence[str]) -> Sequence[Vector]:
        """Return a vector a text."""
        self.usage.requests += 1
        self.usage.tokens += len(texts)
        return [self._vectors[zlib.crc32(text.encode()) % len(self._vectors)] for text in texts]
