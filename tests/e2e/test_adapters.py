"""The adapters' own tests, in the environment of their frameworks, against the deployed template."""

import os
import re
import subprocess
from pathlib import Path

import pytest
from botocore.exceptions import ClientError, ReadTimeoutError
from support.deployed_stack import DeployedStack, until
from support.not_run import not_run

pytestmark = pytest.mark.e2e
ROOT = Path(__file__).parents[2]
PYTHON = ROOT / ".venv" / "adapters" / "bin" / "python"
SETUP = "scripts/setup adapters"
EXAMPLES = sorted((ROOT / "client" / "examples").glob("*.py"))


def answers(deployed: DeployedStack) -> bool:
    """Tell whether a question is answered: on a busy machine the first ones run out of time."""
    try:
        deployed.contents("anything")
    except (RuntimeError, ClientError, ReadTimeoutError):
        return False
    return True


@pytest.fixture
def environment(deployed: DeployedStack) -> dict[str, str]:
    if not PYTHON.exists():
        not_run(f"the agents' frameworks are not installed. Install them: {SETUP}")
    until(lambda: answers(deployed), "the query function answers, however cold it is", 240)
    return {
        "PATH": os.environ["PATH"],
        "HOME": os.environ.get("HOME", "/"),
        "AWS_ENDPOINT_URL": deployed.stack.aws.endpoint_url,
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "QUERY_FUNCTION": deployed.stack.outputs["QueryAliasArn"],
        "SESSIONS_TABLE": deployed.table(),
        "TENANT": deployed.tenant,
        "OPENAI_AGENTS_DISABLE_TRACING": "1",
        "OTEL_SDK_DISABLED": "true",
    }


def test_the_adapters_hold_what_they_promise(environment: dict[str, str]) -> None:
    words = [
        "-m",
        "pytest",
        "-q",
        "-ra",
        "-p",
        "no:cacheprovider",
        "--rootdir",
        "client",
        "-c",
        os.devnull,
        "client/tests",
    ]
    done = subprocess.run(
        [PYTHON, *words], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=900, check=False
    )
    assert done.returncode == 0, done.stdout[-20_000:]
    [passed] = re.findall(r"(\d+) passed", done.stdout)
    assert int(passed) >= 56
    assert "skipped" not in done.stdout
    print(done.stdout.strip().splitlines()[-1])


@pytest.mark.parametrize("example", EXAMPLES, ids=[path.stem for path in EXAMPLES])
def test_the_examples_run(environment: dict[str, str], example: Path) -> None:
    done = subprocess.run(
        [PYTHON, example], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr[-5_000:]
    assert "12 December" in done.stdout


def test_there_is_an_example_for_every_framework() -> None:
    adapters = {path.stem for path in (ROOT / "client" / "vector_memory" / "adapters").glob("*.py")}
    assert {path.stem.removeprefix("with_") for path in EXAMPLES} == adapters - {
        "__init__",
        "tables",
        "fresh",
    }
