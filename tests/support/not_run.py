"""What a machine lacks: a test that needs it is skipped, and fails where everything must run."""

import os
from typing import NoReturn

import pytest


def not_run(why: str) -> NoReturn:
    """End the test.

    Args:
        why: what is missing, and the command that installs it.
    """
    end = pytest.fail if os.environ.get("CI") == "true" else pytest.skip
    end(f"NOT RUN: {why}")
