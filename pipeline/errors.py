"""Every error the pipeline raises on purpose, named for what the caller can do about it.

::

    VectorMemoryError
    ├── SettingsError              fix the environment; the message says which variable
    │   └── NotSetError                it is not set
    │       └── EmbeddingNotConfiguredError  there is no embedding provider to ask
    ├── InvalidRequestError        fix the request (HTTP 4xx)
    ├── PermanentError             a property of the item; another try gives the same: dead-letter queue
    │   ├── MalformedItemError         the item is not what the chat app writes
    │   ├── MalformedNoticeError       the queue message is not a notice
    │   ├── EmbeddingRejectedError     the provider refuses this very text, and accepts others
    │   └── ExpiredNoticeError         the notice was retried for longer than it may be
    └── RetryableError             a fault of a dependency; the same notice succeeds later
        ├── SourceUnavailableError     DynamoDB
        ├── StoreUnavailableError      Postgres (away, refusing, schema missing, other space): nobody's work would succeed
        ├── StoreBusyError             Postgres, in one transaction (lock, deadlock, time): only that tenant's work waits
        ├── EmbeddingUnavailableError  the embedding API (throttled, down, key refused, quota spent)
        ├── SummariserUnavailableError the chat API of the daily summaries
        ├── QueueUnavailableError      SQS
        ├── SecretUnavailableError     Secrets Manager
        ├── CapReachedError            the tenant's embedding for today; tomorrow there is more
        ├── ConflictError              another worker moved the ledger first
        │   └── LostTextError              the text of stored chunks is not there; if it stays so: audit --repair
        ├── BusyError                  the invocation had no time left for it
        └── MemoryUnavailableError     the query function, as its clients see it

Messages name the item or the setting and what was wrong with it, and never carry text, vectors or keys.
"""

from collections.abc import Mapping, Sequence


class VectorMemoryError(Exception):
    """Base of all errors raised here. ``cause`` is a stable name for logs, metrics and queues."""

    cause = "internal"


class SettingsError(VectorMemoryError):
    """A setting is missing or wrong."""

    cause = "settings"


class NotSetError(SettingsError):
    """A setting that is needed is not set."""

    cause = "not_set"


class EmbeddingNotConfiguredError(NotSetError):
    """No embedding provider is configured: what needs no question embedded still works."""

    cause = "embedding_not_configured"


class InvalidRequestError(VectorMemoryError):
    """The caller's request cannot be served as it is."""

    cause = "invalid_request"

    def __init__(
        self,
        message: str,
        *,
        code: str = "invalid_request",
        status: int = 400,
        hint: str = "correct the request",
    ) -> None:
        """Keep the HTTP status, the stable error code, and what to do, with what was wrong."""
        super().__init__(message)
        self.code = code
        self.status = status
        self.hint = hint


class PermanentError(VectorMemoryError):
    """Another try gives the same result: the notice belongs in the dead-letter queue."""

    cause = "permanent"


class MalformedItemError(PermanentError):
    """The source item is not of the shape its key promises."""

    cause = "malformed_item"


class MalformedNoticeError(PermanentError):
    """A queue message is not a notice of ours."""

    cause = "malformed_notice"


class EmbeddingRejectedError(PermanentError):
    """The provider refuses some of these texts, whoever sends them and whenever; it accepts others.

    Args:
        reasons: position of a refused text → why, without a word of it; empty if only "one of them" is known.
        vectors: position of every other text → its vector, so that none of them is embedded twice.
    """

    cause = "embedding_rejected"

    def __init__(
        self,
        message: str,
        *,
        reasons: Mapping[int, str] | None = None,
        vectors: Mapping[int, Sequence[float]] | None = None,
    ) -> None:
        """Keep what is known of each text with the message."""
        super().__init__(message)
        self.reasons: Mapping[int, str] = dict(reasons or {})
        self.vectors: Mapping[int, Sequence[float]] = dict(vectors or {})


class ExpiredNoticeError(PermanentError):
    """The notice has been retried for longer than the queue may keep it."""

    cause = "expired_notice"


class RetryableError(VectorMemoryError):
    """A dependency failed; the same work succeeds later.

    ``retry_after_seconds`` is what the dependency asked for, if it asked. ``refused`` says that it let us in no more: a login, a
    certificate, a token or a key of ours is wrong, and waiting does not mend it.
    """

    cause = "retryable"

    def __init__(
        self, message: str, *, retry_after_seconds: float | None = None, refused: bool = False
    ) -> None:
        """Keep the dependency's request for a pause, and whether it refused us, with the message."""
        super().__init__(message)
        self.retry_after_seconds = retry_after_seconds
        self.refused = refused


class SourceUnavailableError(RetryableError):
    """DynamoDB could not be read."""

    cause = "source_unavailable"


class StoreUnavailableError(RetryableError):
    """The store could not be reached, or is not ready for this space."""

    cause = "store_unavailable"


class StoreBusyError(RetryableError):
    """One transaction lost to others, or took too long; those of other tenants succeed meanwhile."""

    cause = "store_busy"


class EmbeddingUnavailableError(RetryableError):
    """The embedding provider did not answer with vectors."""

    cause = "embedding_unavailable"


class SummariserUnavailableError(RetryableError):
    """The chat API did not answer with a summary."""

    cause = "summariser_unavailable"


class QueueUnavailableError(RetryableError):
    """SQS did not take a message."""

    cause = "queue_unavailable"


class SecretUnavailableError(RetryableError):
    """A secret could not be read, or does not hold what it should."""

    cause = "secret_unavailable"


class CapReachedError(RetryableError):
    """The tenant has used up what may be embedded for it today; its notices wait, however long."""

    cause = "cap_reached"


class ConflictError(RetryableError):
    """The ledger moved under this reconcile; nothing of it was written."""

    cause = "conflict"


class LostTextError(ConflictError):
    """What is needed of stored chunks is not there. Another worker may just be writing it; else a row was lost.

    Args:
        ids: of the chunks.
    """

    cause = "lost_text"

    def __init__(self, ids: Sequence[str]) -> None:
        super().__init__(
            "the text of stored chunks is not there: if this stays so, run `vector-memory audit --repair`"
        )
        self.ids = tuple(ids)


class BusyError(RetryableError):
    """The invocation has taken on as much as it has time for."""

    cause = "busy"


class MemoryUnavailableError(VectorMemoryError):
    """What an agent's client raises: memory did not answer, or said that it cannot now."""

    cause = "memory_unavailable"


def needs_mending(error: BaseException) -> bool:
    """Tell whether somebody has to mend a login, a certificate, a key, a secret or a setting before this can succeed."""
    return isinstance(error, SettingsError | SecretUnavailableError) or bool(getattr(error, "refused", False))


def describe(error: BaseException) -> str:
    """Return what may be logged of ``error``: ours in full, of any other its type and where it was raised.

    The message of a foreign error may quote the value it tripped over.
    """
    if isinstance(error, VectorMemoryError):
        return f"{type(error).__name__}: {error}"
    trace = error.__traceback__
    while trace and trace.tb_next:
        trace = trace.tb_next
    place = f" at {trace.tb_frame.f_code.co_filename.rsplit('/', 1)[-1]}:{trace.tb_lineno}" if trace else ""
    return f"{type(error).__name__}{place}"
