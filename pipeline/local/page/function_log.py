"""What the functions write: one line an invocation, with counts and the time. No line names an item."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class Line:
    """One invocation's line; ``time`` in epoch seconds."""

    time: float
    message: str
    fields: dict[str, Any]


@dataclass(slots=True)
class Tail:
    """Reads what is added to the log from now on."""

    path: Path
    _offset: int = -1
    _rest: bytes = b""

    def new_lines(self) -> Iterator[Line]:
        """Yield the lines written since the last call; the first call only notes where the log ends."""
        if self._offset < 0:
            self._offset = self.path.stat().st_size
            return
        with self.path.open("rb") as log:
            log.seek(self._offset)
            added = log.read()
        self._offset += len(added)
        *whole, self._rest = (self._rest + added).split(b"\n")
        for raw in whole:
            line = parse(raw)
            if line is not None:
                yield line


def parse(raw: bytes) -> Line | None:
    """Return the line, if it is one of a function's."""
    if not raw.startswith(b'{"level"'):
        return None
    try:
        fields = json.loads(raw)
        time = datetime.strptime(fields["timestamp"], "%Y-%m-%d %H:%M:%S,%f%z")
        return Line(time.timestamp(), fields["message"], fields)
    except (KeyError, ValueError):
        return None
