from datetime import datetime
from typing import Any

import boto3
import botocore.auth
import pytest
from botocore.credentials import Credentials
from psycopg.conninfo import conninfo_to_dict

from pipeline.database_settings import DatabaseSettings
from pipeline.errors import SettingsError
from pipeline.stores.pgvector.iam import KEPT_SECONDS, VALID_SECONDS, IamLogin, region_of
from pipeline.stores.pgvector.tls import AMAZON_ROOTS

HOST = "memory.cluster-abc.eu-west-1.rds.amazonaws.com"
SETTINGS = DatabaseSettings(host=HOST, user="app_query", name="memory", authentication="iam")
KEYS = Credentials("AKIDEXAMPLE", "secret", "a session's token/+=")


class Clock:
    def __init__(self) -> None:
        self.now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


def login(clock: Clock | None = None, settings: DatabaseSettings = SETTINGS) -> IamLogin:
    return IamLogin(settings, lambda: KEYS, None, clock or Clock())


def password(conninfo: str) -> str:
    return str(conninfo_to_dict(conninfo)["password"])


def test_a_token_is_the_one_that_boto3_makes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(botocore.auth, "get_current_datetime", lambda: datetime(2026, 11, 27, 8, 0, 0))  # noqa: DTZ001  # as botocore has it
    make: Any = boto3.client
    client = make(
        "rds",
        region_name="eu-west-1",
        aws_access_key_id=KEYS.access_key,
        aws_secret_access_key=KEYS.secret_key,
        aws_session_token=KEYS.token,
    )
    theirs = client.generate_db_auth_token(HOST, 5432, "app_query", "eu-west-1")
    ours = password(login().conninfo())
    assert ours == theirs


def test_the_connection_is_verified_and_to_the_writers_database() -> None:
    made = conninfo_to_dict(login().conninfo())
    assert made.pop("password")
    assert made == {
        "host": HOST,
        "port": "5432",
        "user": "app_query",
        "dbname": "memory",
        "sslmode": "verify-full",
        "sslrootcert": str(AMAZON_ROOTS),
    }


def test_a_token_is_used_again_and_replaced_while_it_still_holds(monkeypatch: pytest.MonkeyPatch) -> None:
    clock, signed = Clock(), iter(range(100))
    monkeypatch.setattr(IamLogin, "_sign", lambda _: f"token {next(signed)}")
    one = login(clock)
    assert password(one.conninfo()) == "token 0"
    clock.now += KEPT_SECONDS - 1
    assert password(one.conninfo()) == "token 0"
    clock.now += 1
    assert password(one.conninfo()) == "token 1"
    assert KEPT_SECONDS < VALID_SECONDS


def test_a_refused_token_is_replaced_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    signed = iter(range(100))
    monkeypatch.setattr(IamLogin, "_sign", lambda _: f"token {next(signed)}")
    one = login()
    assert [password(made) for made in (one.conninfo(), one.renewed(), one.conninfo())] == [
        "token 0",
        "token 1",
        "token 1",
    ]


@pytest.mark.parametrize(
    ("host", "region"),
    [
        (HOST, "eu-west-1"),
        ("memory.abc.us-gov-west-1.rds.amazonaws.com", "us-gov-west-1"),
        ("memory.abc.rds.cn-north-1.amazonaws.com.cn", "cn-north-1"),
        ("prx.proxy-abc.ap-northeast-1.rds.amazonaws.com", "ap-northeast-1"),
        ("memory.example", None),
    ],
)
def test_an_endpoint_tells_its_region(host: str, region: str | None) -> None:
    assert region_of(host) == region


def test_without_credentials_or_region_it_says_what_lacks() -> None:
    for credentials, host in ((None, HOST), (KEYS, "memory.example")):
        settings = DatabaseSettings(host=host, user="u", authentication="iam")
        with pytest.raises(SettingsError, match="credentials and a region"):
            IamLogin(settings, lambda given=credentials: given, None, Clock()).conninfo()


def test_iam_without_an_address_names_what_lacks() -> None:
    with pytest.raises(SettingsError, match="DATABASE_HOST and DATABASE_USER not set"):
        DatabaseSettings(authentication="iam").for_iam()
    assert SETTINGS.for_iam() is SETTINGS
