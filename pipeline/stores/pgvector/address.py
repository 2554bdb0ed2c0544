"""What a secret and the settings make together: a connection string."""

from typing import Any

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from pipeline.database_settings import DatabaseSettings
from pipeline.errors import SecretUnavailableError, SettingsError
from pipeline.secret_texts import json_object

_OURS = {"host": "host", "port": "port", "username": "user", "password": "password", "dbname": "dbname"}
_NONE = (
    "no connection string: write postgresql://user:password@host:5432/database, and a password's / @ : # % and spaces as "
    "%2F %40 %3A %23 %25 %20"
)
_TLS = ("sslmode", "sslrootcert")


def conninfo_of(secret: str, settings: DatabaseSettings) -> str:
    """Return how to connect.

    The secret is a connection string; or JSON with ``url`` or ``dsn``; or JSON as RDS writes it (``username`` and
    ``password``, and ``host``, ``port``, ``dbname`` unless the settings have them). JSON may have ``sslmode`` and
    ``sslrootcert`` (a path, or a certificate as PEM) in addition.

    Raises:
        SecretUnavailableError: it is none of these; the message quotes nothing of it.
    """
    given = _given(secret) | _from_settings(settings)
    if lacking := [
        name
        for name in ("host", "user")
        if not given.get(name) and not (name == "host" and given.get("hostaddr"))
    ]:
        raise SecretUnavailableError(
            f"nothing says the database's {' and '.join(lacking)}: a secret that RDS manages holds username and password "
            "only; set DATABASE_HOST and DATABASE_NAME too (parameters DatabaseHost, DatabaseName)"
        )
    return make_conninfo("", **given)


def checked(conninfo: str, name: str) -> str:
    """Return a connection string that was given as it is.

    Args:
        name: of what gave it.

    Raises:
        SettingsError: it is none; nothing of it is told, since it may hold a password.
    """
    try:
        conninfo_to_dict(conninfo)
    except (psycopg.ProgrammingError, UnicodeError):
        raise SettingsError(f"{name} is {_NONE}") from None
    return conninfo


def _given(secret: str) -> dict[str, Any]:
    fields = json_object(secret)
    if fields is None:
        return _parsed(secret)
    tls = {name: str(fields[name]) for name in _TLS if fields.get(name)}
    for name in ("url", "dsn"):
        if isinstance(fields.get(name), str):
            return _parsed(fields[name]) | tls
    if not {"username", "password"} <= fields.keys():
        raise SecretUnavailableError(
            "the database secret must be a URL, or JSON with url, or with username and password (and host, port, dbname)"
        )
    return {ours: str(fields[theirs]) for theirs, ours in _OURS.items() if fields.get(theirs)} | tls


def _parsed(conninfo: str) -> dict[str, Any]:
    try:
        return dict(conninfo_to_dict(conninfo.strip()))
    except (psycopg.ProgrammingError, UnicodeDecodeError):
        raise SecretUnavailableError(f"the database secret is {_NONE}") from None


def _from_settings(settings: DatabaseSettings) -> dict[str, Any]:
    known = {
        "host": settings.host,
        "port": settings.port,
        "dbname": settings.name,
        "sslrootcert": settings.root_certificate,
    }
    return {name: str(value) for name, value in known.items() if value}
