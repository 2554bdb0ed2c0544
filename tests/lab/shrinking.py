"""Makes a failing history smaller."""

from collections.abc import Iterator
from dataclasses import replace

from lab.histories import History
from lab.laboratory import Laboratory

SCHEDULES = 15
"""A smaller history runs otherwise, so each is tried under so many seeds."""


def shrunk(lab: Laboratory, history: History, seed: int | str) -> tuple[History, str]:
    """Return a smaller history that fails too, and the seed under which it does."""
    failing = str(seed)
    smaller = True
    while smaller:
        smaller = False
        for candidate in _smaller(history):
            found = _failing_seed(lab, candidate, failing)
            if found is not None:
                history, failing, smaller = candidate, found, True
                break
    return history, failing


def _smaller(history: History) -> Iterator[History]:
    for index in reversed(range(len(history.steps))):
        yield replace(history, steps=history.steps[:index] + history.steps[index + 1 :])


def _failing_seed(lab: Laboratory, history: History, seed: str) -> str | None:
    for again in (seed, *(f"{seed.split('/', maxsplit=1)[0]}/{number}" for number in range(SCHEDULES))):
        if lab.run(history, again).findings():
            return again
    return None
