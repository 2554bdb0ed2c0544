"""The commands ``vector-memory dlq …``: put a service together, run it, and say what it did."""

import json
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager

from pipeline.container import Container
from pipeline.errors import SettingsError
from pipeline.operations.dlq.dead_letters import Report, dead_letters_of, drop, redrive
from pipeline.operations.dlq.replay import Replay, Replayed
from pipeline.operations.dlq.stream_reader import StreamReader
from pipeline.operations.queues.dead_letter_messages import (
    DeadLetterMessage,
    Selection,
    by_cause,
    table,
    to_json,
)
from pipeline.operations.queues.queue_drain import HIDDEN_SECONDS, QueueDrain, drained
from pipeline.operations.queues.stream_batches import StreamBatch
from pipeline.operations.stack.aws_errors import explained
from pipeline.operations.stack.container import container_of
from pipeline.operations.terminal.outcome import Outcome
from pipeline.operations.terminal.text import counted


def list_dead_letters(stack: str | None, *, as_json: bool) -> Outcome:
    """Say what is in the dead-letter queue, and leave it there."""
    with _dead_letters(stack) as (container, drain):
        dead_letters = dead_letters_of(drain, container.addresses)
        now = time.time()
        text = to_json(dead_letters, now) if as_json else _listing(dead_letters, now)
        return Outcome(text, list(_notes(drain)))


def redrive_dead_letters(
    stack: str | None, cause: str | None, tenant_id: str | None, *, dry_run: bool, as_json: bool = False
) -> Outcome:
    """Send notices again and say how many."""
    with _dead_letters(stack) as (container, drain):
        _required(container, "queue_url")
        report = redrive(
            drain,
            container.addresses,
            Selection(cause, tenant_id),
            container.notice_queue,
            time.time(),
            dry_run=dry_run,
        )
        verb = "would be sent again" if dry_run else "sent again"
        text = _report_json(report, dry_run=dry_run) if as_json else _counts(verb, report)
        return Outcome(text, [*_problems(report), *_notes(drain)], int(report.failed))


def drop_dead_letters(
    stack: str | None, cause: str | None, tenant_id: str | None, *, dry_run: bool, as_json: bool = False
) -> Outcome:
    """Delete dead letters and say how many."""
    with _dead_letters(stack) as (container, drain):
        report = drop(drain, container.addresses, Selection(cause, tenant_id), dry_run=dry_run)
        verb = "would be deleted (--yes does it)" if dry_run else "deleted"
        text = _report_json(report, dry_run=dry_run) if as_json else _counts(verb, report)
        return Outcome(text, [*_problems(report), *_notes(drain)], int(report.failed))


def replay_stream(stack: str | None, *, dry_run: bool, as_json: bool = False) -> Outcome:
    """Announce the changes that the stream function failed at, and say what is lost."""
    with _taken(stack, "stream failure queue", "stream_failure_queue_url") as (container, drain):
        if not drain.messages:
            nothing = _replay_json(Replayed(), dry_run=dry_run) if as_json else "no failed stream batches"
            return Outcome(nothing, list(_notes(drain)))
        _required(container, "queue_url")
        _required(container, "message_key_secret_arn")
        reader = StreamReader(container.account.client("dynamodbstreams"), time.sleep)
        replay = Replay(reader, container.announcer, container.notice_queue, time.time())
        report = replay.run(drain, dry_run=dry_run)
        text = _replay_json(report, dry_run=dry_run) if as_json else _replayed(report, dry_run=dry_run)
        return Outcome(text, [*_losses(report), *_notes(drain)], int(report.failed))


@contextmanager
def _taken(stack: str | None, name: str, setting: str) -> Iterator[tuple[Container, QueueDrain]]:
    """Open the drain of a queue."""
    with explained("AWS", "the settings", "what the command needs"):
        container = container_of(stack)
        queue_url = _required(container, setting)
        drain = QueueDrain(container.sqs_client, queue_url, name=name, setting=setting.upper())
    with drained(drain):
        yield container, drain


def _dead_letters(stack: str | None) -> AbstractContextManager[tuple[Container, QueueDrain]]:
    return _taken(stack, "dead-letter queue", "dead_letter_queue_url")


def _required(container: Container, setting: str) -> str:
    """Return a setting.

    Raises:
        SettingsError: it is not set; the message says what to do.
    """
    value = getattr(container.settings, setting)
    if not value:
        raise SettingsError(f"{setting.upper()} is not set: set it, or name the deployed stack with --stack")
    return str(value)


def _listing(dead_letters: Sequence[DeadLetterMessage], now: float) -> str:
    if not dead_letters:
        return "no dead letters"
    return (
        f"{table(dead_letters, now)}\n\n{counted(len(dead_letters), 'dead letter')}: {by_cause(dead_letters)}"
    )


def _counts(verb: str, report: Report) -> str:
    causes = f" ({by_cause(report.done)})" if report.done else ""
    kept = len(report.others) + len(report.foreign) + len(report.unsent)
    return f"{counted(len(report.done), 'dead letter')} {verb}{causes}, {kept} left"


def _report_json(report: Report, *, dry_run: bool) -> str:
    causes = Counter(dead_letter.cause for dead_letter in report.done)
    counts = {
        name: len(getattr(report, name)) for name in ("done", "foreign", "unsent", "undeleted", "others")
    }
    return json.dumps({"dry_run": dry_run, **counts, "causes": dict(sorted(causes.items()))})


def _replay_json(report: Replayed, *, dry_run: bool) -> str:
    counts = {name: len(getattr(report, name)) for name in ("batches", "lost", "failures", "foreign")}
    return json.dumps({"dry_run": dry_run, "records": report.records, "notices": report.notices, **counts})


def _problems(report: Report) -> Iterator[str]:
    if report.foreign:
        yield (
            f"{counted(len(report.foreign), 'dead letter')} cannot be sent again, being no notice: {by_cause(report.foreign)}. "
            "Look with `vector-memory dlq list`, delete with `vector-memory dlq drop --yes`, which --cause narrows down"
        )
    if report.unsent:
        yield (
            f"the notice queue did not take {counted(len(report.unsent), 'notice')}; the dead letters stay. "
            "Check that QUEUE_URL exists and that sqs:SendMessage is allowed"
        )
    if report.undeleted:
        yield f"SQS did not delete {counted(len(report.undeleted), 'dead letter')}; another run will. Sending twice is harmless"


def _notes(drain: QueueDrain) -> Iterator[str]:
    if not drain.emptied:
        yield "there may be more than one run takes: run this again"
    if drain.hidden:
        yield (
            f"about {counted(drain.hidden, 'message')} could not be looked at: another run holds them, or was killed. "
            f"They are back within {HIDDEN_SECONDS // 60} minutes"
        )


def _replayed(report: Replayed, *, dry_run: bool) -> str:
    verb = "would be sent" if dry_run else "sent"
    return (
        f"{counted(report.records, 'change')} read, {counted(report.notices, 'notice')} {verb}; "
        f"{counted(len(report.batches), 'batch')} done with, {len(report.lost)} lost, {len(report.failures)} failed"
    )


def _losses(report: Replayed) -> Iterator[str]:
    for batch in report.lost:
        yield (
            f"{_place(batch)} are no longer all in the stream. "
            "Run `vector-memory audit` to find and mend what the index lacks; the message stays"
        )
    for batch, problem in report.failures:
        yield f"{_place(batch)}: {problem}"
    for message_id in report.foreign:
        yield f"message {message_id} tells of no failed stream batch, and stays"


def _place(batch: StreamBatch) -> str:
    return f"changes of table {batch.table} from {batch.first_saved_at} to {batch.last_saved_at}"
