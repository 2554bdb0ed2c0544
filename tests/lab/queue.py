"""An SQS standard queue in virtual time, and the client that sends to it.

At least once and in any order: a message may be received again while it is held, a deleted one may come back once, and
whoever holds one longer than the visibility timeout shares it. After ``max_receives`` receives it moves to the
dead-letter queue.
"""

import itertools
import random
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from botocore.exceptions import ClientError

from lab.scheduler import Crashed, FaultAction, Scheduler

MAX_ENTRIES = 10
MAX_BYTES = 1_048_576
MAX_DELAY_SECONDS = 900


@dataclass(eq=False, slots=True)
class Message:
    """One message.

    Args:
        visible_at: from when on it may be received.
        ghosts: how often it may still come back after its deletion.
    """

    id: str
    body: str
    attributes: Mapping[str, Any]
    visible_at: float
    received: int = 0
    ghosts: int = 0


@dataclass(slots=True)
class Queue:
    """One queue.

    Args:
        now: the clock.
        visibility_seconds: how long a received message stays invisible.
        max_receives: see the module; 0 for a queue without a dead-letter queue.
        sent: every body it ever took.
    """

    url: str
    now: Callable[[], float]
    visibility_seconds: float = 360.0
    max_receives: int = 16
    dead_letters: "Queue | None" = None
    messages: list[Message] = field(default_factory=list)
    sent: dict[str, None] = field(default_factory=dict)
    _numbers: Any = field(default_factory=lambda: itertools.count(1))

    def send(
        self, body: str, attributes: Mapping[str, Any] | None = None, delay_seconds: float = 0
    ) -> Message:
        """Take a message."""
        message = Message(f"msg-{next(self._numbers)}", body, attributes or {}, self.now() + delay_seconds)
        self.messages.append(message)
        self.sent[body] = None
        return message

    def visible(self) -> list[Message]:
        """Return what can be received now."""
        return [message for message in self.messages if message.visible_at <= self.now()]

    def next_at(self) -> float | None:
        """Return when a message becomes visible, if there is any."""
        return min((message.visible_at for message in self.messages), default=None)

    def receive(self, count: int, source: random.Random) -> list[Message]:
        """Return up to ``count`` visible messages in any order, and hide them."""
        visible = self.visible()
        taken = []
        for message in source.sample(visible, min(count, len(visible))):
            if self.max_receives and message.received >= self.max_receives:
                self._dead_letter(message)
                continue
            message.received += 1
            message.visible_at = self.now() + self.visibility_seconds
            taken.append(message)
        return taken

    def hide(self, handle: str, seconds: float) -> None:
        """Hide a message for so long, from now on, if it is still held by this receipt handle."""
        for message in self.messages:
            if _receipt(message) == handle:
                message.visible_at = self.now() + seconds

    def delete(self, message: Message) -> None:
        """Remove a message; it may come back as often as it has ghosts."""
        if message not in self.messages:
            return
        if message.ghosts:
            message.ghosts -= 1
            message.visible_at = self.now()
        else:
            self.messages.remove(message)

    def _dead_letter(self, message: Message) -> None:
        self.messages.remove(message)
        if self.dead_letters:
            self.dead_letters.send(message.body, message.attributes)


def as_event(
    messages: Iterable[Message], arn: str = "arn:aws:sqs:us-east-1:000000000000:notices"
) -> dict[str, Any]:
    """Return the event that Lambda makes of received messages."""
    return {
        "Records": [
            {
                "messageId": message.id,
                "receiptHandle": _receipt(message),
                "body": message.body,
                "attributes": {"ApproximateReceiveCount": str(message.received)},
                "messageAttributes": {},
                "eventSource": "aws:sqs",
                "eventSourceARN": arn,
                "awsRegion": "us-east-1",
            }
            for message in messages
        ]
    }


class QueueClient:
    """What the pipeline calls of boto3's SQS client, each call a point."""

    def __init__(self, queues: Mapping[str, Queue], scheduler: Scheduler) -> None:
        self._queues, self._scheduler = queues, scheduler

    def send_message_batch(self, *, QueueUrl: str, Entries: Sequence[Mapping[str, Any]]) -> dict[str, Any]:  # noqa: N803  # AWS's names
        """Take up to ten messages, or some of them."""
        _check(Entries)
        fault_action = self._scheduler.point(f"sqs.send_message_batch {len(Entries)}")
        if fault_action is FaultAction.CRASH_BEFORE:
            raise Crashed
        if fault_action is FaultAction.FAIL_BEFORE:
            raise _away("SendMessageBatch")
        taken = self._taken(fault_action, Entries)
        for entry in taken:
            self._queues[QueueUrl].send(entry["MessageBody"], {}, entry.get("DelaySeconds", 0))
        if fault_action in {FaultAction.CRASH_INSIDE, FaultAction.CRASH_AFTER}:
            raise Crashed
        if fault_action is FaultAction.FAIL_AFTER:
            raise _away("SendMessageBatch")
        failed = [{"Id": entry["Id"], "Code": "InternalError"} for entry in Entries if entry not in taken]
        return {"Successful": [{"Id": entry["Id"]} for entry in taken], "Failed": failed}

    def send_message(
        self,
        *,
        QueueUrl: str,  # noqa: N803  # AWS's names
        MessageBody: str,  # noqa: N803
        MessageAttributes: Mapping[str, Any] | None = None,  # noqa: N803
        DelaySeconds: int = 0,  # noqa: N803
        MessageGroupId: str = "",  # noqa: ARG002, N803
    ) -> dict[str, Any]:
        """Take one message."""
        _check([{"Id": "0", "MessageBody": MessageBody, "DelaySeconds": DelaySeconds}])
        message: Message = self._scheduler.effect(
            "sqs.send_message",
            lambda: self._queues[QueueUrl].send(MessageBody, MessageAttributes, DelaySeconds),
            lambda: _away("SendMessage"),
        )
        return {"MessageId": message.id}

    def change_message_visibility(self, *, QueueUrl: str, ReceiptHandle: str, VisibilityTimeout: int) -> None:  # noqa: N803  # AWS's names
        """Hide a received message for so long, from now on."""
        queue, asked_at = self._queues[QueueUrl], self._queues[QueueUrl].now()
        self._scheduler.effect(
            "sqs.change_message_visibility",
            lambda: queue.hide(ReceiptHandle, VisibilityTimeout - (queue.now() - asked_at)),
            lambda: _away("ChangeMessageVisibility"),
        )

    def get_queue_attributes(self, *, QueueUrl: str, AttributeNames: Sequence[str]) -> dict[str, Any]:  # noqa: N803  # AWS's names
        """Return how many messages are hidden, by the only name that is asked for."""
        queue = self._queues[QueueUrl]
        hidden = len(queue.messages) - len(queue.visible())
        return {"Attributes": dict.fromkeys(AttributeNames, str(hidden))}

    def receive_message(self, *, QueueUrl: str, MaxNumberOfMessages: int, **_: Any) -> dict[str, Any]:  # noqa: N803  # AWS's names
        """Return visible messages, and hide them."""
        taken = self._queues[QueueUrl].receive(MaxNumberOfMessages, random.Random(0))  # a simulation
        return {"Messages": [_received(message) for message in taken]}

    def delete_message_batch(self, *, QueueUrl: str, Entries: Sequence[Mapping[str, Any]]) -> dict[str, Any]:  # noqa: N803  # AWS's names
        """Delete messages by their receipts."""
        for message in self._of(QueueUrl, Entries):
            self._queues[QueueUrl].delete(message)
        return {"Successful": [{"Id": entry["Id"]} for entry in Entries]}

    def change_message_visibility_batch(self, *, QueueUrl: str, Entries: Sequence[Mapping[str, Any]]) -> None:  # noqa: N803  # AWS's names
        """Show messages again."""
        for message in self._of(QueueUrl, Entries):
            message.visible_at = self._queues[QueueUrl].now()

    def _of(self, url: str, entries: Sequence[Mapping[str, Any]]) -> list[Message]:
        receipts = {entry["ReceiptHandle"] for entry in entries}
        return [message for message in self._queues[url].messages if _receipt(message) in receipts]

    def _taken(
        self, fault_action: FaultAction, entries: Sequence[Mapping[str, Any]]
    ) -> Sequence[Mapping[str, Any]]:
        if fault_action not in {FaultAction.FAIL_IN_PART, FaultAction.FAIL_INSIDE, FaultAction.CRASH_INSIDE}:
            return entries
        first = self._scheduler.faults.number(0, len(entries) - 1)
        return [*entries[:first], *entries[first + 1 :]]


def _receipt(message: Message) -> str:
    return f"{message.id}#{message.received}"


def _received(message: Message) -> dict[str, Any]:
    return {
        "MessageId": message.id,
        "ReceiptHandle": _receipt(message),
        "Body": message.body,
        "MessageAttributes": message.attributes,
        "Attributes": {"SentTimestamp": str(int(message.visible_at * 1000))},
    }


def _check(entries: Sequence[Mapping[str, Any]]) -> None:
    """Refuse what SQS refuses."""
    size = sum(len(entry["MessageBody"].encode()) for entry in entries)
    late = any(not 0 <= entry.get("DelaySeconds", 0) <= MAX_DELAY_SECONDS for entry in entries)
    ids = {entry["Id"] for entry in entries}
    if not 0 < len(entries) <= MAX_ENTRIES or size > MAX_BYTES or late or len(ids) != len(entries):
        raise ClientError({"Error": {"Code": "InvalidParameterValue"}}, "SendMessageBatch")


def _away(operation: str) -> ClientError:
    return ClientError({"Error": {"Code": "ServiceUnavailable", "Message": "simulated"}}, operation)
