"""A demo in a terminal of its own, and what it says."""

import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from threading import Thread
from typing import Any

from support.deployed_stack import until

PROGRAM = str(Path(sys.prefix) / "bin" / "vector-memory")
ADDRESS = re.compile(r"Chat, and what memory holds: (http://127\.0\.0\.1:\d+/)")
UP_SECONDS = 400
"""On a machine that has much else to do."""
END_SECONDS = 60
WIDTH = 80


@dataclass
class RunningDemo:
    """A demo in a terminal of 80 columns, and the environment of somebody who knows nothing of it but ``--demo``."""

    process: "subprocess.Popen[str]"
    folder: Path
    lines: list[tuple[float, str]] = field(default_factory=list)

    @property
    def text(self) -> str:
        return "\n".join(line for _, line in self.lines)

    def read(self) -> None:
        assert self.process.stdout
        for line in self.process.stdout:
            self.lines.append((time.monotonic(), line.rstrip("\n")))

    def environment(self) -> dict[str, str]:
        return self.environment_in(self.folder)

    @staticmethod
    def environment_in(folder: Path) -> dict[str, str]:
        """Return the environment of somebody whose temporary folder is ``folder``, and who has no AWS settings."""
        own = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "VECTOR_"))}
        return {**own, "TMPDIR": str(folder)}

    def run(self, *words: str, status: int = 0, **more: str) -> "subprocess.CompletedProcess[str]":
        environment = {**self.environment(), **more}
        done = subprocess.run(
            [PROGRAM, *words], capture_output=True, text=True, timeout=300, check=False, env=environment
        )
        assert done.returncode == status, (words, done.stdout[-2000:], done.stderr[-3000:])
        assert "Traceback" not in done.stderr
        return done

    def json(self, *words: str, status: int = 0) -> Any:
        return json.loads(self.run(*words, "--demo", "--json", status=status).stdout)


def started(folder: Path, *options: str) -> RunningDemo:
    demo = RunningDemo.__new__(RunningDemo)
    demo.folder, demo.lines = folder, [(time.monotonic(), "")]
    environment = {**demo.environment(), "COLUMNS": str(WIDTH), "PYTHONUNBUFFERED": "1"}
    demo.process = subprocess.Popen(
        [PROGRAM, "demo", *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=environment,
    )
    Thread(target=demo.read, daemon=True).start()
    return demo


@contextmanager
def own_tmp() -> Iterator[Path]:
    """Give a folder like /tmp, which other users may pass through: as root, Postgres runs as one of them."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o711)
        yield folder


@contextmanager
def running_demo(*options: str, up_seconds: float = UP_SECONDS) -> Iterator[RunningDemo]:
    """Give a demo whose page is open and whose samples are memory; it is ended afterwards."""
    with own_tmp() as folder:
        running = started(folder, *options)
        try:
            until(
                lambda: ADDRESS.search(running.text) is not None or running.process.poll() is not None,
                "the demo is up",
                up_seconds,
            )
            assert ADDRESS.search(running.text), running.text
            yield running
        finally:
            running.process.send_signal(signal.SIGINT)
            running.process.wait(END_SECONDS)
