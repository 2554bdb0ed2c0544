"""What LocalStack's functions find in their environment here is what Lambda documents."""

import importlib.util
from pathlib import Path
from typing import Any

import pytest

from pipeline.local.lambda_process import RESERVED, lambda_environment
from pipeline.local.localstack import EXECUTOR

ROOT = Path("/var/task")
OWN = {"QUEUE_URL": "http://queue", "AWS_LAMBDA_FUNCTION_NAME": "stream", "AWS_ENDPOINT_URL": "http://aws"}


@pytest.fixture(scope="module")
def module() -> Any:
    spec = importlib.util.spec_from_file_location(
        "function_environment", EXECUTOR / "function_environment.py"
    )
    assert spec is not None
    assert spec.loader is not None
    made = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(made)
    return made


def test_nothing_of_this_machine_and_nothing_undocumented_is_in_it(
    module: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HOME", "TMPDIR", "SSL_CERT_FILE"):
        monkeypatch.setenv(name, "/of/this/machine")
    made = module.function_environment({**OWN, "LOCALSTACK_USER": "x", "NOTHING": None}, ROOT, "127.0.0.1:9")
    assert made.keys() - OWN.keys() <= RESERVED
    assert made.items() >= OWN.items()
    assert "/of/this/machine" not in made.values()


def test_it_says_what_the_bundles_find_that_are_run_alone(module: Any) -> None:
    alone = lambda_environment("stream", "handler", 512, ROOT, {})
    made = module.function_environment({}, ROOT, alone["AWS_LAMBDA_RUNTIME_API"])
    assert made.items() <= alone.items()
