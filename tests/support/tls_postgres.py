"""Debian's Postgres with certificates: the wheel's is built without TLS."""

import shutil
from pathlib import Path

from support.authority import Certificate
from support.not_run import not_run

from pipeline.local.postgres import Postgres

APT_LINE = "apt-get install --no-install-recommends postgresql"


def require_tls_postgres() -> None:
    """Skip the test on a bare machine, and fail it where everything must run."""
    if not _installed():
        not_run(APT_LINE)


def _installed() -> list[Path]:
    return sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"))


class TlsPostgres(Postgres):
    """A server on 127.0.0.1 that offers TLS with ``certificate``."""

    def __init__(self, folder: Path, certificate: Certificate) -> None:
        self._given = certificate
        own = Certificate(folder / "server.crt", folder / "server.key")
        super().__init__(
            folder,
            {
                "ssl": "on",
                "ssl_cert_file": str(own.certificate),
                "ssl_key_file": str(own.key),
                "shared_buffers": "16MB",
            },
        )
        self._own = own

    def _initialise(self, binaries: Path) -> None:
        super()._initialise(binaries)
        for one, two in ((self._given.certificate, self._own.certificate), (self._given.key, self._own.key)):
            shutil.copyfile(one, two)
            two.chmod(0o600)
            if self._user:
                shutil.chown(two, "nobody", "nogroup")

    def _binaries(self) -> Path:
        return _installed()[-1].parent
