"""Trying a provider again inside one invocation; what needs longer is put off by the queue."""

from collections.abc import Callable

from tenacity import RetryCallState, Retrying, retry_if_exception, stop_after_attempt, wait_random_exponential

from pipeline.errors import EmbeddingUnavailableError

MAX_PAUSE_SECONDS = 8.0
"""Longest pause inside one invocation. A provider that asks for more gets the notice put off instead."""


class FailedCallError(EmbeddingUnavailableError):
    """A failed call: ``again`` says whether another one in a moment may do."""

    def __init__(
        self, message: str, *, again: bool, retry_after_seconds: float | None = None, refused: bool = False
    ) -> None:
        """Keep whether to try again beside the message."""
        super().__init__(message, retry_after_seconds=retry_after_seconds, refused=refused)
        self.again = again


def retrying(max_attempts: int, sleep: Callable[[float], None]) -> Retrying:
    """Return what calls until it succeeds, fails for good, or was tried often enough."""
    return Retrying(
        retry=retry_if_exception(lambda error: isinstance(error, FailedCallError) and error.again),
        stop=stop_after_attempt(max_attempts),
        wait=_pause,
        sleep=sleep,
        reraise=True,
    )


def _pause(state: RetryCallState) -> float:
    error = state.outcome.exception() if state.outcome else None
    wished = error.retry_after_seconds if isinstance(error, FailedCallError) else None
    if wished is not None:
        return wished
    return wait_random_exponential(multiplier=0.5, max=MAX_PAUSE_SECONDS)(state)
