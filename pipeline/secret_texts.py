"""Secrets: read from Secrets Manager, and what their texts must hold. No message quotes anything of them."""

import json
from typing import Any

from pipeline.errors import SecretUnavailableError

MIN_MESSAGE_KEY_CHARACTERS = 16
MAX_MESSAGE_KEY_BYTES = 64
"""BLAKE2b takes no longer key."""


def read_secret(client: Any, arn: str) -> str:  # noqa: ANN401  # boto3's
    """Return a secret's text, read anew.

    Args:
        client: of Secrets Manager.

    Raises:
        SecretUnavailableError: it was not given, or is not text.
    """
    from aws_lambda_powertools.utilities.parameters import SecretsProvider  # noqa: PLC0415  # cold paths only
    from aws_lambda_powertools.utilities.parameters.exceptions import GetParameterError  # noqa: PLC0415  # the same

    try:
        value: Any = SecretsProvider(boto3_client=client).get(arn, force_fetch=True)
    except GetParameterError:
        raise SecretUnavailableError(
            "a secret could not be read: check its ARN and the function's role"
        ) from None
    if not isinstance(value, str):
        raise SecretUnavailableError("a secret must be text")
    return value


def message_key_of(secret: str) -> bytes:
    """Return the key that hashes messages.

    Raises:
        SecretUnavailableError: it is too short to be one.
    """
    if len(secret) < MIN_MESSAGE_KEY_CHARACTERS:
        raise SecretUnavailableError(
            f"the message key must have at least {MIN_MESSAGE_KEY_CHARACTERS} characters"
        )
    return secret.encode()[:MAX_MESSAGE_KEY_BYTES]


def api_key_of(secret: str) -> str:
    """Return OpenAI's key: the secret itself, or its field ``api_key``.

    Raises:
        SecretUnavailableError: it is neither.
    """
    fields = json_object(secret)
    key = secret.strip() if fields is None else fields.get("api_key")
    if not isinstance(key, str) or not key:
        raise SecretUnavailableError("the OpenAI secret must be the key itself, or JSON with api_key")
    return key


def json_object(text: str) -> dict[str, Any] | None:
    """Return the fields of a secret that is a JSON object; ``None`` of any other text."""
    try:
        value = json.loads(text)
    except ValueError:
        return None
    return value if isinstance(value, dict) else None
