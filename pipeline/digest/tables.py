"""Reads users' notes out of the chat app's tables, and writes summaries back."""

from collections.abc import Iterator
from itertools import groupby
from typing import TYPE_CHECKING, Any, cast

from botocore.exceptions import BotoCoreError, ClientError

from pipeline.digest.days import Notes
from pipeline.source.layouts import Item
from pipeline.source.table import SourceTable, put_if, unavailable

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

_FILTER = "begins_with(#r, :m) OR begins_with(#r, :d) OR begins_with(#r, :s) OR #r = :l"
_VALUES: dict[str, Any] = {
    ":m": {"S": "memory:"},
    ":d": {"S": "DAILY#"},
    ":s": {"S": "SUMMARY#"},
    ":l": {"S": "LONG_TERM"},
}


class NoteTables:
    """The tables that hold notes.

    Args:
        client: a boto3 DynamoDB client.
    """

    def __init__(self, client: "DynamoDBClient") -> None:
        self._client = client
        self._names: dict[str, tuple[str, str]] = {}

    def users(self, table: str) -> Iterator[Notes]:
        """Yield each user's notes; a scan gives the items of one partition together.

        Raises:
            SourceUnavailableError: throttled, refused or not reached.
        """
        hash_name, range_name = self._key_names(table)
        items = self._items(table, range_name)
        for _, group in groupby(items, key=lambda item: next(iter(item[hash_name].values()))):
            yield Notes(table, {item[range_name]["S"]: item for item in group})

    def get(self, table: str, key: Item) -> Item | None:
        """Return an item as it is now."""
        try:
            answer = self._client.get_item(TableName=table, Key=cast("Any", key), ConsistentRead=True)
        except (ClientError, BotoCoreError) as error:
            raise unavailable(error, table) from None
        return cast("Item | None", answer.get("Item"))

    def put(self, table: str, item: Item) -> bool:
        """Write a summary, unless one of the same log and recipe is there, or the chat app's own; tell whether it was written."""
        condition = {
            "ConditionExpression": "attribute_not_exists(#r) OR (attribute_exists(source_hash) AND source_hash <> :h)",
            "ExpressionAttributeNames": {"#r": self._key_names(table)[1]},
            "ExpressionAttributeValues": {":h": item["source_hash"]},
        }
        return put_if(self._client, table, item, condition)

    def delete(self, table: str, key: Item) -> None:
        """Delete a summary."""
        try:
            self._client.delete_item(TableName=table, Key=cast("Any", key))
        except (ClientError, BotoCoreError) as error:
            raise unavailable(error, table) from None

    def key_of(self, table: str, item: Item) -> Item:
        """Return the key among an item's attributes."""
        return {name: item[name] for name in self._key_names(table)}

    def _key_names(self, table: str) -> tuple[str, str]:
        if table not in self._names:
            self._names[table] = SourceTable(self._client).key_names(table)
        return self._names[table]

    def _items(self, table: str, range_name: str) -> Iterator[Item]:
        pages = self._client.get_paginator("scan").paginate(
            TableName=table,
            FilterExpression=_FILTER,
            ExpressionAttributeNames={"#r": range_name},
            ExpressionAttributeValues=_VALUES,
        )
        try:
            for page in pages:
                yield from cast("list[Item]", page["Items"])
        except (ClientError, BotoCoreError) as error:
            raise unavailable(error, table) from None
