"""What a command of an operator says."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a command says, and its exit status.

    Args:
        text: its answer, for standard output.
        notes: what the reader should know besides, for standard error.
    """

    text: str
    notes: Sequence[str] = ()
    status: int = 0
