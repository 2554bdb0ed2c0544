"""The stores that keep their ledger in DynamoDB, under the laboratory: every call of AWS a point, rows for the oracle.

DynamoDB is in memory, and so is the collection if no real OpenSearch holds it; the stores, the ledger and the client are the product's own. Transactions
take few rows, so that most changes need several.
"""

import json
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from itertools import count
from typing import Any
from uuid import uuid4

import psycopg
from botocore.exceptions import EndpointConnectionError
from opensearchpy.exceptions import ConnectionError, NotFoundError, RequestError  # noqa: A004  # its name

from lab.dynamodb import MemoryDynamoDb
from lab.histories import MEMORY, SESSIONS
from lab.index import SPACE, Fuse, WatchedStore
from lab.oracle import ItemId, Row
from lab.scheduler import EPOCH, Scheduler
from pipeline.errors import StoreUnavailableError
from pipeline.local.opensearch_index import Index
from pipeline.local.opensearch_proxy import Node, NodeIndex
from pipeline.local.opensearch_rules import Refreshes, RefusedError, ServiceRules
from pipeline.source.documents import ItemKey
from pipeline.stores.dynamodb.inventory import DynamoDbInventory
from pipeline.stores.dynamodb.store import DynamoDbStore
from pipeline.stores.inventory import Inventory
from pipeline.stores.ledger.client import Client
from pipeline.stores.ledger.ledger import Ledger, Runtime
from pipeline.stores.opensearch.collection import Collection
from pipeline.stores.opensearch.inventory import OpenSearchInventory
from pipeline.stores.opensearch.queries import index_body
from pipeline.stores.opensearch.store import OpenSearchStore
from pipeline.stores.opensearch.sweep import GRACE
from pipeline.stores.search_requests import Filters

VECTORS, LEDGER, INDEX = "vectors", "ledger", "memories"
MAX_OPS = 16
"""Of a transaction: what a write says besides its mutations takes up to eight, so most writes still need several."""
BLUR = 0.1
"""How often a row of a transaction is seen late."""
REFRESH_SECONDS = 60.0
_RULES = ServiceRules("classic", ready_at=0.0)
AnyStore = DynamoDbStore | OpenSearchStore


class Aws:
    """What all workers share: tables, a collection, and the time.

    Args:
        node: URL of a real OpenSearch that holds the collection; without one it is in memory.
    """

    def __init__(self, node: str | None = None) -> None:
        self._node, self._name = Node(node) if node else None, ""
        self.random = random.Random(0)  # a simulation
        self.latest = EPOCH
        self.later = 0.0
        self.tokens = count(1)
        self.clear()

    def clear(self) -> None:
        """Begin anew."""
        self.random.seed(0)
        self.later, self.latest, self.tokens = 0.0, EPOCH, count(1)
        self.dynamodb = MemoryDynamoDb(lambda _: self.random.random() < BLUR)
        self.index = self._new_index()

    def close(self) -> None:
        """Leave nothing on the real OpenSearch."""
        if self._node and self._name:
            self._node.delete(self._name)
            self._name = ""

    def _new_index(self) -> Index | NodeIndex:
        self.close()
        body, refreshes = index_body(SPACE, "classic"), Refreshes(EPOCH, REFRESH_SECONDS)
        if self._node is None:
            return Index(body, _RULES, refreshes)
        self._name = f"laboratory-{uuid4().hex}"
        return NodeIndex(self._node, self._name, body, _RULES, refreshes)

    def time(self) -> float:
        """Return the time, epoch seconds."""
        return self.latest + self.later


class _Wire:
    """Calls of one service: others run before each, and a blown fuse loses it."""

    def __init__(self, target: Callable[[], Any], before: Callable[[], None]) -> None:
        self._target, self._before = target, before

    def __getattr__(self, name: str) -> Callable[..., Any]:
        def call(**request: Any) -> Any:  # AWS's JSON
            try:
                self._before()
            except psycopg.OperationalError:
                raise EndpointConnectionError(endpoint_url="lab") from None
            return getattr(self._target(), name)(**request)

        return call


class _OpenSearch:
    """As much of opensearch-py's client as a collection uses, on the one index that there is."""

    def __init__(self, aws: Aws, before: Callable[[], None]) -> None:
        self._aws, self._call = aws, before
        self.indices = self

    def exists(self, **_: Any) -> bool:  # its own
        return True

    def bulk(self, *, body: str, index: str) -> Any:  # noqa: ARG002  # JSON
        self._before()
        return self._aws.index.bulk(body, self._aws.time())

    def search(self, *, index: str, body: Mapping[str, Any]) -> Any:  # noqa: ARG002  # JSON
        self._before()
        try:
            return self._aws.index.search(json.loads(json.dumps(body)), self._aws.time())
        except RefusedError as refused:
            error = NotFoundError if refused.status == 404 else RequestError  # HTTP
            raise error(refused.status, refused.reason) from None

    def _before(self) -> None:
        try:
            self._call()
        except psycopg.OperationalError:
            raise ConnectionError("N/A", "lab") from None


class LedgerConnector:
    """One worker's way to the services."""

    def __init__(self, aws: Aws, kind: str, scheduler: Callable[[], Scheduler] | None) -> None:
        self.fuse = Fuse()
        self._aws, self._kind, self._scheduler = aws, kind, scheduler

    @contextmanager
    def connection(self) -> Iterator[None]:
        """Lose an answer, as whoever cuts a connection wants."""
        try:
            yield
        except psycopg.OperationalError:
            raise StoreUnavailableError("the answer was lost") from None

    def close(self) -> None:
        """Keep nothing."""

    def store(self) -> AnyStore:
        """Return the real store."""
        calls, ledger, runtime = self.parts()
        if self._kind == "dynamodb":
            return DynamoDbStore(calls, VECTORS, ledger, SPACE, runtime, map)
        return OpenSearchStore(self.collection(), calls, ledger, SPACE, runtime, map)

    def watched(self) -> WatchedStore:
        """Return it with each of its calls a point."""
        if self._scheduler is None:
            raise RuntimeError("nobody watches the owner")
        return WatchedStore(self.store(), self, self._scheduler)  # type: ignore[arg-type]  # the same, to its users

    def parts(self) -> tuple[Client, Ledger, Runtime]:
        """Return the client, the ledger and the world around them."""
        sleep = self._sleep if self._scheduler else lambda _: None
        runtime = Runtime(
            sleep,
            self._now,
            lambda: f"token {next(self._aws.tokens)}",
        )
        wire = _Wire(lambda: self._aws.dynamodb, self._before)
        calls = Client(wire, sleep, lambda: 0.5)
        return calls, Ledger(calls, LEDGER, SPACE, runtime, MAX_OPS), runtime

    def collection(self) -> Collection:
        """Return the collection."""
        return Collection(_OpenSearch(self._aws, self._before), INDEX, SPACE, "classic")  # type: ignore[arg-type]  # as much as it uses

    def _before(self) -> None:
        """Let others run, and lose the call if the fault profile says so. When time has passed, all that was committed is seen."""
        if self._scheduler:
            self._scheduler().pause()
        before = self._aws.latest
        self._now()
        if self._aws.latest > before:
            self._aws.dynamodb.settle()
        self.fuse.burn()

    def _now(self) -> datetime:
        if self._scheduler:
            self._aws.latest = self._scheduler().now
        return datetime.fromtimestamp(self._aws.time(), UTC)

    def _sleep(self, seconds: float) -> None:
        self._aws.dynamodb.settle()  # whoever waits sees what was committed
        if self._scheduler:
            self._scheduler().pause(seconds)


class LedgerIndex:
    """An index of one of these stores: what :class:`lab.index.Database` is for Postgres.

    Args:
        kind: ``dynamodb`` or ``opensearch``.
        node: URL of a real OpenSearch for it.
    """

    def __init__(self, kind: str, node: str | None = None) -> None:
        self.kind, self._aws = kind, Aws(node)
        self._owner = LedgerConnector(self._aws, kind, None)

    @property
    def inventory(self) -> Inventory:
        """Reads it as it lies there, once all that was written is visible."""
        self._aws.dynamodb.settle()
        self._aws.later += REFRESH_SECONDS + 1
        calls, ledger, _ = self._owner.parts()
        if self.kind == "dynamodb":
            return DynamoDbInventory(calls, VECTORS, ledger, self._owner.store().mend)
        return OpenSearchInventory(self._owner.collection(), ledger, self._owner.store().mend)

    def connector(self, scheduler: Callable[[], Scheduler]) -> LedgerConnector:
        """Return a worker's way to it."""
        return LedgerConnector(self._aws, self.kind, scheduler)

    def clear(self) -> None:
        """Empty it."""
        self._aws.clear()

    def rows(self) -> Sequence[Row]:
        """Return what searches show; and beyond it whatever else is physically there, which the oracle will not like."""
        self._aws.dynamodb.settle()
        early = self._shown()
        self._aws.later += REFRESH_SECONDS + 1
        settled = self._shown()
        self._aws.later += GRACE.total_seconds() + REFRESH_SECONDS
        store = self._owner.store()
        if isinstance(store, OpenSearchStore):
            store.sweep()
        self._aws.later += REFRESH_SECONDS + 1
        shown = self._shown()  # a sweep takes nothing away that counts
        strays = [row for row in early if row not in settled]
        return sorted(
            [*shown, *strays, *self._left_behind(shown)], key=lambda row: (row.tenant, row.user, row.content)
        )

    def waiting(self) -> Sequence[str]:
        """Return the chunks that wait for their vectors: only what is withheld may, once everything is at rest."""
        rows = self._aws.dynamodb.tables.get(LEDGER, {})
        waiting = (
            key
            for key, row in rows.items()
            if not row.get("fingerprint", {"S": "none"})["S"] and row["user_id"]["S"]
        )
        return [f"not embedded: {' '.join(key)}" for key in sorted(waiting)]

    def holds(self, text: str) -> bool:
        """Tell whether a row that counts says just ``text``."""
        if self.kind == "dynamodb":
            return any(
                row["content"]["S"] == text for row in self._aws.dynamodb.tables.get(VECTORS, {}).values()
            )
        rows = self._aws.dynamodb.tables.get(LEDGER, {})
        return any(key[0].startswith("text ") and row["content"]["S"] == text for key, row in rows.items())

    def close(self) -> None:
        """Keep nothing."""
        self._aws.close()

    def _shown(self) -> list[Row]:
        """Return what every user's searches can show."""
        store = self._owner.store()
        users = {
            (row["tenant_id"]["S"], name.removeprefix("user "))
            for (pk, sk), row in self._aws.dynamodb.tables.get(LEDGER, {}).items()
            if pk.startswith("item ") and sk == "ledger"
            for name in json.loads(row.get("subjects", {"S": "[]"})["S"])
            if name.startswith("user ")
        }
        return [row for tenant, user in sorted(users) for row in _shown_to(store, tenant, user)]

    def _left_behind(self, shown: Sequence[Row]) -> list[Row]:
        """Return what is physically there and not shown."""
        if self.kind == "dynamodb":
            items = self.inventory.everything()
            there = [_row(one.tenant_id, one.user_id, one.content, one.source) for one in items]
        else:
            there = [self._document(one) for one in self._aws.index.documents]
        left = list(shown)
        return [row for row in there if row not in left or left.remove(row)]  # type: ignore[func-returns-value]  # takes one of the equal ones

    def _document(self, one: Mapping[str, Any]) -> Row:
        """Return a document as its owner's, whom the ledger names; as it was written if the ledger does not list it."""
        tenant, user, content, source = (
            str(one[name]) for name in ("tenant_id", "user_id", "content", "source")
        )
        place = source, str(one["chunk_id"])
        listed = self._owner.parts()[1].chunks(tenant, [place]).get(place)
        counts = listed is not None and listed.version == one["version"]
        return _row(tenant, listed.user_id if listed and counts else user, content, source)


def _shown_to(store: AnyStore, tenant: str, user: str) -> list[Row]:
    try:
        passages = store.passages(tenant, user, Filters(), 10_000)
    except StoreUnavailableError:
        return [Row(tenant, user, "left half written", ("", "", ""))]  # nothing accounts for this row
    return [Row(tenant, user, one.content, _place(tenant, one.metadata["key"])) for one in passages]


def _row(tenant: str, user: str, content: str, source: str) -> Row:
    return Row(tenant, user, content, ItemKey.values_of(source) or ("", "", ""))


def _place(tenant: str, key: str) -> ItemId:
    return MEMORY if key.startswith("memory:") else SESSIONS, tenant, key
