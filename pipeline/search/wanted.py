"""How a question is to be answered. Pure."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Wanted:
    """How a question is to be answered, where not as usual.

    Args:
        half_life_days: a memory so old counts half as much as one of today; ``None``: age does not matter.
        min_confidence: what is less sure is left out, 0..1, 0 leaves out nothing; ``None``: as the service is set.
        min_similarity: the least cosine of what is told.
        now: the reference time of what the question says about when, in the user's zone; ``None``: the present, UTC.
    """

    half_life_days: float | None = None
    min_confidence: float | None = None
    min_similarity: float | None = None
    now: datetime | None = None


USUAL = Wanted()
