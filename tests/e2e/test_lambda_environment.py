"""The built bundles do their work with Lambda's variables and nothing else, their code untouched, memory and time as in the template."""

import hashlib
import json
import secrets
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import sql
from support.embedding_api import CountingApi

from pipeline.embedding.vectors import EmbeddingSpace
from pipeline.local.aws import LocalAws
from pipeline.local.lambda_process import LambdaProcess, lambda_environment
from pipeline.local.postgres import Postgres
from pipeline.local.processes import new_run_folder
from pipeline.packaging.collect import collect, installed
from pipeline.packaging.contents import BUNDLES
from pipeline.packaging.deploy import TEMPLATE
from pipeline.packaging.isolation import runtime, unpacked
from pipeline.packaging.template import environments, spelt_out
from pipeline.stores.pgvector.migrations import migrate

pytestmark = pytest.mark.e2e
MODEL = "text-embedding-3-small"
TEXT = "The blue crate ships on Friday"
Start = Callable[[str], LambdaProcess]


class Account:
    """Queues, tables, secrets and a database, as a deployment would name them to the functions."""

    def __init__(self, folder: Path, api: CountingApi) -> None:
        self.aws, self.postgres = LocalAws(folder).start(), Postgres(folder / "postgres").start()
        migrate(self.postgres.conninfo(), EmbeddingSpace(MODEL, CountingApi.DIMENSIONS))
        self.sqs, self.dynamodb = self.aws.client("sqs"), self.aws.client("dynamodb")
        self.queue, self.dead = (
            str(self.sqs.create_queue(QueueName=name)["QueueUrl"]) for name in ("notices", "dead")
        )
        names = ("tenant_id", "session_key")
        self.dynamodb.create_table(
            TableName="sessions",
            BillingMode="PAY_PER_REQUEST",
            AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name in names],
            KeySchema=[
                {"AttributeName": name, "KeyType": kind}
                for name, kind in zip(names, ("HASH", "RANGE"), strict=True)
            ],
        )
        self.variables = {
            "AWS_ENDPOINT_URL": self.aws.endpoint_url,
            "QUEUE_URL": self.queue,
            "DEAD_LETTER_QUEUE_URL": self.dead,
            "MESSAGE_KEY_SECRET_ARN": self._secret("a key of enough characters"),
            "OPENAI_SECRET_ARN": self._secret("sk-of-tests"),
            "OPENAI_BASE_URL": api.base_url,
            "EMBEDDING_DIMENSIONS": str(CountingApi.DIMENSIONS),
        }
        self.logins = {name: self._login(name) for name in ("memory_ingest", "memory_query")}

    def _secret(self, value: str) -> str:
        made = self.aws.client("secretsmanager").create_secret(Name=secrets.token_hex(4), SecretString=value)
        return str(made["ARN"])

    def _login(self, group: str) -> str:
        login, password = f"login_{group}", secrets.token_hex(16)
        with psycopg.connect(self.postgres.conninfo(), autocommit=True) as connection:
            connection.execute(
                sql.SQL("CREATE ROLE {} LOGIN PASSWORD {} IN ROLE {}").format(
                    sql.Identifier(login), sql.Literal(password), sql.Identifier(group)
                )
            )
        return self._secret(json.dumps({"url": self.postgres.conninfo_of_functions(login, password)}))

    def stop(self) -> None:
        self.aws.stop()
        self.postgres.stop()


@pytest.fixture(scope="module")
def api() -> Iterator[CountingApi]:
    running = CountingApi()
    yield running
    running.close()


@pytest.fixture(scope="module")
def account(api: CountingApi) -> Iterator[Account]:
    made = Account(new_run_folder(), api)
    yield made
    made.stop()


@pytest.fixture(scope="module")
def code(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("code")
    runtime(installed(), folder / "runtime")
    for bundle in BUNDLES:
        unpacked(collect(bundle.needs, installed()), folder / bundle.name)
    return folder


@pytest.fixture
def start(account: Account, code: Path) -> Iterator[Start]:
    template, begun = spelt_out(TEMPLATE.read_text("utf-8")), []
    variables = dict(environments(template, {}))

    def begin(function: str) -> LambdaProcess:
        [bundle] = [one.name for one in BUNDLES if function in one.handlers]
        [properties] = [
            one["Properties"]
            for one in template["Resources"].values()
            if one["Type"] == "AWS::Serverless::Function"
            and one["Properties"]["Handler"].endswith(f".{function}.handler")
        ]
        login = account.logins["memory_query" if function == "query" else "memory_ingest"]
        own = {**variables[function], **account.variables}
        own |= {"DATABASE_SECRET_ARN": login} if "DATABASE_SECRET_ARN" in own else {}
        own = {name: "" if value == "https://deployed" else value for name, value in own.items()}
        memory = int(properties["MemorySize"])
        root = code / bundle
        environment = lambda_environment(function, properties["Handler"], memory, root, own)
        process = LambdaProcess(root, code / "runtime", environment, float(properties["Timeout"]))
        begun.append(process.__enter__())
        return process

    yield begin
    for process in begun:
        process.__exit__()


def digest_of(folder: Path) -> str:
    whole = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        whole.update(str(path.relative_to(folder)).encode() + (path.read_bytes() if path.is_file() else b""))
    return whole.hexdigest()


def saved(account: Account) -> Mapping[str, Any]:
    """Save a session, and return the record that its table's stream would carry."""
    messages = json.dumps([{"role": "user", "content": TEXT}])
    keys = {"tenant_id": {"S": "acme"}, "session_key": {"S": "chat:1"}}
    item = {**keys, "messages": {"S": messages}}
    account.dynamodb.put_item(TableName="sessions", Item=item)
    return {
        "eventID": "1",
        "eventName": "INSERT",
        "eventSource": "aws:dynamodb",
        "eventVersion": "1.1",
        "awsRegion": "us-east-1",
        "eventSourceARN": "arn:aws:dynamodb:us-east-1:000000000000:table/sessions/stream/2026-11-01T00:00:00.000",
        "dynamodb": {
            "ApproximateCreationDateTime": 1795341600.0,
            "Keys": keys,
            "NewImage": item,
            "SequenceNumber": "111100000000000000000001",
            "SizeBytes": 1,
            "StreamViewType": "NEW_AND_OLD_IMAGES",
        },
    }


def test_a_save_becomes_searchable_through_the_bundles_alone(
    account: Account, code: Path, start: Start
) -> None:
    before = digest_of(code)
    assert start("stream").invoke({"Records": [saved(account)]}) == {"batchItemFailures": []}
    [message] = account.sqs.receive_message(
        QueueUrl=account.queue, WaitTimeSeconds=5, AttributeNames=["ApproximateReceiveCount"]
    )["Messages"]
    record = {
        "messageId": message["MessageId"],
        "receiptHandle": message["ReceiptHandle"],
        "body": message["Body"],
        "attributes": message["Attributes"],
        "messageAttributes": {},
        "eventSource": "aws:sqs",
        "eventSourceARN": "arn:aws:sqs:us-east-1:000000000000:notices",
        "awsRegion": "us-east-1",
    }
    ingest = start("ingest")
    assert ingest.invoke({"Records": [record]}) == {"batchItemFailures": []}
    answer = start("query").invoke({"tenant_id": "acme", "body": {"query": "when does the crate ship?"}})
    assert answer["statusCode"] == 200, answer
    assert TEXT in json.loads(answer["body"])["results"][0]["content"]
    assert digest_of(code) == before  # no function wrote into its code
    assert not any(TEXT in line for line in ingest.log)


@pytest.mark.parametrize("function", ["stream", "ingest", "query", "digest"])
def test_a_function_starts_with_lambdas_variables_alone(start: Start, function: str) -> None:
    start(function)
