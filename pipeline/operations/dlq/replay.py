"""Announces the changes of stream batches that Lambda gave up on, while the stream still holds them (24 hours).

What is found is sent even where something is missing: a notice that comes twice does no harm, and one that says what
to forget must not be lost.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from pipeline.errors import VectorMemoryError, describe
from pipeline.ingest.announce import Announcer, announce
from pipeline.ingest.notices import Notice
from pipeline.ingest.queue import NoticeQueue
from pipeline.operations.dlq.stream_reader import StreamReader
from pipeline.operations.queues.queue_drain import QueueDrain
from pipeline.operations.queues.sqs_message import Message
from pipeline.operations.queues.stream_batches import Record, StreamBatch, as_lambda_delivers, read_batch
from pipeline.source.stream_records import read_stream_record


@dataclass(slots=True)
class Replayed:
    """What became of the batches.

    Args:
        batches: announced in full and done with (or, on a dry run, would have been).
        records: read from the streams.
        notices: sent (or, on a dry run, to be sent).
        lost: the stream no longer holds all of these: their messages stay.
        failures: batch → what went wrong with it: its message stays.
        foreign: ids of messages that tell of no batch: they stay.
    """

    batches: list[StreamBatch] = field(default_factory=list)
    records: int = 0
    notices: int = 0
    lost: list[StreamBatch] = field(default_factory=list)
    failures: list[tuple[StreamBatch, str]] = field(default_factory=list)
    foreign: list[str] = field(default_factory=list)

    @property
    def failed(self) -> bool:
        """Whether somebody has to do something."""
        return bool(self.lost or self.failures)


@dataclass(frozen=True, slots=True)
class Replay:
    """Replays batches.

    Args:
        announcer: the stream function's own.
        now: epoch seconds.
    """

    reader: StreamReader
    announcer: Announcer
    queue: NoticeQueue
    now: float

    def run(self, drain: QueueDrain, *, dry_run: bool) -> Replayed:
        """Announce every batch that an drained queue tells of, and delete the messages of those announced in full."""
        report = Replayed()
        for message in drain.messages:
            batch = read_batch(message.body)
            if batch is None:
                report.foreign.append(message.id)
                continue
            try:
                self._replay(drain, message, batch, report, dry_run=dry_run)
            except VectorMemoryError as error:
                report.failures.append((batch, str(error)))
        return report

    def _replay(
        self, drain: QueueDrain, message: Message, batch: StreamBatch, report: Replayed, *, dry_run: bool
    ) -> None:
        records = self.reader.records(batch)
        notices, problems = self._notices(batch, records)
        report.records += len(records)
        refused = frozenset() if dry_run else announce(notices, self.queue)
        report.notices += len({notice.address.key for id_, notice in notices.items() if id_ not in refused})
        if refused:
            problems.append("the notice queue did not take everything: check QUEUE_URL and sqs:SendMessage")
        if problems:
            report.failures += [(batch, problem) for problem in problems]
        elif not batch.complete(records):
            report.lost.append(batch)
        elif not dry_run and drain.delete([message]):
            report.failures.append((batch, "announced, but SQS did not delete its message"))
        else:
            report.batches.append(batch)

    def _notices(self, batch: StreamBatch, records: list[Record]) -> tuple[Mapping[str, Notice], list[str]]:
        """Return the notices of the records by sequence number, and what is wrong with those that have none."""
        notices: dict[str, Notice] = {}
        problems: list[str] = []
        for record in records:
            number = record["dynamodb"]["SequenceNumber"]
            try:
                change = read_stream_record(as_lambda_delivers(record, batch.stream_arn))
                notice = self.announcer.notice(change, self.now)
            except Exception as error:  # noqa: BLE001  # one bad record must not stop its neighbours
                problems.append(f"record {number} could not be read: {describe(error)}")
                continue
            if notice:
                notices[number] = notice
        return notices, problems
