"""What the unit tests share: builders of items and documents, and collaborators that count."""

import io
import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import boto3
import hypothesis
import pytest
from moto import mock_aws
from support.wiring import wire

from pipeline import bootstrap
from pipeline.aws import Account as ProcessAccount
from pipeline.embedding.vectors import EmbeddingSpace, Usage, Vector, float32
from pipeline.handlers import ingest as ingest_handler
from pipeline.handlers import query as query_handler
from pipeline.handlers import stream as stream_handler
from pipeline.ingest.chunking import Chunker
from pipeline.ingest.notices import Notice
from pipeline.settings import DEFAULT_ATTRIBUTE_NAMES
from pipeline.source.documents import Document, EntryHasher, ItemKey
from pipeline.source.layouts import Item, Layouts
from pipeline.source.transitions import Transition
from pipeline.stores.memory import InMemoryStore
from pipeline.stores.usage import Uncounted

# No clock decides whether a test passes, hypothesis' own ones included.
hypothesis.settings.register_profile(
    "unit", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("unit")

SPACE = EmbeddingSpace("counting", 8)
REGION = "us-east-1"
MESSAGE_KEY = "a message key of enough characters"
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
        key: str = "chat:1", at: str = "", *transitions: Transition, tenant_id: str = "acme", **fields: Any
    ) -> Notice:
        address = layouts.address("sessions", {"tenant_id": {"S": tenant_id}, "session_key": {"S": key}})
        assert address
        return Notice(address, at, transitions, **fields)

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


class Aws:
    """What the functions find in their account, and what they asked of the queues."""

    def __init__(self) -> None:
        self.sqs: Any = boto3.client("sqs", REGION)
        self.dynamodb: Any = boto3.client("dynamodb", REGION)
        self.secrets: Any = boto3.client("secretsmanager", REGION)
        self.queue_url, self.dead_letter_queue_url = (
            self.sqs.create_queue(QueueName=name)["QueueUrl"] for name in ("notices", "dead")
        )
        names = ["tenant_id", "session_key"]
        self.dynamodb.create_table(
            TableName="sessions",
            BillingMode="PAY_PER_REQUEST",
            AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name in names],
            KeySchema=[
                {"AttributeName": name, "KeyType": kind}
                for name, kind in zip(names, ["HASH", "RANGE"], strict=True)
            ],
        )
        self.message_key_arn = self.secret("message-key", MESSAGE_KEY)
        self.requests: list[dict[str, Any]] = []

    def secret(self, name: str, value: str) -> str:
        return str(self.secrets.create_secret(Name=name, SecretString=value)["ARN"])

    def put(self, item: Item) -> None:
        self.dynamodb.put_item(TableName="sessions", Item=item)

    def watched(self, make: Callable[..., Any]) -> Callable[..., Any]:
        """Note what every client asks of the queues."""

        def client(process: ProcessAccount, service: str) -> Any:
            made = make(process, service)
            if service == "sqs":
                made.meta.events.register("provide-client-params.sqs", self._note)
            return made

        return client

    def _note(self, params: dict[str, Any], **_: Any) -> None:
        self.requests.append(params)

    @property
    def sent(self) -> list[dict[str, Any]]:
        """Entries that were sent to the notice queue."""
        return [entry for request in self.requests for entry in request.get("Entries", [])]

    @property
    def dead_lettered(self) -> list[dict[str, Any]]:
        """Messages that were sent to the dead-letter queue."""
        return [request for request in self.requests if request["QueueUrl"] == self.dead_letter_queue_url]

    def bodies(self, queue_url: str) -> list[str]:
        answer = self.sqs.receive_message(QueueUrl=queue_url, MaxNumberOfMessages=10)
        return [message["Body"] for message in answer.get("Messages", [])]


@pytest.fixture
def fresh() -> Iterator[None]:
    """The functions have a new container, whose settings are not read yet."""
    bootstrap.read_from(None)
    yield
    bootstrap.read_from(None)


@pytest.fixture
def aws(fresh: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[Aws]:  # noqa: ARG001  # an order, no value
    """An account of its own, named by the environment as template.yaml does."""
    for name in (
        "AWS_ENDPOINT_URL",
        "AWS_PROFILE",
        "DATABASE_URL",
        "DATABASE_SECRET_ARN",
        "OPENAI_SECRET_ARN",
    ):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_DEFAULT_REGION", REGION)
    with mock_aws():
        account = Aws()
        monkeypatch.setenv("QUEUE_URL", account.queue_url)
        monkeypatch.setenv("DEAD_LETTER_QUEUE_URL", account.dead_letter_queue_url)
        monkeypatch.setenv("MESSAGE_KEY_SECRET_ARN", account.message_key_arn)
        monkeypatch.setattr(ProcessAccount, "client", account.watched(ProcessAccount.client))
        yield account


@pytest.fixture
def index(
    fresh: None,  # noqa: ARG001  # an order, no value
    monkeypatch: pytest.MonkeyPatch,
    store: InMemoryStore,
    embedder: CountingEmbedder,
) -> InMemoryStore:
    """The functions' store, in memory, with the counting embedder before it."""
    monkeypatch.setenv("MIN_CONFIDENCE", "0")  # letters counted in eight dimensions make nobody sure
    wire(monkeypatch, store=store, usage_ledger=Uncounted(), embedder=embedder)
    return store


@pytest.fixture
def logs(monkeypatch: pytest.MonkeyPatch) -> io.StringIO:
    """What the functions write to their logs."""
    stream = io.StringIO()
    for module in (stream_handler, ingest_handler, query_handler):
        monkeypatch.setattr(module.logger.registered_handler, "stream", stream)
    return stream
