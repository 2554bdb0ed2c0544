"""The laboratory repeats itself, and the product survives it."""

import json
import os
import subprocess
import sys
from collections import Counter

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from psycopg.conninfo import make_conninfo
from support.histories import SEED, SEEDS_THAT_FAILED, TROUBLEMAKERS, said_once

from lab import faults
from lab.crash_points import crash_everywhere
from lab.fault_profile import NO_FAULTS
from lab.faults import report
from lab.histories import GAPS_SECONDS, KINDS, History, ItemSpec, Step
from lab.laboratory import Laboratory, history_of
from lab.simulation import Shape
from pipeline.local.postgres import Postgres
from pipeline.source.transitions import Transition, TransitionReader

pytestmark = pytest.mark.integration
HISTORIES = int(os.environ.get("FAULT_HISTORIES", "100"))

places = st.builds(
    ItemSpec,
    tenant=st.sampled_from(["acme", "zebra"]),
    key=st.sampled_from(["chat:1", "chat:2"]),
    stamped=st.booleans(),
    user=st.sampled_from([None, "mika"]),
) | st.builds(
    ItemSpec,
    tenant=st.sampled_from(["acme", "zebra"]),
    key=st.just("memory:long_term"),
    note=st.sampled_from([True]),
)
steps = st.builds(
    Step,
    kind=st.sampled_from(KINDS),
    place=st.integers(0, 2),
    count=st.integers(1, 3),
    at=st.integers(0, 11),
    gap_seconds=st.sampled_from(GAPS_SECONDS),
)
histories = st.builds(
    History,
    places=st.lists(places, min_size=1, max_size=3, unique_by=lambda place: (place.tenant, place.key)).map(
        tuple
    ),
    steps=st.lists(steps, min_size=1, max_size=15).map(tuple),
    on_clear=st.sampled_from(["keep", "forget"]),
    on_expiry=st.sampled_from(["keep", "forget"]),
)


def test_many_histories_end_as_they_must(lab: Laboratory, capsys: pytest.CaptureFixture[str]) -> None:
    counts: Counter[str] = Counter()
    with capsys.disabled():
        print(f"\nFAULT_HISTORIES={HISTORIES} FAULT_SEED={SEED}")  # shown also when all is well
    for number in range(HISTORIES):
        seed = f"{SEED}.{number}"
        outcome = lab.run(history_of(seed), seed)
        assert not outcome.findings(), report(seed, history_of(seed), outcome)
        counts.update(outcome.counts)
    with capsys.disabled():
        print(f"{HISTORIES} histories: {dict(counts)}")
    assert min(counts[name] for name in ("embedding_calls", "reads", "conflicts", "crashes", "skipped")) > 0


def test_the_last_line_of_a_run_is_its_counts(capsys: pytest.CaptureFixture[str]) -> None:
    assert faults.main(["--histories", "4", "--seed", "3"]) == 0
    found = json.loads(capsys.readouterr().out.splitlines()[-1])
    wrongs = ("missing", "extra", "stale", "duplicate", "wrong_tenant", "resurrected", "unplanned_dlq")
    assert list(found) == [*wrongs, "histories", "seconds", "seed"]
    assert {name: found[name] for name in wrongs} == dict.fromkeys(wrongs, 0)
    assert (found["histories"], found["seed"]) == (4, 3)


def test_a_run_that_finds_something_says_so_and_fails(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        TransitionReader,
        "removal",
        lambda _, __, *, at, position, **___: Transition(position, at, "modified"),
    )
    monkeypatch.setattr(faults, "shrunk", lambda _, history, seed: (history, seed))
    assert faults.main(["--histories", "8", "--seed", "3"]) == 1
    found = capsys.readouterr()
    assert json.loads(found.out.splitlines()[-1])["resurrected"] > 0
    assert "seed 3." in found.err


@settings(max_examples=30, deadline=None, suppress_health_check=list(HealthCheck), database=None)
@given(history=histories, seed=st.integers(0, 1000))
def test_no_history_can_be_found_that_does_not(lab: Laboratory, history: History, seed: int) -> None:
    outcome = lab.run(history, seed)
    assert not outcome.findings(), report(seed, history, outcome)


def test_some_runs_are_looked_after_and_replayed_when_they_are_over(lab: Laboratory) -> None:
    traces = [lab.run(history_of(f"after {number}"), number).trace for number in range(20)]
    endings = [trace for trace in traces if any("operators look after it" in line for line in trace)]
    assert 0 < len(endings) < len(traces)


@pytest.mark.parametrize("number", range(5))
def test_the_same_seed_gives_the_same_trace(lab: Laboratory, number: int) -> None:
    traces = [lab.run(history_of(f"same {number}"), f"same {number}").trace for _ in range(2)]
    assert traces[0] == traces[1]
    assert traces[0] != lab.run(history_of(f"same {number}"), "another").trace


TRACES = """
import hashlib, os
from lab.laboratory import history_of, laboratory
with laboratory(os.environ["LABORATORY"]) as lab:
    lines = [line for seed in range(8) for line in lab.run(history_of(seed), seed).trace]
print(hashlib.sha256("\\n".join(lines).encode()).hexdigest())
"""


def test_the_trace_does_not_hang_on_how_strings_hash(postgres: Postgres) -> None:
    with psycopg.connect(postgres.conninfo(), autocommit=True) as owner:
        owner.execute("CREATE DATABASE hashing TEMPLATE template0")
    conninfo = make_conninfo(postgres.conninfo(), dbname="hashing")
    digests = {
        subprocess.run(
            [sys.executable, "-c", TRACES],
            env={
                **os.environ,
                "PYTHONHASHSEED": seed,
                "LABORATORY": conninfo,
                "PYTHONPATH": os.pathsep.join(sys.path),
            },
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(digests) == 1


@pytest.mark.parametrize("number", range(60))
def test_without_faults_nothing_the_index_holds_is_embedded_again(lab: Laboratory, number: int) -> None:
    outcome = lab.run(said_once(history_of(f"calm {number}")), number, NO_FAULTS, Shape(workers=3))
    assert not outcome.findings()
    assert outcome.counts["embedded_again"] == 0


def test_every_crash_point_ends_as_it_must(lab: Laboratory) -> None:
    crashed = crash_everywhere(lab, pairs=bool(os.environ.get("FAULT_PAIRS")))
    print(f"{crashed.effects} effects, {crashed.once} crashes alone, {crashed.twice} pairs")
    assert crashed.once == 3 * crashed.effects > 60
    assert crashed.findings == {}


def test_a_hot_session_that_is_complete_costs_a_handful_of_embeddings(lab: Laboratory) -> None:
    messages = tuple(Step("grow", 0, 1, 0, 0.0) for _ in range(200))
    outcome = lab.run(
        History((ItemSpec("acme", "chat:1"),), messages),
        7,
        NO_FAULTS,
        Shape(workers=10, max_batch=1, late=True),
    )
    print(dict(outcome.counts))
    assert not outcome.findings()
    assert outcome.counts["embedding_calls"] <= 5


@pytest.mark.parametrize("seed", SEEDS_THAT_FAILED)
def test_a_history_that_failed_once_passes_now(lab: Laboratory, seed: str) -> None:
    outcome = lab.run(history_of(seed), seed)
    assert not outcome.findings(), report(seed, history_of(seed), outcome)


@pytest.mark.parametrize("seed", range(10))
def test_known_troublemakers(lab: Laboratory, seed: int) -> None:
    for name, history in TROUBLEMAKERS.items():
        outcome = lab.run(history, f"{name} {seed}")
        assert not outcome.findings(), report(seed, history, outcome)
