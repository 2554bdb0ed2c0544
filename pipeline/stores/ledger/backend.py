"""What backends share that keep their ledger in DynamoDB."""

import random
import time
import uuid
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

from pipeline.embedding.providers import space_of
from pipeline.stores.backend import Backend
from pipeline.stores.ledger.client import Client
from pipeline.stores.ledger.ledger import Ledger, Runtime
from pipeline.stores.ledger.usage import DynamoDbUsageBook, DynamoDbUsageLedger
from pipeline.stores.usage import UsageBook, UsageLedger

THREADS = 8
"""Reads of a large memory at once."""


class LedgerBackend(Backend):
    """Opens the ledger; where the chunks are is for each backend to say."""

    def usage_ledger(
        self, model: str, dollars_per_million_tokens: float | None, cap: int | None = None
    ) -> UsageLedger:
        """Return what counts in the ledger's table."""
        client, ledger, _ = self.parts()
        return DynamoDbUsageLedger(client, ledger.table, model, dollars_per_million_tokens, cap)

    def usage_book(self) -> UsageBook:
        """Return what reads the counts; it scans the ledger's table."""
        client, ledger, _ = self.parts()
        return DynamoDbUsageBook(client, ledger.table)

    def parts(self) -> tuple[Client, Ledger, Runtime]:
        """Return client, ledger and clock for one who needs them."""
        client = Client(self.account.client("dynamodb"), time.sleep, random.random)
        runtime = Runtime(time.sleep, lambda: datetime.now(UTC), lambda: uuid.uuid4().hex)
        table, space = self.settings.store.require("ledger_table"), space_of(self.settings.embedding)
        return client, Ledger(client, table, space, runtime), runtime

    def mend(self, tenant_id: str, source: str, ids: Sequence[str]) -> None:
        """Mend what an inventory found, with a store of its own."""
        store: Any = self.store()
        store.mend(tenant_id, source, ids)


def concurrently() -> Callable[..., Any]:
    """Return a ``map`` that does some at once."""
    return ThreadPoolExecutor(THREADS).map
