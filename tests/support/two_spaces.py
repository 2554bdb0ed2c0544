"""Two spaces over one database, with everything around them in the test's hands."""

import itertools
import json
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from support.words import SPACE, WordEmbedder

from pipeline.embedding.vectors import EmbeddingSpace, Vector
from pipeline.ingest.chunking import Chunker
from pipeline.ingest.forget_executor import ForgetExecutor
from pipeline.ingest.notices import Notice
from pipeline.ingest.reconcile import Reconciler
from pipeline.ingest.standby_filler import Filler
from pipeline.ingest.work import Report
from pipeline.source.documents import EntryHasher, ItemKey
from pipeline.source.layouts import Item, Layouts
from pipeline.source.transitions import Reason, Transition
from pipeline.stores.forget_requests import ForgetRequest, Forgotten
from pipeline.stores.pgvector.connection import Connector
from pipeline.stores.pgvector.cutover import make_standby, registered
from pipeline.stores.pgvector.space_copy import SpaceCopy
from pipeline.stores.pgvector.spaces import Register, RegisteredSpace, SpaceWatch
from pipeline.stores.pgvector.store import PgVectorStore

NEXT = EmbeddingSpace("next-words", 16)
"""Of the same length: a mistake would show in the answers, not in an error of the database."""
NAMES = {
    name: name
    for name in ("tenant_id", "session_key", "pk", "sk", "user_id", "messages", "content", "created_at", "updated_at", "ttl")
}  # fmt: skip


class TurnedEmbedder(WordEmbedder):
    """Its vectors say the same, and mean nothing in the other space: every coordinate is another one's."""

    def _vector(self, text: str) -> Vector:
        values = super()._vector(text)
        return [*values[7:], *values[:7]]


class Table:
    """The chat app's sessions."""

    def __init__(self) -> None:
        self.items: dict[str, Item] = {}

    def save(self, key: str, *texts: str, tenant: str = "acme") -> ItemKey:
        found = ItemKey("sessions", "tenant_id", tenant, "session_key", key)
        self.items[found.source] = self.written(found, *texts)
        return found

    def written(self, key: ItemKey, *texts: str) -> Item:
        start = datetime(2026, 11, 1, tzinfo=UTC).isoformat()
        messages = [{"role": "user", "content": text, "timestamp": start} for text in texts]
        return {**key.to_dynamodb(), "messages": {"S": json.dumps(messages)}}

    def get(self, key: ItemKey) -> Item | None:
        return self.items.get(key.source)


class Queue:
    """Hands each notice to a worker at once."""

    def __init__(self, work: Callable[[Mapping[str, Notice]], object]) -> None:
        self.work = work
        self.sent: list[Notice] = []

    def send(self, notices: Sequence[Notice]) -> frozenset[str]:
        self.sent += notices
        self.work({notice.address.key.source: notice for notice in notices})
        return frozenset()

    def depth(self) -> int:
        return 0


class Two:
    """A database with the active space, and what it takes to have another beside it."""

    def __init__(self, database: Callable[..., str]) -> None:
        self.owner = database()
        self.ingest = database("memory_ingest")
        self.query = database("memory_query")
        self.table = Table()
        self.layouts = Layouts(NAMES, EntryHasher(b"0123456789abcdef"))
        self.embedders: dict[EmbeddingSpace, WordEmbedder] = {
            SPACE: WordEmbedder(),
            NEXT: TurnedEmbedder(NEXT),
        }
        self.connector = Connector(lambda: self.ingest)
        self.positions = itertools.count(1)
        self.asking: dict[EmbeddingSpace, WordEmbedder] = {}

    @property
    def register(self) -> Register:
        return registered(self.owner)

    def start(self) -> RegisteredSpace:
        return make_standby(self.owner, NEXT)

    def store(self, space: EmbeddingSpace, conninfo: str | None = None) -> PgVectorStore:
        connector = Connector(lambda: conninfo or self.query)
        return PgVectorStore(connector, space, "exact")

    def notice(self, key: ItemKey, *transitions: Transition, look: bool = False) -> dict[str, Notice]:
        address = self.layouts.address(key.table, key.to_dynamodb())
        assert address
        position = "" if look else f"s/{next(self.positions):040d}"
        return {key.source: Notice(address, position, transitions, force_read=look)}

    def gone(self, key: ItemKey, reason: Reason, *texts: str) -> Transition:
        """A change newer than all that took these texts away."""
        named = self.layouts.parse(key.table, Table().written(key, *texts))
        assert named
        names = {entry.id: (1, 0) for entry in named.entries}
        return Transition(f"s/{next(self.positions):040d}", None, "modified", reason, gone=names)

    def everything_gone(self) -> Transition:
        """A change newer than all that deleted whatever is no longer in an item."""
        return Transition("s/" + "9" * 40, None, "modified", "removed", everything=True)

    def reconciler(self, space: EmbeddingSpace) -> Reconciler:
        parts: Any = (self.layouts, self.table, self.chunker(space), self.embedders[space])
        return Reconciler(*parts, PgVectorStore(self.connector, space, "exact"), lambda _: None)

    def forget(self, request: ForgetRequest, space: EmbeddingSpace = SPACE) -> Forgotten:
        """Carry a request out in the space that is active."""
        store = PgVectorStore(self.connector, space, "exact")
        queue: Any = Queue(self.work)
        return ForgetExecutor(store, self.reconciler(space), self.layouts, queue).carry_out(request)

    def chunker(self, space: EmbeddingSpace) -> Chunker:
        return Chunker(
            frozenset(), 256, lambda text, size: re.findall(f".{{1,{size}}}", text, re.DOTALL), space
        )

    def fillers(self) -> list[Filler]:
        register = self.register
        active, standby = register.active, register.standby
        assert active
        if standby is None:
            return []
        return [
            Filler(
                SpaceCopy(self.connector, here, there), self.embedders[there.space], self.chunker(there.space)
            )
            for here, there in ((active, standby), (standby, active))
        ]

    def work(self, notices: Mapping[str, Notice]) -> Report:
        """What the ingest function does with notices, by what it finds active now."""
        active = SpaceWatch(self.connector, lambda: 0.0).register.active
        assert active
        report = self.reconciler(active.space).run(notices)
        for filler in self.fillers():
            done = {source: one.address.tenant_id for source, one in notices.items()}
            report.failures.update(
                filler.fill(
                    {source: tenant for source, tenant in done.items() if source not in report.failures}
                )
            )
        return report

    def save(self, key: str, *texts: str) -> ItemKey:
        found = self.table.save(key, *texts)
        self.work(self.notice(found))
        return found
