"""What comes from Maven is what was pinned, or nothing; and what a machine lacks is said with how to get it."""

import hashlib
import os
import re
from pathlib import Path

import pytest

from pipeline.local import maven, opensearch_node
from pipeline.local.maven import Locked

GOOD = b"the file"
PINNED = Locked("lib", "org.example", "thing", "1.0", "jar", hashlib.sha256(GOOD).hexdigest())


def program(folder: Path, name: str, script: str, monkeypatch: pytest.MonkeyPatch) -> None:
    made = folder / name
    made.write_text(f"#!/bin/sh\n{script}\n")
    made.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")


def test_a_pinned_file_is_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program(
        tmp_path,
        "mvn",
        f'echo "$@" > {tmp_path}/asked; mkdir fetched; printf "the file" > fetched/thing-1.0.jar',
        monkeypatch,
    )
    maven.fetch([PINNED], tmp_path / "home")
    assert (tmp_path / "home" / "lib" / "thing-1.0.jar").read_bytes() == GOOD
    pom = (tmp_path / "home" / "maven" / "pom.xml").read_text()
    assert "<artifactId>thing</artifactId><version>1.0</version>" in pom
    assert "-Dmaven.repo.local=" in (tmp_path / "asked").read_text()


def test_another_file_than_the_pinned_one_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program(tmp_path, "mvn", 'mkdir fetched; printf "another" > fetched/thing-1.0.jar', monkeypatch)
    with pytest.raises(RuntimeError, match=r"another file than the one pinned for thing-1\.0\.jar"):
        maven.fetch([PINNED], tmp_path / "home")
    assert not (tmp_path / "home" / "lib" / "thing-1.0.jar").exists()


def test_mavens_own_complaint_is_passed_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program(tmp_path, "mvn", "echo no such artifact; exit 1", monkeypatch)
    with pytest.raises(RuntimeError, match="no such artifact"):
        maven.fetch([PINNED], tmp_path / "home")


def test_the_lock_pins_every_file_and_names_no_host() -> None:
    files = maven.locked(opensearch_node.LOCK)
    assert len(files) == len({one.name for one in files}) > 50
    assert all(re.fullmatch("[0-9a-f]{64}", one.sha256) for one in files)
    assert "://" not in opensearch_node.LOCK.read_text()
    [server] = [one for one in files if (one.group, one.artifact) == ("org.opensearch", "opensearch")]
    assert server.version == opensearch_node.VERSION


@pytest.fixture
def bare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine with nothing."""
    monkeypatch.setattr(opensearch_node, "FOLDER", tmp_path / "not fetched")
    monkeypatch.delenv(opensearch_node.URL_VARIABLE, raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    return tmp_path


@pytest.mark.usefixtures("bare")
def test_a_missing_program_is_named_with_how_to_get_it() -> None:
    assert opensearch_node.missing() == [
        "mvn (apt-get install maven)",
        "java (apt-get install default-jre-headless)",
    ]
    assert not opensearch_node.ready()


@pytest.mark.parametrize(
    ("version", "lacking"),
    [
        ("11.0.2", []),
        ("17.0.15", []),
        ("23", []),
        ("1.8.0", ["a Java from 11 to 23 instead of 1 (apt-get install default-jre-headless)"]),
        ("25", ["a Java from 11 to 23 instead of 25 (apt-get install default-jre-headless)"]),
    ],
)
def test_a_java_that_cannot_run_it_is_named(
    bare: Path, version: str, lacking: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    program(bare, "mvn", "exit 0", monkeypatch)
    program(bare, "java", f"echo 'openjdk version \"{version}\" 2026' >&2", monkeypatch)
    assert opensearch_node.missing() == lacking


@pytest.mark.usefixtures("bare")
def test_an_opensearch_of_ones_own_needs_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(opensearch_node.URL_VARIABLE, "http://127.0.0.1:9/")
    assert opensearch_node.missing() == []
    assert opensearch_node.ready()
    with opensearch_node.running() as url:
        assert url == "http://127.0.0.1:9"
    assert os.environ[opensearch_node.URL_VARIABLE]
