"""Every place a worker can die at: a fixed scenario, crashed at each of its effects, and at each pair of them."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from lab.fault_profile import NO_FAULTS, ScriptedFaults
from lab.histories import History, ItemSpec, Step
from lab.laboratory import Laboratory
from lab.scheduler import FaultAction
from lab.simulation import Outcome, Shape

CRASHES = (FaultAction.CRASH_BEFORE, FaultAction.CRASH_INSIDE, FaultAction.CRASH_AFTER)
SCENARIO = History(
    (ItemSpec("acme", "chat:1"), ItemSpec("zebra", "chat:1", stamped=True)),
    (
        Step("grow", 0, 2),
        Step("grow", 1, 2),
        Step("edit", 0, 1, 1),
        Step("grow", 0, 2, gap_seconds=3600.0),
        Step("cap", 0, 2),
        Step("recreate", 1, 2, gap_seconds=3600.0),
        Step("forget_session", 1, 1, 0, 3600.0),
        Step("grow", 1, 1),
        Step("expire", 0),
    ),
)


@dataclass(slots=True)
class CrashReport:
    """What came of it.

    Args:
        effects: effects of the scenario when nothing crashes.
        findings: script → what was wrong.
    """

    effects: int
    once: int = 0
    twice: int = 0
    findings: dict[str, Mapping[str, list[str]]] = field(default_factory=dict)


def crash_everywhere(lab: Laboratory, *, pairs: bool = True, seed: int = 1) -> CrashReport:
    """Crash before, inside and after each effect; and at each pair of effects, the second counted in the run with the first."""
    report = CrashReport(_run(lab, {}, seed).effects)
    for script in _once(report.effects):
        outcome = _judged(lab, script, seed, report)
        report.once += 1
        if pairs and FaultAction.CRASH_AFTER in script.values():
            for both in _twice(script, outcome.effects):
                _judged(lab, both, seed, report)
                report.twice += 1
    return report


def _once(effects: int) -> Iterator[dict[int, FaultAction]]:
    for at in range(1, effects + 1):
        for crash in CRASHES:
            yield {at: crash}


def _twice(script: Mapping[int, FaultAction], effects: int) -> Iterator[dict[int, FaultAction]]:
    [first] = script
    for second in range(first + 1, effects + 1):
        yield {**script, second: CRASHES[second % len(CRASHES)]}


def _judged(lab: Laboratory, script: Mapping[int, FaultAction], seed: int, report: CrashReport) -> Outcome:
    outcome = _run(lab, script, seed)
    if outcome.counts["crashes"] != len(script):
        report.findings[str(script)] = {"not hit": [f"{outcome.counts['crashes']} crashes"]}
    if outcome.findings():
        report.findings[str(script)] = outcome.findings()
    return outcome


def _run(lab: Laboratory, script: Mapping[int, FaultAction], seed: int) -> Outcome:
    return lab.run(
        SCENARIO, seed, NO_FAULTS, Shape(workers=2, max_batch=3, looked_after=True), ScriptedFaults(script)
    )
