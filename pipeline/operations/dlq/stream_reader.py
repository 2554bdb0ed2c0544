"""Reads a range of records from a DynamoDB stream."""

from collections.abc import Callable, Mapping
from typing import Any, Protocol

from botocore.exceptions import ClientError

from pipeline.operations.queues.stream_batches import Record, StreamBatch
from pipeline.operations.stack.aws_errors import code_of, explained

MAX_EMPTY_PAGES = 20
PAUSE_SECONDS = 0.25
"""An open shard answers with empty pages for ever, and a full one sometimes; DynamoDB wants at most 5 reads a second."""

_GONE = {"TrimmedDataAccessException", "ResourceNotFoundException"}


class StreamClient(Protocol):
    """What is used of boto3's ``dynamodbstreams`` client."""

    def get_shard_iterator(self, **request: str) -> Mapping[str, Any]:
        """Return where to begin reading."""
        ...

    def get_records(self, *, ShardIterator: str) -> Mapping[str, Any]:  # noqa: N803  # boto3's
        """Return some records and where to go on."""
        ...


class StreamReader:
    """Reads streams.

    Args:
        sleep: waits, in seconds.
    """

    def __init__(self, client: StreamClient, sleep: Callable[[float], None]) -> None:
        self._client = client
        self._sleep = sleep

    def records(self, batch: StreamBatch) -> list[Record]:
        """Return the records of ``batch`` that the stream still holds, in order; none if the stream itself is gone.

        Raises:
            SettingsError, RetryableError: the stream does not answer; the records may well be there.
        """
        found: list[Record] = []
        needs = "dynamodb:GetShardIterator and dynamodb:GetRecords"
        with explained(f"the stream of table {batch.table}", "the message's streamArn", needs):
            try:
                self._read(batch, found)
            except ClientError as error:
                if code_of(error) not in _GONE:
                    raise
        return batch.of_batch(found)

    def _read(self, batch: StreamBatch, found: list[Record]) -> None:
        iterator, empty_pages = self._iterator(batch), 0
        while iterator and empty_pages < MAX_EMPTY_PAGES and not batch.reached_by(found):
            answer = self._client.get_records(ShardIterator=iterator)
            found += answer["Records"]
            iterator = answer.get("NextShardIterator")
            if not answer["Records"]:
                empty_pages += 1
                self._sleep(PAUSE_SECONDS)

    def _iterator(self, batch: StreamBatch) -> str | None:
        """Begin at the batch's first record, or at the oldest that is left if that one is gone."""
        where = {"StreamArn": batch.stream_arn, "ShardId": batch.shard_id}
        try:
            answer = self._client.get_shard_iterator(
                **where, ShardIteratorType="AT_SEQUENCE_NUMBER", SequenceNumber=batch.start
            )
        except ClientError as error:
            if code_of(error) != "TrimmedDataAccessException":
                raise
            answer = self._client.get_shard_iterator(**where, ShardIteratorType="TRIM_HORIZON")
        return answer.get("ShardIterator")
