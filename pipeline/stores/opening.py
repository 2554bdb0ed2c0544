"""Opens the store that the settings name; imports no more than that one needs."""

import random
import time
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from pipeline.embedding.vectors import EmbeddingSpace
from pipeline.settings import Settings
from pipeline.stores.inventory import Inventory
from pipeline.stores.protocol import Store
from pipeline.stores.usage import UsageBook, UsageLedger

if TYPE_CHECKING:
    from pipeline.stores.ledger.client import Client
    from pipeline.stores.ledger.ledger import Ledger, Runtime

THREADS = 8
"""Reads of a large memory at once."""


class LedgerBacked:
    """What keeps its ledger in DynamoDB, made from settings.

    Args:
        dynamodb: makes boto3's client.
        collection_credentials: gives region and credentials for OpenSearch.
    """

    def __init__(
        self,
        settings: Settings,
        dynamodb: Callable[[], Any],
        collection_credentials: Callable[[], tuple[str, Any]],
    ) -> None:
        self._settings, self._chosen = settings, settings.store
        self._dynamodb, self._credentials = dynamodb, collection_credentials
        self._space = EmbeddingSpace(settings.embedding.model, settings.embedding.dimensions)

    def store(self) -> Store:
        """Return the store."""
        map_concurrently: Any = ThreadPoolExecutor(THREADS).map
        client, ledger, runtime = self._parts()
        if self._chosen.name == "dynamodb":
            from pipeline.stores.dynamodb.store import DynamoDbStore  # noqa: PLC0415  # numpy takes a while to import

            table = self._chosen.require("vector_table")
            return DynamoDbStore(client, table, ledger, self._space, runtime, map_concurrently)
        from pipeline.stores.opensearch.store import OpenSearchStore  # noqa: PLC0415  # not needed otherwise

        return OpenSearchStore(self._collection(), client, ledger, self._space, runtime, map_concurrently)

    def sweep(self) -> int:
        """Delete what the index holds and the ledger does not list; return how many. Only OpenSearch has such."""
        if self._chosen.name != "opensearch":
            return 0
        from pipeline.stores.opensearch.store import OpenSearchStore  # noqa: PLC0415  # not needed otherwise

        store = self.store()
        return store.sweep() if isinstance(store, OpenSearchStore) else 0

    def inventory(self) -> Inventory:
        """Return what reads the index as it lies there."""
        client, ledger, _ = self._parts()
        if self._chosen.name == "dynamodb":
            from pipeline.stores.dynamodb.inventory import DynamoDbInventory  # noqa: PLC0415  # the same

            return DynamoDbInventory(client, self._chosen.require("vector_table"), ledger)
        from pipeline.stores.opensearch.inventory import OpenSearchInventory  # noqa: PLC0415  # the same

        return OpenSearchInventory(self._collection(), ledger)

    def usage(self, model: str, dollars_per_million_tokens: float | None, cap: int | None) -> UsageLedger:
        """Return what counts the tokens asked of a model."""
        from pipeline.stores.ledger.usage import DynamoDbUsageLedger  # noqa: PLC0415  # not needed otherwise

        client, ledger, _ = self._parts()
        return DynamoDbUsageLedger(client, ledger.table, model, dollars_per_million_tokens, cap)

    def usage_book(self) -> UsageBook:
        """Return what reads the counts of all tenants."""
        from pipeline.stores.ledger.usage import DynamoDbUsageBook  # noqa: PLC0415  # not needed otherwise

        client, ledger, _ = self._parts()
        return DynamoDbUsageBook(client, ledger.table)

    def _parts(self) -> "tuple[Client, Ledger, Runtime]":
        from pipeline.stores.ledger.client import Client  # noqa: PLC0415  # not needed with Postgres
        from pipeline.stores.ledger.ledger import Ledger, Runtime  # noqa: PLC0415  # the same

        client = Client(self._dynamodb(), time.sleep, random.random)
        runtime = Runtime(time.sleep, lambda: datetime.now(UTC), lambda: uuid.uuid4().hex)
        ledger = Ledger(client, self._chosen.require("ledger_table"), self._space, runtime)
        return client, ledger, runtime

    def _collection(self) -> Any:  # noqa: ANN401  # imported only where it is needed
        from pipeline.stores.opensearch.collection import Collection, connect  # noqa: PLC0415  # not needed otherwise

        client = connect(self._chosen.require("endpoint"), *self._credentials())
        return Collection(client, self._chosen.index, self._space, self._chosen.generation)
