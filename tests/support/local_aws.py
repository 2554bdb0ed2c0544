"""Stores on DynamoDB over real HTTP: tables of one's own on the local AWS."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import count
from typing import Any
from uuid import uuid4

from botocore.credentials import Credentials
from support.words import SPACE

from pipeline.embedding.vectors import EmbeddingSpace
from pipeline.local.opensearch_server import ACCESS_KEY, SECRET_KEY, OpenSearchServer
from pipeline.stores.dynamodb.store import DynamoDbStore
from pipeline.stores.ledger.client import Client
from pipeline.stores.ledger.ledger import Ledger, Runtime
from pipeline.stores.ledger.transactions import MAX_OPS
from pipeline.stores.opensearch.collection import Collection, connect
from pipeline.stores.opensearch.store import OpenSearchStore

_numbers = count(1)
_threads = ThreadPoolExecutor(4)


def table(client: Any, *names: str) -> str:
    """Make a table whose keys are ``names``; return its own name."""
    name = f"table-{next(_numbers)}"
    client.create_table(
        TableName=name,
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": key, "AttributeType": "S"} for key in names],
        KeySchema=[
            {"AttributeName": key, "KeyType": kind}
            for key, kind in zip(names, ("HASH", "RANGE"), strict=True)
        ],
    )
    return name


def never(seconds: float) -> None:
    """Wait for nothing: nobody else is writing."""


@dataclass
class Tables:
    """The two tables of an index in DynamoDB; every store made here is another function on the same index.

    Args:
        client: boto3's, or what watches it.
        max_ops: of a transaction.
    """

    client: Any
    space: EmbeddingSpace = SPACE
    max_ops: int = MAX_OPS
    now: Any = field(default=lambda: datetime.now(UTC))
    vectors: str = ""
    ledger: str = ""

    def __post_init__(self) -> None:
        self.vectors = self.vectors or table(self.client, "tenant_id", "session_key")
        self.ledger = self.ledger or table(self.client, "pk", "sk")

    @property
    def runtime(self) -> Runtime:
        return Runtime(never, self.now, lambda: uuid4().hex)

    def calls(self, client: Any = None) -> Client:
        return Client(client or self.client, never, lambda: 0.5)

    def books(self, client: Any = None) -> Ledger:
        return Ledger(self.calls(client), self.ledger, self.space, self.runtime, self.max_ops)

    def opensearch(self, server: OpenSearchServer, index: str, client: Any = None) -> OpenSearchStore:
        """Return a store on an index of the local OpenSearch, with its ledger here."""
        credentials = Credentials(ACCESS_KEY, SECRET_KEY)
        connection = connect(server.endpoint, "us-east-1", credentials)
        collection = Collection(connection, index, self.space, server.generation)
        parts = self.calls(client), self.books(client), self.space, self.runtime, _threads.map
        return OpenSearchStore(collection, *parts)

    def store(self, client: Any = None) -> DynamoDbStore:
        return DynamoDbStore(
            self.calls(client), self.vectors, self.books(client), self.space, self.runtime, _threads.map
        )
