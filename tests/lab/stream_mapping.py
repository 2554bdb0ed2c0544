"""Lambda's event source mapping of a DynamoDB stream, with the documented semantics.

docs.aws.amazon.com/lambda/latest/dg/services-ddb-batchfailurereporting.html: at least once; one batch a shard at a
time; a child shard after its parent; with ``ReportBatchItemFailures`` the lowest failed sequence number is the
checkpoint, so later successes come again; an unknown identifier fails the whole batch; ``BisectBatchOnFunctionError``
halves a batch that failed, which costs no retry; what is retried or has aged too long goes to the on-failure
destination, as metadata only.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from lab.table import Shard, Table

Record = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Limits:
    """The mapping's settings, as the template has them."""

    batch_size: int = 100
    retry_attempts: int = 20
    record_age_seconds: float = 79_200.0
    bisect: bool = True
    report_item_failures: bool = True
    backoff_seconds: float = 1.0


@dataclass(eq=False, slots=True)
class Batch:
    """Records that are delivered together."""

    records: Sequence[Record]
    attempts: int = 0


@dataclass(eq=False, slots=True)
class Reader:
    """Where the mapping stands in one shard.

    Args:
        taken: how many records have been cut into batches.
        flying: the batch that an invocation holds.
    """

    shard: Shard
    taken: int = 0
    batches: list[Batch] = field(default_factory=list)
    flying: Batch | None = None
    ready_at: float = 0.0

    @property
    def finished(self) -> bool:
        """Everything so far has been delivered."""
        return not self.batches and self.flying is None and self.taken == len(self.shard.records)


class StreamMapping:
    """Delivers one table's stream.

    Args:
        table: whose.
        limits: the mapping's settings.
        now: the clock.
    """

    def __init__(self, table: Table, limits: Limits, now: Callable[[], float]) -> None:
        self.table, self.limits, self._now = table, limits, now
        self.readers: list[Reader] = []
        self.discarded: list[Mapping[str, Any]] = []

    def ready(self) -> list[Reader]:
        """Return the readers that can deliver a batch now."""
        self._follow()
        return [
            reader for reader in self.readers if self._has_work(reader) and reader.ready_at <= self._now()
        ]

    def next_at(self) -> float | None:
        """Return when the next reader can deliver, if one ever can."""
        self._follow()
        return min((reader.ready_at for reader in self.readers if self._has_work(reader)), default=None)

    @property
    def busy(self) -> bool:
        """Something is not delivered yet."""
        self._follow()
        return not all(reader.finished for reader in self.readers)

    def take(self, reader: Reader, size: int | None = None) -> Batch | None:
        """Return the batch to invoke with, after dropping what is too old; ``None`` if nothing is left."""
        if not reader.batches:
            end = reader.taken + min(size or self.limits.batch_size, self.limits.batch_size)
            reader.batches.append(Batch(reader.shard.records[reader.taken : end]))
            reader.taken += len(reader.batches[0].records)
        batch = reader.batches.pop(0)
        old = [record for record in batch.records if self._too_old(record)]
        if old:
            self._discard(reader, old, "RecordAgeExceeded", batch.attempts)
        batch.records = [record for record in batch.records if record not in old]
        reader.flying = batch if batch.records else None
        return reader.flying

    def settle(self, reader: Reader, answer: Any, *, failed: bool) -> None:  # whatever the function answered
        """Move the checkpoint by what the invocation said."""
        batch, reader.flying = reader.flying, None
        if batch is None:
            raise ValueError("no batch is flying")
        if failed:
            self._retry_whole(reader, batch)
            return
        numbers = [record["dynamodb"]["SequenceNumber"] for record in batch.records]
        reported = _reported(answer) if self.limits.report_item_failures else []
        if not reported:
            return
        if not set(reported) <= set(numbers):
            self._retry_whole(reader, batch)
            return
        checkpoint = min(numbers.index(number) for number in reported)
        self._retry(reader, [Batch(batch.records[checkpoint:], batch.attempts + 1)])

    def rewind(self, reader: Reader, count: int) -> None:
        """Deliver the last ``count`` records once more, as after a lost checkpoint."""
        waiting = [record for batch in reader.batches for record in batch.records]
        reader.taken = max(0, reader.taken - len(waiting) - count)
        reader.batches.clear()

    def replay(self) -> None:
        """Deliver everything once more, as to somebody who reads the stream from its beginning."""
        for reader in self.readers:
            self.rewind(reader, len(reader.shard.records))

    def outstanding(self) -> Iterator[Record]:
        """Yield every record that has not been delivered for good."""
        self._follow()
        for reader in self.readers:
            yield from reader.shard.records[reader.taken :]
            for batch in (*reader.batches, reader.flying):
                yield from batch.records if batch else ()

    def _retry_whole(self, reader: Reader, batch: Batch) -> None:
        middle = len(batch.records) // 2
        if self.limits.bisect and middle:
            halves = (batch.records[:middle], batch.records[middle:])
            self._retry(reader, [Batch(half, batch.attempts) for half in halves])
        else:
            self._retry(reader, [Batch(batch.records, batch.attempts + 1)])

    def _retry(self, reader: Reader, batches: Sequence[Batch]) -> None:
        reader.ready_at = self._now() + self.limits.backoff_seconds
        for batch in reversed(batches):
            if batch.attempts > self.limits.retry_attempts:
                self._discard(reader, batch.records, "RetryAttemptsExhausted", batch.attempts)
            else:
                reader.batches.insert(0, batch)

    def _discard(self, reader: Reader, records: Sequence[Record], why: str, attempts: int) -> None:
        numbers = [record["dynamodb"]["SequenceNumber"] for record in records]
        times = [record["dynamodb"]["ApproximateCreationDateTime"] for record in records]
        self.discarded.append(
            {
                "requestContext": {"condition": why, "approximateInvokeCount": attempts},
                "version": "1.0",
                "DDBStreamBatchInfo": {
                    "shardId": reader.shard.id,
                    "startSequenceNumber": numbers[0],
                    "endSequenceNumber": numbers[-1],
                    "approximateArrivalOfFirstRecord": times[0],
                    "approximateArrivalOfLastRecord": times[-1],
                    "batchSize": len(records),
                    "streamArn": self.table.arn,
                },
            }
        )

    def _too_old(self, record: Record) -> bool:
        created: float = record["dynamodb"]["ApproximateCreationDateTime"]
        return self._now() - created > self.limits.record_age_seconds

    def _has_work(self, reader: Reader) -> bool:
        if reader.flying is not None or reader.finished:
            return False
        parent = next((other for other in self.readers if other.shard is reader.shard.parent), None)
        return parent is None or parent.finished

    def _follow(self) -> None:
        for shard in self.table.shards[len(self.readers) :]:
            self.readers.append(Reader(shard))


def _reported(answer: Any) -> list[str]:  # whatever the function answered
    failures = (answer or {}).get("batchItemFailures") or []
    return [str(failure.get("itemIdentifier")) for failure in failures]
