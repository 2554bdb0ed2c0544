"""TLS to the database: verified wherever the connection leaves this machine, against root certificates named by their path.

The OpenSSL inside psycopg's wheel looks for the system's certificates in a folder that no machine has, so
``sslrootcert=system`` verifies nothing unless ``SSL_CERT_FILE`` is set, as Lambda does not. So both files of roots travel
with the program: Amazon's own, which are in no public store, and the public ones of certifi.
"""

import atexit
import tempfile
from functools import cache
from pathlib import Path

import certifi
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from pipeline.variables import LOOPBACK_HOSTS

AMAZON_ROOTS = Path(__file__).with_name("amazon-rds-roots.pem")
"""Of RDS, Aurora and RDS Proxy in every region; remade by :mod:`pipeline.packaging.amazon_roots`."""

_PEM = "-----BEGIN CERTIFICATE-----"


def with_defaults(conninfo: str) -> str:
    """Return ``conninfo`` with TLS verified, unless it says otherwise or stays on this machine.

    ``sslrootcert`` may hold a certificate itself, as PEM, instead of the path of one: a secret can then carry it.
    """
    given = conninfo_to_dict(conninfo)
    host, hostaddr = str(given.get("host") or ""), str(given.get("hostaddr") or "")
    target = (
        hostaddr or host or "/"
    )  # libpq connects to hostaddr where both are given, and verifies the name of host
    stays = target in LOOPBACK_HOSTS or target.startswith("/")
    mode = given.get("sslmode") or ("" if stays else "verify-full")
    named = _path(str(given.get("sslrootcert") or ""))
    if not mode and not named:
        return conninfo
    if str(mode).startswith("verify"):
        named = named or roots_of(host)
    return make_conninfo(conninfo, sslmode=mode or None, sslrootcert=named or None)


def _path(named: str) -> str:
    if named.lstrip().startswith(_PEM):
        return kept(named)
    return certifi.where() if named == "system" else named


def roots_of(host: str) -> str:
    """Return the path of the root certificates that vouch for ``host``."""
    return str(AMAZON_ROOTS) if is_amazons(host) else certifi.where()


def is_amazons(host: str) -> bool:
    """Tell whether every one of these hosts (comma-separated) is an endpoint of RDS, Aurora or RDS Proxy."""
    return all(
        ".rds." in name.lower() and name.lower().endswith((".amazonaws.com", ".amazonaws.com.cn"))
        for name in host.split(",")
    )


@cache
def kept(pem: str) -> str:
    """Write a certificate where libpq can read it, for as long as this process runs; return its path."""
    with tempfile.NamedTemporaryFile("w", suffix=".pem", delete=False, encoding="utf-8") as file:
        file.write(pem.strip() + "\n")
    atexit.register(Path(file.name).unlink, missing_ok=True)
    return file.name
