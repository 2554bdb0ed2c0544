"""What could not become memory: the dead letters of the local stack, with their causes."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

BATCH = 10
HIDDEN_SECONDS = 30
MAX_SHOWN = 50


@dataclass(frozen=True, slots=True)
class DeadLetterSummary:
    """One dead letter: why it is there, and of which item it is."""

    cause: str
    error: str
    item: str

    def __str__(self) -> str:
        """Return a line for a terminal, without anything that plays with it."""
        return ascii(f"{self.cause}: {self.item}: {self.error}")[1:-1]


def dead_letters(client: Any, queue_url: str) -> Sequence[DeadLetterSummary]:  # a boto3 SQS client
    """Return up to fifty dead letters; they stay in the queue."""
    found: list[DeadLetterSummary] = []
    while len(found) < MAX_SHOWN:
        answer = client.receive_message(
            QueueUrl=queue_url,
            MaxNumberOfMessages=BATCH,
            MessageAttributeNames=["All"],
            VisibilityTimeout=HIDDEN_SECONDS,
        )
        messages = answer.get("Messages", [])
        if not messages:
            break
        found += [_summary(message) for message in messages]
    return found


def _summary(message: Any) -> DeadLetterSummary:  # as SQS gives it
    named = {
        name: value.get("StringValue", "") for name, value in message.get("MessageAttributes", {}).items()
    }
    try:
        body = json.loads(message["Body"])
        item = " / ".join([body["table"], *(str(next(iter(part.values()))) for part in body["key"].values())])
    except (ValueError, KeyError, TypeError, AttributeError):
        item = "no notice"
    return DeadLetterSummary(
        named.get("cause", "crashed"), named.get("error", "see the ingest function's log"), item
    )
