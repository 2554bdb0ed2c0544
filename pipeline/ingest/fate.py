"""What becomes of a notice whose reconcile failed. Pure.

*Retryable*: a dependency (or a setting) is at fault, so a copy is sent with a delay and the original is done with; a long outage then
burns no receives. *Permanent*: the item is at fault, so it goes to the dead-letter queue at once, with its cause.
Anything else is a bug or a crash: the queue delivers again and counts.
"""

from dataclasses import dataclass

from pipeline.errors import CapReachedError, ExpiredNoticeError, PermanentError, RetryableError, SettingsError
from pipeline.ingest.notices import Notice
from pipeline.ingest.wishes import Wish

FIRST_DELAY_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class PutOff:
    """Send a copy after ``delay_seconds``, whole seconds as SQS counts them."""

    delay_seconds: int


@dataclass(frozen=True, slots=True)
class Bury:
    """Send to the dead-letter queue with this cause."""

    error: PermanentError


def fate(  # noqa: PLR0913  # a decision over plain values
    error: Exception,
    notice: Notice | Wish,
    *,
    now: float,
    jitter: float,
    max_delay_seconds: float,
    max_age_seconds: float,
) -> PutOff | Bury | None:
    """Decide; ``None`` leaves the message to the queue.

    Args:
        now: epoch seconds.
        jitter: random, from 0 to 1.
    """
    if isinstance(error, PermanentError):
        return Bury(error)
    if not isinstance(error, RetryableError | SettingsError):
        return None
    waits = isinstance(error, CapReachedError)  # not for ever: each day has its own cap
    if not waits and notice.first_sent_at and now - notice.first_sent_at > max_age_seconds:
        return Bury(ExpiredNoticeError(f"put off for too long; last cause: {error.cause}"))
    backoff = min(max_delay_seconds, FIRST_DELAY_SECONDS * 2.0 ** min(notice.attempts, 20))
    wished = getattr(error, "retry_after_seconds", None) or 0.0
    return PutOff(max(1, round(min(max_delay_seconds, max(wished, backoff * (0.5 + jitter / 2))))))
