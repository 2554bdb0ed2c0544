"""Notices → the index. Each failure is handled by itself: retried, dead-lettered with its cause, or left to the queue."""

import random
import time
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from aws_lambda_powertools import Logger, Tracer
from aws_lambda_powertools.utilities.batch import BatchProcessor, EventType, process_partial_response
from aws_lambda_powertools.utilities.typing import LambdaContext

from pipeline import bootstrap
from pipeline.deadline import within
from pipeline.errors import (
    CapReachedError,
    PermanentError,
    RetryableError,
    SettingsError,
    VectorMemoryError,
    describe,
)
from pipeline.handlers.guard import redact_errors
from pipeline.handlers.metrics import emit
from pipeline.handlers.spending import spent_so_far
from pipeline.ingest.forget_messages import ForgetMessage
from pipeline.ingest.measures import Spent, correlation_ids, ingest_measures, item_label
from pipeline.ingest.notices import Notice, coalesce
from pipeline.ingest.queue import Delivery, deliveries
from pipeline.ingest.queue_messages import QueueMessage, decode
from pipeline.ingest.retry_policy import DeadLetter, Retry, Wait, retry_decision
from pipeline.ingest.work import Report

logger = Logger(service="ingest")
tracer = Tracer(service="ingest", auto_patch=False)
MAX_ITEMS = 20
"""So many items with messages that are not understood are named in one line of the log."""
SETTLING_SECONDS = 8.0
"""Nothing is embedded when an invocation has less left: what was read must be written, and each notice settled."""
processor = BatchProcessor(event_type=EventType.SQS, raise_on_entire_batch_failure=False)


class _NotIngestedError(Exception):
    """Tells Powertools that a message failed; carries nothing."""


@tracer.capture_lambda_handler(capture_response=False, capture_error=False)
@redact_errors
def handler(event: dict[str, Any], context: LambdaContext) -> Any:  # noqa: ANN401  # Lambda's answer
    """Reconcile every item the messages name; answers with the messages the queue must deliver again.

    ``{"sweep": true}``, which a schedule sends, deletes what the index holds and the ledger does not list. Where one fails
    it raises: Lambda tries again, and keeps what failed three times.
    """
    if event.get("sweep") is True:
        return _sweep(context)
    started = time.perf_counter()
    before = spent_so_far(bootstrap.current(0))
    notices, forget_messages, failed = _decode(
        {record["messageId"]: record["body"] for record in event["Records"]}
    )
    received = deliveries(event["Records"])
    with within(context.get_remaining_time_in_millis() / 1000 - SETTLING_SECONDS):
        failed |= {
            message
            for message, forget_message in forget_messages.items()
            if not _forget(forget_message, received[message])
        }
        report, unsettled = _reconcile_all(notices, received, context)
    failed |= {message for message, notice in notices.items() if notice.address.key.source in unsettled}
    totals = {"messages": len(received), "forget_requests": len(forget_messages), "failed": len(failed)}
    _log(report, coalesce(notices.values()), totals, before, started)

    def outcome(record: Any) -> None:  # noqa: ANN401  # Powertools hands its own type
        if record.message_id in failed:
            raise _NotIngestedError

    return process_partial_response(event, outcome, processor, context)


def _sweep(context: LambdaContext) -> dict[str, Any]:
    swept = bootstrap.container().backend.sweep(lambda: context.get_remaining_time_in_millis() / 1000)
    logger.info("swept", removed=swept.removed, finished=swept.finished)
    return {"removed": swept.removed, "finished": swept.finished}


def _decode(bodies: Mapping[str, str]) -> tuple[dict[str, Notice], dict[str, ForgetMessage], set[str]]:
    notices: dict[str, Notice] = {}
    forget_messages: dict[str, ForgetMessage] = {}
    failed: set[str] = set()
    for message, body in bodies.items():
        try:
            decoded = decode(body, bootstrap.container().addresses)
        except PermanentError as error:
            if not _dead_letter(body, error):
                failed.add(message)
            continue
        if isinstance(decoded, ForgetMessage):
            forget_messages[message] = decoded
        else:
            notices[message] = decoded
    return notices, forget_messages, failed


def _by_source(
    notices: Mapping[str, Notice], received: Mapping[str, Delivery]
) -> Mapping[str, list[Delivery]]:
    """Return source → the deliveries of the messages that name it."""
    found: defaultdict[str, list[Delivery]] = defaultdict(list)
    for message, notice in notices.items():
        found[notice.address.key.source].append(received[message])
    return found


def _forget(forget_message: ForgetMessage, delivery: Delivery) -> bool:
    """Carry out a forget request; tell whether its message is done with."""
    try:
        bootstrap.container().forget_executor.carry_out(forget_message.request)
    except VectorMemoryError as error:
        logger.warning("a forget request was not carried out", reason=describe(error))
        return _settle(forget_message, error, [delivery])
    return True


def _groups(notices: Mapping[str, Notice], *, received_again: bool) -> list[list[Notice]]:
    """Return notices as they are worked together: all; or, where an invocation died before, item by item in any order.

    So whatever killed it is met at another place the next time, and what came before it then is done.
    """
    if not received_again:
        return [list(notices.values())]
    by_item: dict[str, list[Notice]] = {}
    for notice in notices.values():
        by_item.setdefault(notice.address.key.source, []).append(notice)
    groups = list(by_item.values())
    random.shuffle(groups)
    return groups


def _reconcile_all(
    notices: Mapping[str, Notice], received: Mapping[str, Delivery], context: LambdaContext
) -> tuple[Report, set[str]]:
    """Return what became of all, and the sources whose messages the queue must deliver again."""
    report, unsettled = Report(), set[str]()
    for group in _groups(notices, received_again=any(each.count > 1 for each in received.values())):
        merged = coalesce(group)
        done = _reconcile(merged, context)
        _fill_other_space(merged, done)
        unsettled |= _settle_all(merged, done, _by_source(notices, received))
        report.add(done)
    return report, unsettled


def _settle_all(
    notices: Mapping[str, Notice], report: Report, received: Mapping[str, Sequence[Delivery]]
) -> set[str]:
    """Retry or dead-letter what failed; return the sources whose messages the queue must deliver again."""
    lost = VectorMemoryError("nobody says what became of this notice")
    failures = {**dict.fromkeys(report.unaccounted, lost), **report.failures}
    stored = {source: notices[source].without_transitions() for source in report.applied}
    known = {**notices, **stored}
    return {
        source for source, error in failures.items() if not _settle(known[source], error, received[source])
    }


def _reconcile(notices: Mapping[str, Notice], context: LambdaContext) -> Report:
    try:
        seconds_left = lambda: context.get_remaining_time_in_millis() / 1000  # noqa: E731
        return replace(bootstrap.container().reconciler, seconds_left=seconds_left).run(notices)
    except (RetryableError, SettingsError) as error:
        return Report(frozenset(notices), failures=dict.fromkeys(notices, error))


def _fill_other_space(notices: Mapping[str, Notice], report: Report) -> None:
    """Bring the standby space up to date with what was reconciled, if there is one."""
    done = {
        source: notice.address.tenant_id
        for source, notice in notices.items()
        if source in report.applied or source in report.skipped
    }
    try:
        for filler in bootstrap.container().fillers if done else ():
            report.failures.update(filler.fill(done))
    except (RetryableError, SettingsError) as error:
        report.failures.update(dict.fromkeys(done, error))


def _settle(message: QueueMessage, error: VectorMemoryError, received: Sequence[Delivery]) -> bool:
    """Retry or dead-letter what failed; tell whether its messages are done with."""
    settings = bootstrap.container().settings
    decision = retry_decision(
        error,
        message,
        now=time.time(),
        jitter=random.random(),  # noqa: S311  # spreads load, hides nothing
        max_delay_seconds=settings.max_retry_delay_seconds,
        max_age_seconds=settings.max_notice_age_seconds,
        received=min(delivery.count for delivery in received),
    )
    match decision:
        case DeadLetter(cause):
            return _dead_letter(message.encode(), cause, message.tenant_id)
        case Retry(delay_seconds):
            capped = isinstance(error, CapReachedError)
            return _done(
                lambda: bootstrap.container().notice_queue.retry_later(message, delay_seconds, capped=capped)
            )
        case Wait(seconds):
            return _hide(received, seconds)
        case None:
            return False


def _hide(received: Sequence[Delivery], seconds: int) -> bool:
    """Hide the messages for so long; they are not done with."""
    for delivery in received:
        _done(lambda handle=delivery.receipt_handle: bootstrap.container().notice_queue.hide(handle, seconds))
    return False


def _dead_letter(body: str, error: PermanentError, tenant_id: str | None = None) -> bool:
    return _done(lambda: bootstrap.container().notice_queue.dead_letter(body, error, tenant_id))


def _done(send: Any) -> bool:  # noqa: ANN401  # a thunk
    try:
        send()
    except VectorMemoryError as fault:
        logger.error("not sent; the queue will deliver the message again", reason=describe(fault))
        return False
    return True


def _log(
    report: Report,
    notices: Mapping[str, Notice],
    totals: dict[str, Any],
    before: Spent,
    started: float,
) -> None:
    """Write the invocation's one line, counts and causes and no text, and its metrics."""
    spent = spent_so_far(bootstrap.container()).since(before)
    counts: dict[str, Any] = {**report.counts()}
    unreadable = sorted(report.unreadable.items())[:MAX_ITEMS]
    logger.info(
        "ingested",
        **counts,
        **totals,
        causes=Counter(error.cause for error in report.failures.values()),
        reasons=sorted({describe(error) for error in report.failures.values()}),
        unreadable_items={item_label(source): count for source, count in unreadable},
        embedding_requests=spent.requests,
        tokens_embedded=spent.tokens,
        correlation_ids=correlation_ids(notices),
        milliseconds=round((time.perf_counter() - started) * 1000, 1),
    )
    emit("ingest", ingest_measures(report, notices, spent, time.time()))
