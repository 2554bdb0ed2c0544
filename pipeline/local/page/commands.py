"""Runs the operator's commands against a running stack, just as a terminal would."""

import json
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pipeline.local.connection import STACK

PATIENCE_SECONDS = 120.0
_DONE = frozenset({0, 1})
"""1: the command did what it could, and something is left."""


class CommandFailedError(Exception):
    """The command did not get through; its message went to standard error, and is not repeated here."""


@dataclass(frozen=True, slots=True)
class Commands:
    """The commands.

    Args:
        environment: by which they reach the stack; no variable of this process gets in.
    """

    environment: Mapping[str, str] = field(repr=False)

    def json(self, *words: str) -> dict[str, Any]:
        """Run ``vector-memory`` with these words and return its JSON object.

        Raises:
            CommandFailedError: it gave none, or took too long.
        """
        program = [sys.executable, "-m", "pipeline.cli", *words, "--stack", self.environment[STACK], "--json"]
        try:
            done = subprocess.run(
                program,
                env=dict(self.environment),
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=PATIENCE_SECONDS,
                check=False,
            )
            if done.returncode not in _DONE:
                raise CommandFailedError
            found: dict[str, Any] = json.loads(done.stdout)
        except (subprocess.TimeoutExpired, ValueError):
            raise CommandFailedError from None
        return found
