"""The pipeline in memory, without queues: what is saved is ingested at once, with the transition its record would bring."""

import math
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from itertools import count
from typing import Any

from support.words import SPACE, WordEmbedder

from pipeline.ingest.chunking import Chunker
from pipeline.ingest.forget_executor import ForgetExecutor
from pipeline.ingest.notices import Notice
from pipeline.ingest.reconcile import Reconciler
from pipeline.ingest.splitting import split_markdown
from pipeline.operations.audit.audit import Audit, AuditReport
from pipeline.search.memory_search import MemorySearch
from pipeline.search.wanted import Wanted
from pipeline.settings import DEFAULT_ATTRIBUTE_NAMES
from pipeline.source.documents import EntryHasher, ItemKey
from pipeline.source.layouts import Item, Layouts
from pipeline.source.transitions import Transition, TransitionReader
from pipeline.stores.forget_requests import ForgetRequest
from pipeline.stores.inventory import LyingRow, StoredChunk, StoredItem
from pipeline.stores.memory import InMemoryStore
from pipeline.stores.message_rows import MessageRow

KEYS = {
    "sessions": ("tenant_id", "session_key"),
    "memory": ("tenant_id", "sk"),
    "new-sessions": ("tenant_id", "session_key"),
    "new-memory": ("tenant_id", "sk"),
}


class SmallPipeline:
    """Tables, an index, and what stands between them."""

    def __init__(
        self, key: bytes = b"sixteen secret b", start: float = 1_790_000_000.0, store: Any = None
    ) -> None:
        self.layouts = Layouts(DEFAULT_ATTRIBUTE_NAMES, EntryHasher(key))
        self.store: Any = InMemoryStore(SPACE) if store is None else store
        self.items: dict[tuple[str, str, str], Item] = {}
        self.reader = TransitionReader("keep", "keep", frozenset({"system", "tool"}))
        chunker = Chunker(frozenset({"system", "tool"}), 64, split_markdown, SPACE)
        parts = (self.layouts, self, chunker, WordEmbedder(), self.store, lambda _: None)
        self.clock = start
        self.reconciler = Reconciler(*parts, now=lambda: datetime.fromtimestamp(self.clock, UTC))
        self.forgetter = ForgetExecutor(self.store, self.reconciler, self.layouts, _NoQueue())  # type: ignore[arg-type]  # nothing is retried
        self.recall = MemorySearch(WordEmbedder(), self.store)
        self.deaf = False
        self.planted: list[LyingRow] = []
        """Rows that nobody of ours wrote, and only a look at what lies there finds."""
        self._positions = count(1)

    # As SourceTable.

    def get(self, key: ItemKey) -> Item | None:
        return self.items.get((key.table, key.hash_value, key.range_value))

    def scan(self, table: str, segment: int, segments: int) -> Iterator[Item]:  # noqa: ARG002  # as the real one
        yield from [] if segment else [item for (name, *_), item in self.items.items() if name == table]

    def key_names(self, table: str) -> tuple[str, str]:
        return KEYS[table]

    def key_types(self, table: str) -> tuple[str, str]:  # noqa: ARG002  # as the real one
        return "S", "S"

    # As ItemWriter.

    def put(self, table: str, item: Item, before: Item | None = None, attribute: str = "") -> bool:
        there = self.items.get(self._name(table, item))
        if attribute and (there or {}).get(attribute) != (before or {}).get(attribute):
            return False
        self._changed(table, there, item, expired=False)
        return True

    # As an inventory.

    def rows(self, sources: Sequence[str]) -> Sequence[StoredChunk]:
        return [row for row in self.everything() if row.source in sources]

    def everything(self) -> Iterator[StoredChunk]:
        return (
            StoredChunk(tenant, row.source, one.id, one.user_id, one.text, one.members, one.status)
            for (tenant, _), row in self.store._rows.items()
            for one in [row.chunk]
        )

    def items_of_ledger(self) -> Iterator[StoredItem]:
        for (tenant_id, source), entry in self.store._ledger.items():
            yield tenant_id, source, entry.key, entry.facts, None

    def messages(self, sources: Sequence[str]) -> Sequence[tuple[str, str, MessageRow]]:
        return [
            (tenant, source, row)
            for (tenant, source), entry in self.store._ledger.items()
            if source in sources
            for row in entry.messages.values()
        ]

    # What happens.

    def expire(self, table: str, item: Item) -> None:
        self._changed(table, item, None, expired=True)

    def delete(self, table: str, item: Item) -> None:
        self._changed(table, item, None, expired=False)

    def forget(self, tenant: str, user: str | None = None, session: str | None = None) -> ForgetRequest:
        """Forget what was saved up to now."""
        self.clock += 2.0
        asked_at = datetime.fromtimestamp(math.floor(self.clock), UTC)
        request = ForgetRequest(f"request-{next(self._positions)}", tenant, asked_at, user, session)
        self.forgetter.carry_out(request)
        return request

    def audit(self) -> AuditReport:
        tables = sorted({name for name, *_ in self.items} or {"sessions"})
        return Audit(self, self.layouts, self.reconciler, self.inventory, lambda: None).run(tables, 1)

    @property
    def inventory(self) -> Any:
        return _Inventory(self)

    def answers(self, tenant: str, user: str, *questions: str) -> list[list[tuple[str, float]]]:
        return [
            [
                (hit.hit.content, round(hit.score, 6))
                for hit in self.recall.search(
                    tenant, user, question, 5, wanted=Wanted(min_confidence=0.0)
                ).passages
            ]
            for question in questions
        ]

    def _changed(self, table: str, old: Item | None, new: Item | None, *, expired: bool) -> None:
        item = new or old
        assert item
        if new is None:
            self.items.pop(self._name(table, item))
        else:
            self.items[self._name(table, item)] = new
        address = self.layouts.address(table, item)
        assert address
        transition = self._transition(table, old, new, expired=expired)
        notice = Notice(address, transition.position, (transition,), saved_at=transition.at)
        if not self.deaf:
            assert not self.reconciler.run({address.key.source: notice}).failures

    def _transition(self, table: str, old: Item | None, new: Item | None, *, expired: bool) -> Transition:
        before = self.layouts.parse(table, old) if old else None
        self.clock += 2.0
        at, position = math.floor(self.clock), f"1/{next(self._positions):040}"
        if new is None:
            return self.reader.removal(before, expired=expired, at=at, position=position)
        after = self.layouts.parse(table, new)
        return self.reader.rewrite(before, after, inserted=old is None, at=at, position=position)

    @staticmethod
    def _name(table: str, item: Item) -> tuple[str, str, str]:
        first, second = KEYS[table]
        return table, item[first]["S"], item[second]["S"]


class _NoQueue:
    def send(self, notices: Sequence[Notice]) -> frozenset[str]:
        raise AssertionError(notices)


class _Inventory:
    """The inventory alone: the pipeline's items are the tables'."""

    def __init__(self, pipeline: SmallPipeline) -> None:
        self._pipeline = pipeline
        self.rows, self.everything, self.messages = pipeline.rows, pipeline.everything, pipeline.messages

    def lying(self, tenant_id: str) -> Iterator[LyingRow]:
        for row in self.everything():
            if row.tenant_id == tenant_id:
                yield LyingRow("index", row.source, row.id, row.user_id, row.content)
        yield from self._pipeline.planted

    def items(self) -> Iterator[StoredItem]:
        return self._pipeline.items_of_ledger()

    def remove(self, tenant_id: str, ids: Sequence[str]) -> None:
        raise AssertionError((tenant_id, ids))

    def mend(self, tenant_id: str, source: str, ids: Sequence[str]) -> None:
        raise AssertionError((tenant_id, source, ids))
