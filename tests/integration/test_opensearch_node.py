"""A node of its own comes up on 127.0.0.1 alone, and goes with whoever started it."""

import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import urllib3
from support.real_opensearch import require_opensearch
from support.running_demo import own_tmp

from pipeline.local import opensearch_node

START = """
import sys, time
from pathlib import Path
from pipeline.local.opensearch_node import OpenSearchNode
node = OpenSearchNode(Path(sys.argv[1])).start()
print(node.url, node._process.pid, flush=True)
time.sleep(600)
"""


def alive(pid: int) -> bool:
    try:
        return "java" in Path(f"/proc/{pid}/comm").read_text()
    except OSError:
        return False


@pytest.fixture
def folder() -> Iterator[Path]:
    with own_tmp() as made:
        yield made


def test_it_goes_when_its_starter_is_killed(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(opensearch_node.URL_VARIABLE, raising=False)
    require_opensearch()
    command = [sys.executable, "-c", START, str(folder / "opensearch")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as starter:
        assert starter.stdout is not None
        url, pid = starter.stdout.readline().split()
        try:
            said = urllib3.request("GET", url).json()
            plugins = urllib3.request("GET", f"{url}/_nodes/plugins").json()["nodes"].values()
            listens = urllib3.request("GET", f"{url}/_nodes/http,transport").json()["nodes"].values()
        finally:
            starter.send_signal(signal.SIGKILL)
    assert said["version"]["number"] == opensearch_node.VERSION
    assert [{one["name"] for one in node["modules"]} for node in plugins] == [
        {"lang-painless", "opensearch-knn", "transport-netty4"}
    ]
    addresses = [
        address
        for node in listens
        for door in ("http", "transport")
        for address in node[door]["bound_address"]
    ]
    assert all(address.startswith("127.0.0.1:") for address in addresses)
    deadline = time.monotonic() + 20
    while alive(int(pid)):
        assert time.monotonic() < deadline
        time.sleep(0.05)
