"""The chat app's tables, as one person may see them."""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from pipeline.local.page.chats import Chat, item_of, owner, read_chat
from pipeline.local.page.people import Person


@dataclass(frozen=True, slots=True)
class Tables:
    """Reads and rewrites items; whose they are is checked here and nowhere else.

    Args:
        client: of DynamoDB.
        sessions: name of the sessions table.
        notes: name of the memory table.
        config: name of the config table.
    """

    client: Any
    sessions: str
    notes: str
    config: str
    _writing: threading.Lock = field(default_factory=threading.Lock)

    def chats(self, person: Person) -> list[Chat]:
        """Return the person's conversations, newest first."""
        pages = self.client.get_paginator("query").paginate(
            TableName=self.sessions,
            KeyConditionExpression="tenant_id = :tenant",
            ExpressionAttributeValues={":tenant": {"S": person.tenant_id}},
            ConsistentRead=True,
        )
        items = [item for page in pages for item in page["Items"] if owner(item) == person]
        found = [chat for chat in map(read_chat, items) if chat is not None]
        return sorted(found, key=lambda chat: chat.updated_at, reverse=True)

    def chat(self, person: Person, key: str) -> Chat | None:
        """Return one conversation, if the person has it."""
        item = self._get(self.sessions, tenant_id=person.tenant_id, session_key=key)
        return read_chat(item) if item is not None and owner(item) == person else None

    def change(
        self, person: Person, key: str, now: datetime, change: Callable[[Chat | None], Chat | None]
    ) -> Chat | None:
        """Read a conversation, change it, and put it back whole; or delete it where the change leaves nothing.

        Turns of two tabs follow each other here. The chat app itself has no such lock: there the last put wins.
        """
        with self._writing:
            before = self._own(person, key)
            after = change(before)
            if after is None and before is not None:
                self.client.delete_item(
                    TableName=self.sessions, Key=_key(tenant_id=person.tenant_id, session_key=key)
                )
            elif after is not None and after is not before:
                self.client.put_item(TableName=self.sessions, Item=item_of(person, after, now))
            return after

    def note(self, person: Person, key: str) -> str | None:
        """Return the text of a note, whichever layout holds it; notes belong to what a tenant's people share."""
        places = (
            (self.sessions, {"tenant_id": person.tenant_id, "session_key": key}),
            (self.notes, {"tenant_id": person.tenant_id, "sk": key}),
            (self.config, {"pk": f"MEMORY#{person.tenant_id}", "sk": key}),
        )
        if person.user_id != person.tenant_id or not key:
            return None
        items = (self._get(table, **names) for table, names in places)
        texts = (item["content"]["S"] for item in items if item and "S" in item.get("content", {}))
        return next(texts, None)

    def _own(self, person: Person, key: str) -> Chat | None:
        item = self._get(self.sessions, tenant_id=person.tenant_id, session_key=key)
        if item is None:
            return None
        chat = read_chat(item)
        if chat is None or owner(item) != person:
            raise PermissionError("no conversation of yours has this key")
        return chat

    def _get(self, table: str, **names: str) -> dict[str, Any] | None:
        answer = self.client.get_item(TableName=table, Key=_key(**names), ConsistentRead=True)
        item: dict[str, Any] | None = answer.get("Item")
        return item


def _key(**names: str) -> dict[str, dict[str, str]]:
    return {name: {"S": value} for name, value in names.items()}
