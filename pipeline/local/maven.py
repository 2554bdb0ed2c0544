"""Fetches files from Maven by coordinates, through Maven itself: its settings say from where, our hashes say what."""

import hashlib
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self
from xml.sax.saxutils import escape

ADVICE = "apt-get install maven"
_COPY = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies"
_POM = (
    '<project xmlns="http://maven.apache.org/POM/4.0.0"><modelVersion>4.0.0</modelVersion>'
    "<groupId>vector-memory</groupId><artifactId>files</artifactId><version>1</version><packaging>pom</packaging>"
    "<dependencies>{}</dependencies></project>"
)
_ALONE = "<exclusions><exclusion><groupId>*</groupId><artifactId>*</artifactId></exclusion></exclusions>"


@dataclass(frozen=True, slots=True)
class Locked:
    """One file of a lock.

    Args:
        folder: where it belongs, below the one that all are fetched to.
        sha256: in hexadecimal.
    """

    folder: str
    group: str
    artifact: str
    version: str
    type: str
    sha256: str

    @property
    def name(self) -> str:
        """What Maven calls the file."""
        return f"{self.artifact}-{self.version}.{self.type}"

    @classmethod
    def of(cls, line: str) -> Self:
        """Read a line: folder, group:artifact:version:type, sha256."""
        folder, coordinates, sha256 = line.split()
        group, artifact, version, kind = coordinates.split(":")
        return cls(folder, group, artifact, version, kind, sha256)


def locked(path: Path) -> list[Locked]:
    """Return what a lock names."""
    lines = path.read_text("utf-8").splitlines()
    return [Locked.of(line) for line in lines if line and not line.startswith("#")]


def fetch(files: Sequence[Locked], folder: Path) -> None:
    """Fetch ``files``, each alone and each under its own folder below ``folder``.

    Raises:
        RuntimeError: Maven failed, or gave another file than the pinned one.
    """
    scratch = folder / "maven"
    scratch.mkdir(parents=True)
    (scratch / "pom.xml").write_text(_POM.format("".join(map(_dependency, files))), "utf-8")
    # a repository of its own: what this machine's holds could come from anywhere
    options = ["-B", "-q", "-C", f"-Dmaven.repo.local={scratch / 'repository'}", "-DoutputDirectory=fetched"]
    command = ["mvn", *options, _COPY]
    done = subprocess.run(command, cwd=scratch, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"Maven could not fetch: {(done.stdout + done.stderr)[-800:]}")
    for one in files:
        _place(scratch / "fetched" / one.name, one, folder / one.folder)


def _dependency(one: Locked) -> str:
    parts = {"groupId": one.group, "artifactId": one.artifact, "version": one.version, "type": one.type}
    return f"<dependency>{''.join(f'<{tag}>{escape(text)}</{tag}>' for tag, text in parts.items())}{_ALONE}</dependency>"


def _place(fetched: Path, one: Locked, folder: Path) -> None:
    if hashlib.sha256(fetched.read_bytes()).hexdigest() != one.sha256:
        raise RuntimeError(f"Maven gave another file than the one pinned for {one.name}")
    folder.mkdir(parents=True, exist_ok=True)
    fetched.rename(folder / one.name)
