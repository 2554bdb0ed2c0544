"""What the unit tests share: builders of items and documents, and collaborators that count."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import hypothesis
import pytest

from pipeline.embedding.vectors import Space, Usage, Vector, float32
from pipeline.ingest.chunking import Chunker
from pipeline.ingest.notices import Notice
from pipeline.settings import DEFAULT_ATTRIBUTE_NAMES
from pipeline.source.documents import Document, EntryHasher, ItemKey
from pipeline.source.layouts import Item, Layouts
from pipeline.source.transitions import ForgetFact
from pipeline.stores.memory import InMemoryStore

# No clock decides whether a test passes, hypothesis' own ones included.
hypothesis.settings.register_profile(
    "unit", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("unit")

SPACE = Space("counting", 8)
EVENTS = Path(__file__).parent.parent / "events"


class CountingEmbedder:
    """Embeds by counting letters, and remembers what it was asked for.

    ``error`` is raised at every call; ``refused`` is raised where ``refuses`` stands in a text.
    """

    space = SPACE

    def __init__(self) -> None:
        self.usage = Usage()
        self.calls: list[list[str]] = []
        self.error: Exception | None = None
        self.refuses: str | None = None
        self.refused: Exception | None = None

    @property
    def texts(self) -> list[str]:
        return [text for call in self.calls for text in call]

    def embed(self, texts: Sequence[str]) -> Sequence[Vector]:
        self.usage.requests += 1
        if self.error:
            raise self.error
        if self.refused and any(self.refuses in text for text in texts):
            raise self.refused
        self.calls.append(list(texts))
        self.usage.tokens += sum(len(text) for text in texts)
        return [_letters(text) for text in texts]


def _letters(text: str) -> Vector:
    counts = [1.0] * SPACE.dimensions
    for character in text.lower():
        counts[ord(character) % SPACE.dimensions] += 1.0
    return float32(counts)


@pytest.fixture
def embedder() -> CountingEmbedder:
    return CountingEmbedder()


@pytest.fixture
def store() -> InMemoryStore:
    return InMemoryStore(SPACE)


@pytest.fixture(scope="session")
def layouts() -> Layouts:
    return Layouts(DEFAULT_ATTRIBUTE_NAMES, EntryHasher(b"sixteen secret b"))


@pytest.fixture(scope="session")
def chunker() -> Chunker:
    """Cuts long texts at fixed places: what a splitter does with meaning is not these tests' business."""
    return Chunker(frozenset({"system", "tool"}), 64, _cut, SPACE)


def _cut(text: str, max_tokens: int) -> list[str]:
    return [text[start : start + max_tokens] for start in range(0, len(text), max_tokens)]


@pytest.fixture(scope="session")
def session_item() -> Callable[..., Item]:
    """Build a session item; messages are (role, content) or dictionaries."""

    def build(*messages: Any, tenant_id: str = "acme", key: str = "chat:1", **strings: str) -> Item:
        rows = [_message(message) for message in messages]
        fields = {"tenant_id": tenant_id, "session_key": key, **strings}
        return {**{name: {"S": value} for name, value in fields.items()}, "messages": {"S": json.dumps(rows)}}

    return build


def _message(message: Any) -> Any:
    return {"role": message[0], "content": message[1]} if isinstance(message, tuple) else message


@pytest.fixture(scope="session")
def session(layouts: Layouts, session_item: Callable[..., Item]) -> Callable[..., Document]:
    """Build a session document, parsed from an item."""

    def build(*messages: Any, **options: str) -> Document:
        document = layouts.parse("sessions", session_item(*messages, **options))
        assert document
        return document

    return build


@pytest.fixture(scope="session")
def notice_of(layouts: Layouts) -> Callable[..., Notice]:
    """Build a notice about an item of the sessions table."""

    def build(
        key: str = "chat:1", at: str = "", *facts: ForgetFact, tenant_id: str = "acme", **fields: Any
    ) -> Notice:
        address = layouts.address("sessions", {"tenant_id": {"S": tenant_id}, "session_key": {"S": key}})
        assert address
        return Notice(address, at, facts, **fields)

    return build


@pytest.fixture(scope="session")
def event() -> Callable[[str], dict[str, Any]]:
    """Read a payload as AWS delivers it."""
    return lambda name: json.loads((EVENTS / f"{name}.json").read_text("utf-8"))


class Table:
    """The chat app's tables as a dictionary: source → item. Counts reads."""

    def __init__(self) -> None:
        self.items: dict[str, Item] = {}
        self.reads: list[str] = []
        self.errors: dict[str, Exception] = {}
        self.on_read: Callable[[], None] | None = None

    def put(self, item: Item, table: str = "sessions") -> None:
        key = ItemKey(table, "tenant_id", item["tenant_id"]["S"], "session_key", item["session_key"]["S"])
        self.items[key.source] = item

    def get(self, key: ItemKey) -> Item | None:
        self.reads.append(key.source)
        if self.on_read:
            self.on_read()
        if key.source in self.errors:
            raise self.errors[key.source]
        return self.items.get(key.source)


@pytest.fixture
def table() -> Table:
    return Table()
