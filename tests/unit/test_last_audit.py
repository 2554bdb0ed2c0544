"""What an audit counted is kept for the page, and no command is run but as asked."""

import json
import sys
from pathlib import Path

import pytest

from pipeline.local.connection import STACK
from pipeline.local.page.commands import CommandFailedError, Commands
from pipeline.local.page.pipeline import last_audit
from pipeline.operations.audit.audit import AuditReport
from pipeline.operations.audit.last_audit import keep
from pipeline.operations.items.differences import Finding


def test_the_last_audits_counts_are_kept_and_name_nobody(tmp_path: Path) -> None:
    file = tmp_path / "last-audit.json"
    assert last_audit(file) is None
    findings = [
        Finding("missing", "acme", "s", "1"),
        Finding("missing", "acme", "s", "2"),
        Finding("extra", "b", "s"),
    ]
    assert keep(AuditReport(items=7, unexplained=1, findings=findings), file, 1000.5) == []
    assert last_audit(file) == {
        "at": 1000.5,
        "items": 7,
        "unexplained": 1,
        "counts": {"missing": 2, "extra": 1},
    }
    assert "acme" not in file.read_text()
    keep(AuditReport(items=8), file, 2000.0)
    assert last_audit(file) == {"at": 2000.0, "items": 8, "unexplained": 0, "counts": {}}
    assert [one.name for one in tmp_path.iterdir()] == ["last-audit.json"]


def test_a_file_that_cannot_be_written_is_told_and_costs_no_audit(tmp_path: Path) -> None:
    [note] = keep(AuditReport(items=7), tmp_path / "gone" / "last-audit.json", 1.0)
    assert "AUDIT_FILE" in note
    assert "No such file" in note


PRINTS = """
import json, os, sys
print("to standard error", file=sys.stderr)
print(json.dumps({"words": sys.argv[1:], "environment": dict(os.environ)}))
sys.exit(int(os.environ["STATUS"]))
"""


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Put a program that prints what it was given in the place of ours."""
    file = tmp_path / "python"
    file.write_text(f"#!{sys.executable}\n{PRINTS}")
    file.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(file))
    monkeypatch.setenv("AWS_PROFILE", "of-somebody")


@pytest.mark.usefixtures("program")
@pytest.mark.parametrize("status", ["0", "1"])
def test_a_command_is_given_its_words_and_the_stacks_environment_alone(status: str) -> None:
    told = Commands({STACK: "mine", "STATUS": status}).json("dlq", "redrive", "--cause", "; rm -rf x")
    words = ["-m", "pipeline.cli", "dlq", "redrive", "--cause", "; rm -rf x", "--stack", "mine", "--json"]
    assert told["words"] == words
    assert "AWS_PROFILE" not in told["environment"]


@pytest.mark.usefixtures("program")
@pytest.mark.parametrize("status", ["2", "130"])
def test_a_command_that_fails_is_an_error_that_quotes_nothing(status: str) -> None:
    with pytest.raises(CommandFailedError) as caught:
        Commands({STACK: "mine", "STATUS": status}).json("audit")
    assert str(caught.value) == ""
    assert json.dumps(caught.value.args) == "[]"
