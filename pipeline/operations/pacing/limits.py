"""How hard a command may push."""

from dataclasses import dataclass

MAX_WAITING = 1_000_000_000
"""Of notices: as good as no limit."""


@dataclass(frozen=True, slots=True)
class Limits:
    """How hard a backfill may push.

    Args:
        workers: parts read at once.
        read_units: of the tables, a second, with what ingest's own reading of the announced items will take.
        tokens: estimated, announced to be embedded, a second.
        waiting: notices in the queue beyond which it waits, so that live changes do not stand in a long line.
    """

    workers: int = 4
    read_units: float | None = 200.0
    tokens: float | None = 10_000.0
    waiting: int = 1_000
