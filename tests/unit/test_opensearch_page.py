"""docs/opensearch.md names tests that there are, and no test of a difference is left out."""

import re
import subprocess
import sys
from functools import cache

from support.pages import ROOT, page

FILE = "tests/integration/test_opensearch_differences.py"


@cache
def collected() -> frozenset[str]:
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "--collect-only", "-q", "-p", "no:cacheprovider", FILE],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
        timeout=300,
    )
    return frozenset(
        line.removeprefix(f"{FILE}::") for line in done.stdout.splitlines() if line.startswith(FILE)
    )


def named() -> list[str]:
    text = page("docs/opensearch.md").section("## The stand-in answers as the real one does")
    return re.findall(r"`(test_[^`.]+)`", text)


def test_every_test_that_the_page_names_is_there() -> None:
    assert len(named()) > 17
    functions = {one.partition("[")[0] for one in collected()}
    assert set(named()) <= collected() | functions


def test_every_kind_of_difference_is_on_the_page() -> None:
    assert {one.partition("[")[0] for one in collected()} == {one.partition("[")[0] for one in named()}
