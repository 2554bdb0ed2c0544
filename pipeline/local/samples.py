"""Conversations to save: the shipped sample, or somebody's own file.

A file is either JSON lines of DynamoDB items (each line an item as ``scan`` gives it, or ``{"Item": …}`` as an export to
S3 does), or a LoCoMo file (a JSON list of ``{"sample_id", "conversation", …}``).
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from pipeline.errors import SettingsError

SAMPLE = Path(__file__).parent / "sample"
TABLES = {("tenant_id", "session_key"): "sessions", ("tenant_id", "sk"): "memory", ("pk", "sk"): "config"}
"""Key attributes → which of the chat app's tables."""


@dataclass(frozen=True, slots=True)
class Save:
    """One ``put_item`` of the chat app."""

    table: str
    item: Mapping[str, Any]

    @property
    def announced(self) -> bool:
        """Tell whether its change gets past the filters of the stream: most of the config table's items are no memory."""
        return self.table != "config" or self.item["pk"]["S"].startswith("MEMORY#")


@dataclass(frozen=True, slots=True)
class Question:
    """A question to one user's memory; ``contains`` is a phrase of the answer, and ``key`` where it stands."""

    tenant_id: str
    user_id: str
    text: str
    key: str
    contains: str


def shipped_items() -> Sequence[Save]:
    """Return the items of the shipped sample, as they end up."""
    tenants = [
        json.loads(path.read_text("utf-8"))
        for path in sorted(SAMPLE.glob("*.json"))
        if path.stem != "questions"
    ]
    return [save for tenant in tenants for save in _tenant(tenant)]


def shipped_questions() -> Sequence[Question]:
    """Return the questions that go with the shipped sample."""
    rows = json.loads((SAMPLE / "questions.json").read_text("utf-8"))
    return [
        Question(row["tenant_id"], row["user_id"], row["question"], row["session_key"], row["contains"])
        for row in rows
    ]


def _tenant(tenant: Mapping[str, Any]) -> Iterator[Save]:
    for session in tenant["sessions"]:
        fields = {
            key: session[key]
            for key in ("session_key", "user_id", "created_at", "updated_at")
            if key in session
        }
        yield _save({"tenant_id": tenant["tenant_id"], **fields, "messages": _json(session["messages"])})
    for note in tenant["notes"]:
        yield _save({**note["key"], "content": note["content"], "updated_at": note["updated_at"]})


def items_of(path: Path) -> Sequence[Save]:
    """Read somebody's own file.

    Raises:
        SettingsError: it cannot be read; the message says where and why.
    """
    try:
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path} cannot be read as UTF-8 text: {type(error).__name__}") from None
    if text.lstrip().startswith("["):
        return list(_locomo(path, text))
    saves = [_line(path, number, line) for number, line in enumerate(text.splitlines(), 1) if line.strip()]
    if not saves:
        raise SettingsError(f"{path} is empty: it must hold one DynamoDB item a line")
    return saves


def _line(path: Path, number: int, line: str) -> Save:
    try:
        row = json.loads(line)
        item = row.get("Item", row)
        return _typed_save(item)
    except (ValueError, AttributeError, TypeError, KeyError):
        raise SettingsError(
            f"{path}, line {number}: not a DynamoDB item. A line looks like "
            '{"tenant_id": {"S": "acme"}, "session_key": {"S": "chat:1"}, "messages": {"S": "[…]"}}'
        ) from None


def _typed_save(item: Mapping[str, Any]) -> Save:
    if not all(isinstance(value, dict) and len(value) == 1 for value in item.values()):
        raise ValueError
    for key, table in TABLES.items():
        if all("S" in item.get(name, ()) for name in key):
            return Save(table, item)
    raise KeyError


def _locomo(path: Path, text: str) -> Iterator[Save]:
    try:
        for sample in json.loads(text):
            yield from _conversation(str(sample["sample_id"]), sample["conversation"])
    except (ValueError, KeyError, TypeError) as error:
        raise SettingsError(
            f"{path} starts like a LoCoMo file and is none: {type(error).__name__} {error}"
        ) from None


def _conversation(tenant_id: str, conversation: Mapping[str, Any]) -> Iterator[Save]:
    number = 1
    while f"session_{number}" in conversation or f"session_{number}_date_time" in conversation:
        start = datetime.strptime(
            conversation[f"session_{number}_date_time"], "%I:%M %p on %d %B, %Y"
        ).replace(tzinfo=UTC)
        turns = conversation.get(f"session_{number}") or []
        messages = [
            {
                "role": "user" if turn["speaker"] == conversation["speaker_a"] else "assistant",
                "name": turn["speaker"],
                "content": turn["text"],
                "timestamp": (start + timedelta(minutes=minute)).isoformat(),
            }
            for minute, turn in enumerate(turns)
        ]
        if messages:
            yield _save(
                {"tenant_id": tenant_id, "session_key": f"session_{number}", "messages": _json(messages)}
            )
        number += 1


def growth(save: Save) -> Iterator[Save]:
    """Yield the puts by which the item came to be: a session grows an exchange at a time, a daily log a line at a time."""
    messages = _messages(save)
    if messages:
        for end in _turn_ends(messages):
            yield Save(save.table, {**save.item, "messages": {"S": _json(messages[:end])}})
        return
    lines = save.item.get("content", {}).get("S", "").splitlines(keepends=True)
    starts = [index for index, line in enumerate(lines) if line.startswith("- Q:")]
    for start in starts[1:]:
        yield Save(save.table, {**save.item, "content": {"S": "".join(lines[:start])}})
    yield save


def _messages(save: Save) -> list[Any]:
    try:
        messages = json.loads(save.item.get("messages", {}).get("S", ""))
    except ValueError:
        return []
    return messages if isinstance(messages, list) else []


def _turn_ends(messages: Sequence[Any]) -> Iterator[int]:
    """Yield where a put ends: before each user message that follows something else, and at the end."""
    roles = [message.get("role") if isinstance(message, dict) else None for message in messages]
    for index in range(1, len(roles)):
        if roles[index] == "user" and roles[index - 1] not in {"user", "system"}:
            yield index
    yield len(roles)


def _save(plain: Mapping[str, str]) -> Save:
    return _typed_save({name: {"S": value} for name, value in plain.items()})


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)
