from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import (
    ConflictError,
    EmbeddingRejectedError,
    EmbeddingUnavailableError,
    ExpiredNoticeError,
    MalformedItemError,
    MalformedNoticeError,
    RetryableError,
    SecretUnavailableError,
    SettingsError,
    SourceUnavailableError,
    StoreUnavailableError,
    VectorMemoryError,
)
from pipeline.ingest.notices import Notice
from pipeline.ingest.retry_policy import MAX_ATTEMPTS, DeadLetter, Retry, Wait, retry_decision

Build = Callable[..., Notice]
NOW = 1_000_000.0


def decide(
    error: Exception,
    notice: Notice,
    *,
    jitter: float = 1.0,
    max_delay_seconds: float = 300.0,
    received: int = 1,
) -> Retry | Wait | DeadLetter | None:
    limits = {"max_delay_seconds": max_delay_seconds, "max_age_seconds": 100.0}
    return retry_decision(error, notice, now=NOW, jitter=jitter, received=received, **limits)


@pytest.mark.parametrize(
    "error",
    [
        MalformedItemError("x"),
        MalformedNoticeError("x"),
        EmbeddingRejectedError("x"),
        ExpiredNoticeError("x"),
    ],
)
def test_the_items_own_faults_are_dead_lettered_at_once(notice_of: Build, error: Exception) -> None:
    assert decide(error, notice_of()) == DeadLetter(error)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "kind",
    [
        ConflictError,
        EmbeddingUnavailableError,
        SecretUnavailableError,
        SourceUnavailableError,
        StoreUnavailableError,
    ],
)
def test_a_dependencys_faults_are_retried(notice_of: Build, kind: type[RetryableError]) -> None:
    assert decide(kind("x"), notice_of()) == Retry(1)


def test_a_wrong_setting_puts_the_notice_off_like_any_fault_that_is_not_the_items(notice_of: Build) -> None:
    assert isinstance(decide(SettingsError("x"), notice_of()), Retry)


@pytest.mark.parametrize("error", [ValueError("x"), VectorMemoryError("x")])
def test_anything_else_is_left_to_the_queue(notice_of: Build, error: Exception) -> None:
    assert decide(error, notice_of()) is None


@pytest.mark.parametrize(
    ("attempts", "jitter", "delay"),
    [
        (0, 1.0, 1),
        (0, 0.0, 1),  # half a second is not to be had
        (1, 1.0, 2),
        (3, 1.0, 8),
        (3, 0.0, 4),
        (3, 0.5, 6),
        (8, 1.0, 256),
        (9, 1.0, 300),
        (9, 0.0, 150),
        (5_000, 1.0, 300),
    ],
)
def test_the_pause_doubles_with_jitter_up_to_the_longest(
    notice_of: Build, attempts: int, jitter: float, delay: int
) -> None:
    assert decide(ConflictError("x"), notice_of(attempts=attempts), jitter=jitter) == Retry(delay)


@pytest.mark.parametrize(
    ("wished", "delay"), [(60.0, 60), (0.0, 1), (0.2, 1), (7.6, 8), (10_000.0, 300), (float("inf"), 300)]
)
def test_the_dependencys_own_forget_request_is_kept_within_the_longest(
    notice_of: Build, wished: float, delay: int
) -> None:
    error = EmbeddingUnavailableError("x", retry_after_seconds=wished)
    assert decide(error, notice_of()) == Retry(delay)


@pytest.mark.parametrize(
    ("first_sent_at", "dead_lettered"), [(NOW - 100, False), (NOW - 101, True), (0.0, False)]
)
def test_a_notice_retried_for_too_long_is_dead_lettered_with_the_last_cause(
    notice_of: Build, first_sent_at: float, *, dead_lettered: bool
) -> None:
    decision = decide(StoreUnavailableError("x"), notice_of(first_sent_at=first_sent_at))
    assert isinstance(decision, DeadLetter) is dead_lettered
    if isinstance(decision, DeadLetter):
        assert isinstance(decision.error, ExpiredNoticeError)
        assert "store_unavailable" in str(decision.error)


@given(
    st.integers(0, MAX_ATTEMPTS - 1),
    st.floats(0, 1),
    st.none() | st.floats(0, 1e9),
    st.integers(1, 900),
)
def test_every_pause_is_one_that_sqs_takes(
    notice_of: Build, attempts: int, jitter: float, wished: float | None, longest: int
) -> None:
    error = RetryableError("x", retry_after_seconds=wished)
    decision = decide(error, notice_of(attempts=attempts), jitter=jitter, max_delay_seconds=longest)
    assert isinstance(decision, Retry)
    assert 1 <= decision.delay_seconds <= longest


@pytest.mark.parametrize(
    ("received", "jitter", "seconds"), [(2, 1.0, 4), (2, 0.0, 3), (3, 1.0, 16), (8, 1.0, 16_384), (9, 1.0, 21_600), (500, 1.0, 21_600)]
)  # fmt: skip
def test_a_message_that_came_again_waits_in_place_four_times_as_long_each_time(
    notice_of: Build, received: int, jitter: float, seconds: int
) -> None:
    decision = decide(StoreUnavailableError("x"), notice_of(), jitter=jitter, received=received)
    assert decision == Wait(seconds)


def test_a_message_that_came_again_is_dead_lettered_for_its_own_faults_and_its_age_as_any_other(
    notice_of: Build,
) -> None:
    assert isinstance(decide(MalformedItemError("x"), notice_of(), received=3), DeadLetter)
    assert isinstance(
        decide(StoreUnavailableError("x"), notice_of(first_sent_at=1.0), received=3), DeadLetter
    )
    assert decide(ValueError("x"), notice_of(), received=3) is None
