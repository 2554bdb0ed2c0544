"""The benchmark of the OpenSearch store runs, says what it ran on, and is exact where k reaches all of a user's chunks."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from support.real_opensearch import require_opensearch

from pipeline.local import opensearch_node

TESTS = Path(__file__).parents[1]
SMALL = [
    "--rows",
    "400",
    "--large",
    "250",
    "--usual",
    "50",
    "--dimensions",
    "16",
    "--questions",
    "5",
    "--heap",
    "512",
]


def figures(*options: str) -> dict[str, object]:
    command = [sys.executable, "-m", "lab.bench.opensearch", *SMALL, *options]
    environment = {**os.environ, "PYTHONPATH": str(TESTS)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True, timeout=600)
    found: dict[str, object] = json.loads(done.stdout.splitlines()[-1])
    return found


@pytest.mark.parametrize("options", [["--nearest", "10", "300"], ["--nearest", "300", "--compressed"]])
def test_it_says_what_it_measured_and_a_k_beyond_a_memory_compares_all_of_it(
    options: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(opensearch_node.URL_VARIABLE, raising=False)
    require_opensearch()
    found = figures(*options)
    assert (found["engine"], found["version"]) == ("Lucene", opensearch_node.VERSION)
    assert (found["heap_megabytes"], found["rows"], found["dimensions"]) == (512, 400, 16)
    assert found["compressed"] is ("--compressed" in options)
    assert {"cores", "load_before", "load_after", "rows_a_second", "megabytes", "segments"} <= found.keys()
    for chunks in ("250 chunks", "50 chunks"):
        asked = found[chunks]
        assert isinstance(asked, dict)
        assert asked["friendly_300_p50_ms"] > 0
        if not found["compressed"]:
            assert asked["friendly_300_recall"] == asked["off_topic_300_recall"] == 1.0
