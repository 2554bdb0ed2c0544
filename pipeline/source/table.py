"""Reads one item from DynamoDB, strongly consistent."""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, cast

from botocore.exceptions import BotoCoreError, ClientError

from pipeline.errors import SourceUnavailableError
from pipeline.source.documents import ItemKey
from pipeline.source.layouts import Item

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient


class SourceTable:
    """The chat app's tables; nothing is written but new items that whoever runs a backfill hands in.

    Args:
        client: a boto3 DynamoDB client.
    """

    def __init__(self, client: "DynamoDBClient") -> None:
        self._client = client

    def key_names(self, table: str) -> tuple[str, str]:
        """Return the names of the table's hash and range key.

        Raises:
            SourceUnavailableError: the table cannot be described, or has no range key.
        """
        try:
            schema = self._client.describe_table(TableName=table)["Table"]["KeySchema"]
        except (ClientError, BotoCoreError) as error:
            raise unavailable(error, table) from None
        names = {part["KeyType"]: part["AttributeName"] for part in schema}
        if "RANGE" not in names:
            raise SourceUnavailableError(f"table {table} has no sort key: it is none of the chat app's")
        return names["HASH"], names["RANGE"]

    def key_types(self, table: str) -> tuple[str, str]:
        """Return the types of the table's hash and range key: ``S`` or ``N``.

        Raises:
            SourceUnavailableError: the table cannot be described.
        """
        names = self.key_names(table)
        try:
            rows = self._client.describe_table(TableName=table)["Table"].get("AttributeDefinitions", [])
        except (ClientError, BotoCoreError) as error:
            raise unavailable(error, table) from None
        types = {row["AttributeName"]: str(row["AttributeType"]) for row in rows}
        return types.get(names[0], "S"), types.get(names[1], "S")

    def scan(self, table: str, segment: int, segments: int) -> Iterator[Item]:
        """Yield the items of one of ``segments`` equal parts of ``table``, eventually consistent.

        Raises:
            SourceUnavailableError: throttled, refused or not reached.
        """
        pages = self._client.get_paginator("scan").paginate(
            TableName=table, Segment=segment, TotalSegments=segments
        )
        try:
            for page in pages:
                yield from cast("list[Item]", page["Items"])
        except (ClientError, BotoCoreError) as error:
            raise unavailable(error, table) from None

    def put_new(self, table: str, item: Item, hash_name: str) -> bool:
        """Write an item unless one with its key is there; tell whether it was written.

        Raises:
            SourceUnavailableError: throttled, refused or not reached.
        """
        condition = {
            "ConditionExpression": "attribute_not_exists(#h)",
            "ExpressionAttributeNames": {"#h": hash_name},
        }
        return put_if(self._client, table, item, condition)

    def get(self, key: ItemKey) -> Item | None:
        """Return the item as it is now, or ``None`` if there is none.

        Raises:
            SourceUnavailableError: throttled, refused or not reached; the item may well exist.
        """
        try:
            answer = self._client.get_item(TableName=key.table, Key=key.to_dynamodb(), ConsistentRead=True)
        except (ClientError, BotoCoreError) as error:
            raise unavailable(error, key.table) from None
        return cast("Item | None", answer.get("Item"))


def put_if(client: "DynamoDBClient", table: str, item: Item, condition: Mapping[str, Any]) -> bool:
    """Write an item if a condition holds; tell whether it was written.

    Args:
        client: a boto3 DynamoDB client.
        condition: ``ConditionExpression`` and what it names, as ``PutItem`` takes them.

    Raises:
        SourceUnavailableError: throttled, refused or not reached.
    """
    try:
        client.put_item(TableName=table, Item=cast("Any", item), **condition)
    except ClientError as error:
        if error.response.get("Error", {}).get("Code") == "ConditionalCheckFailedException":
            return False
        raise unavailable(error, table) from None
    except BotoCoreError as error:
        raise unavailable(error, table) from None
    return True


def unavailable(error: ClientError | BotoCoreError, table: str) -> SourceUnavailableError:
    """Return our error for what DynamoDB answered, or did not."""
    if isinstance(error, ClientError):
        code = error.response.get("Error", {}).get("Code", "unknown")
        return SourceUnavailableError(f"DynamoDB answered {code} for table {table}")
    return SourceUnavailableError(f"DynamoDB was not reached: {type(error).__name__}")
