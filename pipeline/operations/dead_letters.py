"""Sends dead letters again, or lets them go.

A notice is sent before its letter is deleted: a crash in between leaves both, and a notice that comes twice does nothing
the second time.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from pipeline.errors import QueueUnavailableError
from pipeline.ingest.notices import Notice
from pipeline.ingest.queue import NoticeQueue
from pipeline.ingest.wishes import Wish
from pipeline.operations.box import BATCH, Box
from pipeline.operations.letters import Letter, Selection, fresh, read_letter
from pipeline.source.layouts import Layouts


@dataclass(slots=True)
class Report:
    """What became of the letters.

    Args:
        done: sent again or dropped (or, on a dry run, would have been).
        foreign: selected, but no notices, so there is nothing to send: they stay.
        unsent: their notice was not taken: they stay.
        undeleted: SQS did not delete them: they stay, though their notice may be on its way.
        others: not selected: they stay.
    """

    done: list[Letter] = field(default_factory=list)
    foreign: list[Letter] = field(default_factory=list)
    unsent: list[Letter] = field(default_factory=list)
    undeleted: list[Letter] = field(default_factory=list)
    others: list[Letter] = field(default_factory=list)

    @property
    def failed(self) -> bool:
        """Whether something did not work that should have."""
        return bool(self.unsent or self.undeleted)


def letters_of(box: Box, layouts: Layouts) -> Sequence[Letter]:
    """Read the letters in an opened box."""
    return [read_letter(message, layouts) for message in box.messages]


def redrive(  # noqa: PLR0913  # the letters, which of them, and where to
    box: Box, layouts: Layouts, selection: Selection, queue: NoticeQueue, now: float, *, dry_run: bool
) -> Report:
    """Send the notices of the selected letters again, then delete the letters.

    Letters that arrive meanwhile, such as those of items that fail again, are not in the box and stay.
    """
    report, chosen = _selected(box, layouts, selection)
    notices = [(letter, fresh(letter.notice, now)) for letter in chosen if letter.notice]
    report.foreign = [letter for letter in chosen if letter.notice is None]
    if dry_run:
        report.done = [letter for letter, _ in notices]
        return report
    for batch in _batches(notices):
        _redrive_batch(box, queue, batch, report)
    return report


def drop(box: Box, layouts: Layouts, selection: Selection, *, dry_run: bool) -> Report:
    """Delete the selected letters, notices or not."""
    report, chosen = _selected(box, layouts, selection)
    if dry_run:
        report.done = chosen
    else:
        _delete(box, chosen, report)
    return report


def _selected(box: Box, layouts: Layouts, selection: Selection) -> tuple[Report, list[Letter]]:
    letters = letters_of(box, layouts)
    chosen = [letter for letter in letters if selection.takes(letter)]
    return Report(others=[letter for letter in letters if not selection.takes(letter)]), chosen


def _redrive_batch(
    box: Box, queue: NoticeQueue, batch: Sequence[tuple[Letter, Notice | Wish]], report: Report
) -> None:
    refused = queue.send([notice for _, notice in batch if isinstance(notice, Notice)])
    unsent = [letter for letter, notice in batch if not _taken(queue, notice, refused)]
    report.unsent += unsent
    _delete(box, [letter for letter, _ in batch if letter not in unsent], report)


def _taken(queue: NoticeQueue, notice: Notice | Wish, refused: frozenset[str]) -> bool:
    if isinstance(notice, Notice):
        return notice.address.key.source not in refused
    try:
        queue.send_wish(notice)
    except QueueUnavailableError:
        return False
    return True


def _delete(box: Box, letters: Sequence[Letter], report: Report) -> None:
    left = box.delete([letter.message for letter in letters])
    report.done += [letter for letter in letters if letter.message.id not in left]
    report.undeleted += [letter for letter in letters if letter.message.id in left]


def _batches(
    pairs: Sequence[tuple[Letter, Notice | Wish]],
) -> Iterator[Sequence[tuple[Letter, Notice | Wish]]]:
    for start in range(0, len(pairs), BATCH):
        yield pairs[start : start + BATCH]
