"""TLS to a real Postgres, from a process that has what Lambda gives a function and nothing more.

The process is a bare interpreter with the query function's bundle unpacked, and the variables that AWS documents
(docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html): there is no SSL_CERT_FILE among them.
"""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from psycopg.conninfo import make_conninfo
from support.authority import Authority, Certificate
from support.tls_postgres import TlsPostgres, require_tls_postgres

from pipeline.local.processes import new_run_folder
from pipeline.packaging.collect import collect, installed
from pipeline.packaging.contents import BUNDLES
from pipeline.packaging.isolation import runtime, unpacked

pytestmark = pytest.mark.integration
HOST = "memory.db.test"
AMAZONS = "memory.abc.us-east-1.rds.amazonaws.com"
PROBE = """
import sys
sys.path[:0] = sys.argv[1:3]
import json
from pipeline.errors import VectorMemoryError
from pipeline.stores.pgvector.connection import Connector
from pipeline.stores.pgvector.tls import with_defaults
try:
    with Connector(lambda: sys.argv[3]).connection() as connection:
        [(encrypted,)] = connection.execute("SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()").fetchall()
    print(json.dumps("verified" if encrypted and "verify-full" in with_defaults(sys.argv[3]) else "not verified"))
except VectorMemoryError as error:
    print(json.dumps(str(error)))
"""
Ask = Callable[..., str]


@pytest.fixture(scope="module")
def ask(tmp_path_factory: pytest.TempPathFactory) -> Ask:
    """Connect as a function would; return what came of it."""
    require_tls_postgres()
    folder = tmp_path_factory.mktemp("task")
    query = next(bundle for bundle in BUNDLES if bundle.name == "query")
    task = unpacked(collect(query.needs, installed()), folder / "task")
    beside = runtime(installed(), folder / "runtime")
    environment = {
        "AWS_REGION": "us-east-1",
        "AWS_LAMBDA_FUNCTION_NAME": "query",
        "LAMBDA_TASK_ROOT": str(task),
        "LANG": "en_US.UTF-8",
        "PATH": "/usr/local/bin:/usr/bin/:/bin:/opt/bin",
        "TZ": ":UTC",
    }

    def asked(conninfo: str) -> str:
        command = [sys.executable, "-I", "-S", "-c", PROBE, str(task), str(beside), conninfo]
        done = subprocess.run(
            command, capture_output=True, text=True, check=False, env=environment, timeout=120
        )
        assert done.returncode == 0, done.stderr[-1000:]
        return str(json.loads(done.stdout))

    return asked


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@contextmanager
def serving(certificate: Certificate) -> Iterator[TlsPostgres]:
    server = TlsPostgres(new_run_folder() / "postgres", certificate)
    try:
        yield server.start()
    finally:
        server.stop()


def address(server: TlsPostgres, **more: str) -> str:
    return make_conninfo(server.conninfo(), host=HOST, hostaddr="127.0.0.1", **more)


def answers(server: TlsPostgres, ask: Ask, root: Path) -> str:
    return ask(address(server, sslmode="verify-full", sslrootcert=str(root)))


def test_of_four_certificates_the_right_one_is_taken_and_the_others_are_refused(
    ask: Ask, authority: Authority, tmp_path: Path
) -> None:
    others = Authority(tmp_path, "somebody-else")
    matrix = {
        "right": authority.certificate(HOST),
        "wrong authority": others.certificate(HOST),
        "expired": authority.certificate(HOST, expired=True),
        "another host": authority.certificate("other.db.test"),
    }
    found = {}
    for name, certificate in matrix.items():
        with serving(certificate) as server:
            found[name] = answers(server, ask, authority.root)
            print(f"{name:<16} {found[name]}")
    assert found["right"] == "verified"
    assert "not of an authority we trust" in found["wrong authority"]
    assert "expired" in found["expired"]
    assert "for another host" in found["another host"]


def test_the_roots_we_bring_and_the_secrets_own_certificate_decide(ask: Ask, authority: Authority) -> None:
    with serving(authority.certificate(HOST)) as server:
        assert "not of an authority" in ask(address(server, sslmode="verify-full"))  # the public roots
        assert "not of an authority" in ask(address(server, sslmode="verify-full", sslrootcert="system"))
        assert (
            ask(address(server, sslmode="verify-full", sslrootcert=authority.root.read_text())) == "verified"
        )
        assert ask(address(server, sslmode="require")) == "not verified"
        # held against Amazon's own roots, and no word of a file that is not there
        amazons = make_conninfo(address(server, sslmode="verify-full"), host=AMAZONS)
        assert "not of an authority" in ask(amazons)
        assert "names is not there" in ask(
            address(server, sslmode="verify-full", sslrootcert="/var/task/no.pem")
        )


def test_a_server_without_tls_is_refused_where_it_must_be_verified(ask: Ask, postgres: TlsPostgres) -> None:
    assert "speaks no TLS" in ask(address(postgres, sslmode="verify-full"))
