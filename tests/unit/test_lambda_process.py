"""A function that is run as Lambda runs it finds Lambda's variables and no others, and has as much memory as it was given."""

from pathlib import Path

import pytest

from pipeline.local.lambda_process import RESERVED, LambdaProcess, lambda_environment


def process(folder: Path, source: str, **variables: str) -> LambdaProcess:
    """Return a function of 128 MB and 3 seconds, whose handler is ``told.handler``."""
    (folder / "told.py").write_text(source)
    return LambdaProcess(
        folder, folder / "runtime", lambda_environment("told", "told.handler", 128, folder, variables), 3
    )


def test_no_variable_of_this_machine_reaches_a_function(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("SSL_CERT_FILE", "HOME", "PYTHONPATH", "DATABASE_URL"):
        monkeypatch.setenv(name, "/of/this/machine")
    names = "import os\ndef handler(event, context):\n    return sorted(os.environ)\n"
    with process(tmp_path, names, MINE="1") as told:
        assert set(told.invoke({})) - {"LC_CTYPE"} == RESERVED | {"MINE"}


def test_a_function_that_takes_more_memory_than_it_has_fails(tmp_path: Path) -> None:
    greedy = "def handler(event, context):\n    return len(bytearray(event['bytes']))\n"
    with process(tmp_path, greedy) as told:
        assert told.invoke({"bytes": 1_000_000}) == 1_000_000
        with pytest.raises(RuntimeError, match="MemoryError"):
            told.invoke({"bytes": 512 * 1024 * 1024})


def test_a_variable_that_lambda_reserves_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="AWS_REGION"):
        lambda_environment("f", "h", 128, tmp_path, {"AWS_REGION": "x"})
