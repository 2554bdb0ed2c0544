"""What became memory before secrets were redacted is found, and ingest is made to look at it again."""

import json
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from support.secret_samples import MAKERS

from pipeline.embedding.vectors import EmbeddingSpace
from pipeline.errors import StoreUnavailableError
from pipeline.ingest.chunking import Chunker
from pipeline.ingest.forget_executor import ForgetExecutor
from pipeline.ingest.notices import Notice
from pipeline.ingest.reconcile import Reconciler
from pipeline.operations.audit.stored_secrets import mending_notices, secrets_in
from pipeline.operations.forget.run import NOTHING_FOUND, run_forget
from pipeline.operations.items.tables import address_of
from pipeline.settings import DEFAULT_ATTRIBUTE_NAMES
from pipeline.source.documents import EntryHasher, ItemKey
from pipeline.source.layouts import Item, Layouts
from pipeline.source.redaction import Redactor
from pipeline.stores.inventory import StoredChunk
from pipeline.stores.memory import InMemoryStore
from pipeline.stores.message_rows import ItemFacts

SPACE = EmbeddingSpace("counting", 8)
CHUNKER = Chunker(frozenset({"system", "tool"}), 256, lambda text, _: [text], SPACE)
SECRET = MAKERS["github"]()
SCHEMAS = {"sessions": (("tenant_id", "session_key"), ("S", "N"))}


def layouts(*groups: str) -> Layouts:
    return Layouts(DEFAULT_ATTRIBUTE_NAMES, EntryHasher(b"k"), redactor=Redactor(frozenset(groups)))


def saved(*texts: str) -> Item:
    messages = json.dumps([{"role": "user", "content": text} for text in texts])
    return {
        "tenant_id": {"S": "acme"},
        "session_key": {"N": "7"},
        "user_id": {"S": "mika"},
        "messages": {"S": messages},
    }


class Table:
    def __init__(self, item: Item | None) -> None:
        self.item = item

    def get(self, key: ItemKey) -> Item | None:  # noqa: ARG002  # it has one
        return self.item


def ingest(reader: Layouts, table: Table, store: InMemoryStore, embedder: Any, notice: Notice) -> Any:
    worker = Reconciler(reader, table, CHUNKER, embedder, store, lambda _: None)
    return worker.run({notice.address.key.source: notice})


def rows(store: InMemoryStore, source: str) -> Sequence[StoredChunk]:
    held = store.detail("acme", {source: None})[source]
    texts = store.texts("acme", source, [chunk.id for chunk in held.chunks])
    return [
        StoredChunk("acme", source, id_, text.user_id, text.content, (), "live")
        for id_, text in texts.items()
    ]


def test_a_secret_that_was_stored_is_found_and_goes(embedder: Any) -> None:
    table, store = Table(saved("the boat leaves at nine", f"my token is {SECRET}")), InMemoryStore(SPACE)
    address = layouts().address("sessions", saved())
    assert address
    ingest(layouts(), table, store, embedder, Notice(address))
    source = address.key.source
    assert any(SECRET in row.content for row in rows(store, source))

    found = secrets_in(rows(store, source), Redactor())
    assert found.groups == {"code_hosts": 1}
    addresses = {source: address_of(source, SCHEMAS, layouts())}
    notices, unreached = mending_notices(found, addresses, 1.0)
    assert unreached == []
    assert notices[0].address == address
    report = ingest(Layouts(DEFAULT_ATTRIBUTE_NAMES, EntryHasher(b"k")), table, store, embedder, notices[0])
    assert (report.failures, report.secrets_redacted, report.unreadable_messages) == ({}, 1, 0)
    texts = "\n".join(row.content for row in rows(store, source))
    assert SECRET not in texts
    assert "[redacted: GitHub token]" in texts
    assert "the boat leaves at nine" in texts
    assert secrets_in(rows(store, source), Redactor()).chunks == {}


def forgetter(store: InMemoryStore, table: Table, embedder: Any) -> ForgetExecutor:
    worker = Reconciler(layouts(), table, CHUNKER, embedder, store, lambda _: None)
    queue: Any = None  # everything can be embedded
    return ForgetExecutor(store, worker, layouts(), queue)


def test_an_item_in_none_of_the_tables_is_named() -> None:
    row = StoredChunk("acme", '["gone", "acme", "1"]', "id", "mika", f"my token is {SECRET}", (), "kept")
    found = secrets_in([row], Redactor())
    addresses = {source: address_of(source, SCHEMAS, layouts()) for source in found.chunks}
    assert mending_notices(found, addresses, 1.0) == ([], [row.source])


class Index:
    def __init__(self, *found: StoredChunk) -> None:
        self.found = found

    def rows(self, sources: Sequence[str]) -> Sequence[StoredChunk]:
        return [row for row in self.found if row.source in sources]

    def everything(self) -> Iterator[StoredChunk]:
        return iter(self.found)

    def messages(self, sources: Sequence[str]) -> Sequence[Any]:  # noqa: ARG002  # nobody asks
        return []

    def items(self) -> Any:
        return iter([(row.tenant_id, row.source, None, ItemFacts(), None) for row in self.found])

    def remove(self, tenant_id: str, ids: Sequence[str]) -> None: ...

    def mend(self, tenant_id: str, source: str, ids: Sequence[str]) -> None: ...


def test_forgetting_whom_nobody_knows_says_so_and_names_who_may_have_been_meant(embedder: Any) -> None:
    row = StoredChunk("acme", '["sessions", "acme", "chat:1"]', "id", "Mika", "x", (), "live")
    outcome = run_forget(
        forgetter(InMemoryStore(SPACE), Table(None), embedder), lambda: Index(row), "acme", "mika", "chat:2"
    )
    assert outcome.status == NOTHING_FOUND == 3
    assert outcome.text.startswith("nothing found")
    assert list(outcome.notes[:2]) == ["users that are near: 'Mika'", "sessions that are near: 'chat:1'"]
    other = run_forget(
        forgetter(InMemoryStore(SPACE), Table(None), embedder), lambda: Index(row), "ACME", "Mika", None
    )
    assert other.notes[0] == "tenants that are near: 'acme'"


def test_forgetting_says_so_even_if_the_index_cannot_be_listed(embedder: Any) -> None:
    def away() -> Any:
        raise StoreUnavailableError("Postgres was not reached")

    outcome = run_forget(forgetter(InMemoryStore(SPACE), Table(None), embedder), away, "acme", "mika", None)
    assert outcome.status == NOTHING_FOUND
    assert "Postgres was not reached" in outcome.notes[0]


@pytest.mark.parametrize("user", ["7", "mika"])
def test_forgetting_somebody_known_ends_well(embedder: Any, user: str) -> None:
    item = {**saved("the boat leaves at nine"), "user_id": {"N": "7"} if user == "7" else {"S": user}}
    store, address = InMemoryStore(SPACE), layouts().address("sessions", item)
    assert address
    ingest(layouts(), Table(item), store, embedder, Notice(address))
    outcome = run_forget(forgetter(store, Table(item), embedder), Index, "acme", user, None)
    assert (outcome.status, outcome.text.startswith("forgotten: 1 messages")) == (0, True)
