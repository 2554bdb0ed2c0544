"""What the bundles for Lambda carry, and that the check of it can fail."""

import ast
import json
import os
import subprocess
import sys
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path, PurePath

import pytest

from pipeline.packaging import bill, build
from pipeline.packaging.collect import closure, collect, installed, package_files, zipped
from pipeline.packaging.contents import BUNDLES, UNDEPLOYED, Bundle
from pipeline.packaging.isolation import check, runtime, unpacked
from pipeline.packaging.wheels import LOCK, Target, fetch, locked_for

HANDLERS = Path(build.__file__).parents[1] / "handlers"
LAMBDA = Target("3.13", "arm64")


def test_every_handler_is_run_from_exactly_one_bundle() -> None:
    written = [
        path.stem
        for path in HANDLERS.glob("*.py")
        if any(
            isinstance(node, ast.FunctionDef) and node.name == "handler"
            for node in ast.parse(path.read_text()).body
        )
    ]
    bundled = [name for bundle in BUNDLES for name in bundle.handlers]
    assert sorted(written) == sorted(bundled), (
        "name each handler once in BUNDLES, pipeline/packaging/contents.py"
    )


def test_no_room_that_functions_do_not_use_is_in_a_bundle() -> None:
    rooms = {name.parts[1] for name in package_files()}
    assert {"handlers", "stores", "bootstrap.py", "container.py"} <= rooms
    assert not rooms & UNDEPLOYED


def test_sql_files_travel_with_their_modules() -> None:
    assert any(name.suffix == ".sql" for name in package_files())


@pytest.fixture(scope="module")
def beside(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return runtime(installed(), tmp_path_factory.mktemp("runtime"))


Check = Callable[..., list[str]]


@pytest.fixture
def checked(tmp_path: Path, beside: Path) -> Check:
    """Check a bundle made of what is installed here, after changing its folder."""

    def run(bundle: Bundle, change: Callable[[Path], object] = Path.exists) -> list[str]:
        folder = unpacked(collect(bundle.needs, installed()), tmp_path / "bundle")
        change(folder)
        return check(bundle, folder, beside, [sys.executable])

    return run


def named(name: str) -> Bundle:
    return next(bundle for bundle in BUNDLES if bundle.name == name)


@pytest.mark.parametrize("bundle", BUNDLES, ids=lambda bundle: bundle.name)
def test_each_bundle_imports_on_its_own(checked: Check, bundle: Bundle) -> None:
    assert checked(bundle) == []


def test_a_dependency_that_is_not_declared_is_found(checked: Check) -> None:
    stream = named("stream")
    found = checked(replace(stream, needs=stream.needs - {"tenacity"}))
    assert any("tenacity is imported but not in the bundle" in fault for fault in found)
    assert any("pipeline/packaging/contents.py" in fault for fault in found)


def test_an_import_inside_a_function_is_found(checked: Check) -> None:
    late = "def later() -> None:\n    import rich\n"
    found = checked(named("stream"), lambda folder: (folder / "pipeline" / "late.py").write_text(late))
    assert [fault for fault in found if "rich is imported" in fault]


def test_imports_for_type_checkers_alone_are_not_bundled(checked: Check) -> None:
    source = "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import rich\n"
    assert (
        checked(named("stream"), lambda folder: (folder / "pipeline" / "typed.py").write_text(source)) == []
    )


def test_a_dependency_of_a_dependency_that_is_gone_is_found(checked: Check) -> None:
    found = checked(named("stream"), lambda folder: (folder / "typing_extensions.py").unlink())
    assert [fault for fault in found if "typing_extensions" in fault]


def test_a_handler_that_does_not_import_is_found(checked: Check) -> None:
    found = checked(
        named("stream"), lambda folder: (folder / "pipeline" / "handlers" / "stream.py").write_text("1/0\n")
    )
    assert found == ["stream: pipeline.handlers.stream: ZeroDivisionError: division by zero"]


def test_an_exception_that_is_no_longer_true_is_found(checked: Check) -> None:
    stream = named("stream")
    found = checked(replace(stream, lacks={**stream.lacks, "tenacity": "no"}))
    assert found == ["stream: tenacity is said to be lacking, but is there: take it out of `lacks`"]


def test_the_stream_bundle_has_no_database_driver_and_none_has_the_python_package_pgvector() -> None:
    """The functions speak pgvector's binary format themselves."""
    for bundle in BUNDLES:
        tops = {name.parts[0] for name in collect(bundle.needs, installed())}
        assert "pgvector" not in tops
        assert ({"psycopg", "psycopg_binary"} & tops != set()) == (bundle.name != "stream")


def test_a_need_that_is_not_installed_is_said() -> None:
    with pytest.raises(LookupError, match="no-such-thing is needed but not installed"):
        collect(frozenset({"no-such-thing"}), installed())


def test_equal_files_make_equal_zips_whenever_they_were_written(tmp_path: Path) -> None:
    source = tmp_path / "a.py"
    source.write_text("1\n")
    first = zipped({PurePath("b.py"): source, PurePath("a.py"): source}, tmp_path / "1.zip").read_bytes()
    os.utime(source, (1, 1))
    second = zipped({PurePath("a.py"): source, PurePath("b.py"): source}, tmp_path / "2.zip").read_bytes()
    assert first == second
    with zipfile.ZipFile(tmp_path / "1.zip") as made:
        assert made.namelist() == ["a.py", "b.py"]
        assert {entry.external_attr >> 16 for entry in made.infolist()} == {0o100644}


def test_the_lock_is_read_for_the_machine_that_lambda_runs() -> None:
    text = (
        "a==1 ; python_version < '3.12' \\\n    --hash=sha256:11 \\\n    --hash=sha256:22\n"
        "a==2 ; python_version >= '3.12' \\\n    --hash=sha256:33\nw==1 ; sys_platform == 'win32' \\\n    --hash=sha256:44\n"
    )
    assert locked_for(text, LAMBDA.environment) == "a==2 --hash=sha256:33\n"
    assert (
        locked_for(text, Target("3.11", "x86_64").environment) == "a==1 --hash=sha256:11 --hash=sha256:22\n"
    )


def test_every_line_of_the_real_lock_keeps_its_hashes() -> None:
    lines = locked_for(LOCK.read_text(), LAMBDA.environment).splitlines()
    assert len(lines) > 20
    assert all(" --hash=sha256:" in line for line in lines)


@pytest.mark.parametrize(("python", "newest"), [("3.11", "manylinux_2_26"), ("3.13", "manylinux_2_34")])
def test_no_wheel_is_taken_that_lambdas_linux_cannot_load(python: str, newest: str) -> None:
    tags = Target(python, "arm64").tags
    assert f"{newest}_aarch64" in tags
    assert all(
        int(tag.split("_")[2]) <= int(newest.split("_")[2]) for tag in tags if tag.startswith("manylinux_")
    )


def test_wheels_are_fetched_once_until_the_lock_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lock, calls = tmp_path / "lock", []

    def pip(command: list[str], **_: object) -> "subprocess.CompletedProcess[str]":
        calls.append(command)
        return subprocess.CompletedProcess(command, 0, "", "")

    monkeypatch.setattr(subprocess, "run", pip)
    for text, expected in [("a==1\n", 1), ("a==1\n", 1), ("a==2\n", 2)]:
        lock.write_text(text)
        fetch(LAMBDA, tmp_path / "wheels", lock)
        assert len(calls) == expected
    assert "--require-hashes" in calls[0]
    assert "manylinux_2_34_aarch64" in calls[0]


def test_a_failed_fetch_is_said_and_tried_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    failed = subprocess.CompletedProcess([], 1, "", "WARNING: dull\nERROR: no such wheel\n")
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: failed)
    for _ in range(2):
        with pytest.raises(RuntimeError, match="ERROR: no such wheel"):
            fetch(LAMBDA, tmp_path / "wheels")


def test_the_prefix_changes_exactly_when_a_bundle_does(tmp_path: Path) -> None:
    def made(text: str) -> dict[str, Path]:
        path = tmp_path / "a.zip"
        path.write_text(text)
        return {"a": path}

    first = build.code_prefix(made("1"))
    assert build.code_prefix(made("1")) == first
    assert build.code_prefix(made("2")) != first


@pytest.mark.parametrize(("zipped_bytes", "unzipped_bytes"), [(50 * 2**20, 1), (1, 250 * 2**20)])
def test_a_bundle_that_lambda_would_refuse_is_said(zipped_bytes: int, unzipped_bytes: int) -> None:
    assert build._too_large([build.Built("a", Path("a.zip"), zipped_bytes, unzipped_bytes)])
    assert not build._too_large([build.Built("a", Path("a.zip"), zipped_bytes - 1, unzipped_bytes - 1)])


def test_an_interpreter_of_another_version_is_not_taken() -> None:
    here = f"{sys.version_info.major}.{sys.version_info.minor}"
    assert build.interpreter(here) == sys.executable
    assert build.interpreter("2.6") is None


def test_an_interpreter_that_path_alone_knows_is_told_by_its_whole_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = f"{sys.version_info.major}.{sys.version_info.minor}"
    named = tmp_path / f"python{here}"
    named.symlink_to(sys.executable)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    assert build.interpreter(here) == str(named)


def test_compiled_files_do_not_depend_on_times_and_name_lambdas_folder(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("def f():\n    raise ValueError\n")
    build._compile(sys.executable, tmp_path)
    [made] = tmp_path.rglob("*.pyc")
    assert int.from_bytes(made.read_bytes()[4:8], "little") == 0b01
    assert b"/var/task/a.py" in made.read_bytes()


def test_each_bundle_says_what_it_is_made_of_and_under_which_licences(tmp_path: Path) -> None:
    available = installed()
    for bundle in BUNDLES:
        names = closure(bundle.needs, available)
        bill.write(
            bundle.name, [available[name] for name in names], bill.lock_hashes(LOCK.read_text()), tmp_path
        )
        found = json.loads((tmp_path / bill.BILL).read_text())
        assert (found["bomFormat"], found["specVersion"], found["version"]) == ("CycloneDX", "1.6", 1)
        assert {one["name"] for one in found["components"]} == names
        assert all(one["purl"] == f"pkg:pypi/{one['name']}@{one['version']}" for one in found["components"])
        assert [one["name"] for one in found["components"] if not one.get("licenses")] == []
        assert [one["name"] for one in found["components"] if not one["properties"]] == []
        notices = (tmp_path / bill.NOTICES).read_text()
        assert all(
            f"{available[name].metadata['Name']} {available[name].version}: " in notices for name in names
        )


def test_an_equal_bundle_has_an_equal_bill(tmp_path: Path) -> None:
    parts = [installed()[name] for name in ("tenacity", "urllib3")]
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
        bill.write("stream", reversed(parts) if folder == "two" else parts, {}, tmp_path / folder)
    assert (tmp_path / "one" / bill.BILL).read_bytes() == (tmp_path / "two" / bill.BILL).read_bytes()
