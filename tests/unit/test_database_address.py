import json
from typing import Any

import pytest
from psycopg.conninfo import conninfo_to_dict

from pipeline.database_settings import DatabaseSettings
from pipeline.errors import SecretUnavailableError, SettingsError
from pipeline.settings import Settings
from pipeline.stores.pgvector.address import conninfo_of
from pipeline.stores.pgvector.connection import with_defaults
from pipeline.stores.pgvector.tls import AMAZON_ROOTS

RDS = "memory.abc.eu-west-1.rds.amazonaws.com"
NOTHING = DatabaseSettings()
PEM = "-----BEGIN CERTIFICATE-----\nQUJD\n-----END CERTIFICATE-----"


def made(secret: str | dict[str, Any], settings: DatabaseSettings = NOTHING) -> dict[str, Any]:
    text = secret if isinstance(secret, str) else json.dumps(secret)
    return dict(conninfo_to_dict(conninfo_of(text, settings)))


USUAL = {"host": RDS, "port": "5432", "user": "app", "password": "p/w @:%", "dbname": "memory"}


@pytest.mark.parametrize(
    "secret",
    [
        f"postgresql://app:p%2Fw%20%40%3A%25@{RDS}:5432/memory",
        f"\n host={RDS} port=5432 user=app password='p/w @:%' dbname=memory \n",
        {"url": f"postgresql://app:p%2Fw%20%40%3A%25@{RDS}:5432/memory"},
        {"dsn": f"postgresql://app:p%2Fw%20%40%3A%25@{RDS}:5432/memory"},
        {
            "engine": "postgres",
            "host": RDS,
            "port": 5432,
            "username": "app",
            "password": "p/w @:%",
            "dbname": "memory",
            "dbInstanceIdentifier": "memory",
            "masterarn": "arn:aws:secretsmanager:…",
        },
    ],
)
def test_each_form_of_a_secret_says_the_same(secret: str | dict[str, Any]) -> None:
    assert made(secret) == USUAL


def test_a_secret_that_rds_manages_is_completed_by_the_settings() -> None:
    settings = DatabaseSettings(host=RDS, port=5433, name="memory")
    assert made({"username": "postgres", "password": "x"}, settings) == {
        "host": RDS,
        "port": "5433",
        "user": "postgres",
        "password": "x",
        "dbname": "memory",
    }


def test_a_proxy_named_in_the_settings_goes_before_the_instance_in_the_secret() -> None:
    proxy = "memory.proxy-abc.eu-west-1.rds.amazonaws.com"
    assert made(f"postgresql://app:x@{RDS}/memory", DatabaseSettings(host=proxy))["host"] == proxy


@pytest.mark.parametrize(
    "secret",
    [
        f"postgresql://app:x@{RDS}/memory?sslmode=verify-ca&sslrootcert=/var/task/own.pem",
        {
            "url": f"postgresql://app:x@{RDS}/memory",
            "sslmode": "verify-ca",
            "sslrootcert": "/var/task/own.pem",
        },
        {
            "host": RDS,
            "username": "app",
            "password": "x",
            "sslmode": "verify-ca",
            "sslrootcert": "/var/task/own.pem",
        },
    ],
)
def test_tls_may_be_said_in_either_form(secret: str | dict[str, Any]) -> None:
    found = made(secret)
    assert (found["sslmode"], found["sslrootcert"]) == ("verify-ca", "/var/task/own.pem")


def test_a_secret_may_carry_the_certificate_itself() -> None:
    secret = {"host": "db.supabase.example", "username": "u", "password": "x", "sslrootcert": PEM}
    assert made(secret)["sslrootcert"] == PEM
    with_roots = conninfo_to_dict(with_defaults(conninfo_of(json.dumps(secret), NOTHING)))
    assert (with_roots["sslmode"], str(with_roots["sslrootcert"])[-4:]) == ("verify-full", ".pem")


def test_an_rds_secret_is_verified_against_amazons_roots_without_a_word() -> None:
    found = conninfo_to_dict(
        with_defaults(conninfo_of(json.dumps({"host": RDS, "username": "u", "password": "x"}), NOTHING))
    )
    assert (found["sslmode"], found["sslrootcert"]) == ("verify-full", str(AMAZON_ROOTS))


@pytest.mark.parametrize(
    ("secret", "words"),
    [
        ({"username": "canary", "password": "canary"}, "DatabaseHost"),
        ({"host": "canary", "password": "canary"}, "username and password"),
        ({"apiKey": "canary"}, "username and password"),
        ("canary canary", "%40"),
        ("postgresql://u:100%canary@h/x", "%40"),  # %ca, which is no text
        ("postgresql://u:100%zcanary@h/x", "%40"),
        ("", "host"),
    ],
)
def test_a_secret_that_does_not_fit_says_what_to_write_and_quotes_nothing(
    secret: str | dict[str, Any], words: str
) -> None:
    with pytest.raises(SecretUnavailableError, match=words) as caught:
        made(secret)
    assert "canary" not in str(caught.value)
    assert caught.value.__suppress_context__ or caught.value.__cause__ is None


def test_settings_read_what_the_template_sets() -> None:
    environment = {
        "DATABASE_AUTHENTICATION": "iam",
        "DATABASE_HOST": RDS,
        "DATABASE_PORT": "5433",
        "DATABASE_NAME": "memory",
        "DATABASE_USER": "app_query",
        "DATABASE_SSLROOTCERT": PEM,
        "DATABASE_STATEMENT_SECONDS": "4",
    }
    assert Settings.from_environment(environment).database == DatabaseSettings(
        RDS, 5433, "memory", "app_query", "iam", PEM, 4
    )
    assert Settings.from_environment({"DATABASE_HOST": "", "DATABASE_PORT": ""}).database == NOTHING


def test_another_authentication_is_refused() -> None:
    with pytest.raises(SettingsError, match="password or iam"):
        Settings.from_environment({"DATABASE_AUTHENTICATION": "kerberos"})
