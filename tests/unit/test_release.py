"""A release has one version, its notes, its schema, and a checksum for every file."""

import hashlib
import json
import subprocess
import sys
import zipfile
from importlib import metadata
from pathlib import Path

import pytest
import yaml

from pipeline.packaging import project_files, release
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
    for project in release.WHEELS.values():
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


def inside(made: Path, name: str) -> zipfile.ZipFile:
    return zipfile.ZipFile(made / f"{name}-{VERSION}-py3-none-any.whl")


def files_of(folder: str) -> set[str]:
    tracked = subprocess.run(
        ["git", "ls-files", folder],  # noqa: S607  # wherever it is
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    return {name for name in tracked.stdout.splitlines() if (ROOT / name).exists()}


LOCAL = ("pipeline/local/", "pipeline/packaging/")


def test_the_pipelines_wheel_is_the_pipeline_without_the_local_stack(made: Path) -> None:
    names = {name for name in inside(made, "vector_memory").namelist() if name.startswith("pipeline/")}
    wanted = {name for name in files_of("pipeline") if not name.startswith(LOCAL)}
    assert wanted - names == set()
    assert [name for name in names if name.startswith(LOCAL)] == []


def test_the_local_stacks_wheel_has_the_rest_and_what_it_reads_of_the_project(made: Path) -> None:
    names = set(inside(made, "vector_memory_local").namelist())
    assert files_of("pipeline/local") | files_of("pipeline/packaging") <= names
    assert {name for name in names if not name.startswith((*LOCAL, "vector_memory_local-"))} == set()
    carried = {name.removeprefix("pipeline/packaging/project/") for name in names}
    read = {"template.yaml", "lambda.lock", "dev.lock", "ministack.lock", "localstack/compose.yaml"}
    assert read <= carried


def test_the_local_stack_goes_with_its_own_version_only(made: Path) -> None:
    with inside(made, "vector_memory_local") as wheel:
        described = wheel.read(f"vector_memory_local-{VERSION}.dist-info/METADATA").decode()
    assert f"Requires-Dist: vector-memory[offline]=={VERSION}" in described.splitlines()
    with inside(made, "vector_memory") as wheel:
        described = wheel.read(f"vector_memory-{VERSION}.dist-info/METADATA").decode()
    assert "Requires-Dist: vector-memory-local; extra == 'local'" in described.splitlines()


def test_a_file_of_the_project_is_found_in_the_wheel_before_the_checkout(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert project_files.project_file("template.yaml") == ROOT / "template.yaml"
    monkeypatch.setattr(project_files, "_IN_THE_WHEEL", tmp_path)
    assert project_files.project_file("template.yaml") == tmp_path / "template.yaml"


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
