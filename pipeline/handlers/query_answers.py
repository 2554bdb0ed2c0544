"""What the query function answers when it cannot answer the question. Pure.

Every such answer is ``{"error": what was wrong, "code": a stable name, "hint": what to do}``.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from pipeline.errors import (
    EmbeddingNotConfiguredError,
    EmbeddingRejectedError,
    InvalidRequestError,
    RetryableError,
    describe,
)
from pipeline.search.trace import NO_SEARCH


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer.

    Args:
        reason: for the log, if it is not what was asked for.
        strategy: how the store was searched; ``none`` if it was not.
    """

    status: int
    body: dict[str, Any] = field(repr=False)
    reason: str | None = None
    strategy: str = NO_SEARCH


def failure(error: Exception) -> Answer:
    """Return the answer to a request that met ``error``; of a foreign error, nothing that it says."""
    match error:
        case InvalidRequestError():
            return _failed(error.status, str(error), error.code, error.hint, error.code)
        case EmbeddingRejectedError():
            return _failed(
                413,
                f"the query cannot be embedded: {error}",
                error.cause,
                "shorten it or say it another way",
                error.cause,
            )
        case EmbeddingNotConfiguredError():
            hint = "set OpenAiSecretArn in the stack; what needs no question embedded works without"
            return _failed(503, "embeddings are not configured", error.cause, hint, describe(error))
        case RetryableError():
            return _failed(503, str(error), error.cause, "try again in a moment", describe(error))
        case _:
            return _failed(500, "internal error", "internal", "see the function's log", describe(error))


def no_such_path(allowed: Sequence[str]) -> InvalidRequestError:
    """Return the error of a path that is not there, or not for this method."""
    if allowed:
        return InvalidRequestError(
            "this path does not take that method",
            code="method_not_allowed",
            status=405,
            hint=f"it takes {', '.join(allowed)}",
        )
    return InvalidRequestError(
        "there is nothing at this path",
        code="not_found",
        status=404,
        hint="GET /api/v1/openapi.json describes the paths",
    )


def _failed(status: int, error: str, code: str, hint: str, reason: str) -> Answer:
    return Answer(status, {"error": error, "code": code, "hint": hint}, reason)
