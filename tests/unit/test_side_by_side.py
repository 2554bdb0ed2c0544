"""Run in two processes, each test runs once, and what is large is started once."""

import pytest
from support.side_by_side import group, told_apart


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("tests/e2e/test_main_job.py::test_a", "the deployed template"),
        ("tests/contract/test_search.py::test_a[real-opensearch-nextgen]", "a real OpenSearch"),
        ("tests/contract/test_search.py::test_a[opensearch-nextgen]", "tests/contract/test_search.py"),
        ("tests/unit/test_times.py::test_a[what::ever]", "tests/unit/test_times.py"),
        ("tests/unit/test_tiers.py::test_a[tests/e2e/]", "tests/unit/test_tiers.py"),
    ],
)
def test_tests_of_one_large_thing_or_one_file_stay_in_one_process(name: str, expected: str) -> None:
    assert group(name) == expected


def test_tests_that_are_named_alike_all_run() -> None:
    assert told_apart(["a", "b", "a", "a"]) == ["a", "b", "a (1)", "a (2)"]
