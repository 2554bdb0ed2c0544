"""A release has one version, its notes, its schema, and a checksum for every file."""

import hashlib
import json
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest
import yaml

from pipeline.packaging import release
from pipeline.packaging.contents import BUNDLES
from vector_memory import VERSION

ROOT = Path(__file__).parents[2]
CHANGELOG = """# Changelog

## [Unreleased]

### Added

- Something new.

## [1.2.3] - 2026-12-01

### Fixed

- A bug.

## [1.2.2] - 2026-11-30

- Older.
"""


def test_the_version_is_named_in_one_place() -> None:
    assert metadata.version("vector-memory") == metadata.version("vector-memory-client") == VERSION
    for project in (ROOT, ROOT / "client"):
        assert "\nversion =" not in (project / "pyproject.toml").read_text("utf-8")


def test_notes_are_what_the_changelog_says_of_that_version() -> None:
    assert release.release_notes(CHANGELOG, "1.2.3") == "### Fixed\n\n- A bug."
    assert release.release_notes(CHANGELOG, "1.2.2") == "- Older."
    assert release.release_notes(CHANGELOG, "1.2") == ""


def test_obstacles_to_a_release_are_named(tmp_path: Path) -> None:
    assert len(release.problems("1.3", "v1.2", CHANGELOG, tmp_path)) == 4
    (tmp_path / "1.2.3").mkdir()
    assert release.problems("1.2.3", "v1.2.3", CHANGELOG, tmp_path) == []
    [only] = release.problems("1.2.3", "v1.2.4", CHANGELOG, tmp_path)
    assert "tag" in only


def test_a_released_migration_that_is_changed_or_gone_is_named(tmp_path: Path) -> None:
    now = tmp_path / "now"
    (now / "migrations").mkdir(parents=True)
    for name in ("0001_a.sql", "0002_b.sql"):
        (now / "migrations" / name).write_text(name)
    (now / "space.sql").write_text("space")
    release.record(now, tmp_path / "then")
    (now / "migrations" / "0003_c.sql").write_text("new")
    assert release.changed(now, tmp_path / "then") == []
    (now / "migrations" / "0001_a.sql").write_text("other")
    (now / "migrations" / "0002_b.sql").unlink()
    assert release.changed(now, tmp_path / "then") == ["0001_a.sql", "0002_b.sql"]


def test_no_released_migration_was_changed() -> None:
    folders = sorted(release.RELEASED.glob("*/"))
    assert [release.changed(release.SCHEMA, folder) for folder in folders] == [[] for _ in folders]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files of a release, with stand-ins for the bundles, which take minutes to build."""
    bundles, folder = tmp_path_factory.mktemp("bundles"), tmp_path_factory.mktemp("release") / "files"
    for bundle in BUNDLES:
        (bundles / bundle.name).mkdir()
        (bundles / f"{bundle.name}.zip").write_bytes(b"zip")
        (bundles / bundle.name / "bom.cdx.json").write_text("{}")
    release.build(bundles, folder)
    return folder


def test_a_release_has_wheels_bundles_and_a_bill_for_each(made: Path) -> None:
    names = {path.name for path in made.iterdir()}
    wheels = {f"{name.replace('-', '_')}-{VERSION}-py3-none-any.whl" for name in release.WHEELS}
    bundles = {f"vector-memory-{bundle.name}-{VERSION}" for bundle in BUNDLES}
    bills = {f"{name}-{VERSION}.cdx.json" for name in release.WHEELS} | {f"{one}.cdx.json" for one in bundles}
    assert names == wheels | bills | {f"{one}.zip" for one in bundles} | {release.CHECKSUMS}
    client = json.loads((made / f"vector-memory-client-{VERSION}.cdx.json").read_text("utf-8"))
    assert {part["name"] for part in client["components"]} == {"tenacity", "urllib3"}
    pipeline = json.loads((made / f"vector-memory-{VERSION}.cdx.json").read_text("utf-8"))
    assert {"boto3", "psycopg"} <= {part["name"] for part in pipeline["components"]}


def test_every_file_has_its_checksum(made: Path) -> None:
    lines = (made / release.CHECKSUMS).read_text("utf-8").splitlines()
    told = {name: digest for digest, name in (line.split("  ") for line in lines)}
    assert told.keys() == {path.name for path in made.iterdir()} - {release.CHECKSUMS}
    for name, digest in told.items():
        assert hashlib.sha256((made / name).read_bytes()).hexdigest() == digest
    done = subprocess.run(["sha256sum", "--check", "--quiet", release.CHECKSUMS], cwd=made, check=False)  # noqa: S607  # of coreutils
    assert done.returncode == 0


def test_the_workflow_makes_what_the_page_says() -> None:
    workflow = yaml.safe_load((ROOT / ".github" / "workflows" / "release.yml").read_text("utf-8"))
    steps = [step.get("run", "") for job in workflow["jobs"].values() for step in job["steps"]]
    for command in (
        "scripts/release check",
        "scripts/package",
        "scripts/release build",
        "scripts/release notes",
    ):
        assert any(command in step for step in steps), command
    assert workflow["permissions"] == {"contents": "read"}


def test_an_unknown_action_is_refused() -> None:
    words = [sys.executable, "-m", "pipeline.packaging.release", "publish"]
    assert subprocess.run(words, capture_output=True, timeout=60, check=False).returncode == 2
