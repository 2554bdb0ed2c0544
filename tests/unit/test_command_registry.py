"""The commands are found in their folders, and a help text loads none of what they work with."""

import subprocess
import sys
import tomllib
from pathlib import Path

from pipeline import operations
from pipeline.operations.registry import commands

ROOT = Path(__file__).parents[2]
FOLDERS = {file.parent.name for file in Path(operations.__file__).parent.glob("*/command.py")}
HEAVY = ["boto3", "numpy", "openai", "psycopg", "pipeline.container", "pipeline.local", "rich", "mcp"]


def test_every_folder_with_a_command_is_found() -> None:
    assert len(FOLDERS) >= 14
    assert len(list(commands())) == len(FOLDERS)


def test_a_commands_folder_has_its_name() -> None:
    assert {command.name for command in commands()} == {folder.rstrip("_") for folder in FOLDERS}


def test_every_command_says_in_one_line_what_it_does() -> None:
    assert [command.name for command in commands() if not command.help or "\n" in command.help] == []


def test_a_help_text_loads_nothing_heavy() -> None:
    program = "import sys; from pipeline import cli; cli.parser(); print(sorted(set(sys.modules) & set(sys.argv[1:])))"
    done = subprocess.run(
        [sys.executable, "-c", program, *HEAVY], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout == "[]\n"


def test_the_contract_keeps_commands_apart_and_knows_all_of_them() -> None:
    linter = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["importlinter"]
    [contract] = [one for one in linter["contracts"] if one["id"] == "commands"]
    assert FOLDERS | {"costs"} == set(contract["layers"][0].split(" | "))
    assert contract["exhaustive"] is True
