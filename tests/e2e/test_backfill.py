"""A backfill by command on the deployed template: beside nothing, killed at random, resumed."""

from pathlib import Path
from random import Random
from uuid import uuid4

import pytest

from lab.backfill import Operator, fill
from pipeline.local.stack import Stack

pytestmark = pytest.mark.e2e
SESSIONS = 240


def test_killed_three_times_and_resumed_it_costs_and_gives_what_one_run_does(
    stack: Stack, tmp_path: Path
) -> None:
    operator, run = Operator(stack, tmp_path), uuid4().hex[:6]
    moments = [Random(3).randrange(1, 60) for _ in range(3)]
    fill(stack, f"whole-{run}", SESSIONS)
    fill(stack, f"killed-{run}", SESSIONS)
    # A page at a time, so that there is something left to kill.
    slow = ["--segments", "8", "--tokens-per-minute", "400000"]
    whole = operator.backfill(f"whole-{run}")
    killed = operator.backfill(f"killed-{run}", moments, slow)
    assert killed.kills == 3
    assert (whole.audit, killed.audit) == ({}, {})
    assert whole.announced == SESSIONS
    assert killed.tokens_embedded == whole.tokens_embedded > 0
    assert operator.chunks(f"killed-{run}") == operator.chunks(f"whole-{run}") > SESSIONS
