"""DynamoDB Streams → notices. Anything that cannot be read or sent is reported, and Lambda tries it again."""

import time
from typing import Any

from aws_lambda_powertools import Logger, Tracer
from aws_lambda_powertools.utilities.batch import BatchProcessor, EventType, process_partial_response
from aws_lambda_powertools.utilities.typing import LambdaContext

from pipeline import bootstrap
from pipeline.errors import describe
from pipeline.handlers.guard import redact_errors
from pipeline.ingest.announce import announce
from pipeline.ingest.measures import correlation_ids
from pipeline.ingest.notices import Notice, coalesce
from pipeline.source.stream_records import read_stream_record

logger = Logger(service="stream")
tracer = Tracer(service="stream", auto_patch=False)
processor = BatchProcessor(event_type=EventType.DynamoDBStreams, raise_on_entire_batch_failure=False)


class _NotAnnouncedError(Exception):
    """Tells Powertools that a record failed; carries nothing."""


@tracer.capture_lambda_handler(capture_response=False, capture_error=False)
@redact_errors
def handler(event: dict[str, Any], context: LambdaContext) -> Any:  # noqa: ANN401  # Lambda's answer
    """Announce the changes of one batch; answers with the sequence numbers that failed."""
    records = {record["dynamodb"]["SequenceNumber"]: record for record in event["Records"]}
    notices, failed = _notices(records)
    refused = announce(notices, bootstrap.container().notice_queue)
    failed |= refused
    merged = coalesce(notices.values())
    logger.info(
        "announced",
        records=len(records),
        notices=len(merged),
        failed=len(failed),
        reasons=sorted(refused.reasons),
        correlation_ids=correlation_ids(merged),
    )

    def report(record: Any) -> None:  # noqa: ANN401  # Powertools hands its own type
        if record.dynamodb.sequence_number in failed:
            raise _NotAnnouncedError

    return process_partial_response(event, report, processor, context)


def _notices(records: dict[str, Any]) -> tuple[dict[str, Notice], set[str]]:
    announcer, now = bootstrap.container().announcer, time.time()
    notices: dict[str, Notice] = {}
    failed: set[str] = set()
    for number, record in records.items():
        try:
            notice = announcer.notice(read_stream_record(record), now)
        except Exception as error:  # noqa: BLE001  # one bad record must not stop its neighbours
            logger.error("a record could not be read", reason=describe(error), sequence_number=number)
            failed.add(number)
            continue
        if notice:
            notices[number] = notice
    return notices, failed
