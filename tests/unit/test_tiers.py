"""What `scripts/test` leaves out is there, is told, and leaves something of each kind."""

from pathlib import Path

import pytest
from support.tiers import LONG, is_long

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


def test_the_ci_run_leaves_no_test_out() -> None:
    assert "\nscripts/test --all\n" in (ROOT / ".ci" / "run").read_text("utf-8")
