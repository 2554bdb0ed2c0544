"""Rows that somebody deleted, of stores that list them apart: the audit finds them, and its repair mends what can be."""

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest

from lab.index import SPACE
from lab.ledger_index import LEDGER, VECTORS, LedgerIndex
from pipeline.embedding.vectors import Usage, float32
from pipeline.errors import LostTextError
from pipeline.ingest.chunking import Chunker
from pipeline.ingest.notices import Notice
from pipeline.ingest.reconcile import Reconciler
from pipeline.operations.audit.audit import Audit, AuditReport, repair
from pipeline.settings import DEFAULT_ATTRIBUTE_NAMES
from pipeline.source.documents import EntryHasher, ItemKey
from pipeline.source.layouts import Item, Layouts
from pipeline.source.transitions import Transition
from pipeline.stores.dynamodb.inventory import DynamoDbInventory
from pipeline.stores.ledger.ledger import Ledger
from pipeline.stores.opensearch.queries import SHOWN
from pipeline.stores.search_requests import Filters

SOURCE = '["sessions", "acme", "chat:1"]'
KEY = {"tenant_id": {"S": "acme"}, "session_key": {"S": "chat:1"}}
ANSWER = "no" * 80
"""So much longer than its question that both are one chunk."""


def role_of(text: str) -> str:
    """Answers begin with ``no``."""
    return "assistant" if text.startswith("no") else "user"


class Embedder:
    space = SPACE

    def __init__(self) -> None:
        self.usage = Usage()

    def embed(self, texts: Sequence[str]) -> Any:
        return [float32([1.0] * SPACE.dimensions) for _ in texts]


@dataclass
class World:
    """One session, its index in memory, and ingest.

    Args:
        max_tokens: of a chunk: of 1, every message is one of its own.
    """

    index: LedgerIndex
    max_tokens: int = 1
    item: Item | None = None
    sent: list[Notice] = field(default_factory=list)
    number: int = 0

    def __post_init__(self) -> None:
        self.layouts = Layouts(DEFAULT_ATTRIBUTE_NAMES, EntryHasher(b"a secret of this world"))
        self.store: Any = self.index._owner.store()
        chunker = Chunker(frozenset({"system"}), self.max_tokens, lambda text, _: [text], SPACE)
        self.reconciler = Reconciler(self.layouts, self, chunker, Embedder(), self.store, lambda _: None)

    # The tables, and the queue.

    def get(self, key: ItemKey) -> Item | None:  # noqa: ARG002  # there is one
        return self.item

    def scan(self, table: str, segment: int, segments: int) -> Iterator[Item]:  # noqa: ARG002  # as the real one
        yield from [] if segment or self.item is None else [self.item]

    def key_names(self, table: str) -> tuple[str, str]:  # noqa: ARG002  # as the real one
        return "tenant_id", "session_key"

    def key_types(self, table: str) -> tuple[str, str]:  # noqa: ARG002  # as the real one
        return "S", "S"

    def send(self, notices: Sequence[Notice]) -> frozenset[str]:
        self.sent += notices
        return frozenset()

    # What happens.

    def save(self, *texts: str, expires_at: int | None = None, **transition: Any) -> None:
        said = [{"role": role_of(text), "content": text} for text in texts]
        self.item = {**KEY, "user_id": {"S": "mika"}, "messages": {"S": json.dumps(said)}}
        self.item |= {"ttl": {"N": str(expires_at)}} if expires_at else {}
        self.number += 1
        self.last = self.notice(Transition(str(self.number), None, "modified", **transition))
        self.failures = self.reconciler.run({SOURCE: self.last}).failures

    def notice(self, *transitions: Transition) -> Notice:
        address = self.layouts.address("sessions", KEY)
        assert address
        return Notice(address, str(self.number), transitions)

    def ingest(self, notice: Notice) -> None:
        assert self.reconciler.run({SOURCE: notice}).failures == {}

    def name_of(self, text: str) -> str:
        said = json.dumps([{"role": role_of(text), "content": text}])
        document = self.layouts.parse("sessions", {**KEY, "messages": {"S": said}})
        assert document
        return document.entries[0].id

    def audit(self) -> AuditReport:
        return Audit(self, self.layouts, self.reconciler, self.index.inventory, lambda: None).run(
            ["sessions"]
        )

    def kinds(self) -> list[str]:
        return [finding.kind for finding in self.audit().findings]

    def mend(self) -> None:
        """Repair what an audit finds, and have ingest look as the notices say."""
        assert repair(self.audit(), self, self.index.inventory) == 0
        for notice in self.sent:
            self.ingest(notice)
        self.sent.clear()

    def found(self) -> list[str]:
        assert self.index.inventory  # all that was written is visible
        store = self.index._owner.store()  # with nothing in its cache
        assert self.failures == {}
        passages = store.passages("acme", "mika", Filters(), 100)
        return sorted(passage.content.rpartition(" ")[2] for passage in passages)

    def waiting(self) -> Sequence[str]:
        return self.index.waiting()

    # What somebody does to the rows.

    def lose_row(self, text: str) -> None:
        """Delete the row that searches read."""
        if self.index.kind == "dynamodb":
            rows = self.index._aws.dynamodb.tables[VECTORS]
            [key] = [key for key, row in rows.items() if row["content"]["S"].endswith(text)]
            del rows[key]
            return
        assert self.index.inventory  # it can be deleted when it is searchable
        collection = self.index._owner.collection()
        found = [one for page in collection.walk([], ({"chunk_id": "asc"},), SHOWN) for one in page]
        collection.remove([one.document_id for one in found if one.content.endswith(text)])

    def lose_text(self, text: str) -> None:
        """Delete the text that is kept beside the ledger."""
        rows = self.index._aws.dynamodb.tables[LEDGER]
        [key] = [
            key
            for key, row in rows.items()
            if key[0].startswith("text ") and row["content"]["S"].endswith(text)
        ]
        del rows[key]


@pytest.fixture(params=["dynamodb", "opensearch"])
def world(request: pytest.FixtureRequest) -> Iterator[World]:
    index = LedgerIndex(request.param)
    yield World(index)
    index.close()


def test_a_lost_row_of_what_the_item_says_is_found_again(world: World) -> None:
    world.save("one", "two")
    assert (world.found(), world.kinds()) == (["one", "two"], [])
    world.lose_row("two")
    assert (world.found(), world.kinds()) == (["one"], ["missing"])
    world.mend()
    assert (world.found(), world.kinds(), world.waiting()) == (["one", "two"], [], [])


def keep_and_lose(world: World, lose: Callable[[World, str], None]) -> None:
    """Have ``one`` capped, and lose what the index alone says of it."""
    world.save("one", "two")
    world.save("two", reason="capped", gone={world.name_of("one"): (1, 0)})
    assert (world.found(), world.kinds()) == (["one", "two"], [])
    lose(world, "one")
    assert world.kinds() == ["missing"]


def test_of_a_kept_text_opensearch_has_a_second_copy_and_dynamodb_has_none(world: World) -> None:
    keep_and_lose(world, World.lose_row)
    world.mend()
    kept, told = {"dynamodb": ([], ["lost"]), "opensearch": (["one"], [])}[world.index.kind]
    assert (world.found(), world.kinds(), world.waiting()) == ([*kept, "two"], told, [])


def test_a_memory_of_which_a_row_was_lost_is_whole_again_for_the_cache_of_searches(world: World) -> None:
    world.save("one", "two")
    world.lose_row("two")
    world.mend()
    assert world.found() == ["one", "two"]
    state = world.store._ledger.state("acme", "mika")
    assert (state.chunks, state.applying) == (2, False)
    assert world.store.wait_until_searchable("acme", "mika", 0.0)


@pytest.mark.parametrize(("store", "lose"), [("dynamodb", World.lose_row), ("opensearch", World.lose_text)])
def test_a_notice_that_needs_a_lost_text_comes_again_and_is_applied_after_the_repair(
    store: str, lose: Callable[[World, str], None]
) -> None:
    """An exchange of which the answer is removed, while the text that its question is to be taken from is gone.

    OpenSearch takes it from the document that searches find.
    """
    world = World(LedgerIndex(store), max_tokens=500)
    world.save("one", ANSWER)
    lose(world, ANSWER)
    world.save("one", "two", reason="removed", gone={world.name_of(ANSWER): (1, 0)})
    assert {source: type(error) for source, error in world.failures.items()} == {SOURCE: LostTextError}
    assert world.kinds() == ["missing"]
    world.mend()
    world.ingest(world.last)  # out of the dead-letter queue
    world.failures = {}
    assert (world.found(), world.kinds(), world.waiting()) == (["one", "two"], [], [])


def test_nothing_is_mended_that_is_whole(world: World) -> None:
    world.save("one", "two")
    before = world.store.read("acme", {SOURCE: frozenset()})[SOURCE].revision
    ids = [chunk.id for chunk in world.store.detail("acme", {SOURCE: None})[SOURCE].chunks]
    world.index.inventory.mend("acme", SOURCE, [*ids, "00000000-0000-0000-0000-000000000001"])
    world.index.inventory.mend("acme", '["sessions", "acme", "nobody ever saw it"]', ids)
    assert world.store.read("acme", {SOURCE: frozenset()})[SOURCE].revision == before


def test_a_row_that_the_ledger_does_not_list_is_deleted() -> None:
    world = World(LedgerIndex("dynamodb"))
    world.save("one", "two")
    rows = world.index._aws.dynamodb.tables[VECTORS]
    spoiled = dict(rows)
    world.save("one", reason="removed", gone={world.name_of("two"): (1, 0)})
    rows.update({key: row for key, row in spoiled.items() if key not in rows})
    assert (world.found(), world.kinds()) == (["one", "two"], ["extra"])
    world.mend()
    assert (world.found(), world.kinds()) == (["one"], [])


def test_a_row_that_was_written_anew_meanwhile_is_not_deleted(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(LedgerIndex("dynamodb"))
    world.save("one", "two")
    rows = world.index._aws.dynamodb.tables[VECTORS]
    spoiled = dict(rows)
    world.save("one", reason="removed", gone={world.name_of("two"): (1, 0)})
    rows.update({key: row for key, row in spoiled.items() if key not in rows})
    report, inventory, real = world.audit(), world.index.inventory, DynamoDbInventory._unlisted

    def overtaken(inventory: DynamoDbInventory, *item: Any) -> Any:
        found = real(inventory, *item)
        assert len(found) == 1
        world.save("one", "two")
        return found

    monkeypatch.setattr(DynamoDbInventory, "_unlisted", overtaken)
    repair(report, world, inventory)
    monkeypatch.undo()
    assert (world.found(), world.kinds()) == (["one", "two"], [])


def test_nothing_is_mended_over_what_another_worker_wrote_meanwhile(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.save("one", "two")
    world.lose_row("two")
    report, inventory = world.audit(), world.index.inventory
    real = Ledger.unchanged

    def overtaken(ledger: Ledger, tenant_id: str, source: str) -> Any:
        write = real(ledger, tenant_id, source)
        world.save("one", "two", "three")
        return write

    monkeypatch.setattr(Ledger, "unchanged", overtaken)
    repair(report, world, inventory)
    monkeypatch.undo()
    assert world.kinds() == ["missing"]
    world.mend()
    assert world.found() == ["one", "three", "two"]


def test_an_item_keeps_when_it_may_expire_when_its_rows_are_mended(world: World) -> None:
    world.save("one", expires_at=1_900_000_000)
    before = list(world.index.inventory.items())
    world.lose_row("one")
    assert repair(world.audit(), world, world.index.inventory) == 0
    assert list(world.index.inventory.items()) == before
    assert before[0][4] is not None
