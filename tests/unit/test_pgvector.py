import re
from pathlib import Path

import psycopg
import pytest
from psycopg import errors
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from pipeline.errors import RetryableError, StoreUnavailableError, VectorMemoryError
from pipeline.stores.pgvector import queries
from pipeline.stores.pgvector.connection import Connector, translated, with_defaults
from pipeline.stores.pgvector.migrations import FOLDER, migrations


@pytest.mark.parametrize(
    "conninfo",
    [
        "postgresql://u:p@db.example/memory",
        "host=db.example user=u",
        "host=127.0.0.1,db.example",
        "hostaddr=10.0.0.1",
        "postgresql://u@localhost.example/memory",
        "host=localhost hostaddr=10.0.0.1",
    ],
)
def test_over_a_network_the_server_is_verified(conninfo: str) -> None:
    given, made = conninfo_to_dict(conninfo), conninfo_to_dict(with_defaults(conninfo))
    assert made == {**given, "sslmode": "verify-full", "sslrootcert": "system"}


def test_a_certificate_of_ones_own_is_kept() -> None:
    made = conninfo_to_dict(with_defaults("host=db.example sslrootcert=/opt/rds.pem"))
    assert (made["sslmode"], made["sslrootcert"]) == ("verify-full", "/opt/rds.pem")


@pytest.mark.parametrize(
    "conninfo",
    [
        "postgresql://u:p@127.0.0.1:5432/memory",
        "host=localhost",
        "postgresql://u@[::1]/memory",
        "host=/var/run/postgresql",
        "dbname=memory",
        "hostaddr=127.0.0.1",
        "host=db.example sslmode=require",
        "host=db.example sslmode=disable",
    ],
)
def test_on_this_machine_or_by_ones_own_word_nothing_is_added(conninfo: str) -> None:
    assert with_defaults(conninfo) == conninfo


CANARY = 'Key (content)=(canary) already exists; DETAIL: Failing row contains ("canary")'


@pytest.mark.parametrize(
    ("kind", "state", "words"),
    [
        (errors.UndefinedTable, "42P01", "vector-memory migrate"),
        (errors.UndefinedColumn, "42703", "vector-memory migrate"),
        (errors.UndefinedFunction, "42883", "pgvector is missing"),
        (errors.InsufficientPrivilege, "42501", "memory_ingest"),
        (errors.InvalidPassword, "28P01", "database secret"),
        (errors.InvalidCatalogName, "3D000", "database secret"),
        (errors.DeadlockDetected, "40P01", ""),
        (errors.SerializationFailure, "40001", ""),
        (errors.AdminShutdown, "57P01", ""),
        (errors.QueryCanceled, "57014", ""),
        (errors.TooManyConnections, "53300", ""),
        (errors.DiskFull, "53100", ""),
        (errors.LockNotAvailable, "55P03", ""),
        (errors.ReadOnlySqlTransaction, "25006", ""),
        (errors.ConnectionFailure, "08006", ""),
    ],
)
def test_a_fault_of_the_database_is_retryable_and_says_what_to_do(
    kind: type[psycopg.Error], state: str, words: str
) -> None:
    error = translated(kind(CANARY))
    assert isinstance(error, StoreUnavailableError)
    assert state in str(error)
    assert words in str(error)
    assert "canary" not in str(error)


@pytest.mark.parametrize("kind", [psycopg.OperationalError, psycopg.InterfaceError])
def test_a_database_that_was_not_reached_is_retryable(kind: type[psycopg.Error]) -> None:
    error = translated(kind('connection to server at "canary", port 5432 failed'))
    assert isinstance(error, StoreUnavailableError)
    assert "canary" not in str(error)


@pytest.mark.parametrize(
    ("kind", "state"),
    [
        (errors.UniqueViolation, "23505"),
        (errors.UntranslatableCharacter, "22P05"),
        (errors.SyntaxError, "42601"),
        (psycopg.DataError, ""),
        (psycopg.ProgrammingError, ""),
    ],
)
def test_a_statement_that_is_refused_is_nobodys_outage(kind: type[psycopg.Error], state: str) -> None:
    error = translated(kind(CANARY))
    assert type(error) is VectorMemoryError
    assert not isinstance(error, RetryableError)
    assert kind.__name__ in str(error)
    assert state in str(error)
    assert "canary" not in str(error)


def test_a_database_that_is_away_is_asked_for_its_address_each_time_anew() -> None:
    asked: list[str] = []

    def conninfo() -> str:
        asked.append("now")
        return make_conninfo(host="127.0.0.1", port=1, user="canary", password="canary")

    connector = Connector(conninfo)
    for _ in range(2):
        with pytest.raises(StoreUnavailableError, match="not reached") as caught:
            connector.read(lambda connection: connection)
        assert "canary" not in str(caught.value)
    assert len(asked) == 2


def test_a_connection_string_that_is_none_is_not_quoted() -> None:
    with pytest.raises(VectorMemoryError) as caught:
        Connector(lambda: "canary://canary:canary@canary").read(lambda connection: connection)
    assert "canary" not in str(caught.value)
    assert caught.value.__suppress_context__


def test_migrations_are_numbered_from_one_without_gaps() -> None:
    found = migrations()
    assert [migration.version for migration in found] == list(range(1, len(found) + 1))
    assert [migration.name for migration in found] == sorted(path.stem for path in FOLDER.glob("*.sql"))
    assert all(migration.sql.strip() for migration in found)


def test_only_numbered_files_are_migrations_and_they_come_in_order(tmp_path: Path) -> None:
    for name in (
        "0010_later.sql",
        "0002_second.sql",
        "0001_first.sql",
        "notes.sql",
        "12_short.sql",
        "0003_x.txt",
    ):
        (tmp_path / name).write_text(f"-- {name}")
    assert [(found.version, found.name, found.sql) for found in migrations(tmp_path)] == [
        (1, "0001_first", "-- 0001_first.sql"),
        (2, "0002_second", "-- 0002_second.sql"),
        (10, "0010_later", "-- 0010_later.sql"),
    ]


STATEMENTS = [value for name, value in vars(queries).items() if name.isupper() and isinstance(value, str)]


@pytest.mark.parametrize(
    "statement", [sql for sql in STATEMENTS if "FROM" in sql and "index_space" not in sql]
)
def test_every_statement_names_the_tenant(statement: str) -> None:
    assert "%(tenant_id)b" in statement


@pytest.mark.parametrize("statement", STATEMENTS)
def test_every_parameter_is_binary_and_named(statement: str) -> None:
    assert re.sub(r"%\([a-z_]+\)b", "", statement).count("%") == 0
