import inspect

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline import errors
from pipeline.errors import MalformedItemError, VectorMemoryError, describe
from pipeline.handlers.guard import redact_errors

ALL = [kind for _, kind in inspect.getmembers(errors, inspect.isclass) if issubclass(kind, VectorMemoryError)]


def caught(error: Exception) -> Exception:
    try:
        raise error
    except type(error) as found:
        return found


def test_our_own_errors_are_described_in_full() -> None:
    assert (
        describe(MalformedItemError("the item has no messages"))
        == "MalformedItemError: the item has no messages"
    )


def test_a_foreign_error_is_its_type_and_place() -> None:
    line = inspect.currentframe()
    assert line
    assert describe(caught(ValueError("canary"))).startswith("ValueError at test_errors.py:")
    assert describe(ValueError("canary")) == "ValueError"


@given(st.text(), st.sampled_from([ValueError, KeyError, UnicodeError, OSError, RuntimeError]))
def test_a_foreign_message_is_never_quoted(text: str, kind: type[Exception]) -> None:
    assert describe(caught(kind(text))) == describe(caught(kind("another message")))


def test_the_place_is_where_it_was_raised() -> None:
    try:
        int("canary" + inspect.cleandoc(" x"))
    except ValueError as error:
        described = describe(error)
    assert described.startswith("ValueError at test_errors.py")


def test_causes_are_names_that_stay() -> None:
    causes = [kind.cause for kind in ALL]
    assert len(set(causes)) == len(causes)
    assert all(cause.replace("_", "").isalpha() and cause.islower() for cause in causes)


@pytest.mark.parametrize("kind", [kind for kind in ALL if kind is not VectorMemoryError])
def test_every_error_says_what_the_caller_can_do_in_the_tree(kind: type[VectorMemoryError]) -> None:
    assert kind.__name__ in (errors.__doc__ or "")


def test_a_handlers_exception_reaches_the_runtime_without_values_or_cause() -> None:
    def handler(_event: object, _context: object) -> None:
        raise KeyError("canary")

    with pytest.raises(VectorMemoryError) as found:
        redact_errors(handler)({}, None)  # type: ignore[arg-type]
    error = found.value
    assert "KeyError" in str(error)
    assert "canary" not in str(error)
    assert error.__suppress_context__
    assert error.__cause__ is None


def test_a_handlers_answer_passes_through() -> None:
    assert redact_errors(lambda event, _context: event)({"a": 1}, None) == {"a": 1}  # type: ignore[arg-type]
