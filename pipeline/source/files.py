"""Reads the files in which people have their conversations: DynamoDB's own exports, chat apps' exports, JSON, CSV.

============================================  ========================================================================
file                                          what is read
============================================  ========================================================================
a folder of a DynamoDB export to S3           every item its manifests name; without manifests, every file in it
``.gz``, ``.zip``                             what is inside; of an archive ``conversations.json``, else every JSON file
``aws dynamodb scan`` or ``query``            one object with ``Items``
JSON lines                                    an item, ``{"Item": …}``, ``{"Keys": …, "NewImage": …}``, a conversation, or a message a line
ChatGPT's and Claude's ``conversations.json`` a session a conversation
JSON                                          a conversation (a list of messages, or an object that holds one), or a list of them
CSV, TSV                                      a message a row: columns of role and content, of time and session if there are
============================================  ========================================================================

What a message looks like is :mod:`pipeline.source.messages`' business. Errors name the file and the line.
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pipeline.errors import SettingsError, SourceUnavailableError
from pipeline.settings import DEFAULT_ATTRIBUTE_NAMES
from pipeline.source.addresses import MAX_ID_BYTES
from pipeline.source.attributes import Item, is_typed_item, safe_text, typed
from pipeline.source.conversations import messages_in
from pipeline.source.exports import FILES, SUMMARY, Export, LocalFolder
from pipeline.source.messages import read_message
from pipeline.source.pages import PAGE_ITEMS, Page
from pipeline.source.unpacking import DAMAGED, ROLE_COLUMNS, is_data, rows, unpacked, why

MAX_ITEM_BYTES = 409_600
"""Of an item in DynamoDB, names of its attributes included."""
ITEM_BYTES = 390_000
"""Of messages in one item: the key, the owner and the times need some of what DynamoDB takes."""

OWNER = "you"
"""Tenant of conversations from files that name none."""

_KEYS = (("tenant_id", "session_key"), ("tenant_id", "sk"), ("pk", "sk"))
SESSION_COLUMNS = (
    "session_key", "session_id", "session", "conversation_id", "conversation", "thread_id", "chat_id", "thread", "chat",
)  # fmt: skip

EXPECTED = (
    'a line looks like {"tenant_id": {"S": "acme"}, "session_key": {"S": "chat:1"}, "messages": {"S": "[…]"}} '
    'or like {"role": "user", "content": "…"}; docs/your-data.md lists all that is read'
)


@dataclass(frozen=True, slots=True)
class Refused:
    """A conversation that no item can hold.

    Args:
        place: the file, and which of the conversations in it.
        reason: why, without any of its text.
    """

    place: str
    reason: str

    def __str__(self) -> str:
        """Say both."""
        return f"{self.place}: {self.reason}"


@dataclass(frozen=True, slots=True)
class _Found:
    """What a file holds: an item of a table, or a conversation as the items that it becomes; ``refused`` says why it becomes none."""

    items: tuple[Item, ...]
    is_conversation: bool = False
    refused: str = ""


class NotReadError(Exception):
    """What was found is nothing that is known; says what was expected."""


@dataclass(slots=True)
class Files:
    """Reads one file or folder.

    Args:
        tenant_id: of conversations, which name none.
        user_id: the same; ``None`` is the tenant's own user.
        names: our attribute name → the tables' own.
        on_conversation: called with each item that a conversation becomes, before it is yielded: it is in no table yet.
    """

    path: Path
    tenant_id: str = OWNER
    user_id: str | None = None
    names: Mapping[str, str] = field(default_factory=lambda: dict(DEFAULT_ATTRIBUTE_NAMES))
    on_conversation: Callable[[Item], None] = lambda _: None

    def items(self) -> Iterator[Item]:
        """Yield what the file holds as DynamoDB items.

        Raises:
            SettingsError: it cannot be read, or no item can hold one of its conversations; the message says where and what was
                expected.
        """
        for each in self.entries():
            if isinstance(each, Refused):
                raise SettingsError(f"{each}: take it out")
            yield each

    def entries(self) -> Iterator[Item | Refused]:
        """Yield the same, and in its place each conversation that no item can hold.

        Raises:
            SettingsError: it cannot be read.
        """
        if self.path.is_dir() and any(self.path.rglob(SUMMARY)):
            yield from self._export()
            return
        found = False
        for name, text in self._texts():
            for number, each in enumerate(self._of_text(name, text), 1):
                found |= bool(each.items or each.refused)
                if each.refused:
                    yield Refused(f"{name}, conversation {number}", each.refused)
                for item in each.items:
                    if each.is_conversation:
                        self.on_conversation(item)
                    yield item
        if not found:
            raise SettingsError(f"{self.path} holds no items and no messages: {EXPECTED}")

    def _export(self) -> Iterator[Item]:
        for summary in sorted(self.path.rglob(SUMMARY)):
            if (summary.parent / FILES).exists():
                try:
                    export = Export(LocalFolder(summary.parent))
                    for part in export.parts():
                        for page in export.pages(part, None):
                            yield from page.items
                except SourceUnavailableError as error:
                    raise SettingsError(str(error)) from None

    def _texts(self) -> Iterator[tuple[str, str]]:
        if self.path.is_dir():
            names = sorted(each for each in self.path.rglob("*") if is_data(each.name))
            if not names:
                raise SettingsError(f"{self.path} holds no JSON, JSON lines, CSV or .gz file")
        else:
            names = [self.path]
        for name in names:
            try:
                yield from ((label, data.decode("utf-8-sig")) for label, data in unpacked(name))
            except (UnicodeDecodeError, *DAMAGED) as error:
                raise SettingsError(f"{name} cannot be read as UTF-8 text: {why(error)}") from None

    def _of_text(self, name: str, text: str) -> Iterator[_Found]:
        if name.lower().endswith((".csv", ".tsv")):
            yield from self._of_rows(name, list(rows(name, text)))
            return
        try:
            value = json.loads(text)
        except (ValueError, RecursionError) as error:
            _check_lines(name, text, error)
            yield from self._of_lines(name, text)
            return
        try:
            yield from self._of_value(value, Path(name).stem.partition(".")[0])
        except NotReadError as error:
            where = "line 1" if not str(error) else str(error)
            raise SettingsError(
                f"{name}, {where}: not a DynamoDB item, a conversation or a message: {EXPECTED}"
            ) from None

    def _of_lines(self, name: str, text: str) -> Iterator[_Found]:
        """Read JSON lines; messages that follow one another are one conversation."""
        stem, messages = Path(name).stem.partition(".")[0], []
        # Not splitlines: a string of JSON may hold U+2028, U+0085 and other ends of lines.
        for number, line in enumerate(text.split("\n"), 1):
            if not line.strip():
                continue
            try:
                value = json.loads(line)
                if self._is_message(value):
                    messages.append(value)
                else:
                    yield from self._of_value(value, f"{stem}-{number}")
            except (ValueError, RecursionError, NotReadError):
                raise SettingsError(
                    f"{name}, line {number}: not a DynamoDB item or a message: {EXPECTED}"
                ) from None
        if messages:
            yield from self._of_rows(name, messages)

    def _of_value(self, value: object, name: str) -> Iterator[_Found]:
        if isinstance(value, Mapping):
            yield from self._of_object(value, name)
        elif isinstance(value, list) and self._are_messages(value):
            yield from self._of_rows(name, value)
        elif isinstance(value, list) and value:
            for number, each in enumerate(value, 1):
                try:
                    yield from self._of_value(each, f"{name}-{number}")
                except NotReadError:
                    raise NotReadError(f"element {number} of the list") from None
        else:
            raise NotReadError

    def _of_object(self, value: Mapping[str, Any], name: str) -> Iterator[_Found]:
        item = value.get("Item", _image(value) if "NewImage" in value else value)
        if isinstance(value.get("Responses"), Mapping):  # of batch-get-item
            for held in value["Responses"].values():
                yield from self._of_object({"Items": held}, name)
        elif isinstance(value.get("Items"), list):
            for each in value["Items"]:
                yield from self._of_object(each if isinstance(each, Mapping) else {}, name)
        elif self._has_key(item):
            yield _Found((item if is_typed_item(item) else {key: typed(each) for key, each in item.items()},))
        elif (messages := messages_in(value)) is not None:
            yield from self._conversation(value, messages, name)
        else:
            raise NotReadError

    def _conversation(
        self, whole: Mapping[str, Any], messages: Sequence[object], name: str
    ) -> Iterator[_Found]:
        keys = ("session_key", "conversation_id", "id", "uuid", "session_id", "thread_id")
        named = next((str(whole[key]) for key in keys if whole.get(key)), name)
        times = ("create_time", "created_at", "createdAt")
        created = next((whole[key] for key in times if whole.get(key)), None)
        yield from self._session(named, messages, None if created is None else str(created))

    def _of_rows(self, name: str, rows: Sequence[Mapping[str, Any]]) -> Iterator[_Found]:
        """Make a session of the messages of each session that the rows name."""
        sessions: dict[str, list[object]] = {}
        for row in rows:
            named = next(
                (str(row[key]) for key in SESSION_COLUMNS if isinstance(row.get(key), str | int)), None
            )
            sessions.setdefault(named or Path(name).stem.partition(".")[0], []).append(row)
        for session, messages in sessions.items():
            yield from self._session(session, messages, None)

    def _session(self, name: str, messages: Sequence[object], created: str | None) -> Iterator[_Found]:
        """Yield a session; one that is too long for an item becomes several items, ``name``, ``name (2)`` and so on."""
        spoken = [
            safe_text(json.dumps(each, ensure_ascii=False))
            for each in messages
            if read_message(each).outcome != "silent"
        ]
        fields = [
            {
                "tenant_id": self.tenant_id,
                "session_key": safe_text(name if number == 1 else f"{name} ({number})"),
                "user_id": self.user_id or "",
                "messages": f"[{', '.join(piece)}]",
                "created_at": safe_text(created or ""),
            }
            for number, piece in enumerate(_pieces(spoken), 1)
        ]
        refused = next((reason for each in fields if (reason := self._refused(each))), "")
        items = () if refused else tuple(map(self._item, fields))
        yield _Found(items, is_conversation=True, refused=refused)

    def _item(self, fields: Mapping[str, str]) -> Item:
        return {self._name(ours): typed(value) for ours, value in fields.items() if value}

    def _refused(self, fields: Mapping[str, str]) -> str:
        """Say why no item can hold this; nothing if one can."""
        ids = {"tenant_id": "the tenant's id", "session_key": "its id", "user_id": "the user's id"}
        for ours, what in ids.items():
            if len(fields[ours].encode()) > MAX_ID_BYTES:
                return f"{what} is longer than {MAX_ID_BYTES:,} bytes"
        size = sum(len(f"{self._name(ours)}{value}".encode()) for ours, value in fields.items() if value)
        if size > MAX_ITEM_BYTES:
            return f"a message of it is longer than an item of DynamoDB holds ({MAX_ITEM_BYTES:,} bytes)"
        return ""

    def _name(self, ours: str) -> str:
        """Return the table's own name of an attribute; of several, the first."""
        return self.names[ours].partition(",")[0].strip() if ours == "messages" else self.names[ours]

    def _has_key(self, item: object) -> bool:
        return isinstance(item, Mapping) and any(
            all(_is_key(item.get(self.names[name])) for name in key) for key in _KEYS
        )

    def _is_message(self, value: object) -> bool:
        """Tell whether a JSON object is a message by itself: it is no item, and has a role and a text where those stand."""
        if not isinstance(value, Mapping) or self._has_key(value) or isinstance(value.get("messages"), list):
            return False
        outcome = read_message(value).outcome
        calls = outcome == "silent" and any(name in value for name in ROLE_COLUMNS)
        return (outcome == "said" or calls) and messages_in(value) is None

    def _are_messages(self, values: Sequence[object]) -> bool:
        """Tell whether a list is one conversation: some are messages, and none is an item or a conversation itself."""
        others = (each for each in values if isinstance(each, Mapping) and not self._is_message(each))
        return any(map(self._is_message, values)) and not any(
            self._has_key(each) or messages_in(each) is not None for each in others
        )


def _check_lines(name: str, text: str, error: Exception) -> None:
    """Return if a text that is not one JSON value may be lines of JSON.

    Raises:
        SettingsError: its first line is no JSON by itself, so the whole was meant as one value.
    """
    first = next((line for line in text.split("\n") if line.strip()), "")
    try:
        json.loads(first or "{}")
    except (ValueError, RecursionError):
        line = error.lineno if isinstance(error, json.JSONDecodeError) else 1
        raise SettingsError(f"{name}, line {line}: not JSON, nor a DynamoDB item: {EXPECTED}") from None


def _pieces(messages: Sequence[str]) -> Iterator[list[str]]:
    """Yield messages, each JSON, as many together as one item holds."""
    piece, size = list[str](), 0
    for message in messages:
        more = len(message.encode()) + len(", ")
        if piece and size + more > ITEM_BYTES:
            yield piece
            piece, size = [], 0
        piece.append(message)
        size += more
    if piece:
        yield piece


def _image(record: Mapping[str, Any]) -> dict[str, Any]:
    """Return the item of a stream's record, or of a line of an incremental export; what is no object holds nothing."""
    parts = (record.get("Keys"), record["NewImage"])
    return {name: value for part in parts if isinstance(part, Mapping) for name, value in part.items()}


def _is_key(value: object) -> bool:
    """Tell whether a value may be a key attribute's: a string or a number, typed or not."""
    if isinstance(value, Mapping):
        return len(value) == 1 and value.keys() <= {"S", "N"}
    return isinstance(value, str | int) and not isinstance(value, bool) and value != ""


@dataclass(frozen=True, slots=True)
class FileOrigin:
    """A file's items as an origin for a backfill: like an export, it gives the keys.

    Args:
        files: reads it.
        table: where the items are.
    """

    files: Files
    table: str
    live: bool = False

    @property
    def name(self) -> str:
        """What it is, for people and for checkpoints."""
        return f"file {self.files.path} of {self.table}"

    def parts(self) -> Sequence[str]:
        """Name the file; it is one part."""
        return [str(self.files.path)]

    def size(self) -> None:
        """Return nothing: how many there are is known once they are read."""

    def pages(self, part: str, after: object) -> Iterator[Page]:
        """Yield pages; the cursor is how many items and refused conversations were read."""
        start = int(str(after or 0))
        page: list[Item] = []
        refused: list[str] = []
        number = 0
        for number, each in enumerate(self.files.entries(), 1):
            if number > start and isinstance(each, Refused):
                refused.append(str(each))
            elif number > start and not isinstance(each, Refused):
                page.append(each)
            if len(page) + len(refused) == PAGE_ITEMS:
                yield Page(self.table, part, page, number, refused=refused)
                page, refused = [], []
        yield Page(self.table, part, page, None, refused=refused)
