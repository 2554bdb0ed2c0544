"""How the pipeline does just now: queues, dead letters with their causes, lag, tokens and dollars. It tells no text."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pipeline.local.emf import data_of
from pipeline.local.page.people import Person
from pipeline.local.stack import Stack

SHOWN_LETTERS = 10
RECENT = 50
"""So many of the newest saves tell how long it takes until they are searchable."""
_DEPTHS = ("", "NotVisible", "Delayed")
_SUMS = ("Items", "ChunksEmbedded", "ChunksKept", "TokensEmbedded", "Dollars")


@dataclass(frozen=True, slots=True)
class PipelineView:
    """Looks at a running stack."""

    stack: Stack

    def look(self, person: Person) -> dict[str, Any]:
        """Return what there is to see; a dead letter's item is named to its own tenant only."""
        waiting, flying, retried = self._depths("NoticeQueueUrl")
        return {
            "waiting": waiting + flying,
            "delayed": retried,
            "dead": sum(self._depths("DeadLetterQueueUrl")),
            "letters": self._letters(person),
            **measures(self.stack.logs.splitlines()),
        }

    def _depths(self, output: str) -> tuple[int, int, int]:
        names = [f"ApproximateNumberOfMessages{name}" for name in _DEPTHS]
        answer = self.stack.client("sqs").get_queue_attributes(
            QueueUrl=self.stack.outputs[output], AttributeNames=names
        )
        waiting, flying, retried = (int(answer["Attributes"].get(name, 0)) for name in names)
        return waiting, flying, retried

    def _letters(self, person: Person) -> list[dict[str, Any]]:
        answer = self.stack.client("sqs").receive_message(
            QueueUrl=self.stack.outputs["DeadLetterQueueUrl"],
            MaxNumberOfMessages=SHOWN_LETTERS,
            MessageAttributeNames=["All"],
            VisibilityTimeout=0,  # they stay for whoever works on them
        )
        return [dead_letter_of(message, person) for message in answer.get("Messages", [])]


def dead_letter_of(message: Mapping[str, Any], person: Person) -> dict[str, Any]:
    """Return cause and error of a dead letter, and its item's key if it is of the person's tenant."""
    named = {
        name: value.get("StringValue", "") for name, value in message.get("MessageAttributes", {}).items()
    }
    try:
        first, second = (next(iter(part.values())) for part in json.loads(message["Body"])["key"].values())
        own = str(first).removeprefix("MEMORY#") == person.tenant_id
    except (KeyError, ValueError, TypeError, AttributeError):
        own, second = False, ""
    return {
        "id": message["MessageId"],
        "cause": named.get("cause", "crashed"),
        "error": named.get("error", "") if own else "",
        "key": str(second) if own else None,
    }


def measures(lines: Sequence[str]) -> dict[str, Any]:
    """Return sums of the functions' metrics so far, and how long the newest saves took to become searchable."""
    sums: dict[str, float] = dict.fromkeys(_SUMS, 0.0)
    lags: list[float] = []
    for _, datum in data_of(lines):
        name, values = datum["MetricName"], datum["Values"]
        if name in sums:
            sums[name] += sum(values)
        elif name == "IngestLag":
            lags += values
    newest = sorted(lags[-RECENT:])
    return {
        "items": int(sums["Items"]),
        "embedded": int(sums["ChunksEmbedded"]),
        "reused": int(sums["ChunksKept"]),
        "tokens": int(sums["TokensEmbedded"]),
        "dollars": round(sums["Dollars"], 6),
        "lag_p50": newest[len(newest) // 2] if newest else None,
    }
