"""The official image: what is asked of Docker, and that it ends. No container was ever run by these tests."""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
import urllib3
from support.not_run import not_run

from pipeline.local import opensearch_node
from pipeline.local.opensearch_docker import IMAGE_VARIABLE, OpenSearchContainer, command

IMAGE = f"opensearchproject/opensearch:{opensearch_node.VERSION}"
STAND_IN = """#!{python}
# Takes docker's place: writes down what it is asked, and answers HTTP at the published port until it is ended.
import signal, sys
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
Path("{folder}", "asked").open("a").write(" ".join(sys.argv[1:]) + "\\n")
if sys.argv[1] == "run":
    if sys.argv[-1] == "no/such:image":
        sys.exit("pull access denied")
    class Answers(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.end_headers()
        def log_message(self, *_):
            pass
    host, port, inside = sys.argv[sys.argv.index("--publish") + 1].split(":")
    assert inside == "9200"
    def ended(*_):
        Path("{folder}", "asked").open("a").write("ended gently\\n")
        sys.exit(0)
    signal.signal(signal.SIGTERM, ended)
    HTTPServer((host, int(port)), Answers).serve_forever()
"""


@pytest.fixture
def asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Put a stand-in in docker's place; return the file of what it is asked."""
    program = tmp_path / "docker"
    program.write_text(STAND_IN.format(python=sys.executable, folder=tmp_path))
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.delenv(opensearch_node.URL_VARIABLE, raising=False)
    monkeypatch.setenv(IMAGE_VARIABLE, IMAGE)
    return tmp_path / "asked"


def test_one_node_on_this_machine_alone_without_the_security_plugin() -> None:
    words = command(IMAGE, "one", 9201)
    assert words[:3] == ["docker", "run", "--rm"]
    assert words[-1] == IMAGE
    assert words[words.index("--publish") + 1] == "127.0.0.1:9201:9200"
    settings = {words[number + 1] for number, word in enumerate(words) if word == "--env"}
    assert {"discovery.type=single-node", "DISABLE_SECURITY_PLUGIN=true"} <= settings
    assert "OPENSEARCH_JAVA_OPTS=-Xms512m -Xmx512m" in settings


def test_docker_itself_understands_every_word_of_it() -> None:
    """Docker reads the command line before it asks its daemon, which is not where this points."""
    if shutil.which("docker") is None:
        not_run("no docker here, whose command line is asked. Install it: apt-get install docker.io")
    nowhere = {"PATH": os.environ["PATH"], "DOCKER_HOST": "tcp://127.0.0.1:1"}
    for words, understood in (
        (command(IMAGE, "one", 9201), True),
        (["docker", "run", "--bogus", IMAGE], False),
    ):
        done = subprocess.run(words, capture_output=True, text=True, check=False, env=nowhere, timeout=60)
        assert done.returncode != 0
        assert ("unknown flag" not in done.stderr and "127.0.0.1:1" in done.stderr) is understood, done.stderr


def test_it_answers_until_it_is_ended_and_nothing_is_left(
    asked: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    assert opensearch_node.ready()
    with opensearch_node.running() as url:
        assert url.startswith("http://127.0.0.1:")
        assert urllib3.request("GET", url).status == 200
        assert len(list(tmp_path.glob("vector-memory-*"))) == 1
    assert list(tmp_path.glob("vector-memory-*")) == []
    run, ended, removed = asked.read_text().splitlines()
    name = run.split()[run.split().index("--name") + 1]
    assert run.split()[-1] == IMAGE
    assert (ended, removed) == ("ended gently", f"rm --force {name}")
    with pytest.raises(urllib3.exceptions.HTTPError):
        urllib3.request("GET", url, retries=False)


def test_an_error_of_docker_is_told_and_nothing_is_left(asked: Path, tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="pull access denied"):
        OpenSearchContainer(tmp_path, "no/such:image").start()
    assert asked.read_text().splitlines()[-1].startswith("rm --force vector-memory-")


def test_an_image_without_docker_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(opensearch_node.URL_VARIABLE, raising=False)
    monkeypatch.setenv(IMAGE_VARIABLE, IMAGE)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert opensearch_node.missing() == [f"docker, which OPENSEARCH_IMAGE={IMAGE} asks for"]
    assert not opensearch_node.ready()


def test_a_url_of_ones_own_goes_before_an_image(asked: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(opensearch_node.URL_VARIABLE, "http://127.0.0.1:9200/")
    with opensearch_node.running() as url:
        assert url == "http://127.0.0.1:9200"
    assert not asked.exists()
