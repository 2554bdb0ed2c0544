"""How the demo says what goes on, and how it ends."""

import io
import os
import signal
import subprocess
import sys
import threading
from typing import Any

import pytest
from rich.console import Console

from pipeline.local import emf, steps
from pipeline.local.demo import _copied
from pipeline.local.demo_run import ATTEMPTS, Demo
from pipeline.local.ending import SIGNALS, ending_well
from pipeline.local.steps import Steps

TOLD = {
    "AWS_ENDPOINT_URL": "http://127.0.0.1:65535",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_ACCESS_KEY_ID": "test",
    "AWS_SECRET_ACCESS_KEY": "test",
    "VECTOR_MEMORY_STACK": "vector-memory",
    "QUERY_FUNCTION": "vector-memory-QueryFunction-53CEAB00324E9:live",
    "DATABASE_URL": "postgresql://operator:0123456789abcdef@127.0.0.1:65535/postgres",
    "PAGE_URL": "http://127.0.0.1:65535/",
}


def test_a_step_that_stands_still_says_that_it_lives(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(steps, "PULSE_SECONDS", 0.01)
    told, heard = threading.Event(), io.StringIO()
    console = Console(file=heard, width=80)
    real = console.print

    def heard_of(*what: Any, **how: Any) -> None:
        real(*what, **how)
        told.set()

    monkeypatch.setattr(console, "print", heard_of)
    with Steps(console).step("becoming memory", 531) as advance:
        advance(7)
        for _ in range(2):  # the first may have been on its way already
            told.clear()
            assert told.wait(30)
    *pulses, last = heard.getvalue().splitlines()
    assert ["becoming", "memory", "7/531", "0", "s", "..."] in [pulse.split() for pulse in pulses]
    assert not last.endswith("...")


def test_a_step_that_fails_ends_its_pulse() -> None:
    before = threading.active_count()
    with pytest.raises(RuntimeError), Steps(Console(file=io.StringIO())).step("starting"):
        raise RuntimeError
    assert threading.active_count() == before


def test_a_line_to_be_copied_is_whole_and_fits_the_screen() -> None:
    lines = list(_copied(TOLD))
    assert max(map(len, lines)) <= 80
    words = {word for line in lines for word in line.split()}
    assert words == {f"{name}={value}" for name, value in TOLD.items() if name != "PAGE_URL"}


class Answering(Demo):
    """Answers after so many questions that got no answer."""

    failures = 0

    def search(self, *_: Any, **_more: float) -> list[dict[str, Any]]:
        if self.failures:
            self.failures -= 1
            raise RuntimeError("the query function answered 503")
        return [{"content": "here"}]


def test_a_question_without_an_answer_in_time_is_asked_again_and_told() -> None:
    demo = Answering(stack=None, console=Console(file=io.StringIO()))  # type: ignore[arg-type]
    demo.failures = ATTEMPTS - 1
    assert demo.patient_search("acme", "mika", "when?") == [{"content": "here"}]
    assert demo.asked_again == ATTEMPTS - 1


def test_a_part_that_never_answers_fails() -> None:
    demo = Answering(stack=None, console=Console(file=io.StringIO()))  # type: ignore[arg-type]
    demo.failures = ATTEMPTS
    with pytest.raises(RuntimeError, match="503"):
        demo.patient_search("acme", "mika", "when?")


ENDING = """
import signal, sys, time
from pipeline.local.ending import ending_well
with ending_well():
    try:
        print("ready", flush=True)
        time.sleep(60)
    except KeyboardInterrupt:
        print("cleaning", flush=True)
        sys.stdin.readline()
print("ended", flush=True)
"""


@pytest.mark.parametrize("number", SIGNALS)
def test_every_signal_to_end_is_heard_and_a_second_one_cuts_nothing_short(
    number: signal.Signals,
) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", ENDING], stdin=-1, stdout=-1, stderr=-1, text=True, env={**os.environ}
    )
    assert process.stdout
    assert process.stdin
    assert process.stdout.readline() == "ready\n"
    process.send_signal(number)
    assert process.stdout.readline() == "cleaning\n"
    process.send_signal(signal.SIGINT)
    process.send_signal(signal.SIGTERM)
    process.stdin.write("go on\n")
    process.stdin.flush()
    out, err = process.communicate(timeout=60)
    assert (out, process.returncode) == ("ended\n", 0)
    assert err == "\nEnding ...\n"


LOST = """
import os, signal, time, weakref
from pipeline.local.ending import ending_well

def interrupted():
    os.kill(os.getpid(), signal.SIGINT)
    time.sleep(0.2)

class Dying:
    def __del__(self):
        interrupted()

class Finalized: ...

class Watched: ...

def end(way):
    if way == "destructor":
        Dying()
    elif way == "finalizer":
        weakref.finalize(Finalized(), interrupted)
    else:
        watched = Watched()
        watcher = weakref.ref(watched, lambda _: interrupted())
        del watched

with ending_well() as ending:
    try:
        end({way!r})
        for _ in range(5_000):
            ending.check()
            time.sleep(0.001)
    except KeyboardInterrupt:
        time.sleep(0.2)  # a second one would cut this short
        print("ended", flush=True)
"""


@pytest.mark.parametrize("way", ["destructor", "finalizer", "callback"])
def test_an_interrupt_where_python_ignores_exceptions_ends_the_run(way: str) -> None:
    program = LOST.replace("{way!r}", repr(way))
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.stdout, done.returncode) == ("ended\n", 0)
    assert ("Exception ignored" in done.stderr) == (way == "callback")


def test_handlers_are_given_back() -> None:
    before = signal.getsignal(signal.SIGINT)
    with ending_well():
        assert signal.getsignal(signal.SIGINT) != before
    assert signal.getsignal(signal.SIGINT) == before


class CloudWatch:
    """Counts what it is given."""

    def __init__(self) -> None:
        self.sizes: list[int] = []

    def put_metric_data(self, Namespace: str, MetricData: list[Any]) -> None:  # noqa: N803  # boto3's names
        assert Namespace == "n"
        self.sizes.append(len(MetricData))


def test_metrics_are_published_many_at_once() -> None:
    line = '{"_aws": {"Timestamp": 1, "CloudWatchMetrics": [{"Namespace": "n", "Dimensions": [[]], "Metrics": [{"Name": "x", "Unit": "Count"}]}]}, "x": 1}'
    cloudwatch = CloudWatch()
    assert emf.publish([line] * (2 * emf.BATCH + 1), cloudwatch) == 2 * emf.BATCH + 1
    assert cloudwatch.sizes == [emf.BATCH, emf.BATCH, 1]
