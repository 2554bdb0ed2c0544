"""Runs many histories under faults and counts what is wrong. The last line of its output is one JSON object."""

import argparse
import json
import sys
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import fields

from lab.crash_points import crash_everywhere
from lab.histories import History
from lab.laboratory import Laboratory, history_of, laboratory
from lab.oracle import Judgement
from lab.parallel import MISHAPS, run_parallel
from lab.shrinking import shrunk
from lab.simulation import Outcome
from pipeline.local import opensearch_node
from pipeline.local.postgres import Postgres
from pipeline.local.processes import new_run_folder

WRONGS = (*(field.name for field in fields(Judgement)), "unplanned_dlq")
"""What the last line counts. A run that is stuck, or whose aftermath is no rest, is reported above it and fails."""

PROGRESS_EVERY = 100


def main(arguments: Sequence[str] | None = None) -> int:
    """Run; exit non-zero if anything is wrong."""
    parser = argparse.ArgumentParser(prog="faults", description=__doc__)
    parser.add_argument("--histories", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=time.time_ns() % 1_000_000)
    parser.add_argument("--only", help="run just the history of this seed, such as 1.17, and print its trace")
    parser.add_argument(
        "--crash-points", action="store_true", help="crash one scenario at each effect and each pair"
    )
    parser.add_argument(
        "--parallel",
        type=int,
        metavar="N",
        help="play N histories with real processes on one Postgres, which are killed and cut off at random moments",
    )
    parser.add_argument(
        "--store",
        choices=["pgvector", "dynamodb", "opensearch"],
        default="pgvector",
        help="under the pipeline",
    )
    parser.add_argument(
        "--real", action="store_true", help="with --store opensearch: a real OpenSearch holds the collection"
    )
    options = parser.parse_args(arguments)
    if options.real and options.store == "opensearch":
        with opensearch_node.running() as node, laboratory("", options.store, node) as lab:
            return _run(lab, options)
    if options.store != "pgvector":
        with laboratory("", options.store) as lab:
            return _run(lab, options)
    server = Postgres(new_run_folder() / "postgres").start()
    try:
        if options.parallel:
            return _parallel(server.conninfo(), options.parallel, options.seed)
        with laboratory(server.conninfo()) as lab:
            return _run(lab, options)
    finally:
        server.stop()


def _run(lab: Laboratory, options: argparse.Namespace) -> int:
    if options.only:
        return _one(lab, options.only)
    if options.crash_points:
        return _crash_points(lab)
    return _many(lab, options.seed, options.histories)


def _one(lab: Laboratory, seed: str) -> int:
    outcome = lab.run(history_of(seed), seed)
    _say(report(seed, history_of(seed), outcome))
    return int(bool(outcome.findings()))


def _many(lab: Laboratory, seed: int, histories: int) -> int:
    started, wrong, counts = time.perf_counter(), Counter[str](), Counter[str]()
    for number in range(histories):
        one = f"{seed}.{number}"
        outcome = lab.run(history_of(one), one)
        found = outcome.findings()
        if found:
            _say(report(one, history_of(one), outcome))
            smaller, seed_of_smaller = shrunk(lab, history_of(one), one)
            _say(f"shrunk, fails under seed {seed_of_smaller!r}:\n{smaller}")
        wrong.update({kind: len(what) for kind, what in found.items()})
        counts.update(outcome.counts)
        if (number + 1) % PROGRESS_EVERY == 0:
            _say(f"{number + 1} histories, {time.perf_counter() - started:.0f} s, wrong: {dict(wrong)}")
    _say(f"done: {dict(counts)}; wrong: {dict(wrong)}")
    _print(summary(wrong, histories, seed, time.perf_counter() - started))
    return int(bool(wrong))


def summary(wrong: Mapping[str, int], histories: int, seed: int, seconds: float) -> dict[str, int]:
    """Return the last line's fields."""
    counted = {name: wrong.get(name, 0) for name in WRONGS}
    return {**counted, "histories": histories, "seconds": round(seconds), "seed": seed}


def _parallel(conninfo: str, histories: int, seed: int) -> int:
    started = time.perf_counter()
    found = run_parallel(conninfo, histories, seed)
    wrong = sum(count for name, count in found.items() if name not in MISHAPS)
    _print({**found, "histories": histories, "seconds": round(time.perf_counter() - started), "seed": seed})
    return int(bool(wrong))


def _crash_points(lab: Laboratory) -> int:
    started = time.perf_counter()
    crashed = crash_everywhere(lab)
    for script, found in crashed.findings.items():
        _say(f"{script}: {found}")
    _print(
        {
            "effects": crashed.effects,
            "once": crashed.once,
            "twice": crashed.twice,
            "wrong": len(crashed.findings),
            "seconds": round(time.perf_counter() - started),
        }
    )
    return int(bool(crashed.findings))


def report(seed: int | str, history: History, outcome: Outcome) -> str:
    """Return everything there is to know of a run."""
    return "\n".join(
        [
            f"seed {seed}: {outcome.findings() or 'nothing wrong'}",
            f"history: on_clear={history.on_clear} on_expiry={history.on_expiry}",
            *(f"  {place}" for place in history.places),
            *(f"  {step}" for step in history.steps),
            "trace:",
            *outcome.trace,
        ]
    )


def _print(fields_: Mapping[str, int]) -> None:
    sys.stdout.write(json.dumps(fields_) + "\n")


def _say(line: str) -> None:
    sys.stderr.write(line + "\n")


if __name__ == "__main__":
    sys.exit(main())
