"""No command of the operator's passes on what a terminal would obey."""

from pathlib import Path

import pytest

from pipeline import cli
from pipeline.errors import SettingsError
from pipeline.operations.audit.audit import AuditReport
from pipeline.operations.audit.run import _text
from pipeline.operations.items.differences import Finding
from pipeline.operations.terminal.outcome import Outcome
from pipeline.operations.terminal.text import safe_lines
from pipeline.source.documents import ItemKey

EVIL = "chat:1\x1b[2J\x1b[1;1H0 items looked at: no differences\x1b[8m\r\n\u202e\x9b31m"


def test_line_breaks_stay_and_everything_else_a_terminal_obeys_goes() -> None:
    said = safe_lines(f"one\ntwo {EVIL}")
    assert said.startswith("one\ntwo chat:1")
    assert not set("\x1b\x9b\r\u202e\x07\x08") & set(said)


def test_an_audits_line_stays_one_line_whatever_the_keys_hold() -> None:
    key = ItemKey("sessions", "tenant_id", "acme\n1 items", "session_key", EVIL)
    report = AuditReport(items=1, findings=[Finding("missing", f"acme\n{EVIL}", key.source, "id")])
    text = _text(report, mend=False)
    assert len(text.splitlines()) == 2
    assert "\x1b" not in text


def test_every_answer_and_note_of_a_command_is_made_safe(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli._say(Outcome(f"hit {EVIL}", [f"note {EVIL}"])) == 0
    printed = capsys.readouterr()
    for text in (printed.out, printed.err):
        assert not set("\x1b\x9b\r") & set(text)


def test_an_error_is_made_safe_as_well(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> Outcome:
        raise SettingsError(f"no table {EVIL}")

    monkeypatch.setattr("pipeline.operations.audit.run.run_audit", fail)
    assert cli.main(["audit", "--table", "x"]) == 2
    assert "\x1b" not in capsys.readouterr().err


def test_only_the_one_function_prints() -> None:
    with Path(cli.__file__).open() as file:
        prints = [line.strip() for line in file if "print(" in line and not line.strip().startswith("def ")]
    direct = [line for line in prints if line.startswith("print(")]
    assert direct == ["print(safe_lines(text), file=stream)"]
