"""Sends dead letters again, or lets them go.

A notice is sent before its dead letter is deleted: a crash in between leaves both, and a notice that comes twice does nothing
the second time.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from pipeline.ingest.queue import NoticeQueue
from pipeline.ingest.queue_messages import QueueMessage
from pipeline.operations.queues.dead_letter_messages import (
    DeadLetterMessage,
    Selection,
    as_first_sent,
    read_dead_letter,
)
from pipeline.operations.queues.queue_drain import BATCH, QueueDrain
from pipeline.source.layouts import Layouts


@dataclass(slots=True)
class Report:
    """What became of the dead letters.

    Args:
        done: sent again or dropped (or, on a dry run, would have been).
        foreign: selected, but no notices, so there is nothing to send: they stay.
        unsent: their notice was not taken: they stay.
        undeleted: SQS did not delete them: they stay, though their notice may be on its way.
        others: not selected: they stay.
    """

    done: list[DeadLetterMessage] = field(default_factory=list)
    foreign: list[DeadLetterMessage] = field(default_factory=list)
    unsent: list[DeadLetterMessage] = field(default_factory=list)
    undeleted: list[DeadLetterMessage] = field(default_factory=list)
    others: list[DeadLetterMessage] = field(default_factory=list)

    @property
    def failed(self) -> bool:
        """Whether something did not work that should have."""
        return bool(self.unsent or self.undeleted)


def dead_letters_of(drain: QueueDrain, layouts: Layouts) -> Sequence[DeadLetterMessage]:
    """Read the dead letters in an drained queue."""
    return [read_dead_letter(message, layouts) for message in drain.messages]


def redrive(  # noqa: PLR0913  # the dead letters, which of them, and where to
    drain: QueueDrain,
    layouts: Layouts,
    selection: Selection,
    queue: NoticeQueue,
    now: float,
    *,
    dry_run: bool,
) -> Report:
    """Send the notices of the selected dead letters again, then delete the dead letters.

    Dead letters that arrive meanwhile, such as those of items that fail again, are not in the drain and stay.
    """
    report, chosen = _selected(drain, layouts, selection)
    notices = [
        (dead_letter, as_first_sent(dead_letter.notice, now)) for dead_letter in chosen if dead_letter.notice
    ]
    report.foreign = [dead_letter for dead_letter in chosen if dead_letter.notice is None]
    if dry_run:
        report.done = [dead_letter for dead_letter, _ in notices]
        return report
    for batch in _batches(notices):
        _redrive_batch(drain, queue, batch, report)
    return report


def drop(drain: QueueDrain, layouts: Layouts, selection: Selection, *, dry_run: bool) -> Report:
    """Delete the selected dead letters, notices or not."""
    report, chosen = _selected(drain, layouts, selection)
    if dry_run:
        report.done = chosen
    else:
        _delete(drain, chosen, report)
    return report


def _selected(
    drain: QueueDrain, layouts: Layouts, selection: Selection
) -> tuple[Report, list[DeadLetterMessage]]:
    dead_letters = dead_letters_of(drain, layouts)
    chosen = [dead_letter for dead_letter in dead_letters if selection.takes(dead_letter)]
    return Report(
        others=[dead_letter for dead_letter in dead_letters if not selection.takes(dead_letter)]
    ), chosen


def _redrive_batch(
    drain: QueueDrain,
    queue: NoticeQueue,
    batch: Sequence[tuple[DeadLetterMessage, QueueMessage]],
    report: Report,
) -> None:
    refused = queue.send([message for _, message in batch])
    report.unsent += [dead_letter for dead_letter, message in batch if message.subject in refused]
    _delete(drain, [dead_letter for dead_letter, message in batch if message.subject not in refused], report)


def _delete(drain: QueueDrain, dead_letters: Sequence[DeadLetterMessage], report: Report) -> None:
    left = drain.delete([dead_letter.message for dead_letter in dead_letters])
    report.done += [dead_letter for dead_letter in dead_letters if dead_letter.message.id not in left]
    report.undeleted += [dead_letter for dead_letter in dead_letters if dead_letter.message.id in left]


def _batches(
    pairs: Sequence[tuple[DeadLetterMessage, QueueMessage]],
) -> Iterator[Sequence[tuple[DeadLetterMessage, QueueMessage]]]:
    for start in range(0, len(pairs), BATCH):
        yield pairs[start : start + BATCH]
