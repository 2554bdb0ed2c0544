"""An SQS message as it was received. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Message:
    """One receipt of a message.

    Args:
        receipt: names this receipt when the message is deleted or given back.
        attributes: the sender's own attributes that are strings.
        sent_at: when SQS took it, epoch seconds. One that SQS itself moved here keeps the time of its first queue,
            and its retention counts from then.
    """

    id: str
    receipt: str = field(repr=False)
    body: str = field(repr=False)
    attributes: Mapping[str, str]
    sent_at: float


def read_message(received: Mapping[str, Any]) -> Message:
    """Read what ``receive_message`` answered for one message."""
    attributes = received.get("MessageAttributes", {})
    return Message(
        id=received["MessageId"],
        receipt=received["ReceiptHandle"],
        body=received["Body"],
        attributes={
            name: value["StringValue"] for name, value in attributes.items() if "StringValue" in value
        },
        sent_at=int(received["Attributes"]["SentTimestamp"]) / 1000,
    )
