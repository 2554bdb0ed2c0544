"""What a release is: wheels, bundles, a bill of materials for each, checksums, and notes out of the changelog.

``python -m pipeline.packaging.release check --tag v1.2.3`` says what stands against a release, ``build`` puts its files together,
``notes`` prints its notes, and ``record`` keeps the schema of it for the tests of later versions.
"""

import argparse
import hashlib
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from pipeline.packaging import bill
from pipeline.packaging.collect import closure, installed
from pipeline.packaging.contents import BUNDLES
from pipeline.packaging.wheels import LOCK, WITH_OFFLINE
from vector_memory.version import VERSION

ROOT = Path(__file__).parents[2]
CHANGELOG = ROOT / "CHANGELOG.md"
RELEASED = ROOT / "tests" / "released"
"""One folder a version: the schema as it was released."""
SCHEMA = ROOT / "pipeline" / "stores" / "pgvector"
CHECKSUMS = "SHA256SUMS"
WHEELS = {
    "vector-memory": ROOT,
    "vector-memory-client": ROOT / "client",
    "vector-memory-local": ROOT / "local",
}
_VERSION = re.compile(r"\d+\.\d+\.\d+(?:(?:a|b|rc)\d+)?")


def release_notes(changelog: str, version: str) -> str:
    """Return what the changelog says of a version; empty if it has no such section."""
    sections = re.split(r"^## ", changelog, flags=re.MULTILINE)
    found = (each for each in sections if each.startswith(f"[{version}]"))
    _, _, text = next(found, "").partition("\n")
    return text.strip()


def problems(version: str, tag: str, changelog: str, released: Path = RELEASED) -> list[str]:
    """Return what stands against releasing ``version`` under ``tag``."""
    found = []
    if not _VERSION.fullmatch(version):
        found.append(f"{version} is no version: write 1.2.3 or 1.2.3rc1 in client/vector_memory/version.py")
    if tag != f"v{version}":
        found.append(f"the tag is {tag}, and the version is {version}: tag it v{version}")
    if not release_notes(changelog, version):
        found.append(f"CHANGELOG.md has nothing under [{version}]: rename Unreleased")
    if not (released / version).is_dir():
        found.append(f"the schema of {version} is not kept: run scripts/release record, and commit it")
    return found


def record(schema: Path, folder: Path) -> None:
    """Keep the schema's files: what a database of this version was made of."""
    shutil.copytree(schema / "migrations", folder / "migrations", dirs_exist_ok=True)
    shutil.copy(schema / "space.sql", folder / "space.sql")


def changed(schema: Path, folder: Path) -> list[str]:
    """Return names of released migrations that are gone or say something else by now: databases have applied them."""
    return [
        path.name
        for path in sorted((folder / "migrations").glob("*.sql"))
        if _content(schema / "migrations" / path.name) != path.read_bytes()
    ]


def checksums(folder: Path) -> str:
    """Return what ``sha256sum --check`` reads, for every file of a folder but the sums themselves."""
    files = sorted(path for path in folder.iterdir() if path.is_file() and path.name != CHECKSUMS)
    return "".join(f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}\n" for path in files)


def build(bundles: Path, folder: Path) -> Sequence[Path]:
    """Put the files of a release into ``folder``; return them.

    Args:
        bundles: what ``scripts/package`` made.
    """
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for name, project in WHEELS.items():
        _wheel(project, folder)
        _write_bill(name, folder)
    for bundle in BUNDLES:
        shutil.copy(bundles / f"{bundle.name}.zip", folder / f"vector-memory-{bundle.name}-{VERSION}.zip")
        shutil.copy(
            bundles / bundle.name / bill.BILL, folder / f"vector-memory-{bundle.name}-{VERSION}.cdx.json"
        )
    (folder / CHECKSUMS).write_text(checksums(folder), "utf-8")
    return sorted(folder.iterdir())


def _content(path: Path) -> bytes:
    return path.read_bytes() if path.exists() else b""


def _wheel(project: Path, folder: Path) -> None:
    words = [
        "wheel",
        "--quiet",
        "--no-deps",
        "--no-build-isolation",
        "--no-index",
        "--wheel-dir",
        str(folder),
    ]
    subprocess.run([sys.executable, "-m", "pip", *words, str(project)], check=True)


def _write_bill(name: str, folder: Path) -> None:
    """Write what the wheel needs, in the versions that this environment was locked to."""
    here = installed() | installed([str(folder / _file_name(name))])
    names = closure(frozenset({name}), here, without=frozenset())
    hashes = bill.lock_hashes(WITH_OFFLINE.read_text("utf-8")) | bill.lock_hashes(LOCK.read_text("utf-8"))
    parts = [here[each] for each in sorted(names) if each != name]
    path = folder / f"{name}-{VERSION}.cdx.json"
    path.write_text(json.dumps(bill.bill(name, parts, hashes), indent=1, sort_keys=True), "utf-8")


def _file_name(name: str) -> str:
    return f"{name.replace('-', '_')}-{VERSION}-py3-none-any.whl"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one of the actions; return its exit status."""
    parser = argparse.ArgumentParser(prog="scripts/release", description="Make a release.")
    actions = parser.add_subparsers(required=True, dest="action", metavar="action")
    check = actions.add_parser("check", help="say what stands against a release")
    check.add_argument("--tag", default=f"v{VERSION}")
    actions.add_parser("notes", help="print the release's notes")
    actions.add_parser("record", help="keep the schema of this version")
    made = actions.add_parser("build", help="put the files together; scripts/package made the bundles")
    made.add_argument("--bundles", type=Path, default=ROOT / "dist" / "lambda")
    made.add_argument("--folder", type=Path, default=ROOT / "dist" / "release")
    return _run(parser.parse_args(arguments))


def _run(options: argparse.Namespace) -> int:
    changelog = CHANGELOG.read_text("utf-8")
    if options.action == "check":
        found = problems(VERSION, options.tag, changelog)
        print("\n".join(found) or f"{VERSION} can be released")
        return int(bool(found))
    if options.action == "notes":
        print(release_notes(changelog, VERSION))
    elif options.action == "record":
        record(SCHEMA, RELEASED / VERSION)
        print(RELEASED / VERSION)
    else:
        print("\n".join(str(path) for path in build(options.bundles, options.folder)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
