"""A copy of the product in which one thing is broken, and what its own tests say of it there."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree as ET

ROOT = Path(__file__).parents[2]
COPIED = ("pipeline", "tests", "localstack", "docs", "template.yaml", "pyproject.toml", "lambda.lock")
ASSERTED = "AssertionError|assert |Failed: DID NOT RAISE"
"""How the message of a test begins that saw something it should not, as opposed to one that could not go on."""
TIMEOUT_SECONDS = 600


@dataclass(frozen=True)
class Mutation:
    """One thing that is broken in the product.

    Args:
        test: that must fail, as pytest names it.
        path: of the product's file.
        old: what stands there, once.
        new: what stands there instead.
        says: how the failure's message begins, as an expression.
    """

    test: str
    path: str
    old: str
    new: str
    says: str = ASSERTED


@dataclass(frozen=True)
class Outcome:
    """What became of one test: ``kind`` is passed, failure, error or skipped."""

    kind: str
    message: str


class Copy:
    """A copy of the product in a folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        for name in COPIED:
            source, target = ROOT / name, folder / name
            if source.is_dir():
                shutil.copytree(source, target)  # with times, so that what is compiled stays valid
            else:
                shutil.copy2(source, target)

    @contextmanager
    def broken(self, given: Mutation) -> Iterator[None]:
        """Mutation it for a while.

        Raises:
            AssertionError: what is to be broken is not there, or there more than once.
        """
        path = self._folder / given.path
        text = path.read_text("utf-8")
        assert text.count(given.old) == 1, f"{given.path} has moved away from under the mutation"
        path.write_text(text.replace(given.old, given.new), "utf-8")
        try:
            yield
        finally:
            shutil.copy2(ROOT / given.path, path)

    def outcomes(self, tests: Sequence[str]) -> list[Outcome]:
        """Run tests of the copy, in a process of their own."""
        report = self._folder / "report.xml"
        report.unlink(missing_ok=True)
        words = ["-m", "pytest", "-q", "--tb=short", f"--junitxml={report}", *tests]
        done = subprocess.run(
            [sys.executable, *words],
            cwd=self._folder,
            env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
            capture_output=True,
            text=True,
            check=False,
            timeout=TIMEOUT_SECONDS,
        )
        assert report.exists(), done.stdout + done.stderr
        cases = ET.parse(report).iter("testcase")  # noqa: S314  # pytest's own, just written
        return [_outcome(case) for case in cases]


def _outcome(case: ET.Element) -> Outcome:
    for kind in ("error", "failure", "skipped"):
        if (found := case.find(kind)) is not None:
            return Outcome(kind, found.get("message", ""))
    return Outcome("passed", "")


def caught(given: Mutation, outcomes: Sequence[Outcome]) -> str | None:
    """Return why the test does not show that the thing is broken; ``None`` if it does."""
    failures = [one for one in outcomes if one.kind == "failure"]
    if errors := [one.message for one in outcomes if one.kind == "error"]:
        return f"it could not be run: {errors[0]}"
    if not failures:
        return "it passes"
    wrong = [one.message for one in failures if not re.match(given.says, one.message)]
    return f"it fails for another reason: {wrong[0]}" if wrong else None
