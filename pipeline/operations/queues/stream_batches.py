"""Batches of stream records that Lambda gave up on, as its on-failure destination tells of them. Pure.

The message names shard and sequence numbers, not the records; see
docs.aws.amazon.com/lambda/latest/dg/services-dynamodb-errors.html::

    {"requestContext": {"condition": "RetryAttemptsExhausted", …},
     "DDBStreamBatchInfo": {"shardId": "shardId-…", "startSequenceNumber": "…", "endSequenceNumber": "…",
                            "approximateArrivalOfFirstRecord": "2026-11-20T10:00:00Z",
                            "approximateArrivalOfLastRecord": "…", "batchSize": 2, "streamArn": "arn:…"}}
"""

import base64
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pipeline.operations.terminal.text import printable

_SEQUENCE_NUMBER = re.compile(r"[0-9]{1,40}")

Record = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class StreamBatch:
    """Where the records of one failed batch are, or were.

    Args:
        start: sequence number of the first record.
        end: of the last; a filter of the event source mapping may have left out some in between.
        size: how many records the function was given.
        first_saved_at: when the first change was saved, as Lambda wrote it.
        last_saved_at: the same of the last.
    """

    stream_arn: str
    shard_id: str
    start: str
    end: str
    size: int = 1
    first_saved_at: str = "an unknown time"
    last_saved_at: str = "an unknown time"

    @property
    def table(self) -> str:
        """Whose stream it is."""
        return self.stream_arn.partition(":table/")[2].partition("/stream/")[0]

    def of_batch(self, records: Sequence[Record]) -> list[Record]:
        """Return those of ``records`` that lie in the batch's range."""
        low, high = int(self.start), int(self.end)
        return [record for record in records if low <= sequence_number(record) <= high]

    def reached_by(self, records: Sequence[Record]) -> bool:
        """Tell whether reading may stop after ``records``."""
        return bool(records) and sequence_number(records[-1]) >= int(self.end)

    def complete(self, records: Sequence[Record]) -> bool:
        """Tell whether ``records``, in order and in range, are all there were."""
        ends = {sequence_number(record) for record in (*records[:1], *records[-1:])}
        return ends == {int(self.start), int(self.end)} and len(records) >= self.size


def read_batch(body: str) -> StreamBatch | None:
    """Read a message; ``None`` if it tells of no DynamoDB stream batch."""
    try:
        info = json.loads(body)["DDBStreamBatchInfo"]
        found = {
            "stream_arn": str(info["streamArn"]),
            "shard_id": str(info["shardId"]),
            "start": _decimal(info["startSequenceNumber"]),
            "end": _decimal(info["endSequenceNumber"]),
        }
        batch = StreamBatch(**found, size=int(info.get("batchSize", 1)), **_times(info))
    except (KeyError, TypeError, ValueError, RecursionError):
        return None
    return batch if batch.table else None


def _decimal(text: object) -> str:
    if not isinstance(text, str) or not _SEQUENCE_NUMBER.fullmatch(text):
        raise ValueError
    return text


def _times(info: Mapping[str, Any]) -> dict[str, str]:
    names = {
        "first_saved_at": "approximateArrivalOfFirstRecord",
        "last_saved_at": "approximateArrivalOfLastRecord",
    }
    return {ours: printable(str(info[theirs])) for ours, theirs in names.items() if info.get(theirs)}


def sequence_number(record: Record) -> int:
    """Return a record's place in its shard."""
    return int(record["dynamodb"]["SequenceNumber"])


def as_lambda_delivers(record: Record, stream_arn: str) -> dict[str, Any]:
    """Return a record of ``GetRecords``, as boto3 reads it, in the shape Lambda hands to a function.

    Lambda names the stream, writes times as epoch seconds, and binary values in base64.
    """
    return {**_json_value(record), "eventSourceARN": stream_arn}


def _json_value(value: Any) -> Any:  # noqa: ANN401  # whatever boto3 made of JSON
    match value:
        case bytes():
            return base64.b64encode(value).decode("ascii")
        case datetime():
            return value.timestamp()
        case Mapping():
            return {name: _json_value(inner) for name, inner in value.items()}
        case list() | tuple():
            return [_json_value(inner) for inner in value]
        case _:
            return value
