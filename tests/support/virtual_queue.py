"""A queue that only counts seconds, in front of the real ingest handler."""

import heapq
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count
from types import SimpleNamespace
from typing import Any

from pipeline.handlers import ingest

START = 1_790_000_000.0
BATCH = 10


@dataclass
class VirtualQueue:
    """SQS, as far as sending with a delay goes, and the seconds that pass."""

    now: float = START
    due: list[tuple[float, int, str]] = field(default_factory=list)
    delays: list[int] = field(default_factory=list)
    dead: list[str] = field(default_factory=list)
    numbers: Any = field(default_factory=count)

    def send_message_batch(self, QueueUrl: str, Entries: Sequence[Mapping[str, Any]]) -> dict[str, Any]:  # noqa: ARG002, N803  # boto3's names
        for entry in Entries:
            self.delays.append(entry["DelaySeconds"])
            self.add(entry["MessageBody"], entry["DelaySeconds"])
        return {}

    def send_message(self, MessageBody: str, **_: Any) -> None:  # noqa: N803  # boto3's name
        self.dead.append(MessageBody)

    def add(self, body: str, delay: float = 0) -> None:
        heapq.heappush(self.due, (self.now + delay, next(self.numbers), body))

    def batch(self) -> list[str]:
        """Return up to ten messages that are due, passing time until there are some."""
        self.now = max(self.now, self.due[0][0])
        ready = []
        while self.due and self.due[0][0] <= self.now and len(ready) < BATCH:
            ready.append(heapq.heappop(self.due)[2])
        return ready


def invoke(bodies: Sequence[str]) -> Any:
    records = [_record(number, body) for number, body in enumerate(bodies)]
    context: Any = SimpleNamespace(
        function_name="ingest", aws_request_id="1", get_remaining_time_in_millis=lambda: 60_000
    )
    return ingest.handler({"Records": records}, context)


def _record(number: int, body: str) -> dict[str, Any]:
    return {
        "messageId": str(number),
        "receiptHandle": "r",
        "body": body,
        "attributes": {"ApproximateReceiveCount": "1"},
        "messageAttributes": {},
        "md5OfBody": "",
        "eventSource": "aws:sqs",
        "eventSourceARN": "arn:aws:sqs:us-east-1:000000000000:notices",
        "awsRegion": "us-east-1",
    }
