"""A chat as the chat app keeps it: one item, its messages a JSON string, rewritten whole on every turn. Pure."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from pipeline.local.page.people import Person

Message = Mapping[str, Any]
Item = Mapping[str, Mapping[str, str]]

CHANNEL = "web"
TIME_TO_LIVE = timedelta(days=30)
MAX_ITEM_BYTES = 390_000
"""DynamoDB takes 400 KB, names and keys included."""
TITLE_CHARACTERS = 60
FORGOTTEN_TEXT = "—"
_SPOKEN = frozenset({"user", "assistant"})


class FullError(Exception):
    """The conversation would not fit into an item any more."""


@dataclass(frozen=True, slots=True)
class Chat:
    """One conversation.

    Args:
        attributes: the item's other strings, kept as they are when it is rewritten.
    """

    key: str
    messages: tuple[Message, ...] = field(repr=False)
    attributes: Mapping[str, str] = field(default_factory=dict, repr=False)

    @property
    def title(self) -> str:
        """How it began: the first thing a user said, shortened."""
        said = (str(one.get("content")) for one in self.messages if one.get("role") == "user")
        line = " ".join(next((text for text in said if text != FORGOTTEN_TEXT), self.key).split())
        return line if len(line) <= TITLE_CHARACTERS else f"{line[: TITLE_CHARACTERS - 1].rstrip()}…"

    @property
    def updated_at(self) -> str:
        """When it was last saved, as the item says it."""
        return self.attributes.get("updated_at", "")


def read_chat(item: Item) -> Chat | None:
    """Read an item of the sessions table; ``None`` if it is no conversation."""
    strings = {name: value["S"] for name, value in item.items() if "S" in value}
    try:
        messages = json.loads(strings["messages"])
    except (KeyError, ValueError):
        return None
    if not isinstance(messages, list):
        return None
    readable = tuple(one for one in messages if isinstance(one, dict))
    others = {name: value for name, value in strings.items() if name not in {"messages", "session_key"}}
    return Chat(strings["session_key"], readable, others)


def owner(item: Item) -> Person:
    """Return whose item it is: its ``user_id``, else the tenant itself."""
    tenant_id = item["tenant_id"]["S"]
    return Person(tenant_id, item.get("user_id", {}).get("S") or tenant_id)


def new_key(person: Person, now: datetime, suffix: str) -> str:
    """Return a session key as chat apps make them: channel, user, and when it began."""
    return f"{CHANNEL}:{person.user_id}:{now:%Y%m%d-%H%M%S}-{suffix}"


def spoken(role: str, text: str, now: datetime, **extra: Any) -> Message:
    """Return a message as the chat app writes it."""
    return {"role": role, "content": text, "timestamp": now.isoformat(), "channel": CHANNEL, **extra}


def has_turn(chat: Chat, turn: str) -> bool:
    """Tell whether a turn was saved before: a page that lost the answer sends it again."""
    return any(message.get("turn") == turn for message in chat.messages)


def item_of(person: Person, chat: Chat, now: datetime) -> dict[str, dict[str, str]]:
    """Return the whole item, to be put; strings but for ``ttl``, as nanobot has it.

    Raises:
        FullError: DynamoDB would refuse it as too large.
    """
    stamp = now.isoformat()
    kept = {"created_at": stamp, **chat.attributes, "updated_at": stamp}
    strings = {
        **kept,
        "tenant_id": person.tenant_id,
        "session_key": chat.key,
        "messages": json.dumps(chat.messages, ensure_ascii=False),
    }
    if person.user_id != person.tenant_id:
        strings["user_id"] = person.user_id
    if sum(len(name) + len(value.encode()) for name, value in strings.items()) > MAX_ITEM_BYTES:
        raise FullError("this conversation is full")
    item = {name: {"S": value} for name, value in strings.items()}
    return {**item, "ttl": {"N": str(int((now + TIME_TO_LIVE).timestamp()))}}


def digest(message: Message) -> str:
    """Return a short name of a message, by which a page says which one it means."""
    whole = json.dumps([message.get(name) for name in ("role", "content", "timestamp")])
    return hashlib.blake2b(whole.encode(), digest_size=8).hexdigest()


def without(messages: Sequence[Message], index: int) -> tuple[Message, ...] | None:
    """Return the messages when one of them is to be forgotten; ``None`` if nothing said would be left.

    The first thing said is replaced by a dash: taken off the front it would look like a session that the app has
    capped, and what falls off there stays in memory.
    """
    before, after = messages[:index], messages[index + 1 :]
    if not any(map(_said, (*before, *after))):
        return None
    if any(one.get("role") in _SPOKEN for one in before):
        return (*before, *after)
    return (*before, {**_bare(messages[index]), "content": FORGOTTEN_TEXT, "forgotten": True}, *after)


def _said(message: Message) -> bool:
    return message.get("role") in _SPOKEN and not message.get("forgotten")


def _bare(message: Message) -> Message:
    return {name: message[name] for name in ("role", "timestamp", "channel") if name in message}
