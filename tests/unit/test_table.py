from typing import Any

import boto3
import pytest
from botocore.exceptions import EndpointConnectionError, ParamValidationError, ReadTimeoutError
from botocore.stub import Stubber

from pipeline.errors import SourceUnavailableError
from pipeline.source.documents import ItemKey
from pipeline.source.table import SourceTable, put_if

KEY = ItemKey("sessions", "tenant_id", "acme", "session_key", "chat:1")


def test_an_item_is_read_as_it_is(aws: Any, session_item: Any) -> None:
    item = session_item(("user", "hello"), ttl="1")
    aws.put(item)
    assert SourceTable(aws.dynamodb).get(KEY) == item


def test_an_item_that_is_not_there_is_none(aws: Any) -> None:
    assert SourceTable(aws.dynamodb).get(KEY) is None


@pytest.fixture
def client() -> Any:
    return boto3.client("dynamodb", "us-east-1", aws_access_key_id="x", aws_secret_access_key="x")


def test_reads_are_strongly_consistent_and_of_one_item(client: Any) -> None:
    expected = {
        "TableName": "sessions",
        "Key": {"tenant_id": {"S": "acme"}, "session_key": {"S": "chat:1"}},
        "ConsistentRead": True,
    }
    with Stubber(client) as stubber:
        stubber.add_response("get_item", {}, expected)
        assert SourceTable(client).get(KEY) is None


@pytest.mark.parametrize(
    "code", ["ProvisionedThroughputExceededException", "AccessDeniedException", "ResourceNotFoundException"]
)
def test_a_refused_read_is_never_an_absent_item(client: Any, code: str) -> None:
    with Stubber(client) as stubber:
        stubber.add_client_error("get_item", code, "canary")
        with pytest.raises(SourceUnavailableError, match=f"{code} for table sessions") as caught:
            SourceTable(client).get(KEY)
    assert "canary" not in str(caught.value)


class Failing:
    def __init__(self, error: Exception) -> None:
        self.error = error

    def get_item(self, **_: Any) -> Any:
        raise self.error


@pytest.mark.parametrize(
    "error",
    [
        EndpointConnectionError(endpoint_url="https://canary"),
        ReadTimeoutError(endpoint_url="https://canary"),
        ParamValidationError(report="canary"),
    ],
)
def test_a_table_that_was_not_reached_says_how_and_quotes_nothing(error: Exception) -> None:
    client: Any = Failing(error)
    with pytest.raises(SourceUnavailableError, match=type(error).__name__) as caught:
        SourceTable(client).get(KEY)
    assert "canary" not in str(caught.value)


CONDITION = {"ConditionExpression": "attribute_not_exists(#k)", "ExpressionAttributeNames": {"#k": "tenant_id"}}  # fmt: skip


def test_a_conditional_put_says_whether_it_was_written_and_writes_nothing_otherwise(
    aws: Any, session_item: Any
) -> None:
    first, second = session_item(("user", "hello")), session_item(("user", "something else"))
    assert put_if(aws.dynamodb, "sessions", first, CONDITION)
    assert not put_if(aws.dynamodb, "sessions", second, CONDITION)
    assert SourceTable(aws.dynamodb).get(KEY) == first


def test_a_put_that_is_refused_is_never_a_condition_that_failed(client: Any) -> None:
    with Stubber(client) as stubber:
        stubber.add_client_error("put_item", "ThrottlingException", "canary")
        with pytest.raises(SourceUnavailableError, match="ThrottlingException for table t") as caught:
            put_if(client, "t", {"tenant_id": {"S": "acme"}}, CONDITION)
    assert "canary" not in str(caught.value)
