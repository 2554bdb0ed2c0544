"""A memory beyond every backend's page, batch and transaction."""

import os

from support.chunks import StoreMaker, apply, ask, axis, chunk, found, held_ids, leaning, settled, uid

from pipeline.embedding.vectors import Vector
from pipeline.stores.search_requests import Filters

CHUNKS = int(os.environ.get("CONTRACT_CHUNKS", "1200"))
"""CI says 12,000, each time whole changes: more than the 10,000 that OpenSearch gives in one window."""
A_CHANGE = 400


FEW = 10


def at(number: int) -> Vector:
    """Further from the first axis the higher the number, by the same cosine each.

    The few on either end stand apart from the crowd, so that a store that compares roughly before it compares exactly
    must find them too, and in order.
    """
    cosine = 1 - 2 * number / CHUNKS
    sine, crowd = (1 - cosine**2) ** 0.5, FEW <= number < CHUNKS - FEW
    return leaning(cosine, *[sine / 8**0.5] * 8) if crowd else leaning(cosine, sine)


def test_many_chunks_of_one_user(stores: StoreMaker) -> None:
    store = stores()
    for start in range(0, CHUNKS, A_CHANGE):
        numbers = range(start, start + A_CHANGE)
        chunks = (
            (chunk(number, f"n{number} tea" + " needle" * (number == CHUNKS - 7)), at(number))
            for number in numbers
        )
        apply(store, *chunks, source=f'["sessions", "acme", "chat:{start}"]')
    settled(store)

    reader = stores()
    assert found(reader, axis(0), top_k=FEW) == [uid(number) for number in range(FEW)]
    assert found(reader, axis(0, -1.0), top_k=3) == [uid(CHUNKS - number) for number in (1, 2, 3)]
    assert len(found(reader, axis(0), top_k=50)) == 50
    assert ask(reader, axis(0), "needle", top_k=2) == [uid(0), uid(1), uid(CHUNKS - 7)]
    assert len(reader.passages("acme", "mika", Filters(), CHUNKS + 1)) == CHUNKS
    assert len(held_ids(reader, source='["sessions", "acme", "chat:400"]')) == A_CHANGE
