"""Decides what becomes of a notice or a forget request that could not be carried out. Pure.

*Retryable*: a dependency (or a setting) is at fault, so a copy is sent with a delay and the original is done with; a long outage then
burns no receives. *Permanent*: the item is at fault, so it goes to the dead-letter queue at once, with its cause.
Anything else is a bug or a crash: the queue delivers again and counts.

Copies cannot multiply. An invocation may be killed after it sent a copy and before Lambda deleted the original, which then comes
again. So a message is copied at its first receive only. One that comes again waits where it is, hidden for longer each time, since an
earlier invocation may have sent its copy. Of one notice there is then at most one message that can be copied, and each message waits at
most ``maxReceiveCount`` times. ``MAX_ATTEMPTS`` ends the line of copies, whatever clocks say.
"""

from dataclasses import dataclass

from pipeline.errors import (
    CapReachedError,
    ExpiredNoticeError,
    PermanentError,
    RetryableError,
    SettingsError,
    VectorMemoryError,
)
from pipeline.ingest.queue_messages import QueueMessage

FIRST_DELAY_SECONDS = 1.0
MAX_ATTEMPTS = 10_000
"""Copies in one line. At the longest usual delay, 300 seconds, that is five weeks: only a tenant's cap makes a notice wait that long."""
WAIT_GROWTH = 4.0
MAX_WAIT_DELAYS = 72
"""Longest wait of a message that came again, in longest delays: 6 hours of 300 seconds. SQS hides a message for 12 hours at most."""


@dataclass(frozen=True, slots=True)
class Retry:
    """Send a copy after ``delay_seconds``, whole seconds as SQS counts them."""

    delay_seconds: int


@dataclass(frozen=True, slots=True)
class Wait:
    """Leave the message in the queue, hidden for ``seconds``: a copy of it may be under way already."""

    seconds: int


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """Send to the dead-letter queue with this cause."""

    error: PermanentError


def retry_decision(  # noqa: PLR0913  # a decision over plain values
    error: Exception,
    message: QueueMessage,
    *,
    now: float,
    jitter: float,
    max_delay_seconds: float,
    max_age_seconds: float,
    received: int = 1,
) -> Retry | Wait | DeadLetter | None:
    """Decide; ``None`` leaves the message to the queue.

    Args:
        now: epoch seconds.
        jitter: random, from 0 to 1.
        received: how often the message was received, this time included; of several for one item, the fewest.
    """
    if isinstance(error, PermanentError):
        return DeadLetter(error)
    if not isinstance(error, RetryableError | SettingsError):
        return None
    if _is_too_old(error, message, now, max_age_seconds):
        return DeadLetter(ExpiredNoticeError(f"retried for too long; last cause: {error.cause}"))
    wished = getattr(error, "retry_after_seconds", None) or 0.0
    if received > 1:
        return Wait(_wait_seconds(received, wished, jitter, max_delay_seconds))
    backoff = min(max_delay_seconds, FIRST_DELAY_SECONDS * 2.0 ** min(message.attempts, 20))
    return Retry(max(1, round(min(max_delay_seconds, max(wished, backoff * (0.5 + jitter / 2))))))


def _is_too_old(error: VectorMemoryError, message: QueueMessage, now: float, max_age_seconds: float) -> bool:
    if message.attempts >= MAX_ATTEMPTS:
        return True
    # Longer than a fault may last: each day has its own cap.
    waits = isinstance(error, CapReachedError) or message.capped
    return not waits and bool(message.first_sent_at) and now - message.first_sent_at > max_age_seconds


def _wait_seconds(received: int, wished: float, jitter: float, max_delay_seconds: float) -> int:
    longest = MAX_WAIT_DELAYS * max_delay_seconds
    grown = FIRST_DELAY_SECONDS * WAIT_GROWTH ** min(received - 1, 20) * (0.75 + jitter / 4)
    return max(1, round(min(longest, max(min(wished, max_delay_seconds), grown))))
