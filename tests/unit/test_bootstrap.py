import json
from typing import Any

import boto3
import pytest
from psycopg.conninfo import conninfo_to_dict

from pipeline import bootstrap
from pipeline.aws import AWS_CONFIG, Account
from pipeline.embedding.openai import OpenAIEmbedder
from pipeline.embedding.vectors import EmbeddingSpace, Usage
from pipeline.errors import SecretUnavailableError, SettingsError
from pipeline.stores.ledger.usage import DynamoDbUsageLedger
from pipeline.stores.pgvector.login import Login


@pytest.fixture
def database_secret(aws: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    def put(value: str) -> None:
        monkeypatch.setenv("DATABASE_SECRET_ARN", aws.secret("database", value))

    return put


def conninfo() -> str:
    """Log in as a function does whose environment was just set."""
    bootstrap.read_from(None)
    container = bootstrap.container()
    return Login(container.settings, container.account).conninfo()


RDS = {"engine": "postgres", "host": "db.example", "port": 5433, "username": "ingest", "password": "p'w \\d@/", "dbname": "memory"}  # fmt: skip


@pytest.mark.parametrize(
    "secret",
    [
        "postgresql://u:p@db.example/memory",
        '{"url": "postgresql://u:p@db.example/memory"}',
        '{"dsn": "postgresql://u:p@db.example/memory", "host": "other"}',
    ],
)
def test_a_connection_string_is_taken_as_it_is(database_secret: Any, secret: str) -> None:
    database_secret(secret)
    assert conninfo_to_dict(conninfo()) == conninfo_to_dict("postgresql://u:p@db.example/memory")


def test_the_secret_of_rds_becomes_a_connection_string(database_secret: Any) -> None:
    database_secret(json.dumps(RDS))
    assert conninfo_to_dict(conninfo()) == {
        "host": "db.example",
        "port": "5433",
        "user": "ingest",
        "password": "p'w \\d@/",
        "dbname": "memory",
    }


def test_the_secret_of_rds_may_leave_out_port_and_database(database_secret: Any) -> None:
    database_secret(
        json.dumps({name: RDS[name] for name in ("host", "username", "password")} | {"dbname": None})
    )
    assert set(conninfo_to_dict(conninfo())) == {"host", "user", "password"}


@pytest.mark.parametrize("secret", ["{}", '{"host": "canary"}', '{"url": 7}'])
def test_a_secret_that_holds_no_connection_says_what_it_should(database_secret: Any, secret: str) -> None:
    database_secret(secret)
    with pytest.raises(SecretUnavailableError, match="database secret must be") as caught:
        conninfo()
    assert "canary" not in str(caught.value)


def test_the_variable_comes_before_the_secret(database_secret: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    database_secret("postgresql://secret")
    monkeypatch.setenv("DATABASE_URL", "postgresql://variable")
    assert conninfo() == "postgresql://variable"


@pytest.mark.usefixtures("aws")
def test_without_either_the_missing_setting_is_named() -> None:
    with pytest.raises(SettingsError, match="DATABASE_SECRET_ARN"):
        conninfo()


@pytest.mark.usefixtures("aws")
def test_a_secret_that_is_not_there_is_unavailable_and_not_named() -> None:
    with pytest.raises(SecretUnavailableError, match="check its ARN"):
        Account().read_secret("arn:aws:secretsmanager:us-east-1:123456789012:secret:gone")


def test_a_binary_secret_is_refused(aws: Any) -> None:
    arn = aws.secrets.create_secret(Name="binary", SecretBinary=b"\xff")["ARN"]
    with pytest.raises(SecretUnavailableError):
        Account().read_secret(arn)


def test_a_rotated_secret_is_read_anew(aws: Any) -> None:
    arn = aws.secret("rotating", "old")
    assert Account().read_secret(arn) == "old"
    aws.secrets.put_secret_value(SecretId=arn, SecretString="new")
    assert Account().read_secret(arn) == "new"


def test_a_message_key_too_short_to_be_one_is_refused(aws: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MESSAGE_KEY_SECRET_ARN", aws.secret("short", "x" * 15))
    with pytest.raises(SecretUnavailableError, match="at least 16"):
        _ = bootstrap.container().layouts


def test_a_message_key_of_any_length_names_entries(
    aws: Any, monkeypatch: pytest.MonkeyPatch, session_item: Any
) -> None:
    monkeypatch.setenv("MESSAGE_KEY_SECRET_ARN", aws.secret("long", "鍵" * 100))
    document = bootstrap.container().layouts.parse("sessions", session_item(("user", "hi")))
    assert document
    assert len(document.entries[0].id) == 32


@pytest.mark.parametrize("secret", ["sk-key", " sk-key\n", '{"api_key": "sk-key"}'])
def test_the_openai_key_may_be_bare_or_json(aws: Any, monkeypatch: pytest.MonkeyPatch, secret: str) -> None:
    monkeypatch.setenv("OPENAI_SECRET_ARN", aws.secret("openai", secret))
    embedder = bootstrap.container().embedder
    assert isinstance(embedder, OpenAIEmbedder)
    assert callable(embedder._key)
    assert embedder._key() == "sk-key"
    assert embedder.space == EmbeddingSpace("text-embedding-3-small", 1536)


@pytest.mark.parametrize("secret", ['{"key": "canary"}', '{"api_key": ""}', '{"api_key": 7}', " "])
def test_a_secret_without_an_openai_key_says_so(
    aws: Any, monkeypatch: pytest.MonkeyPatch, secret: str
) -> None:
    monkeypatch.setenv("OPENAI_SECRET_ARN", aws.secret("openai", secret))
    with pytest.raises(SecretUnavailableError, match="api_key") as caught:
        bootstrap.container().embedder.embed(["hello"])
    assert "canary" not in str(caught.value)


@pytest.mark.usefixtures("aws")
def test_the_offline_embedder_refuses_another_space(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EMBEDDING_PROVIDER", "offline")
    monkeypatch.setenv("EMBEDDING_DIMENSIONS", "256")
    with pytest.raises(SettingsError, match="512 dimensions only"):
        _ = bootstrap.container().embedder


@pytest.mark.usefixtures("aws")
def test_usage_is_nothing_before_anything_was_embedded_and_makes_nothing() -> None:
    assert bootstrap.container().embedding_usage() == Usage()
    assert "embedder" not in vars(bootstrap.container())


@pytest.mark.usefixtures("index")
def test_usage_is_the_embedders() -> None:
    bootstrap.container().embedder.embed(["four"])
    assert bootstrap.container().embedding_usage() == Usage(1, 4)


@pytest.mark.usefixtures("index")
def test_everything_is_made_once(aws: Any) -> None:
    assert bootstrap.container().reconciler is bootstrap.container().reconciler
    assert bootstrap.container().memory_search is bootstrap.container().memory_search
    assert bootstrap.container().announcer is bootstrap.container().announcer
    assert aws.queue_url == bootstrap.container().notice_queue._queue_url


def test_addresses_need_no_secret(aws: Any) -> None:
    aws.secrets.delete_secret(SecretId=aws.message_key_arn, ForceDeleteWithoutRecovery=True)
    key = {"tenant_id": {"S": "acme"}, "session_key": {"S": "chat:1"}}
    assert bootstrap.container().addresses.address("sessions", key)


def test_no_call_to_aws_hangs() -> None:
    config: Any = boto3.client("sqs", "us-east-1", config=AWS_CONFIG).meta.config
    assert (config.connect_timeout, config.read_timeout) == (2, 8)


ELSEWHERE = {
    "dynamodb": {"LEDGER_TABLE": "ledger", "VECTOR_TABLE": "vectors"},
    "opensearch": {"LEDGER_TABLE": "ledger", "OPENSEARCH_ENDPOINT": "https://collection.example"},
}


@pytest.mark.usefixtures("aws")
@pytest.mark.parametrize("store", ELSEWHERE)
def test_daily_summaries_of_the_other_stores_keep_their_books_in_the_ledgers_table(
    store: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {"STORE": store, "DIGEST_MODEL": "gpt-5-nano", **ELSEWHERE[store]}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("DIGEST_PROVIDER", "openai")
    monkeypatch.setenv("OPENAI_SECRET_ARN", "arn:aws:secretsmanager:us-east-1:123456789012:secret:key")
    books = [
        bootstrap.container().digest.meter.read.ledger,
        bootstrap.container().digest.meter.written.ledger,
    ]
    assert [(type(book), book.table) for book in books] == [(DynamoDbUsageLedger, "ledger")] * 2
    assert [(book.model, book.dollars_per_million_tokens) for book in books] == [
        ("gpt-5-nano input", 0.05),
        ("gpt-5-nano output", 0.40),
    ]


@pytest.mark.parametrize("store", ELSEWHERE)
def test_the_inventory_of_the_other_stores_mends_with_a_store_of_its_own(
    store: str, aws: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {"STORE": store, **ELSEWHERE[store]}.items():
        monkeypatch.setenv(name, value)
    for table, *names in (("ledger", "pk", "sk"), ("vectors", "tenant_id", "session_key")):
        aws.dynamodb.create_table(
            TableName=table,
            BillingMode="PAY_PER_REQUEST",
            AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name in names],
            KeySchema=[
                {"AttributeName": name, "KeyType": kind}
                for name, kind in zip(names, ["HASH", "RANGE"], strict=True)
            ],
        )
    bootstrap.container().backend.inventory().mend(
        "acme", '["sessions", "acme", "nobody ever saw it"]', ["an id"]
    )
    assert aws.dynamodb.scan(TableName="ledger")["Items"] == []
