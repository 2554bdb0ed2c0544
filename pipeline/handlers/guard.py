"""Keeps values out of what the Lambda runtime logs when a handler raises."""

from collections.abc import Callable
from functools import wraps
from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from pipeline.errors import VectorMemoryError, describe

Handler = Callable[[dict[str, Any], LambdaContext], Any]


def redact_errors(handler: Handler) -> Handler:
    """Return ``handler`` with every error of its replaced by one that quotes nothing."""

    @wraps(handler)
    def guarded(event: dict[str, Any], context: LambdaContext) -> Any:  # noqa: ANN401  # Lambda's answer
        try:
            return handler(event, context)
        except Exception as error:  # noqa: BLE001  # whatever it is
            raise VectorMemoryError(describe(error)) from None

    return guarded
