"""How long an embedder may take. An invocation that is killed settles nothing, so asking ends before it does.

``with within(seconds)`` bounds every request that is made inside, in this thread.
"""

import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_ends: ContextVar[float] = ContextVar("ends", default=math.inf)


@contextmanager
def within(seconds: float) -> Iterator[None]:
    """Let requests take so long together, or what is left of an outer bound."""
    token = _ends.set(min(_ends.get(), time.monotonic() + seconds))
    try:
        yield
    finally:
        _ends.reset(token)


def seconds_left() -> float:
    """Return how long requests may still take; infinite where nothing bounds them."""
    return _ends.get() - time.monotonic()
