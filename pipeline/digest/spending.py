"""What a chat model was asked for, counted for the tenant whose day it was, and what that cost."""

from dataclasses import dataclass
from datetime import date

from pipeline.stores.usage import Meter


@dataclass(frozen=True, slots=True)
class ChatUsage:
    """What a chat model was asked for, as the provider counted it."""

    requests: int = 0
    input_tokens: int = 0
    output_tokens: int = 0

    def plus(self, other: "ChatUsage") -> "ChatUsage":
        """Return both together."""
        return ChatUsage(
            self.requests + other.requests,
            self.input_tokens + other.input_tokens,
            self.output_tokens + other.output_tokens,
        )

    def since(self, before: "ChatUsage") -> "ChatUsage":
        """Return what was asked for since ``before``."""
        return ChatUsage(
            self.requests - before.requests,
            self.input_tokens - before.input_tokens,
            self.output_tokens - before.output_tokens,
        )


@dataclass(frozen=True, slots=True)
class ChatMeter:
    """Counts in the usage ledger. What is read and what is written have a price each, and so a row each.

    Args:
        input_dollars: for a million tokens; 0 where nobody knows.
    """

    read: Meter
    written: Meter
    input_dollars: float = 0.0
    output_dollars: float = 0.0

    def add(self, tenant_id: str, used: ChatUsage, day: date) -> float:
        """Count what was used; return the dollars."""
        for meter, tokens in ((self.read, used.input_tokens), (self.written, used.output_tokens)):
            if tokens:
                meter.add({tenant_id: tokens}, day)
        return (used.input_tokens * self.input_dollars + used.output_tokens * self.output_dollars) / 1_000_000
