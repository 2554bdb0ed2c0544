"""Reads one message, whoever wrote it: by the tables of :mod:`pipeline.source.shapes`. Pure.

A message either *says* something, or is *silent* (it is understood, and only calls a tool, reasons or shows a picture),
or is *unreadable*: nothing in it is known to be its text. The last kind is counted, never dropped in silence.
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal

from pipeline.source import shapes

Fields = Mapping[str, object]
Outcome = Literal["said", "silent", "unreadable"]

_OWN_TEXT_AT = tuple(place for place in shapes.TEXT_AT if place not in shapes.WRAPPERS)
_NAME_AT = tuple((path.partition(".")[0], path) for path in shapes.NAME_AT)
MAX_DEPTH = 12
MAX_ROLE_CHARACTERS = 80

_NOT_IN_NAMES = re.compile(r"[^a-z0-9]")
_ENCODED = re.compile(r"\s*(?:\{\s*\"|\[\s*\{\s*\")")
_THOUGHT = re.compile(
    r"(?:\A|(?<=\n))[ \t]*<(think|thinking|thought|reasoning|reflection)>.*?(?:</\1>|\Z)",
    re.DOTALL | re.IGNORECASE,
)
_REST_OF_THOUGHT = re.compile(r"\A.*?</think(?:ing)?>[ \t]*(?:\n|\Z)", re.DOTALL | re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Message:
    """One message as its app meant it.

    Args:
        role: ``user``, ``assistant``, ``system``, ``tool``, or the app's own word in lower case.
        stamps: what may be its time, the likeliest first.
    """

    outcome: Outcome
    role: str = "user"
    text: str = field(default="", repr=False)
    name: str | None = None
    stamps: tuple[object, ...] = ()


def read_message(value: object) -> Message:
    """Read one message."""
    value = decoded(value)
    if value in (None, {}, [], "", "null"):
        return Message("silent")
    if isinstance(value, list):
        return _of_pair(value)
    if not isinstance(value, Mapping):
        return Message("unreadable")
    layers = list(_layers(fields_of(value)))
    role = _role(layers)
    text, outcome = _text_of(layers)
    if role in {"tool", "system"} and outcome == "unreadable":  # what a tool answers may be of any shape
        outcome = "silent"
    if role == "assistant":
        text = without_thoughts(text)
    if outcome == "said" and (not text.strip() or _hidden(layers)):
        outcome = "silent"
    return Message(outcome, role, text, _name(layers), tuple(_stamps(layers)))


def without_thoughts(text: str) -> str:
    """Return an assistant's text without what it thought aloud between ``<think>`` tags.

    The last tag may be left open, and the first may be missing: some chat templates write it before the answer begins.
    """
    whole = text
    opened, closed = text.lower().find("<think"), text.lower().find("</think")
    if closed >= 0 and not 0 <= opened < closed:
        text = _REST_OF_THOUGHT.sub("", text, count=1)
    left = _THOUGHT.sub("", text) if "<" in text else text
    return whole if left == whole else left.strip()


def read_content(value: object, depth: int = 0) -> tuple[list[str], bool]:
    """Return the texts of a message's content, and whether it holds something of a kind that is not known."""
    if value is None:
        return [], False
    if isinstance(value, str):
        return _of_string(value, depth)
    if isinstance(value, list) and depth < MAX_DEPTH:
        found = [read_content(part, depth + 1) for part in value if part is not None]
        return [text for texts, _ in found for text in texts], any(strange for _, strange in found)
    if isinstance(value, Mapping) and depth < MAX_DEPTH:
        return _part(fields_of(value), depth)
    number = isinstance(value, int | float) and not isinstance(value, bool) and depth == 0
    return ([str(value)], False) if number else ([], True)


def _of_string(text: str, depth: int) -> tuple[list[str], bool]:
    """Return a string, or what it holds if it is the JSON of parts: Mastra's tables hold such strings."""
    if not text.strip():
        return [], False
    inner = decoded(text) if depth == 0 else text
    if isinstance(inner, list) or (isinstance(inner, Mapping) and "parts" in inner):
        texts, strange = read_content(inner, depth + 1)
        if not strange:
            return texts, False
    return [text], False


def _of_pair(pair: list[object]) -> Message:
    """Read ``["human", "text"]``, as LangGraph takes messages."""
    match pair:
        case [str(role), str(text)] if known := shapes.ROLES.get(_folded(role)):
            return Message("said" if text.strip() else "silent", known, text)
        case _:
            return Message("unreadable")


def _folded(name: object) -> str:
    low = str(name).lower()
    return low if low.isascii() and low.isalnum() else _NOT_IN_NAMES.sub("", low)


def fields_of(value: Mapping[str, object]) -> dict[str, object]:
    """Return an object's fields by their names without case and punctuation."""
    fields: dict[str, object] = {}
    for name, held in value.items():
        fields.setdefault(_folded(name), held)
    return fields


def _layers(fields: dict[str, object], depth: int = 0) -> Iterator[dict[str, object]]:
    """Yield the message and what it is wrapped in, the innermost first."""
    own = any(map(fields.get, _OWN_TEXT_AT))
    for name in () if own or depth > MAX_DEPTH else shapes.WRAPPERS:
        inner = decoded(fields.get(name))
        if isinstance(inner, Mapping):
            within = fields_of(inner)
            if any(place in within for place in (*shapes.TEXT_AT, *shapes.WRAPPERS, "role", "type")):
                yield from _layers(within, depth + 1)
    yield fields


def _at(fields: Fields, path: str) -> object:
    """Return what stands at a dotted path, ``None`` if nothing does."""
    name, _, rest = path.partition(".")
    value = fields.get(name)
    if not rest:
        return value
    return _at(fields_of(value), rest) if isinstance(value, Mapping) else None


def _role(layers: list[dict[str, object]]) -> str:
    for fields in layers:
        own = next((word for name in shapes.ROLES_FIRST if (word := _word(fields.get(name)))), None)
        if own:
            return shapes.ROLES.get(_folded(own), own)
        if str(fields.get("subtype") or "") not in shapes.SLACK_SAID:
            return "system"
    words = (_word(_at(fields, path)) for fields in layers for path in shapes.ROLE_AT)
    known = next((role for word in words if word and (role := shapes.ROLES.get(_folded(word)))), None)
    return known or ("assistant" if any(map(_of_bot, layers)) else "user")


def _of_bot(fields: Fields) -> bool:
    """Tell whether a machine is marked as the speaker: Slack, Discord, LibreChat."""
    said_so = (
        fields.get("bot"),
        fields.get("isbot"),
        _at(fields, "author.bot"),
        _at(fields, "author.isbot"),
        _at(fields, "from.isbot"),
    )
    return bool(fields.get("botid")) or True in said_so or fields.get("iscreatedbyuser") is False


def _word(value: object) -> str | None:
    """Return a role's word: the last of ``["langchain", …, "HumanMessage"]``, ``MessageRole.USER`` and ``ROLE_USER``."""
    if isinstance(value, list) and value:
        value = value[-1]
    if isinstance(value, Mapping):
        inner = fields_of(value)
        value = inner.get("label") or inner.get("value") or inner.get("role")
    if not isinstance(value, str):
        return None
    word = value.rpartition(".")[2].lower().removeprefix("role_")
    return " ".join(word.split())[:MAX_ROLE_CHARACTERS] or None


def _hidden(layers: list[dict[str, object]]) -> bool:
    """Tell whether a ChatGPT export says that nobody saw the message, or that it went to a tool."""
    marks = (_at(fields, "metadata.isvisuallyhiddenfromconversation") for fields in layers)
    to_tools = (
        str(fields.get("recipient") or "all") != "all"
        for fields in layers
        if isinstance(fields.get("author"), Mapping)
    )
    return any(mark is True for mark in marks) or any(to_tools)


def _text_of(layers: list[dict[str, object]]) -> tuple[str, Outcome]:
    strange = False
    for fields in layers:
        if _unsaid(fields):
            return "", "silent"
        for place in shapes.TEXT_AT:
            texts, odd = read_content(fields.get(place))
            if texts:
                return "\n".join(texts), "said"
            strange = strange or odd
    known = any(place in fields for fields in layers for place in shapes.TEXT_AT)
    return "", "unreadable" if strange or not (known or all(map(_empty, layers))) else "silent"


def _unsaid(fields: Fields) -> bool:
    """Tell whether the message as a whole is a tool's call or result, or a thought."""
    kind = fields.get("messagetype", fields.get("type"))
    said = isinstance(fields.get("content"), str) and "role" in fields
    return isinstance(kind, str) and _folded(kind) in shapes.UNSAID and not said


def _empty(fields: Fields) -> bool:
    """Tell whether nothing in a message could be a text that stands where we do not look."""
    known = shapes.SILENT_FIELDS.union(shapes.TIME_AT)
    left = (held for name, held in fields.items() if name not in known)
    return not any(isinstance(held, str | bytes | list | Mapping) and held for held in left)


def _part(fields: dict[str, object], depth: int) -> tuple[list[str], bool]:
    kind = next((held for name in shapes.PART_KIND_AT if isinstance(held := fields.get(name), str)), "")
    unsaid = (
        _folded(kind) in shapes.UNSAID or shapes.UNSAID_TYPES.match(kind) or fields.get("thought") is True
    )
    if unsaid and not isinstance(fields.get("transcript"), str):
        return [], False
    strange = False
    for name in (*shapes.PART_TEXT_AT, *shapes.PART_IN):
        texts, odd = read_content(fields.get(name), depth + 1)
        if texts:
            return texts, False
        strange = strange or odd
    known = not fields or any(name in shapes.UNSAID or name in shapes.PART_TEXT_AT for name in fields)
    return [], strange or not known


def decoded(value: object) -> object:
    """Return the object or list that a string of JSON holds; anything else as it is."""
    if not isinstance(value, str) or not _ENCODED.match(value):
        return value
    try:
        found: object = json.loads(value)
    except (ValueError, RecursionError):
        return value
    return found if isinstance(found, dict | list) else value


def _name(layers: list[dict[str, object]]) -> str | None:
    names = (_at(fields, path) for fields in layers for head, path in _NAME_AT if head in fields)
    return next((name for name in names if isinstance(name, str) and name.strip()), None)


def _stamps(layers: list[dict[str, object]]) -> Iterator[object]:
    within = [fields_of(inner) for fields in layers for inner in _beside(fields)]
    for fields in (*layers, *within):
        yield from (fields[name] for name in shapes.TIME_AT if fields.get(name) is not None)


def _beside(fields: Fields) -> Iterator[Mapping[str, object]]:
    """Yield what a message says about itself: its metadata, and its first part."""
    yield from (held for name in shapes.METADATA_AT if isinstance(held := fields.get(name), Mapping))
    parts = fields.get("parts")
    if isinstance(parts, list) and parts and isinstance(parts[0], Mapping):
        yield parts[0]
