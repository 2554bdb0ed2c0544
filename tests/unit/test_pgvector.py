import json
import re
import ssl
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import certifi
import psycopg
import pytest
from psycopg import errors
from psycopg.adapt import Transformer
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.pq import Format
from support.chunks import FACTS, ITEM, UNKNOWN, axis, chunk, planned, row

from pipeline.errors import RetryableError, StoreBusyError, StoreUnavailableError, VectorMemoryError
from pipeline.stores.message_rows import MessageRow
from pipeline.stores.pgvector import wire_format, write_sql, writing
from pipeline.stores.pgvector.connection import Connector, translated, with_defaults
from pipeline.stores.pgvector.migrations import FOLDER, migrations
from pipeline.stores.pgvector.schema_binding import SchemaBinding
from pipeline.stores.pgvector.tls import AMAZON_ROOTS

AMAZONS = "memory.cluster-abc.ap-northeast-1.rds.amazonaws.com"


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
    assert made == {**given, "sslmode": "verify-full", "sslrootcert": certifi.where()}


@pytest.mark.parametrize(
    ("host", "roots"),
    [
        (AMAZONS, str(AMAZON_ROOTS)),
        ("memory.proxy-abc.us-east-1.rds.amazonaws.com", str(AMAZON_ROOTS)),
        (f"{AMAZONS},{AMAZONS}", str(AMAZON_ROOTS)),
        (f"{AMAZONS},db.example", certifi.where()),
        ("rds.amazonaws.com.example", certifi.where()),
        ("memory.rds.amazonaws.com.evil.example", certifi.where()),
        ("aws-0-us-east-1.pooler.supabase.com", certifi.where()),
    ],
)
def test_an_endpoint_of_amazons_is_held_against_amazons_own_roots(host: str, roots: str) -> None:
    made = conninfo_to_dict(with_defaults(f"host={host}"))
    assert (made["sslmode"], made["sslrootcert"]) == ("verify-full", roots)


def test_the_systems_store_is_replaced_since_the_drivers_openssl_does_not_find_it() -> None:
    made = conninfo_to_dict(with_defaults("host=db.example sslrootcert=system sslmode=verify-full"))
    assert made["sslrootcert"] == certifi.where()


def test_a_mode_that_verifies_gets_roots_and_one_that_does_not_gets_none() -> None:
    assert conninfo_to_dict(with_defaults(f"host={AMAZONS} sslmode=verify-ca"))["sslrootcert"] == str(
        AMAZON_ROOTS
    )
    assert "sslrootcert" not in conninfo_to_dict(with_defaults(f"host={AMAZONS} sslmode=require"))


def test_a_certificate_in_the_secret_itself_is_laid_where_libpq_reads_it() -> None:
    pem = "-----BEGIN CERTIFICATE-----\nQUJD\n-----END CERTIFICATE-----\n"
    made = conninfo_to_dict(with_defaults(make_conninfo("host=db.example", sslrootcert=pem)))
    assert made["sslmode"] == "verify-full"
    assert Path(str(made["sslrootcert"])).read_text("utf-8") == pem


def test_amazons_roots_are_certificates_and_of_every_region_that_matters() -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(AMAZON_ROOTS)
    in_a_year = datetime.now(UTC).timestamp() + 365 * 86400
    names = {
        str(one["subject"])
        for one in context.get_ca_certs()
        if ssl.cert_time_to_seconds(str(one["notAfter"])) > in_a_year
    }
    for region in ("us-east-1", "eu-west-1", "ap-northeast-1"):
        assert any(f"Amazon RDS {region} Root CA RSA2048 G1" in name for name in names)
    assert any("Amazon Root CA 1" in name for name in names)  # RDS Proxy's are public ones


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
        (errors.AdminShutdown, "57P01", "tried again"),
        (errors.TooManyConnections, "53300", "max_connections"),
        (errors.DiskFull, "53100", "more storage"),
        (errors.ReadOnlySqlTransaction, "25006", "writer's endpoint"),
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


@pytest.mark.parametrize(
    ("kind", "state", "words"),
    [
        (errors.DeadlockDetected, "40P01", "tried again"),
        (errors.SerializationFailure, "40001", "tried again"),
        (errors.LockNotAvailable, "55P03", "long transactions"),
        (errors.QueryCanceled, "57014", "too long"),
    ],
)
def test_a_fault_of_one_transaction_is_that_tenants_alone(
    kind: type[psycopg.Error], state: str, words: str
) -> None:
    error = translated(kind(CANARY))
    assert isinstance(error, StoreBusyError)
    assert not isinstance(error, StoreUnavailableError)
    assert state in str(error)
    assert words in str(error)
    assert "canary" not in str(error)


@pytest.mark.parametrize(
    ("message", "state", "words"),
    [
        ('FATAL:  password authentication failed for user "canary"', "28P01", "password was refused"),
        ('FATAL:  PAM authentication failed for user "canary"', "28000", "rds-db:connect"),
        ('FATAL:  role "canary" does not exist', "28000", "login was refused"),
        ('FATAL:  database "canary" does not exist', "3D000", "database does not exist"),
        ('FATAL:  no pg_hba.conf entry for host "canary", user "canary", no encryption', "28000", "login"),
        ("FATAL:  sorry, too many clients already", "53300", "no connection left"),
        (
            "FATAL:  remaining connection slots are reserved for roles with SUPERUSER",
            "53300",
            "no connection",
        ),
        ("FATAL:  Max client connections reached", "53300", "no connection left"),
        ("FATAL:  the database system is starting up", "57P03", "starting up"),
        ("FATAL:  Tenant or user not found", "", "role.project"),
        (
            "FATAL:  This RDS proxy has no credentials for the role canary. Check the credentials",
            "",
            "secret",
        ),
        ("server does not support SSL, but SSL was required", "", "no TLS"),
        ("SSL error: certificate verify failed", "", "authority"),
        ('server certificate for "canary" does not match host name "canary"', "", "another host"),
        ('root certificate file "/canary" does not exist', "", "not there"),
        ("failed to resolve host 'canary': [Errno -2] Name or service not known", "", "not known"),
        ('connection to server at "canary", port 1 failed: Connection refused', "", "nothing listens"),
        ("connection timeout expired", "", "did not answer in time"),
        ("something never heard of canary", "", "check that it runs"),
    ],
)
def test_a_fault_at_connecting_has_advice_that_fits(message: str, state: str, words: str) -> None:
    error = translated(psycopg.OperationalError(f"connection failed: {message}"))
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


STATEMENTS = [value for name, value in vars(write_sql).items() if name.isupper() and isinstance(value, str)]


@pytest.mark.parametrize(
    "statement",
    [sql for sql in STATEMENTS if " FROM " in sql and "index_space" not in sql and sql != write_sql.OVERDUE],
)
def test_every_statement_names_the_tenant(statement: str) -> None:
    assert "tenant_id)b" in statement or "tenants)b" in statement


@pytest.mark.parametrize("statement", STATEMENTS)
def test_every_parameter_is_binary_and_named(statement: str) -> None:
    assert re.sub(r"%\([a-z_]+\)b", "", statement).count("%") == 0


class Recorder:
    """A connection that notes which statements it was given."""

    def __init__(self) -> None:
        self.statements: list[str] = []

    def execute(self, statement: str, *_: object) -> None:
        self.statements.append(statement)

    def push(self) -> None:
        """Send nothing."""


def written(*messages: MessageRow) -> list[str]:
    """Return the statements that write a chunk of a message, and rows of messages."""
    connection: Any = Recorder()
    write = planned(ITEM, UNKNOWN, facts=FACTS, upserts=[(chunk(1, "text"), axis(1))], messages=messages)
    writing.write(connection, [("acme", write)], SchemaBinding(), 8)
    return connection.statements  # type: ignore[no-any-return]


def test_a_message_that_is_written_with_its_chunk_is_written_once() -> None:
    assert write_sql.LINK not in written(row(1))


def test_a_message_that_stays_as_it_is_still_learns_of_its_chunk() -> None:
    assert write_sql.LINK in written()
    assert write_sql.LINK in written(row(2))


@pytest.mark.parametrize(
    ("kind", "name", "values"),
    [
        (wire_format.TEXT, "text", ["a", "猫", "", None, "a"]),
        (wire_format.INT2, "int2", [0, -1, 7]),
        (wire_format.INT4, "int4", [2**31 - 1, None, -(2**31)]),
        (wire_format.FLOAT8, "float8", [0.1, None, 1_764_000_000.25, 0.1]),
        (wire_format.BOOL, "bool", [True, False, True]),
        (wire_format.JSONB, "jsonb", ['{"a": 1}', '{"a": 1}']),
        (wire_format.TIMESTAMPTZ, "timestamptz", [datetime(1999, 12, 31, 23, 59, 59, 999_999, UTC), None]),
        (wire_format.UUID, "uuid", ["6f0d1a52-3c0e-4d1b-9a55-7d1f6f0f7a11"]),
        (wire_format.TEXT, "text", []),
    ],
    ids=["text", "int2", "int4", "float8", "bool", "jsonb", "timestamptz", "uuid", "empty"],
)
def test_a_column_is_read_as_the_driver_reads_an_array(
    kind: wire_format.Kind[Any], name: str, values: list[Any]
) -> None:
    array = psycopg.adapters.types[name].array_oid
    told = Transformer().get_loader(array, Format.BINARY).load(wire_format.column(kind, values).payload)
    expected = [json.loads(value) for value in values] if name == "jsonb" else values
    assert [str(value) if name == "uuid" else value for value in told] == expected
