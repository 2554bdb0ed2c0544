"""The functions' roles, enforced: what the template does not grant is refused."""

import io
import json
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from uuid import uuid4

import pytest

from pipeline.local.stack import Stack
from pipeline.operations.status.run import FUNCTIONS

pytestmark = pytest.mark.e2e

TRY = """
import boto3

def handler(event, context):
    outcomes = {}
    for name, (service, operation, arguments) in event.items():
        try:
            getattr(boto3.client(service), operation)(**arguments)
            outcomes[name] = "allowed"
        except Exception as error:
            outcomes[name] = getattr(error, "response", {}).get("Error", {}).get("Code", repr(error))
    return outcomes
"""
REFUSED = {"AccessDenied", "AccessDeniedException"}
Powers = Callable[[str, dict[str, Any]], dict[str, str]]


@pytest.fixture
def powers(stack: Stack) -> Iterator[Powers]:
    """Try calls with the role of one of the stack's functions."""
    with trying(stack) as attempt:
        yield attempt


@contextmanager
def trying(stack: Stack) -> Iterator[Powers]:
    aws_lambda, made = stack.client("lambda"), []
    code = io.BytesIO()
    with zipfile.ZipFile(code, "w") as archive:
        archive.writestr("attempt.py", TRY)

    def attempt(function: str, calls: dict[str, Any]) -> dict[str, str]:
        model = aws_lambda.get_function_configuration(FunctionName=stack.outputs[FUNCTIONS[function]])
        made.append(f"attempt-{uuid4().hex[:8]}")
        aws_lambda.create_function(
            FunctionName=made[-1],
            Runtime=model["Runtime"],
            Role=model["Role"],
            Handler="attempt.handler",
            Code={"ZipFile": code.getvalue()},
            Timeout=60,
        )
        answer = aws_lambda.invoke(FunctionName=made[-1], Payload=json.dumps(calls))
        outcomes: dict[str, str] = json.loads(answer["Payload"].read())
        return outcomes

    yield attempt
    for name in made:
        aws_lambda.delete_function(FunctionName=name)


def calls(stack: Stack) -> dict[str, Any]:
    item = {"tenant_id": {"S": "x"}, "session_key": {"S": "x"}}
    sessions = stack.outputs["SessionsTableName"]
    return {
        "read an item": ("dynamodb", "get_item", {"TableName": sessions, "Key": item}),
        "write an item": ("dynamodb", "put_item", {"TableName": sessions, "Item": item}),
        "delete an item": ("dynamodb", "delete_item", {"TableName": sessions, "Key": item}),
        "scan": ("dynamodb", "scan", {"TableName": sessions}),
        "purge": ("sqs", "purge_queue", {"QueueUrl": stack.outputs["NoticeQueueUrl"]}),
        "dead-letter": ("sqs", "send_message", {"QueueUrl": stack.outputs["DeadLetterQueueUrl"], "MessageBody": "x"}),
        "read the message key": ("secretsmanager", "get_secret_value", {"SecretId": stack.outputs["MessageKeyArn"]}),
        "list secrets": ("secretsmanager", "list_secrets", {}),
        "list buckets": ("s3", "list_buckets", {}),
    }  # fmt: skip


@pytest.mark.parametrize(
    ("function", "allowed"),
    [
        ("stream", {"read the message key"}),
        ("ingest", {"read the message key", "read an item", "dead-letter"}),
        ("query", set()),
    ],
)
def test_a_role_may_do_what_its_function_needs_and_no_more(
    stack: Stack, powers: Powers, function: str, allowed: set[str]
) -> None:
    outcomes = powers(function, calls(stack))
    assert {name for name, outcome in outcomes.items() if outcome == "allowed"} == allowed
    assert {outcome for name, outcome in outcomes.items() if name not in allowed} <= REFUSED
    stack.client("sqs").purge_queue(QueueUrl=stack.outputs["DeadLetterQueueUrl"])


def ledger_calls(ledger: str) -> dict[str, Any]:
    """Which rows it may be is for the template's tests: the local AWS does not know dynamodb:LeadingKeys."""
    key = {"pk": {"S": "usage 4:acme"}, "sk": {"S": "x"}}
    one, added = {"TableName": ledger, "Key": key}, {"UpdateExpression": "ADD n :n"}
    by = {"ExpressionAttributeValues": {":n": {"N": "1"}}}
    return {
        "read rows": ("dynamodb", "batch_get_item", {"RequestItems": {ledger: {"Keys": [key]}}}),
        "count": ("dynamodb", "update_item", {**one, **added, **by}),
        "write a row": ("dynamodb", "put_item", {"TableName": ledger, "Item": key}),
        "delete a row": ("dynamodb", "delete_item", one),
        "scan": ("dynamodb", "scan", {"TableName": ledger}),
    }


def test_the_digest_reads_and_counts_in_the_ledger_and_does_nothing_else_there() -> None:
    with (
        Stack({"DigestProvider": "extractive"}, store="dynamodb") as elsewhere,
        trying(elsewhere) as attempt,
    ):
        outcomes = attempt("digest", ledger_calls(elsewhere.outputs["LedgerTableName"]))
        assert {name for name, one in outcomes.items() if one == "allowed"} == {"read rows", "count"}
        assert set(outcomes.values()) - {"allowed"} <= REFUSED
        vectors = attempt("digest", ledger_calls(elsewhere.outputs["VectorTableName"]))
        assert set(vectors.values()) <= REFUSED
