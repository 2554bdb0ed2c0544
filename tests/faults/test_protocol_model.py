"""The protocol of the message ledger, in every order of events: ``model/protocol.pml``, checked by Spin.

``docs/model.md`` says what it proves and what it does not.
"""

import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest
from support.not_run import not_run

MODEL = Path(__file__).parent / "model" / "protocol.pml"
APT_LINE = "apt-get install --no-install-recommends spin gcc libc6-dev"
SECONDS = 300.0
"""After so long a search is given up: many times what it needs on a loaded machine."""

THREE = ("CHANGES=3", "RESTAMPS", "HORIZON")
FOUR = ("CHANGES=4",)
PROOFS = {
    "four changes": ("CHANGES=4", "RESTAMPS"),
    "three changes, the horizon, time in whole seconds": (*THREE, "COARSE"),
}
BROKEN = {
    "NO_REVISION": (THREE, "positions_and_content_never_go_back"),
    "NO_EPOCH": (THREE, "nothing_covered_is_visible"),
    "CLIENT_CLOCK": (THREE, "nothing_covered_is_visible"),
    "UNEXPLAINED_SHOWN": (THREE, "visible_only_in_the_last_read_or_by_evidence"),
    "LOOK_DELETES": (THREE, "looking_keeps_and_purges_nothing"),
    "SKIP_BY_POSITION": (THREE, "nothing_lost_nothing_is_unexplained"),
    "HORIZON_EARLY": (THREE, "nothing_lost_all_kept_is_visible"),
    "ERASED_STAYS": (THREE, "nothing_lost_all_live_is_visible"),
    "OLD_NOTICE_DECIDES": (FOUR, "visible_only_in_the_last_read_or_by_evidence"),
    "ADDITION_REOPENS_NOTHING": (FOUR, "visible_only_in_the_last_read_or_by_evidence"),
    "SEEN_OF_THE_ROW": (FOUR, "visible_only_in_the_last_read_or_by_evidence"),
    "REINSERT_SHOWS": (FOUR, "one_missing_notice_shows_nothing_forgotten"),
    "ABSENCE_SAYS_NOTHING": (FOUR, "a_seen_absence_shows_nothing_deleted"),
    "FORGETS_IN_DOUBT": ((*FOUR, "MERGED=0"), "nothing_lost_all_kept_is_visible"),
}
"""A rule of the protocol broken on purpose → the changes it needs, and the promise that it breaks."""


@dataclass(frozen=True, slots=True)
class Search:
    """What Spin says of a search.

    Args:
        complete: it went through every state, and found nothing.
        seconds: of the search alone; compiling it comes on top.
        broken: the promise that the counterexample breaks; ``""`` without one.
        output: as printed.
    """

    complete: bool
    states: int
    transitions: int
    seconds: float
    broken: str
    output: str


def _run(*command: str, folder: Path) -> str:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=SECONDS)
    return done.stdout + done.stderr


def _number(pattern: str, output: str) -> float:
    found = re.search(pattern, output)
    assert found, output
    return float(found.group(1))


def search(folder: Path, defined: tuple[str, ...], optimise: str) -> Search:
    """Search all states of the model under these names; on a counterexample stop and replay it."""
    shutil.copy(MODEL, folder)
    names = [f"-D{name}" for name in defined]
    said = _run("spin", "-a", *names, MODEL.name, folder=folder)
    said += _run(
        "gcc", "-w", optimise, "-DSAFETY", "-DNOREDUCE", "-DMEMLIM=2000", "-o", "pan", "pan.c", folder=folder
    )
    assert (folder / "pan").exists(), said
    output = _run("./pan", "-m5000", "-w22", folder=folder)
    trail = folder / f"{MODEL.name}.trail"
    story = _run("spin", "-t", *names, MODEL.name, folder=folder) if trail.exists() else ""
    broken = re.search(r"BROKEN: (\w+)", story)
    gave_up = "not completed" in output or "too small" in output
    return Search(
        complete="errors: 0" in output and not gave_up,
        states=int(_number(r"([\d.e+]+) states, stored", output)),
        transitions=int(_number(r"([\d.e+]+) transitions", output)),
        seconds=_number(r"elapsed time ([\d.e+-]+) seconds", output),
        broken=broken.group(1) if broken else "",
        output=story or output,
    )


@pytest.fixture(scope="module", autouse=True)
def _spin() -> None:
    if shutil.which("spin") is None or shutil.which("gcc") is None:
        not_run(APT_LINE)


@pytest.mark.parametrize("name", PROOFS)
def test_protocol_every_order_of_events_holds_all_promises(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    result = search(tmp_path, PROOFS[name], "-O2")
    with capsys.disabled():
        print(
            f"\nmodel, {name}: {result.states:,} states, {result.transitions:,} steps, {result.seconds:.1f} s"
        )
    assert result.complete, result.output


@pytest.mark.parametrize("rule", BROKEN)
def test_protocol_one_rule_broken_the_promise_that_it_guards_fails(rule: str, tmp_path: Path) -> None:
    needs, promise = BROKEN[rule]
    result = search(tmp_path, (*needs, rule), "-O1" if rule == "FORGETS_IN_DOUBT" else "-O0")
    assert result.broken == promise, result.output


def test_broken_rules_are_those_of_the_model() -> None:
    switches = set(re.findall(r"^#ifn?def (\w+)", MODEL.read_text("utf-8"), re.MULTILINE))
    assert switches - {"RESTAMPS", "HORIZON", "COARSE"} - {"CHANGES", "MERGED"} == set(BROKEN)
