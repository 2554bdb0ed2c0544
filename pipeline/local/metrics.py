"""What CloudWatch Logs does on AWS all the time: metrics of the functions' log lines, while a stack runs."""

import threading
from dataclasses import dataclass, field
from typing import Any, Self

from botocore.exceptions import BotoCoreError, ClientError

from pipeline.local.emf import publish
from pipeline.local.stack import Stack

PAUSE_SECONDS = 1.0
END_SECONDS = 0.5


@dataclass(slots=True)
class MetricsPublisher:
    """Publishes each line once. Use it as a context manager."""

    stack: Stack
    _read: int = 0
    _ended: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    def __enter__(self) -> Self:
        """Begin; a local AWS that makes metrics of lines itself is left alone."""
        if self.stack.aws.ours:
            self._thread = threading.Thread(target=self._run, daemon=True)
            self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """End."""
        self._ended.set()
        if self._thread:
            self._thread.join(END_SECONDS)  # what it was about to publish nobody will read

    def _run(self) -> None:
        cloudwatch = self.stack.client("cloudwatch")
        while not self._ended.wait(PAUSE_SECONDS):
            self._publish(cloudwatch)

    def _publish(self, cloudwatch: Any) -> None:
        *lines, _ = self.stack.logs.split("\n")  # the last may be half written
        new, self._read = lines[self._read :], len(lines)
        try:
            publish(new, cloudwatch)
        except (BotoCoreError, ClientError):  # it ends just now
            self._ended.set()
