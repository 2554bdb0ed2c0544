"""How far a search for the nearest looks, however few are wanted."""

from typing import Any

import pytest

from pipeline.stores.opensearch.queries import MAX_RESULTS, NEAREST, closest, scope

CONDITIONS = scope("acme", "mika")


def looked(size: int, *least: int) -> tuple[Any, Any]:
    body = closest([3.0, 4.0], CONDITIONS, size, *least)
    knn = body["query"]["knn"]["embedding"]
    assert knn["filter"] == {"bool": {"filter": CONDITIONS}}
    assert knn["vector"] == [0.6, 0.8]
    return body["size"], knn["k"]


@pytest.mark.parametrize("size", [1, 40, NEAREST])
def test_it_looks_for_more_than_it_shows(size: int) -> None:
    assert looked(size) == (size, NEAREST)


@pytest.mark.parametrize("size", [NEAREST + 1, MAX_RESULTS])
def test_it_looks_for_all_that_it_shows(size: int) -> None:
    assert looked(size) == (size, size)


def test_it_looks_for_no_more_than_the_service_allows() -> None:
    assert looked(5, MAX_RESULTS + 1) == (5, MAX_RESULTS)
