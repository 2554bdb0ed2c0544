import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from pipeline.local.processes import PREFIX, free_port, new_run_folder, remove, spawn, stop, wait_until


@pytest.fixture(autouse=True)
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def owned(folder: Path, owner: str | None) -> Path:
    folder.mkdir()
    (folder / "data").write_text("x")
    if owner is not None:
        (folder / "owner").write_text(owner)
    return folder


def ended_pid() -> int:
    """Return the id of a process that was, and is no more."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def test_the_folder_of_a_killed_run_is_swept_away(temporary: Path) -> None:
    abandoned = owned(temporary / f"{PREFIX}old", f"{ended_pid()} 12345")
    reused = owned(temporary / f"{PREFIX}reused", f"{os.getpid()} 1")  # our pid, of another life
    folder = new_run_folder()
    assert folder.is_dir()
    assert not abandoned.exists()
    assert not reused.exists()


def test_the_folder_of_a_live_run_is_kept() -> None:
    first = new_run_folder()
    second = new_run_folder()
    assert first != second
    assert first.is_dir()


@pytest.mark.parametrize("owner", [None, "", "not a number"])
def test_a_folder_whose_owner_is_not_known_is_left_alone(temporary: Path, owner: str | None) -> None:
    unknown = owned(temporary / f"{PREFIX}new", owner)
    assert new_run_folder().is_dir()
    assert unknown.is_dir()


def test_folders_of_others_are_left_alone(temporary: Path) -> None:
    other = owned(temporary / "something-else", f"{ended_pid()} 12345")
    new_run_folder()
    assert other.is_dir()


def test_others_may_pass_through_the_folder_and_not_look_into_it() -> None:
    assert new_run_folder().stat().st_mode & 0o777 == 0o711


def test_a_free_port_can_be_bound() -> None:
    assert 1024 <= free_port() < 65536


def test_a_child_sees_only_the_environment_it_is_given_and_writes_to_its_log(temporary: Path) -> None:
    log = temporary / "log"
    program = "import os; print(sorted(name for name in os.environ if name.startswith('VM_')))"
    process = spawn(
        [sys.executable, "-c", program], log=log, death_signal=signal.SIGTERM, environment={"VM_A": "1"}
    )
    assert process.wait() == 0
    assert log.read_text().strip() == "['VM_A']"


WAITS = "import signal, sys; print('ready', flush=True); signal.pause()"
STUBBORN = f"import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); {WAITS}"


@pytest.mark.parametrize(("program", "code"), [(WAITS, -signal.SIGTERM), (STUBBORN, -signal.SIGKILL)])
def test_a_child_is_ended_gently_or_by_force(temporary: Path, program: str, code: int) -> None:
    log = temporary / "log"
    process = spawn([sys.executable, "-c", program], log=log, death_signal=signal.SIGKILL, environment={})
    wait_until(lambda: "ready" in log.read_text(), process, log, "The child")
    stop(process, signal.SIGTERM, timeout_seconds=0.2 if code == -signal.SIGKILL else 30)
    assert process.returncode == code
    stop(process, signal.SIGTERM)


def test_waiting_for_a_child_that_ended_says_what_it_said(temporary: Path) -> None:
    log = temporary / "log"
    process = spawn(
        [sys.executable, "-c", "raise SystemExit('no such port')"],
        log=log,
        death_signal=signal.SIGKILL,
        environment={},
    )
    with pytest.raises(RuntimeError, match=r"(?s)The child ended.*no such port"):
        wait_until(lambda: False, process, log, "The child")


def test_a_folder_is_removed_with_all_that_is_in_it_and_links_are_not_followed(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "kept").write_text("x")
    folder = tmp_path / "run"
    for number in range(40):
        deep = folder / "tmp" / f"worker{number}" / "code" / "package" / "inner"
        deep.mkdir(parents=True)
        (deep / "file").write_text("x")
        (deep.parent.parent / "file").write_text("x")
        (deep.parent.parent / "link").symlink_to(outside)
    remove(folder)
    remove(folder)  # a second time there is nothing to do
    assert not folder.exists()
    assert (outside / "kept").exists()
