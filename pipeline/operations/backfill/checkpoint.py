"""How far a backfill has come, in a file: written whole or not at all."""

import json
import os
import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from pipeline.errors import SettingsError

VERSION = 1


@dataclass(frozen=True, slots=True)
class Totals:
    """What was done so far.

    Args:
        items: looked at, memory or not.
        tokens: estimated, of what the announced items lack in the index.
        malformed: left out, since they cannot be read.
        imported: legacy vectors taken over.
        left_out: legacy vectors that were not.
        refused: conversations that no item can hold: where each stands, and why.
    """

    items: int = 0
    memory: int = 0
    announced: int = 0
    tokens: int = 0
    malformed: int = 0
    imported: int = 0
    left_out: int = 0
    refused: tuple[str, ...] = ()

    def __add__(self, other: "Totals") -> "Totals":
        return Totals(*(one + two for one, two in zip(_values(self), _values(other), strict=True)))


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """Where to go on.

    Args:
        job: what is being filled in, and in how many parts; a checkpoint of another job does not fit.
        cursors: part → where to go on after, as its origin means it; ``None`` if the part is done.
    """

    job: str
    cursors: Mapping[str, Any] = field(default_factory=dict)
    totals: Totals = Totals()

    def after(self, part: str, cursor: object, done: Totals) -> "Checkpoint":
        """Return the checkpoint after one more page of ``part``."""
        return replace(self, cursors={**self.cursors, part: cursor}, totals=self.totals + done)


def load(path: Path, job: str) -> Checkpoint:
    """Return the checkpoint in ``path``, or a new one if there is none.

    Raises:
        SettingsError: the file is of another job, or no checkpoint.
    """
    try:
        fields = json.loads(path.read_text("utf-8"))
        totals = {**fields["totals"], "refused": tuple(fields["totals"].get("refused", ()))}
        held = Checkpoint(fields["job"], fields["cursors"], Totals(**totals))
    except FileNotFoundError:
        return Checkpoint(job)
    except (KeyError, TypeError, ValueError):
        raise SettingsError(
            f"{path} is no checkpoint of a backfill: name another with --checkpoint"
        ) from None
    if held.job != job:
        raise SettingsError(
            f"{path} is the checkpoint of another backfill ({held.job}): finish that one with the options it was "
            "begun with, delete the file, or name another with --checkpoint"
        )
    return held


def save(path: Path, checkpoint: Checkpoint) -> None:
    """Replace the file, so that a kill at any moment leaves the old one or the new one."""
    fields = {
        "version": VERSION,
        "job": checkpoint.job,
        "cursors": dict(checkpoint.cursors),
        "totals": asdict(checkpoint.totals),
    }
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            json.dump(fields, file)
            file.flush()
            os.fsync(file.fileno())
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def _values(totals: Totals) -> tuple[Any, ...]:
    return tuple(asdict(totals).values())
