"""A DynamoDB stream record, as Lambda delivers it, read as a change. Pure.

Record shape: docs.aws.amazon.com/lambda/latest/dg/with-ddb.html. A removal by TTL carries ``userIdentity`` of type
``Service`` and principal ``dynamodb.amazonaws.com``.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pipeline.source.layouts import Item
from pipeline.source.transitions import position


@dataclass(frozen=True, slots=True)
class StreamChange:
    """One change of one item.

    Args:
        created: the item was not there before.
        removed: the item is gone.
        expired: DynamoDB's TTL took it.
        old: the item before, if the stream shows it.
        new: the item after, if the stream shows it.
        saved_at: epoch seconds.
    """

    table: str
    key: Item
    created: bool
    removed: bool
    expired: bool
    old: Item | None = field(repr=False)
    new: Item | None = field(repr=False)
    position: str
    saved_at: float | None


def read_stream_record(record: Mapping[str, Any]) -> StreamChange:
    """Read a record.

    Raises:
        KeyError, IndexError: it is not a stream record.
    """
    _, _, rest = str(record["eventSourceARN"]).partition(":table/")
    table, _, label = rest.partition("/stream/")
    data = record["dynamodb"]
    created = data.get("ApproximateCreationDateTime")
    return StreamChange(
        table=table,
        key=data["Keys"],
        created=record["eventName"] == "INSERT",
        removed=record["eventName"] == "REMOVE",
        expired=_by_ttl(record.get("userIdentity") or {}),
        old=data.get("OldImage"),
        new=data.get("NewImage"),
        position=position(label, data["SequenceNumber"]),
        saved_at=None if created is None else float(created),
    )


def _by_ttl(identity: Mapping[str, Any]) -> bool:
    found = {name.lower(): value for name, value in identity.items()}
    return found.get("type") == "Service" and found.get("principalid") == "dynamodb.amazonaws.com"
