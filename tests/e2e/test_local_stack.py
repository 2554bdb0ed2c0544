"""The local stack starts and stops cleanly: twice, side by side, after a kill, and as the demo."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import urllib.request
from pathlib import Path

import pytest
from support.deployed_stack import DeployedStack, until

from pipeline.local.processes import PREFIX, new_run_folder
from pipeline.local.stack import Stack

pytestmark = pytest.mark.e2e
PAGE = re.compile(r"http://127\.0\.0\.1:\d+/(?=\s)")
COMMAND = [str(Path(sys.prefix) / "bin" / "vector-memory"), "demo"]
CHILD = """
import sys, time
from pipeline.local.stack import Stack
with Stack() as stack:
    print(stack._folder, stack.postgres.port, stack.aws.port, flush=True)
    time.sleep(120)
"""


def command_lines() -> dict[int, str]:
    found = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                found[int(entry.name)] = (
                    (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
                )
            except OSError:
                continue
    return found


def of_folder(folder: str) -> list[int]:
    return [pid for pid, line in command_lines().items() if folder in line]


def test_a_second_stack_runs_beside_the_first_and_stops_without_a_trace(stack: Stack) -> None:
    assert stack.outputs
    for _ in range(2):
        with Stack() as other:
            folder = str(other._folder)
            DeployedStack(other, "acme").save("chat:1", [{"role": "user", "content": "only in the second"}])
            until(lambda: len(DeployedStack(other, "acme").contents()) == 1, "the second stack works")
            assert DeployedStack(stack, "acme").contents() == []
            assert of_folder(folder)
        assert of_folder(folder) == []
        assert not Path(folder).exists()


def test_a_killed_stack_leaves_no_process_and_its_folder_is_swept_by_the_next_run() -> None:
    child = subprocess.Popen([sys.executable, "-c", CHILD], stdout=subprocess.PIPE, text=True)
    assert child.stdout
    folder = child.stdout.readline().split()[0]
    assert of_folder(folder)
    child.send_signal(signal.SIGKILL)
    child.wait()
    until(lambda: of_folder(folder) == [], "its processes have ended", 20)
    shutil.rmtree(new_run_folder())
    assert not Path(folder).exists()


def test_a_live_runs_folder_is_left_alone(stack: Stack) -> None:
    shutil.rmtree(new_run_folder())
    assert stack._folder.exists()
    assert str(stack._folder).startswith(str(Path(tempfile.gettempdir()) / PREFIX))


def run_demo(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, *arguments], capture_output=True, text=True, timeout=300, check=False, env=dict(os.environ)
    )


def test_the_demo_checks_itself_and_ends_with_one_json_object() -> None:
    done = run_demo("--check")
    assert done.returncode == 0, done.stderr[-2000:]
    summary = json.loads(done.stdout.splitlines()[-1])
    assert (
        summary["missing"]
        == summary["extra"]
        == summary["tokens_embedded_again"]
        == summary["dead_letters"]
        == 0
    )
    assert summary["chunks"] > 300
    assert summary["own_text_in_top_10"] >= 0.95


def test_the_demo_takes_items_as_a_scan_or_an_export_gives_them(tmp_path: Path) -> None:
    talk = json.dumps(
        [{"role": "user", "content": f"drawer {number} holds the spare keys"} for number in range(5)]
    )
    rows = [
        {"tenant_id": {"S": "a"}, "session_key": {"S": "chat:1"}, "messages": {"S": talk}},
        {"Item": {"pk": {"S": "MEMORY#a"}, "sk": {"S": "LONG_TERM"}, "content": {"S": "- likes tea"}}},
        {"Item": {"pk": {"S": "APIKEY#a"}, "sk": {"S": "x"}, "content": {"S": "never"}}},
    ]
    file = tmp_path / "items.jsonl"
    file.write_text("\n".join(json.dumps(row) for row in rows))
    done = run_demo("--check", "--from", str(file))
    assert done.returncode == 0, done.stderr[-2000:]
    summary = json.loads(done.stdout.splitlines()[-1])
    assert (summary["items"], summary["missing"], summary["extra"]) == (3, 0, 0)


def test_the_demo_serves_its_page_until_ctrl_c(tmp_path: Path) -> None:
    file = tmp_path / "items.jsonl"
    talk = json.dumps([{"role": "user", "content": "drawer 7 holds the spare keys"}])
    file.write_text(json.dumps({"tenant_id": {"S": "a"}, "session_key": {"S": "c"}, "messages": {"S": talk}}))
    with subprocess.Popen(
        [*COMMAND, "--from", str(file)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as demo:
        assert demo.stdout
        try:
            address = next(filter(None, (PAGE.search(line) for line in demo.stdout)))[0]
            with urllib.request.urlopen(address) as answer:  # noqa: S310  # http, as PAGE says
                assert "vector-memory" in answer.read().decode()
        finally:
            demo.send_signal(signal.SIGINT)
        rest = demo.stdout.read()
    assert (demo.returncode, "Traceback" in rest) == (0, False), rest


@pytest.mark.parametrize("content", ["", "{not json", '{"a": 1}', '[{"no": "locomo"}]'])
def test_a_file_that_is_no_such_thing_is_refused_before_anything_starts(tmp_path: Path, content: str) -> None:
    file = tmp_path / "items.jsonl"
    file.write_text(content)
    done = run_demo("--check", "--from", str(file))
    assert done.returncode == 2
    assert str(file) in done.stderr
    assert "Traceback" not in done.stderr
