"""The suite of end-to-end tests runs on any local AWS; what one of them cannot show is in support/emulators.py."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from support.deployed_stack import DeployedStack
from support.emulators import GAPS, emulator, gap

from pipeline.local.aws import REGION


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "tests/e2e/" in item.nodeid and (reason := gap(item.nodeid)):
            item.add_marker(pytest.mark.skip(reason=f"known gap: {reason}"))


def pytest_report_header() -> str:
    return f"local AWS: {emulator()} ({sum(gap.emulator == emulator() for gap in GAPS)} known gaps)"


@pytest.fixture
def command(deployed: DeployedStack) -> Callable[..., str]:
    """Run ``vector-memory`` as an operator would, and give what it printed."""
    environment = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": os.environ.get("PYTHONPATH", ""),
        "AWS_ENDPOINT_URL": deployed.stack.aws.endpoint_url,
        "AWS_DEFAULT_REGION": REGION,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
    }

    def run(*words: str) -> str:
        done = subprocess.run(
            [Path(sys.prefix) / "bin" / "vector-memory", *words],
            env=environment,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run
