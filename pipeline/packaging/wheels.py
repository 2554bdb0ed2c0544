"""Wheels of lambda.lock for the machine that Lambda runs, fetched from wherever this is."""

import hashlib
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from packaging.requirements import Requirement

from pipeline.packaging.collect import normal
from pipeline.packaging.project_files import project_file

LOCK = project_file("lambda.lock")
WITH_OFFLINE = project_file("dev.lock")
_MACHINES = {"arm64": "aarch64", "x86_64": "x86_64"}
_OLDEST_GLIBC_MINOR = 17
_GLIBC_MINOR = {"3.11": 26, "3.12": 34, "3.13": 34}
"""Of Amazon Linux 2, and of Amazon Linux 2023: wheels for a newer one do not load there."""


@dataclass(frozen=True, slots=True)
class Target:
    """The machine a bundle is for.

    Args:
        python: such as ``3.13``.
        architecture: as Lambda names it, ``arm64`` or ``x86_64``.
    """

    python: str
    architecture: str

    @property
    def environment(self) -> Mapping[str, str]:
        """Return its values of PEP 508 markers."""
        return {
            "implementation_name": "cpython",
            "os_name": "posix",
            "platform_machine": _MACHINES[self.architecture],
            "platform_python_implementation": "CPython",
            "platform_system": "Linux",
            "python_full_version": f"{self.python}.0",
            "python_version": self.python,
            "sys_platform": "linux",
        }

    @property
    def tags(self) -> list[str]:
        """Return the platform tags whose wheels it can load."""
        machine = _MACHINES[self.architecture]
        minors = range(_OLDEST_GLIBC_MINOR, _GLIBC_MINOR[self.python] + 1)
        return [*(f"manylinux_2_{minor}_{machine}" for minor in minors), f"manylinux2014_{machine}"]


def locked_for(lock: str, environment: Mapping[str, str], only: frozenset[str] | None = None) -> str:
    """Return the requirements of ``lock`` that apply there (of ``only`` those), hashes kept, markers gone.

    pip itself evaluates markers for the interpreter it runs on, whatever ``--python-version`` says.
    """
    return "".join(f"{line}\n" for line in _applying(lock, environment, only))


def _applying(lock: str, environment: Mapping[str, str], only: frozenset[str] | None) -> Iterator[str]:
    for entry in lock.replace("\\\n", " ").splitlines():
        written, *hashes = entry.split(" --hash=")
        if not written.strip() or written.lstrip().startswith("#"):
            continue
        need = Requirement(written)
        if only is not None and normal(need.name) not in only:
            continue
        if need.marker is None or need.marker.evaluate(dict(environment)):
            yield " ".join([f"{need.name}{need.specifier}", *(f"--hash={one.strip()}" for one in hashes)])


def fetch(target: Target, folder: Path, lock: Path = LOCK, only: frozenset[str] | None = None) -> Path:
    """Install the lock's wheels for ``target`` (of ``only`` those) into ``folder``; does nothing where they already are.

    Raises:
        RuntimeError: pip refused; its words are in the message.
    """
    wanted = locked_for(lock.read_text("utf-8"), target.environment, only)
    stamp, mark = folder / ".stamp", hashlib.sha256(f"{target}{wanted}".encode()).hexdigest()
    if stamp.exists() and stamp.read_text() == mark:
        return folder
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    requirements = folder.with_name(f"{folder.name}.txt")
    requirements.write_text(wanted)
    _pip(target, folder, requirements)
    stamp.write_text(mark)
    return folder


def _pip(target: Target, folder: Path, requirements: Path) -> None:
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-input"]
    command += ["--require-hashes", "--no-deps", "--only-binary", ":all:", "--no-compile"]
    # pip would hold Requires-Python against its own interpreter; the lock was resolved for the target's
    command += ["--implementation", "cp", "--python-version", target.python, "--ignore-requires-python"]
    command += [word for tag in target.tags for word in ("--platform", tag)]
    command += ["--target", str(folder), "-r", str(requirements)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(
            f"the wheels for {target} could not be installed; check the network (or PIP_INDEX_URL): {_errors(done.stderr)}"
        )


def _errors(text: str) -> str:
    return "; ".join(line for line in text.splitlines() if not line.startswith(("WARNING", "[notice]")))[
        -1500:
    ]
