import math
from array import array
from typing import Any

import pytest

from pipeline.embedding.vectors import EmbeddingSpace, check_vectors, float32
from pipeline.errors import EmbeddingUnavailableError

SPACE = EmbeddingSpace("model", 2)


@pytest.mark.parametrize("vectors", [[], [[1.0, 0.0]], [array("f", [0.0, -1e-30]), (3.0, 4.0)]])
def test_finite_vectors_of_the_space_pass(vectors: Any) -> None:
    check_vectors(vectors, len(vectors), SPACE)


@pytest.mark.parametrize(
    "vectors",
    [[], [[1.0, 1.0]] * 2, [[1.0]], [[1.0] * 3], [[0.0, 0.0]], [[math.nan, 1.0]], [[1.0, -math.inf]]],
    ids=str,
)
def test_anything_else_is_refused(vectors: Any) -> None:
    with pytest.raises(EmbeddingUnavailableError):
        check_vectors(vectors, 1, SPACE)


def test_float32_takes_four_bytes_a_number() -> None:
    vector = float32([1.0, 0.1])
    assert len(memoryview(vector).tobytes()) == 8  # type: ignore[arg-type]
    assert vector[1] != 0.1
    assert vector[1] == pytest.approx(0.1, rel=1e-7)
