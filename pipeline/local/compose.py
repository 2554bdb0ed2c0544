"""LocalStack and Postgres as containers, where there is Docker: localstack/compose.yaml."""

import os
import secrets
import signal
import subprocess

import psycopg
from psycopg import sql
from psycopg.conninfo import make_conninfo

from pipeline.local.processes import free_port
from pipeline.packaging.project_files import project_file

FILE = project_file("localstack") / "compose.yaml"
PORT, PASSWORD, LOCALSTACK_PORT = "POSTGRES_PORT", "POSTGRES_PASSWORD", "LOCALSTACK_PORT"


def up() -> dict[str, str]:
    """Start both, and return the environment that names them."""
    named = {PORT: str(free_port()), LOCALSTACK_PORT: str(free_port()), PASSWORD: secrets.token_hex(16)}
    _compose("up", "--wait", environment=named)
    return {**named, "AWS_ENDPOINT_URL": f"http://127.0.0.1:{named[LOCALSTACK_PORT]}"}


def down() -> None:
    """Remove both, with what they hold."""
    _compose("down", "--volumes", "--timeout", "5", environment={})


class ComposePostgres:
    """The Postgres of the compose file, with the interface of the embedded one.

    Args:
        database: of this one's own, made when it is first started.
    """

    def __init__(self, database: str) -> None:
        self._database = database

    def start(self) -> "ComposePostgres":
        """Start it, if it was stopped."""
        _compose("up", "--wait", "postgres", environment={})
        everybodys = _conninfo("127.0.0.1", os.environ[PORT], "postgres", None, "postgres")
        with psycopg.connect(everybodys, autocommit=True) as connection:
            known = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [self._database])
            if not known.fetchone():
                connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(self._database)))
        return self

    def stop(self, how: signal.Signals = signal.SIGINT) -> None:
        """Stop it: SIGINT is a fast shutdown, SIGQUIT an immediate one."""
        _compose("kill", "--signal", how.name, "postgres", environment={})

    def conninfo(self, user: str = "postgres", password: str | None = None) -> str:
        """Return how to connect from this machine."""
        return _conninfo("127.0.0.1", os.environ[PORT], user, password, self._database)

    def conninfo_of_functions(self, user: str, password: str) -> str:
        """Return how functions connect: by the service's name, on the network they share."""
        return _conninfo("postgres", "5432", user, password, self._database, sslmode="disable")


def _conninfo(host: str, port: str, user: str, password: str | None, database: str, **options: str) -> str:
    return make_conninfo(
        host=host,
        port=port,
        dbname=database,
        user=user,
        password=password or os.environ[PASSWORD],
        **options,
    )


def _compose(*words: str, environment: dict[str, str]) -> None:
    command = ["docker", "compose", "-p", "vector-memory", "-f", str(FILE), *words]
    subprocess.run(command, check=True, env={**os.environ, **environment})
