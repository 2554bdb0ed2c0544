"""Trying a provider again inside one invocation, and telling whose fault a refusal is.

What needs longer than one invocation is retried by the queue.
"""

from collections.abc import Callable, Sequence

from tenacity import (
    RetryCallState,
    Retrying,
    retry_if_exception,
    stop_after_attempt,
    stop_after_delay,
    wait_random_exponential,
)
from tenacity.stop import stop_base

from pipeline.deadline import seconds_left
from pipeline.embedding.vectors import EmbeddingSpace, Vector, check_vectors
from pipeline.errors import EmbeddingRejectedError, EmbeddingUnavailableError

MAX_PAUSE_SECONDS = 8.0
"""Longest pause inside one invocation. A provider that asks for more gets the notice retried later instead."""
PROBE = ("Good morning.",)
"""A text that no filter, limit or model refuses. Whether it is accepted tells a refused text from a refused account."""

_REFUSED = ", but takes a short text: this one is longer than the model takes (lower MAX_CHUNK_TOKENS), or a filter refuses it"

Request = Callable[[Sequence[str]], Sequence[Vector]]


class FailedCallError(EmbeddingUnavailableError):
    """A failed call.

    Args:
        message: what happened.
        advice: what to do about it, if the texts are not the cause.
        again: another one in a moment may do.
        suspect: the texts may be the cause; a probe can tell.
        status: of the answer, if there was one.
        named: parameters of the request that the answer names.
        refused: key, account or a setting must be mended, if the texts are not the cause.
    """

    def __init__(  # noqa: PLR0913  # what there is to know of a failed call
        self,
        message: str,
        advice: str = "",
        *,
        again: bool,
        retry_after_seconds: float | None = None,
        suspect: bool = False,
        status: int | None = None,
        named: frozenset[str] = frozenset(),
        refused: bool = False,
    ) -> None:
        """Keep what there is to know in addition to the message."""
        super().__init__(
            f"{message}: {advice}" if advice else message,
            retry_after_seconds=retry_after_seconds,
            refused=refused,
        )
        self.message = message
        self.again = again
        self.suspect = suspect
        self.status = status
        self.named = named


class WrongLengthError(FailedCallError):
    """The vectors are of other dimensions than the space's."""

    def __init__(self, length: int, space: EmbeddingSpace) -> None:
        """Say both."""
        message = (
            f"the provider returned {length} dimensions where {space.model} is set to {space.dimensions}"
        )
        super().__init__(
            message, "set EMBEDDING_DIMENSIONS to what the model makes", again=False, refused=True
        )


class RefusedPartError(EmbeddingRejectedError):
    """The provider refuses these texts together, and accepts a probe.

    Args:
        status: of its answer, if there was one.
    """

    def __init__(self, message: str, status: int | None) -> None:
        """Keep the status with the message."""
        super().__init__(message)
        self.status = status

    @property
    def lasting(self) -> bool:
        """Whether the server says no; what it fails at (500, a wrong answer) it may do the next time."""
        return self.status is not None and 400 <= self.status < 500  # noqa: PLR2004  # HTTP's classes


def checked(vectors: Sequence[Vector], count: int, space: EmbeddingSpace) -> Sequence[Vector]:
    """Return ``vectors`` if they are ``count`` finite, non-zero vectors of ``space``.

    Raises:
        FailedCallError: they are not.
    """
    wrong = {len(vector) for vector in vectors} - {space.dimensions}
    if wrong:
        raise WrongLengthError(wrong.pop(), space)
    try:
        check_vectors(vectors, count, space)
    except EmbeddingUnavailableError as error:
        raise FailedCallError(str(error), again=True, suspect=True) from None
    return vectors


def retrying(max_attempts: int, timeout_seconds: float, sleep: Callable[[float], None]) -> Retrying:
    """Return what calls until it succeeds, fails for good, or was tried often enough.

    A provider that has taken as long as one request may is not asked again: three silences would outlast an invocation.
    """
    return Retrying(
        retry=retry_if_exception(lambda error: isinstance(error, FailedCallError) and error.again),
        stop=stop_after_attempt(max_attempts) | stop_after_delay(timeout_seconds) | _TooLate(),
        wait=_pause,
        sleep=sleep,
        reraise=True,
    )


def judged(
    request: Request,
    texts: Sequence[str],
    tries: Retrying,
    adapted: Callable[[FailedCallError], bool] = lambda _: False,
) -> Sequence[Vector]:
    """Return the vectors of ``texts``; where they are refused, a probe decides whose fault it is.

    A single text is the cause only if it is refused before and after the probe was accepted.

    Args:
        request: asks once.
        adapted: finds another way to ask after text and probe were refused; says whether it has.

    Raises:
        RefusedPartError: the texts are the cause: one of them, or that there are so many.
        EmbeddingUnavailableError: the server, the account or a setting is.
    """
    try:
        vectors: Sequence[Vector] = tries(request, texts)
    except FailedCallError as failure:
        if not failure.suspect:
            raise
        if _accepted(request, PROBE) is not None:
            found = _accepted(request, texts) if len(texts) == 1 else None
            if found is None:
                raise RefusedPartError(f"{failure.message}{_REFUSED}", failure.status) from None
            return found
        if not adapted(failure):
            raise
    else:
        return vectors
    return judged(request, texts, tries, adapted)


def _accepted(request: Request, texts: Sequence[str]) -> Sequence[Vector] | None:
    try:
        return request(texts)
    except FailedCallError as failure:
        if failure.suspect:
            return None
        raise


class _TooLate(stop_base):
    def __call__(self, retry_state: RetryCallState) -> bool:
        return seconds_left() <= retry_state.upcoming_sleep


def _pause(state: RetryCallState) -> float:
    error = state.outcome.exception() if state.outcome else None
    wished = error.retry_after_seconds if isinstance(error, FailedCallError) else None
    if wished is not None:
        return wished
    return wait_random_exponential(multiplier=0.5, max=MAX_PAUSE_SECONDS)(state)
