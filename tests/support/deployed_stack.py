"""A running stack as a chat app sees it."""

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from rich.console import Console

from pipeline.local.demo_run import Demo
from pipeline.local.stack import Stack

DEADLINE_SECONDS = 60


@dataclass
class DeployedStack:
    """A chat app's view of a running stack; each has a tenant of its own."""

    stack: Stack
    tenant: str

    @property
    def demo(self) -> Demo:
        return Demo(self.stack, Console(stderr=True))

    def table(self, name: str = "Sessions") -> str:
        return self.stack.outputs[f"{name}TableName"]

    def put(self, item: dict[str, str], table: str = "Sessions") -> None:
        typed = {name: {"S": value} for name, value in item.items()}
        self.stack.client("dynamodb").put_item(TableName=self.table(table), Item=typed)

    def save(self, key: str, messages: Any, tenant: str | None = None, **attributes: str) -> None:
        text = messages if isinstance(messages, str) else json.dumps(messages, ensure_ascii=False)
        self.put({"tenant_id": tenant or self.tenant, "session_key": key, "messages": text, **attributes})

    def delete(self, key: str) -> None:
        names = {"tenant_id": {"S": self.tenant}, "session_key": {"S": key}}
        self.stack.client("dynamodb").delete_item(TableName=self.table(), Key=names)

    def contents(
        self, query: str = "anything", tenant: str | None = None, user: str | None = None
    ) -> list[str]:
        """Search whatever the confidence: made-up text is seldom like anything."""
        owner = tenant or self.tenant
        found = self.demo.search(owner, user or owner, query, 100, min_confidence=0)
        return [hit["content"] for hit in found]

    def invoke(self, event: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        answer = self.stack.client("lambda").invoke(
            FunctionName=self.stack.outputs["QueryAliasArn"], Payload=json.dumps(event)
        )
        payload = json.loads(answer["Payload"].read())
        return payload["statusCode"], json.loads(payload["body"])

    def dead_letters(self) -> list[dict[str, Any]]:
        """Look at the dead letters without taking them away."""
        found: list[dict[str, Any]] = (
            self.stack.client("sqs")
            .receive_message(
                QueueUrl=self.stack.outputs["DeadLetterQueueUrl"],
                MaxNumberOfMessages=10,
                MessageAttributeNames=["All"],
                VisibilityTimeout=0,
            )
            .get("Messages", [])
        )
        return [letter for letter in found if self.tenant in letter["Body"]]


def until(true: Callable[[], bool], what: str, seconds: float = DEADLINE_SECONDS) -> None:
    """Poll to a deadline."""
    deadline = time.monotonic() + seconds
    while not true():
        if time.monotonic() > deadline:
            pytest.fail(f"not within {seconds} s: {what}")
        time.sleep(0.05)
