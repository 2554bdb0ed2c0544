"""Where items come from when everything is looked at: a table's scan, cut into parts that can be resumed."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol, cast

from botocore.exceptions import BotoCoreError, ClientError

from pipeline.source.layouts import Item
from pipeline.source.table import unavailable

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

PAGE_ITEMS = 100


@dataclass(frozen=True, slots=True)
class Page:
    """A few items of one part.

    Args:
        cursor: where the part goes on after this page, JSON; ``None`` if this was its last.
        read_units: what reading it cost.
        refused: what is left out since no item can hold it, in words.
    """

    table: str
    part: str
    items: Sequence[Item] = field(repr=False)
    cursor: object = None
    read_units: float = 0.0
    refused: Sequence[str] = ()


class Origin(Protocol):
    """Something that holds all items of one table, in parts that are read side by side."""

    @property
    def name(self) -> str:
        """What it is, for people and for checkpoints."""
        ...

    @property
    def live(self) -> bool:
        """Whether the items are what the table holds now, not what it held once."""
        ...

    def parts(self) -> Sequence[str]:
        """Name the parts; the same ones each time."""
        ...

    def size(self) -> int | None:
        """Return about how many items there are, if that is known."""
        ...

    def pages(self, part: str, after: object) -> Iterator[Page]:
        """Yield the pages of ``part`` that follow the cursor ``after`` (``None``: from the start).

        Raises:
            SourceUnavailableError: it cannot be read now.
        """
        ...


class TableScan:
    """A table as it is, eventually consistent.

    Args:
        client: a boto3 DynamoDB client; used by several threads.
        table: its name.
        segments: parts, read side by side.
    """

    live = True

    def __init__(self, client: "DynamoDBClient", table: str, segments: int) -> None:
        self._client = client
        self._table = table
        self._segments = segments

    @property
    def name(self) -> str:
        """Table and number of segments: cursors of another number do not fit."""
        return f"{self._table} in {self._segments} segments"

    def parts(self) -> Sequence[str]:
        """Name the segments."""
        return [f"{self._table}/{segment}" for segment in range(self._segments)]

    def size(self) -> int | None:
        """Return DynamoDB's own count, which is up to six hours old."""
        try:
            return int(self._client.describe_table(TableName=self._table)["Table"].get("ItemCount", 0))
        except (ClientError, BotoCoreError) as error:
            raise unavailable(error, self._table) from None

    def pages(self, part: str, after: object) -> Iterator[Page]:
        """Yield pages of one segment."""
        start, segment = after, int(part.rpartition("/")[2])
        while True:
            answer = self._scan(segment, start)
            start = answer.get("LastEvaluatedKey")
            units = float(answer.get("ConsumedCapacity", {}).get("CapacityUnits", 0.0))
            yield Page(self._table, part, cast("list[Item]", answer["Items"]), start, units)
            if start is None:
                return

    def _scan(self, segment: int, start: object) -> Mapping[str, Any]:
        more: dict[str, Any] = {"ExclusiveStartKey": start} if start else {}
        try:
            return self._client.scan(
                TableName=self._table,
                Segment=segment,
                TotalSegments=self._segments,
                Limit=PAGE_ITEMS,
                ReturnConsumedCapacity="TOTAL",
                **more,
            )
        except (ClientError, BotoCoreError) as error:
            raise unavailable(error, self._table) from None
