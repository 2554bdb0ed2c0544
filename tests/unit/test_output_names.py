"""Every output of the stack that a program reads by its name is one that the template has."""

import re
from pathlib import Path

import pytest
from support.sam import source

from pipeline.local.stack import TABLES
from pipeline.operations.status import run as status_command

ROOT = Path(__file__).parents[2]
READ = re.compile(r"""outputs(?:\[|\.get\()["'](\w+)["']""")


def read_by_name() -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for folder in ("pipeline", "tests", "scripts"):
        for file in (ROOT / folder).rglob("*.py"):
            for name in READ.findall(file.read_text("utf-8")):
                found.setdefault(name, set()).add(str(file.relative_to(ROOT)))
    return found


@pytest.mark.parametrize("name", sorted(read_by_name()))
def test_an_output_that_is_read_by_name_is_in_the_template(name: str) -> None:
    assert name in source()["Outputs"], sorted(read_by_name()[name])


def test_the_outputs_that_status_reads_are_in_the_template() -> None:
    declared = set(source()["Outputs"])
    assert set(status_command.FUNCTIONS.values()) <= declared
    assert set(status_command.QUEUES.values()) <= declared


def test_every_chat_table_has_an_output_by_its_name() -> None:
    assert {f"{name}TableName" for name in TABLES} <= set(source()["Outputs"])
