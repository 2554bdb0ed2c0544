"""What can go wrong, and what to do about it.

::

    VectorMemoryError
    ├── InvalidRequestError       the request: asking again gives the same
    ├── MemoryUnavailableError    memory: ask again later, or go on without it
    └── SettingsError             how the client was set up
"""


class VectorMemoryError(Exception):
    """Everything that this package raises on purpose. A message holds no text of anybody."""


class InvalidRequestError(VectorMemoryError):
    """The request cannot be served as it is.

    Args:
        code: stable; the service's, or ours.
        status: as HTTP has it.
        hint: what to do.
    """

    def __init__(
        self,
        message: str,
        *,
        code: str = "invalid_request",
        status: int = 400,
        hint: str = "correct the request",
    ) -> None:
        super().__init__(message)
        self.code = code
        self.status = status
        self.hint = hint


class MemoryUnavailableError(VectorMemoryError):
    """Memory did not answer, or not in a way that is understood."""


class SettingsError(VectorMemoryError):
    """Something that the client needs to know is missing or wrong; the message says what."""
