"""Conversations to save: the shipped sample, or somebody's own file.

Besides what :mod:`pipeline.source.files` reads, a file may be one of LoCoMo (a JSON list of ``{"sample_id", "conversation", …}``).
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from pipeline.errors import MalformedItemError, SettingsError
from pipeline.source.attributes import Item, identity
from pipeline.source.files import Files
from pipeline.source.messages import read_message

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
    """Read somebody's own file, in any of the shapes that :mod:`pipeline.source.files` knows, or a LoCoMo file.

    Raises:
        SettingsError: it cannot be read; the message says where and why.
    """
    conversations = _locomo_of(path)
    if conversations is not None:
        return list(_locomo(path, conversations))
    return [_stringed(item, path) for item in Files(path).items()]


def _locomo_of(path: Path) -> list[Any] | None:
    """Return the conversations of a LoCoMo file; ``None`` if it is none."""
    if path.suffix != ".json" or not path.is_file():
        return None
    try:
        value = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        return None
    named = isinstance(value, list) and value and isinstance(value[0], dict) and "sample_id" in value[0]
    return value if named else None


def _stringed(item: Item, path: Path) -> Save:
    """Return the put of an item; the demo's tables have strings for keys, so numbers become strings."""
    for key, table in TABLES.items():
        if all(name in item for name in key):
            try:
                keys = {name: {"S": identity(item[name], name)} for name in key}
            except MalformedItemError as error:
                raise SettingsError(f"{path}: {error}") from None
            return Save(table, {**item, **keys})
    raise SettingsError(f"{path}: an item has none of the keys {', '.join(map(' + '.join, TABLES))}")


def _locomo(path: Path, samples: Sequence[Any]) -> Iterator[Save]:
    try:
        for sample in samples:
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
    roles = [read_message(message).role for message in messages]
    for index in range(1, len(roles)):
        if roles[index] == "user" and roles[index - 1] not in {"user", "system"}:
            yield index
    yield len(roles)


def _save(plain: Mapping[str, str]) -> Save:
    return _stringed({name: {"S": value} for name, value in plain.items()}, SAMPLE)


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)
