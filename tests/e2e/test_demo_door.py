"""The demo as a newcomer meets it: what it prints, and everything that connects to it, against one running demo."""

import itertools
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import anyio
import pytest
from mcp import ClientSession, StdioServerParameters
from mcp.client.stdio import stdio_client
from support.deployed_stack import until
from support.pages import page
from support.running_demo import (
    ADDRESS,
    PROGRAM,
    UP_SECONDS,
    WIDTH,
    RunningDemo,
    own_tmp,
    running_demo,
    started,
)

pytestmark = pytest.mark.e2e
EXAMPLES = [*page("README.md").blocks("python"), *page("docs/api.md").blocks("python")]
LINES = 24
PULSE_SECONDS = 5.0
WHO = ("--tenant", "acme", "--user", "mika")


@pytest.fixture(scope="module")
def demo() -> Iterator[RunningDemo]:
    with running_demo() as running:
        yield running


def test_output_before_the_address_fits_a_screen_and_never_stands_still(demo: RunningDemo) -> None:
    (number, at) = next((n, when) for n, (when, line) in enumerate(demo.lines) if ADDRESS.search(line))
    shown = [line for _, line in demo.lines[1:number]]
    lasting = [line for line in shown if not line.endswith("...")]  # a terminal draws these over each other
    assert len(lasting) + 1 <= LINES, demo.text
    assert max(map(len, lasting)) <= WIDTH, demo.text
    times = [when for when, _ in demo.lines[: number + 1]]
    gaps = [after - before for before, after in itertools.pairwise(times)]
    assert max(gaps) < PULSE_SECONDS + 5, demo.text  # what a busy machine adds is not the demo's
    assert at - times[0] < UP_SECONDS


def test_it_prints_what_env_repeats_and_a_shell_takes_it(demo: RunningDemo) -> None:
    told = json.loads(demo.run("demo", "env", "--json").stdout)
    for name in (
        "AWS_ENDPOINT_URL",
        "QUERY_FUNCTION",
        "DATABASE_URL",
        "SESSIONS_TABLE",
        "VECTOR_MEMORY_STACK",
    ):
        assert f"{name}={told[name]}" in demo.text
    script = f'eval "$({PROGRAM} demo env)" && {PROGRAM} usage --json && echo "$DATABASE_URL"'
    done = subprocess.run(
        ["/bin/bash", "-c", script],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        env={**demo.environment(), "AWS_PROFILE": "of-somebody"},
    )
    assert done.returncode == 0, done.stderr
    usage, url = done.stdout.splitlines()
    assert {row["tenant_id"] for row in json.loads(usage)} >= {"acme", "kitsune-robotics"}
    assert url == told["DATABASE_URL"]


def test_another_user_of_this_machine_reads_no_password(demo: RunningDemo) -> None:
    [file] = demo.folder.glob("vector-memory-*/connection.json")
    assert file.stat().st_mode & 0o777 == 0o600


def test_status_has_the_local_metrics(demo: RunningDemo) -> None:
    until(lambda: demo.json("status")["items"], "metrics are published", 120)
    seen = demo.json("status")
    assert seen["tokens"] > 1_000
    assert seen["lag_p95"] > 0
    assert seen["dead_letters"] == 0
    assert seen["unseen"] == []
    assert "not seen" not in demo.run("status", "--demo").stdout


def test_the_audit_finds_nothing_to_mend(demo: RunningDemo) -> None:
    report = demo.json("audit")
    assert (report["findings"], report["items"]) == ([], 38)
    assert "no differences" in demo.run("audit", "--demo").stdout
    file = json.loads(demo.run("demo", "env", "--json").stdout)["AUDIT_FILE"]
    kept = json.loads(Path(file).read_text())  # the page shows it
    assert (kept["items"], kept["counts"]) == (38, {})


def test_usage_and_dead_letters(demo: RunningDemo) -> None:
    assert "acme" in demo.run("usage", "--demo").stdout
    assert demo.json("dlq", "list") == []
    assert demo.json("dlq", "redrive")["done"] == 0
    assert demo.json("dlq", "drop")["dry_run"] is True
    assert demo.json("dlq", "replay-stream")["batches"] == 0


def test_search_answers_for_one_person_and_explains_itself(demo: RunningDemo) -> None:
    found = demo.json("search", *WHO, "When does the arm ship?", "--explain")
    assert "12 December" in found["results"][0]["content"]
    assert found["explanation"]["passages"][0]["told"] is True
    assert {row["key"] for row in found["results"]} == {"chat:arm"}
    assert (
        demo.json("search", "--tenant", "acme", "--user", "ken", "When does the arm ship?")["results"] == []
    )
    assert "12 December" in demo.run("search", "--demo", *WHO, "When does the arm ship?").stdout


def test_backfill_counts_and_embeds_nothing_again(demo: RunningDemo) -> None:
    counted = demo.json("backfill", "--dry-run")
    assert (counted["items"], counted["announced"]) == (38, 0)


def test_there_are_examples() -> None:
    assert len(EXAMPLES) >= 3


@pytest.mark.parametrize("example", EXAMPLES)
def test_the_examples_of_readme_and_api_run_as_they_are(demo: RunningDemo, example: str) -> None:
    told = json.loads(demo.run("demo", "env", "--json").stdout)
    done = subprocess.run(
        [sys.executable, "-c", example],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        env={**demo.environment(), **told},
    )
    assert done.returncode == 0, done.stderr
    assert "12 December" in done.stdout


def test_mcp_serves_the_demo(demo: RunningDemo) -> None:
    async def talk() -> str:
        parameters = StdioServerParameters(
            command=PROGRAM, args=["mcp", "--demo", *WHO], env=demo.environment()
        )
        with anyio.fail_after(120):
            async with stdio_client(parameters) as (read, write), ClientSession(read, write) as session:
                await session.initialize()
                answer = await session.call_tool("search_memory", {"query": "When does the arm ship?"})
                return str(answer.content)

    assert "12 December" in anyio.run(talk)


def test_the_functions_own_role_is_told_that_it_sees_no_tenant(demo: RunningDemo) -> None:
    """To that role every table looks empty; before, the audit took all of memory for missing."""
    told = json.loads(demo.run("demo", "env", "--json").stdout)
    outputs_role = _as_ingest_only(told["DATABASE_URL"])
    own = {**told, "DATABASE_URL": outputs_role}
    for words in (("audit",), ("usage",)):
        done = demo.run(*words, status=2, **own)
        assert "sees no tenant" in done.stderr
        assert done.stdout == ""
    seen = json.loads(demo.run("status", "--json", **own).stdout)
    assert any("sees no tenant" in what for what in seen["unseen"])


def _as_ingest_only(url: str) -> str:
    """Return the same login with the role that sees every tenant taken off for its sessions."""
    return f"{url}?options=-crole%3Dmemory_ingest"


def test_advice_of_status_works_as_it_is_printed(demo: RunningDemo) -> None:
    told = json.loads(demo.run("demo", "env", "--json").stdout)
    import boto3  # noqa: PLC0415  # only here

    table = boto3.Session("test", "test", region_name="us-east-1").client(
        "dynamodb", endpoint_url=told["AWS_ENDPOINT_URL"]
    )
    key = {"tenant_id": {"S": "acme"}, "session_key": {"S": "chat:broken"}}
    table.put_item(TableName=told["SESSIONS_TABLE"], Item={**key, "messages": {"S": "{no json"}})
    until(lambda: demo.json("dlq", "list") != [], "the broken item is a dead letter", 120)
    until(lambda: demo.run("status", "--demo", status=1) is not None, "status sees it", 60)
    said = demo.run("status", "--demo", status=1).stdout
    advised = re.findall(r"`vector-memory ([^`]*)`", said)
    assert advised, said
    for command in advised:
        assert command.endswith("--demo"), command
        demo.run(*command.split())
    table.delete_item(TableName=told["SESSIONS_TABLE"], Key=key)
    demo.run("dlq", "drop", "--demo", "--yes")


def test_forget_forgets_for_good(demo: RunningDemo) -> None:
    forgotten = demo.json("forget", "--tenant", "hayashi-home", "--user", "emily")
    assert forgotten["deleted"] > 0
    asked = ("search", "--tenant", "hayashi-home", "--user", "emily", "What is planned for the garden?")
    assert demo.json(*asked)["results"] == []
    demo.json("forget", "--tenant", "hayashi-home", "--user", "nobody", status=3)


def test_ctrl_c_ends_it_soon_says_so_and_leaves_nothing(demo: RunningDemo) -> None:
    began = time.monotonic()
    demo.process.send_signal(signal.SIGINT)
    until(lambda: "Ending" in demo.text, "it says that it heard", 5)
    demo.process.wait(60)
    seconds = time.monotonic() - began
    until(lambda: "Ended. Nothing is left" in demo.text, "it says that it ended")
    print(f"\nended after {seconds:.1f} s")
    assert seconds < 5 * _how_busy()
    assert demo.process.returncode == 0
    assert "Traceback" not in demo.text
    assert list(demo.folder.iterdir()) == []
    done = demo.run("status", "--demo", status=2)
    assert "no demo is running" in done.stderr


def _how_busy() -> float:
    """Return how many programs share a processor here: the bound is for a machine of one's own."""
    return max(1.0, os.getloadavg()[0] / (os.cpu_count() or 1))


@pytest.mark.parametrize("seconds", [0.5, 3.0])
def test_ctrl_c_while_it_starts_leaves_nothing_either(seconds: float) -> None:
    with own_tmp() as folder:
        _interrupted(folder, seconds)


def _interrupted(folder: Path, seconds: float) -> None:
    early = started(folder)
    until(lambda: "Everything runs" in early.text, "it began", 60)
    time.sleep(seconds)  # into whatever it is doing
    early.process.send_signal(signal.SIGINT)
    early.process.send_signal(signal.SIGINT)  # a second one does not cut the ending short
    early.process.wait(60)
    until(lambda: "Ended. Nothing is left" in early.text, "it says that it ended")
    assert "Traceback" not in early.text
    assert early.process.returncode == 130
    assert list(folder.iterdir()) == []
