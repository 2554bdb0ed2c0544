"""Two spaces over one database, with everything around them in the test's hands."""

import itertools
import json
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from support.words import SPACE, WordEmbedder

from pipeline.embedding.vectors import Space, Vector
from pipeline.ingest.chunking import Chunker
from pipeline.ingest.notices import Notice
from pipeline.ingest.reconcile import Reconciler
from pipeline.ingest.second_space import Filler
from pipeline.ingest.work import Report
from pipeline.source.documents import EntryHasher, ItemKey
from pipeline.source.layouts import Item, Layouts
from pipeline.source.transitions import ForgetFact
from pipeline.stores.pgvector.connection import Connector
from pipeline.stores.pgvector.mirror import Mirror
from pipeline.stores.pgvector.spaces import Placed, Register, SpaceWatch
from pipeline.stores.pgvector.store import PgVectorStore
from pipeline.stores.pgvector.switching import make_beside, registered

NEXT = Space("next-words", 16)
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
        start = datetime(2026, 11, 1, tzinfo=UTC).isoformat()
        messages = [{"role": "user", "content": text, "timestamp": start} for text in texts]
        found = ItemKey("sessions", "tenant_id", tenant, "session_key", key)
        self.items[found.source] = {
            "tenant_id": {"S": tenant},
            "session_key": {"S": key},
            "messages": {"S": json.dumps(messages)},
        }
        return found

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
    """A database with the current space, and what it takes to have another beside it."""

    def __init__(self, database: Callable[..., str]) -> None:
        self.owner = database()
        self.ingest = database("memory_ingest")
        self.query = database("memory_query")
        self.table = Table()
        self.layouts = Layouts(NAMES, EntryHasher(b"0123456789abcdef"))
        self.embedders: dict[Space, WordEmbedder] = {SPACE: WordEmbedder(), NEXT: TurnedEmbedder(NEXT)}
        self.connector = Connector(lambda: self.ingest)
        self.positions = itertools.count(1)
        self.asking: dict[Space, WordEmbedder] = {}

    @property
    def register(self) -> Register:
        return registered(self.owner)

    def start(self) -> Placed:
        return make_beside(self.owner, NEXT)

    def store(self, space: Space, conninfo: str | None = None) -> PgVectorStore:
        connector = Connector(lambda: conninfo or self.query)
        return PgVectorStore(connector, space, "exact")

    def notice(self, key: ItemKey, *facts: ForgetFact, look: bool = False) -> dict[str, Notice]:
        address = self.layouts.address(key.table, key.to_dynamodb())
        assert address
        position = "" if look else f"s/{next(self.positions):040d}"
        return {key.source: Notice(address, position, facts, look=look)}

    def everything_gone(self) -> tuple[ForgetFact, ...]:
        """A fact that covers whatever is no longer in an item."""
        return (ForgetFact("s/" + "9" * 40),)

    def reconciler(self, space: Space) -> Reconciler:
        parts: Any = (self.layouts, self.table, self.chunker(space), self.embedders[space])
        return Reconciler(*parts, PgVectorStore(self.connector, space, "exact"), lambda _: None)

    def chunker(self, space: Space) -> Chunker:
        return Chunker(
            frozenset(), 256, lambda text, size: re.findall(f".{{1,{size}}}", text, re.DOTALL), space
        )

    def fillers(self) -> list[Filler]:
        register = self.register
        current, beside = register.current, register.beside
        assert current
        if beside is None:
            return []
        return [
            Filler(
                Mirror(self.connector, here, there), self.embedders[there.space], self.chunker(there.space)
            )
            for here, there in ((current, beside), (beside, current))
        ]

    def work(self, notices: Mapping[str, Notice]) -> Report:
        """What the ingest function does with notices, by what it finds current now."""
        current = SpaceWatch(self.connector, lambda: 0.0).register.current
        assert current
        report = self.reconciler(current.space).run(notices)
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
