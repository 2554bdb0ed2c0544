"""The bundles for Lambda: built from lambda.lock, compiled where an interpreter fits, checked on their own."""

import argparse
import hashlib
import platform
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from pipeline.packaging import bill
from pipeline.packaging.collect import Files, closure, collect, installed, zipped
from pipeline.packaging.contents import BUNDLES, MAX_UNZIPPED_BYTES, MAX_ZIPPED_BYTES, Bundle
from pipeline.packaging.isolation import check, runtime, unpacked
from pipeline.packaging.wheels import LOCK, Target, fetch

_HERE = {"x86_64": "x86_64", "aarch64": "arm64"}
_MEBIBYTE = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Built:
    """A bundle on disk."""

    name: str
    path: Path
    zipped_bytes: int
    unzipped_bytes: int


def build(target: Target, folder: Path, python: str | None) -> list[Built]:
    """Build every bundle for ``target`` into ``folder``.

    Args:
        python: an interpreter of the target's version, to compile with; without one the bundles carry sources only.
    """
    made = []
    for bundle, tree in lay_out(target, folder):
        if python:
            _compile(python, tree)
        made.append(_zip(bundle, tree, folder))
    return made


def lay_out(target: Target, folder: Path) -> Iterator[tuple[Bundle, Path]]:
    """Yield every bundle with a folder that holds it as Lambda unpacks it, not compiled."""
    wheels = installed([str(fetch(target, _wheels(target, folder)))])
    hashes = bill.lock_hashes(LOCK.read_text("utf-8"))
    for bundle in BUNDLES:
        tree = folder / bundle.name
        shutil.rmtree(tree, ignore_errors=True)
        unpacked(collect(bundle.needs, wheels, environment=target.environment), tree)
        names = closure(bundle.needs, wheels, target.environment)
        bill.write(bundle.name, [wheels[name] for name in names], hashes, tree)
        yield bundle, tree


def faults(target: Target, folder: Path, python: str) -> list[str]:
    """Lay the bundles out for ``target`` and return what is wrong with them, as ``python`` on that target sees it."""
    trees = list(lay_out(target, folder))
    runtime_folder = folder / "runtime"
    shutil.rmtree(runtime_folder, ignore_errors=True)
    runtime(installed([str(_wheels(target, folder))]), runtime_folder)
    return [fault for bundle, tree in trees for fault in check(bundle, tree, runtime_folder, [python])]


def _wheels(target: Target, folder: Path) -> Path:
    return folder / f"wheels-{target.python}-{target.architecture}"


def code_prefix(bundles: Mapping[str, Path]) -> str:
    """Return a prefix for these bundles (name → file) that changes exactly when one of them does."""
    digest = hashlib.sha256()
    for name in sorted(bundles):
        digest.update(name.encode() + hashlib.sha256(bundles[name].read_bytes()).digest())
    return f"vector-memory/{digest.hexdigest()[:16]}"


def interpreter(version: str) -> str | None:
    """Return the path of an interpreter of ``version`` on this machine; bundles are checked where PATH is not this one."""
    for candidate in filter(None, map(shutil.which, _candidates(version))):
        done = subprocess.run(
            [candidate, "-c", "import sys; print('%d.%d' % sys.version_info[:2])"],
            capture_output=True,
            text=True,
            check=False,
        )
        if done.stdout.strip() == version:
            return candidate
    return None


def _candidates(version: str) -> Iterator[str]:
    yield sys.executable
    yield f"python{version}"
    yield from (str(path) for path in sorted(Path.home().glob(f".pyenv/versions/{version}.*/bin/python")))


def _compile(python: str, tree: Path) -> None:
    """Compile in place; unchecked, since a zip's file times mean nothing and sources never change in Lambda."""
    words = [
        "-m",
        "compileall",
        "-q",
        "--invalidation-mode",
        "unchecked-hash",
        "-s",
        str(tree),
        "-p",
        "/var/task",
    ]
    subprocess.run([python, *words, str(tree)], check=True)


def _zip(bundle: Bundle, tree: Path, folder: Path) -> Built:
    files: Files = {path.relative_to(tree): path for path in tree.rglob("*") if path.is_file()}
    path = zipped(files, folder / f"{bundle.name}.zip")
    size = sum(file.stat().st_size for file in files.values())
    return Built(bundle.name, path, path.stat().st_size, size)


def main(arguments: list[str] | None = None) -> int:
    """Build, print sizes, check; return 0 if all is well."""
    parser = argparse.ArgumentParser(prog="scripts/package", description=__doc__)
    parser.add_argument("--python", default="3.13", choices=["3.11", "3.12", "3.13"])
    parser.add_argument("--architecture", default="arm64", choices=["arm64", "x86_64"])
    parser.add_argument("--output", type=Path, default=Path("dist/lambda"))
    options = parser.parse_args(arguments)
    target, python = Target(options.python, options.architecture), interpreter(options.python)
    made = build(target, options.output, python)
    _report(made, target, python)
    problems = _too_large(made) + _checked(target, options.output, python)
    for problem in problems:
        print(problem, file=sys.stderr)
    if not problems:
        print(f"prefix {code_prefix({one.name: one.path for one in made})}")
    return 1 if problems else 0


def _report(made: list[Built], target: Target, python: str | None) -> None:
    compiled = (
        "with .pyc" if python else f"without .pyc: no Python {target.python} on this machine to compile with"
    )
    print(f"Bundles for python{target.python} on {target.architecture}, {compiled}:")
    for one in made:
        zipped_size, size = one.zipped_bytes / _MEBIBYTE, one.unzipped_bytes / _MEBIBYTE
        print(f"  {one.path}  {zipped_size:.1f} MB zipped, {size:.1f} MB unzipped")


def _too_large(made: list[Built]) -> list[str]:
    return [
        f"{one.path} is larger than Lambda takes"
        for one in made
        if one.zipped_bytes >= MAX_ZIPPED_BYTES or one.unzipped_bytes >= MAX_UNZIPPED_BYTES
    ]


def _checked(target: Target, folder: Path, python: str | None) -> list[str]:
    """Check what this machine can run: the bundles themselves, or the same lock's wheels for this platform."""
    here = _HERE.get(platform.machine())
    if python is None or here is None:
        print(
            f"NOT CHECKED here: needs Python {target.python} on Linux; tests/unit/test_packaging.py checks with another"
        )
        return []
    local = Target(target.python, here)
    found = faults(local, folder / "check", python)
    if not found:
        print(f"Isolated imports (python{local.python}, {here}): {', '.join(one.name for one in BUNDLES)} OK")
    return found


if __name__ == "__main__":
    sys.exit(main())
