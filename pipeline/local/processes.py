"""Child processes that never outlive us, and the folders they live in."""

import contextlib
import ctypes
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

PREFIX = "vector-memory-"
REMOVERS = 16
_OWNER = "owner"
_PR_SET_PDEATHSIG = 1


def new_run_folder() -> Path:
    """Return a new folder for one run, after sweeping away those of runs that were killed."""
    for folder in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
        if _abandoned(folder):
            remove(folder)
    folder = Path(tempfile.mkdtemp(prefix=PREFIX))
    folder.chmod(0o711)  # as root, Postgres runs as another user and must be able to pass through
    (folder / _OWNER).write_text(_identity(os.getpid()))
    return folder


def remove(folder: Path) -> None:
    """Remove a run's folder, side by side: of thousands of files most of the time is waiting for the disk."""
    with ThreadPoolExecutor(REMOVERS) as pool:
        list(pool.map(partial(shutil.rmtree, ignore_errors=True), folder.glob("*/*/*/*")))
    shutil.rmtree(folder, ignore_errors=True)


def run_folders() -> list[Path]:
    """Return the folders of this user's runs that are going on; anybody may make a folder of such a name."""
    found = Path(tempfile.gettempdir()).glob(f"{PREFIX}*")
    return sorted(folder for folder in found if _of_this_user(folder) and _alive(folder))


def _of_this_user(folder: Path) -> bool:
    try:
        return folder.lstat().st_uid == os.geteuid() and folder.is_dir() and not folder.is_symlink()
    except OSError:
        return False  # it ends just now


def _abandoned(folder: Path) -> bool:
    return _alive(folder) is False


def _alive(folder: Path) -> bool | None:
    """Tell whether the owner of a folder lives; ``None`` if it is not ours, or its owner is about to write its name."""
    try:
        owner = (folder / _OWNER).read_text()
        return owner == _identity(int(owner.split()[0]))
    except (OSError, ValueError, IndexError):
        return None


def _identity(pid: int) -> str:
    """Return pid and start time: a pid alone may be used again."""
    try:
        after_name = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2]
        return f"{pid} {after_name.split()[19]}"
    except OSError:
        return f"{pid} gone"


def free_port() -> int:
    """Return a port of 127.0.0.1 that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def spawn(
    command: Sequence[str | Path],
    *,
    log: Path,
    death_signal: signal.Signals,
    environment: Mapping[str, str],
    **options: Any,
) -> subprocess.Popen[bytes]:
    """Start ``command`` in a session of its own; the kernel sends it ``death_signal`` should we die first.

    "We" is the calling thread (prctl(2), PR_SET_PDEATHSIG): call it from one that lives as long as the child should.
    """
    with log.open("ab") as output:
        return subprocess.Popen(
            [str(part) for part in command],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=dict(environment),
            start_new_session=True,
            preexec_fn=_dies_with_parent(death_signal),  # noqa: PLW1509  # one call into libc, looked up beforehand
            **options,
        )


def _dies_with_parent(death_signal: signal.Signals) -> Callable[[], None]:
    try:
        prctl = ctypes.CDLL(None).prctl
    except (OSError, AttributeError):
        return lambda: None  # not Linux: killing us leaves the child behind
    return lambda: prctl(_PR_SET_PDEATHSIG, int(death_signal))


def stop(process: subprocess.Popen[bytes], gently: signal.Signals, timeout_seconds: float = 10) -> None:
    """End ``process`` and its session: gently, then by force."""
    for sent in (gently, signal.SIGKILL):
        if process.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, sent) if sent == signal.SIGKILL else process.send_signal(sent)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(timeout_seconds)
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)  # what it left in its session


def wait_until(
    ready: Callable[[], bool],
    process: subprocess.Popen[bytes],
    log: Path,
    what: str,
    timeout_seconds: float = 60,
) -> None:
    """Poll ``ready`` until it is true.

    Raises:
        RuntimeError: the process ended, or time is up; with the end of its log.
    """
    deadline = time.monotonic() + timeout_seconds
    while not ready():
        if process.poll() is not None or time.monotonic() > deadline:
            state = "ended" if process.poll() is not None else f"was not ready within {timeout_seconds:.0f} s"
            raise RuntimeError(
                f"{what} {state}. The end of its log:\n{log.read_text(errors='replace')[-1500:]}"
            )
        time.sleep(0.02)
