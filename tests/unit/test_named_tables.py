"""Which tables a command is about."""

import os
from typing import Any

import pytest

from pipeline import bootstrap
from pipeline.aws import Account
from pipeline.errors import SettingsError
from pipeline.operations.stack.named_tables import named_tables, required_tables

OUTPUTS = {"NoticeQueueUrl": "https://queue", "SessionsTableName": "s", "MemoryTableName": "m"}


class CloudFormation:
    def describe_stacks(self, StackName: str) -> Any:  # noqa: N803  # boto3's name
        assert StackName == "memory"
        rows = [{"OutputKey": key, "OutputValue": value} for key, value in OUTPUTS.items()]
        return {"Stacks": [{"Outputs": rows}]}


@pytest.fixture(autouse=True)
def stack(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "environ", {"AWS_DEFAULT_REGION": "us-east-1", "QUEUE_URL": "https://older"})
    monkeypatch.setattr(Account, "client", lambda *_: CloudFormation())
    bootstrap.read_from(None)


@pytest.mark.parametrize(
    ("name", "given", "of_stack", "wanted"),
    [
        ("memory", [], True, ["s", "m"]),
        ("memory", ["own"], True, ["own"]),
        ("memory", [], False, []),
        (None, ["own"], True, ["own"]),
        (None, [], True, []),
    ],
)
def test_tables_that_are_named_go_before_those_of_the_stack(
    name: str | None, given: list[str], of_stack: bool, wanted: list[str]
) -> None:
    assert named_tables(name, given, of_stack=of_stack)[1] == wanted


def test_the_settings_are_those_of_the_stack_also_where_they_were_read_before() -> None:
    assert bootstrap.container().settings.queue_url == "https://older"
    container, _ = named_tables("memory", [])
    assert container.settings.queue_url == "https://queue"
    assert os.environ["QUEUE_URL"] == "https://older"


def test_a_command_that_needs_tables_says_how_to_name_them() -> None:
    assert required_tables("memory", [])[1] == ["s", "m"]
    with pytest.raises(SettingsError, match="--table NAME"):
        required_tables(None, [])
