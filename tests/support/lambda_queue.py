"""The notice queue as SQS and Lambda document it, in virtual time, in front of the real ingest handler.

Receives are counted, a received message is hidden until its visibility timeout ends, and one received too often is a
dead letter. Lambda's guard against recursive loops counts the invocations in a chain of messages and, unless the function allows
loops, dead-letters what would go round again:
https://docs.aws.amazon.com/lambda/latest/dg/invocation-recursion.html
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count
from types import SimpleNamespace
from typing import Any

from pipeline.handlers import ingest

START = 1_790_000_000.0
BATCH = 10
GUARD_ROUNDS = 16
MOST_MESSAGES = 5_000
"""More than any test lets wait: what multiplies ends the test, and not the machine's memory."""


@dataclass(eq=False)
class Queued:
    """One message; ``rounds`` is how many invocations its chain has been through."""

    id: str
    body: str
    visible_at: float
    rounds: int = 0
    received: int = 0


@dataclass
class LambdaQueue:
    """See the module.

    Args:
        dies: tells of each invocation whether it is killed when it has done its work, before Lambda deletes anything.
    """

    visibility_seconds: float
    max_receives: int
    loops_allowed: bool
    dies: Any = lambda: False
    now: float = START
    messages: list[Queued] = field(default_factory=list)
    dead: list[str] = field(default_factory=list)
    invocations: int = 0
    _rounds: int = 0
    _numbers: Any = field(default_factory=count)

    def add(self, body: str, delay: float = 0) -> None:
        self.messages.append(Queued(f"m{next(self._numbers)}", body, self.now + delay, self._rounds))

    # boto3's client, as far as the pipeline calls it
    def send_message_batch(self, QueueUrl: str, Entries: Sequence[Mapping[str, Any]]) -> dict[str, Any]:  # noqa: ARG002, N803
        for entry in Entries:
            self.add(entry["MessageBody"], entry["DelaySeconds"])
        return {}

    def send_message(self, QueueUrl: str, MessageBody: str, DelaySeconds: int = 0, **_: Any) -> None:  # noqa: N803
        if QueueUrl == "dead":
            self.dead.append(MessageBody)
        else:
            self.add(MessageBody, DelaySeconds)

    def change_message_visibility(self, QueueUrl: str, ReceiptHandle: str, VisibilityTimeout: int) -> None:  # noqa: ARG002, N803
        assert 0 <= VisibilityTimeout <= 43_200, "SQS hides a message for 12 hours at most"
        next(one for one in self.messages if one.id == ReceiptHandle).visible_at = (
            self.now + VisibilityTimeout
        )

    def run_until(self, end: float) -> None:
        """Invoke the handler with what is due until time is ``end`` or nothing is left."""
        while self.messages and (due := sorted(self.messages, key=_visible_at)[:BATCH])[0].visible_at <= end:
            self.now = max(self.now, due[0].visible_at)
            if batch := self._received(due):
                self._invoke(batch)
        self.now = max(self.now, end)

    def _received(self, due: Sequence[Queued]) -> list[Queued]:
        batch = [one for one in due if one.visible_at <= self.now]
        for one in list(batch):
            stopped = one.rounds >= GUARD_ROUNDS and not self.loops_allowed
            if one.received >= self.max_receives or stopped:
                batch.remove(one)
                self.messages.remove(one)
                self.dead.append(one.body)
            one.received += 1
            one.visible_at = self.now + self.visibility_seconds
        return batch

    def _invoke(self, batch: Sequence[Queued]) -> None:
        self.invocations += 1
        assert len(self.messages) <= MOST_MESSAGES, "the messages multiply"
        self._rounds = 1 + max(one.rounds for one in batch)
        context: Any = SimpleNamespace(
            function_name="ingest", aws_request_id="1", get_remaining_time_in_millis=lambda: 60_000
        )
        answer = ingest.handler({"Records": [_record(one) for one in batch]}, context)
        self._rounds = 0
        if self.dies():
            return
        failed = {failure["itemIdentifier"] for failure in answer["batchItemFailures"]}
        for one in batch:
            if one.id not in failed:
                self.messages.remove(one)


def _visible_at(message: Queued) -> float:
    return message.visible_at


def _record(message: Queued) -> dict[str, Any]:
    return {
        "messageId": message.id,
        "receiptHandle": message.id,
        "body": message.body,
        "attributes": {"ApproximateReceiveCount": str(message.received)},
        "messageAttributes": {},
        "md5OfBody": "",
        "eventSource": "aws:sqs",
        "eventSourceARN": "arn:aws:sqs:us-east-1:000000000000:notices",
        "awsRegion": "us-east-1",
    }
