"""Reads one item from DynamoDB, strongly consistent."""

from typing import TYPE_CHECKING, cast

from botocore.exceptions import BotoCoreError, ClientError

from pipeline.errors import SourceUnavailableError
from pipeline.source.documents import ItemKey
from pipeline.source.layouts import Item

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient


class SourceTable:
    """The chat app's tables, read-only.

    Args:
        client: a boto3 DynamoDB client.
    """

    def __init__(self, client: "DynamoDBClient") -> None:
        self._client = client

    def get(self, key: ItemKey) -> Item | None:
        """Return the item as it is now, or ``None`` if there is none.

        Raises:
            SourceUnavailableError: throttled, refused or not reached; the item may well exist.
        """
        try:
            answer = self._client.get_item(TableName=key.table, Key=key.to_dynamodb(), ConsistentRead=True)
        except ClientError as error:
            code = error.response.get("Error", {}).get("Code", "unknown")
            raise SourceUnavailableError(f"DynamoDB answered {code} for table {key.table}") from None
        except BotoCoreError as error:
            raise SourceUnavailableError(f"DynamoDB was not reached: {type(error).__name__}") from None
        return cast("Item | None", answer.get("Item"))
