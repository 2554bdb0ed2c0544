"""How to reach the demo that runs on this machine: written when it is up, for this user only, and gone with it."""

import json
import os
import shlex
from collections.abc import Mapping, MutableMapping
from pathlib import Path

from pipeline.errors import SettingsError
from pipeline.local.processes import run_folders

FILE = "connection.json"
CHOICE = "VECTOR_MEMORY_DEMO"
STACK = "VECTOR_MEMORY_STACK"
FUNCTION = "QUERY_FUNCTION"
_IN_THE_WAY = ("AWS_PROFILE", "AWS_SESSION_TOKEN")
"""Variables of a shell that AWS's libraries would heed besides those of the demo."""


def announce(folder: Path, environment: Mapping[str, str]) -> None:
    """Let commands find the demo of a run folder; a half-written file is never seen."""
    new = folder / f"{FILE}.new"
    new.touch(mode=0o600)  # it holds a password of the demo's database
    new.write_text(json.dumps(dict(environment)))
    new.replace(folder / FILE)


def running(choice: str | None = None) -> dict[str, str]:
    """Return the variables by which the running demo is reached.

    Args:
        choice: the folder of one of several, as the error for several names them.

    Raises:
        SettingsError: none runs, or more than one.
    """
    found = [folder for folder in run_folders() if (folder / FILE).is_file()]
    chosen = [folder for folder in found if choice in {None, "", str(folder)}]
    if not chosen:
        raise SettingsError("no demo is running: start one in another terminal with `vector-memory demo`")
    if len(chosen) > 1:
        names = ", ".join(map(str, chosen))
        raise SettingsError(f"{len(chosen)} demos are running: set {CHOICE} to one of {names}")
    try:
        environment: dict[str, str] = json.loads((chosen[0] / FILE).read_text())
    except (OSError, ValueError):
        raise SettingsError("the demo ends just now: start one with scripts/demo") from None
    return environment


def sign_in(environment: MutableMapping[str, str], told: Mapping[str, str]) -> None:
    """Make what boto3 reads of ``environment`` that of a running demo: nothing of an account is left in it."""
    for name in [name for name in environment if name.startswith("AWS_")]:
        del environment[name]
    environment.update({name: value for name, value in told.items() if name.startswith("AWS_")})


def as_shell(environment: Mapping[str, str]) -> str:
    """Return lines for a shell's ``eval``."""
    left = [name for name in _IN_THE_WAY if name not in environment]
    lines = [f"unset {' '.join(left)}"] if left else []
    return "\n".join(
        [*lines, *(f"export {name}={shlex.quote(value)}" for name, value in environment.items())]
    )


def run_env(*, as_json: bool) -> str:
    """Return how to reach the running demo, for a shell or as a JSON object.

    Raises:
        SettingsError: none runs, or more than one.
    """
    found = running(os.environ.get(CHOICE))
    return json.dumps(found) if as_json else as_shell(found)
