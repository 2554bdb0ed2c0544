"""What a command is, and how the command line finds all there are: each folder next to this file with a ``command.py``."""

import argparse
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pipeline.operations.terminal.outcome import Outcome


@dataclass(frozen=True, slots=True)
class Command:
    """One command, as the variable ``COMMAND`` of its ``command.py``.

    Args:
        help: its line in the help of ``vector-memory``.
        add_options: adds its options, and its actions if it has some.
        run: carries it out; returns what it says, or only its exit status. What is heavy is imported in there.
    """

    name: str
    help: str
    add_options: Callable[[argparse.ArgumentParser], None]
    run: Callable[[argparse.Namespace], "Outcome | int"]


def commands() -> Iterator[Command]:
    """Yield every command, in the order of their folders' names."""
    for file in sorted(Path(__file__).parent.glob("*/command.py")):
        command = import_module(f"{__package__}.{file.parent.name}.command").COMMAND
        if not isinstance(command, Command):
            raise TypeError(f"COMMAND in {file} is no Command")
        yield command
