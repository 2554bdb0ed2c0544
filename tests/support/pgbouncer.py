"""PgBouncer in transaction mode, as our own child on 127.0.0.1."""

import os
import shutil
import signal
from pathlib import Path
from typing import Self

from psycopg.conninfo import conninfo_to_dict, make_conninfo
from support.not_run import not_run

from pipeline.local.processes import free_port, new_run_folder, spawn, stop, wait_until

APT_LINE = "apt-get install --no-install-recommends pgbouncer"
_BINARY = shutil.which("pgbouncer", path=f"{os.environ.get('PATH', os.defpath)}:/usr/sbin")
_SETTINGS = """\
[databases]
* = host=127.0.0.1 port={server_port}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = plain
auth_file = {users}
pool_mode = transaction
default_pool_size = {servers}
ignore_startup_parameters = extra_float_digits
{more}
"""


def require_pgbouncer() -> None:
    """Skip the test on a bare machine, and fail it where everything must run."""
    if _BINARY is None:
        not_run(APT_LINE)


class PgBouncer:
    """Use it as a context manager.

    Args:
        servers: connections to Postgres; fewer than clients, so that they are shared.
        settings: further lines of its settings.
    """

    def __init__(self, target: str, servers: int = 1, settings: str = "") -> None:
        self._target = conninfo_to_dict(target)
        self._folder = new_run_folder()
        self.port = free_port()
        users = self._folder / "users.txt"
        users.write_text(f'"{self._target["user"]}" "{self._target["password"]}"\n')
        self._file = self._folder / "pgbouncer.ini"
        self._file.write_text(
            _SETTINGS.format(
                server_port=self._target["port"], port=self.port, users=users, servers=servers, more=settings
            )
        )

    @property
    def conninfo(self) -> str:
        """How to connect through it."""
        return make_conninfo(**{**self._target, "host": "127.0.0.1", "port": self.port})

    def __enter__(self) -> Self:
        log = self._folder / "pgbouncer.log"
        who = {"user": "nobody", "group": "nogroup", "extra_groups": []} if os.geteuid() == 0 else {}
        command: list[str | Path] = [str(_BINARY), self._file]
        self._process = spawn(
            command, log=log, death_signal=signal.SIGKILL, environment={"PATH": os.defpath}, **who
        )
        wait_until(lambda: "process up" in log.read_text(), self._process, log, "PgBouncer")
        return self

    def __exit__(self, *_: object) -> None:
        stop(self._process, signal.SIGINT)
        shutil.rmtree(self._folder, ignore_errors=True)
