"""What `scripts/test` leaves out is there, is told, and leaves something of each kind."""

from pathlib import Path

import pytest
from support.tiers import LONG, ONCE_MORE, STAYING, is_long

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("prefix", LONG)
def test_long_tests_are_left_out_and_told(prefix: str) -> None:
    path, _, name = prefix.partition("::")
    assert (ROOT / path).exists()
    assert not name or f"def {name}" in (ROOT / path).read_text("utf-8")
    assert f"`{prefix.removeprefix('tests/')}`" in (ROOT / "docs" / "testing.md").read_text("utf-8")


@pytest.mark.parametrize("folder", ["unit", "contract", "integration", "faults", "e2e"])
def test_something_of_each_kind_is_left(folder: str) -> None:
    files = (ROOT / "tests" / folder).glob("test_*.py")
    assert any(not is_long(f"tests/{folder}/{file.name}::test") for file in files)


def test_a_real_opensearch_answers_one_file_of_the_contract_and_the_stand_in_all_of_it() -> None:
    stores = (ROOT / "tests" / "contract" / "conftest.py").read_text("utf-8")
    assert (ROOT / STAYING).exists()
    for generation in ("classic", "nextgen"):
        assert f'"{ONCE_MORE}{generation}"' in stores
        assert is_long(f"tests/contract/test_apply.py::test_x[{ONCE_MORE}{generation}]")
        assert not is_long(f"{STAYING}::test_x[{ONCE_MORE}{generation}]")
        assert not is_long(f"tests/contract/test_apply.py::test_x[opensearch-{generation}]")


def test_the_ci_run_leaves_no_test_out() -> None:
    assert "\nscripts/test --all\n" in (ROOT / ".ci" / "run").read_text("utf-8")
