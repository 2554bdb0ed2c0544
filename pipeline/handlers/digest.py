"""EventBridge Scheduler → daily summaries. What one run does not get to, the next one does."""

import time
from datetime import UTC, datetime
from typing import Any

from aws_lambda_powertools import Logger, Tracer
from aws_lambda_powertools.utilities.typing import LambdaContext

from pipeline import bootstrap
from pipeline.handlers.guard import redact_errors
from pipeline.handlers.metrics import emit
from pipeline.ingest.measures import Measure

logger = Logger(service="digest")
tracer = Tracer(service="digest", auto_patch=False)

MARGIN_MILLISECONDS = 90_000
"""Left for the summary under way when no new one is begun: longer than a chat model takes."""


@tracer.capture_lambda_handler(capture_response=False, capture_error=False)
@redact_errors
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Summarise what is due; answers with counts. ``{"now": "<RFC 3339>"}`` stands in for the clock.

    Raises:
        VectorMemoryError: a table cannot be read at all; EventBridge tries again.
    """
    started = time.perf_counter()
    now = datetime.fromisoformat(event["now"]) if "now" in event else datetime.now(UTC)

    def out_of_time() -> bool:
        return int(context.get_remaining_time_in_millis()) < MARGIN_MILLISECONDS

    report = bootstrap.current(0).digest.run(now, out_of_time)
    counts = {
        "users": report.users,
        "written": report.written,
        "unchanged": report.unchanged,
        "deleted": report.deleted,
        "failed": sum(report.failures.values()),
        "causes": dict(report.failures),
        "unfinished": report.unfinished,
        "chat_requests": report.used.requests,
        "input_tokens": report.used.input_tokens,
        "output_tokens": report.used.output_tokens,
    }
    logger.info(
        "digested",
        **counts,  # type: ignore[arg-type]  # counts, and no keyword of the logger's own
        reasons=sorted(report.reasons),
        milliseconds=round((time.perf_counter() - started) * 1000, 1),
    )
    emit(
        "digest",
        [
            Measure("Summaries", "Count", [report.written]),
            Measure("Refused", "Count", [report.refused]),
            Measure("Dollars", "None", [report.dollars]),
            *(
                Measure("SummaryFailures", "Count", [count], ("cause", cause))
                for cause, count in report.failures.items()
            ),
        ],
    )
    return counts
