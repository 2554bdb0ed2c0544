"""What the audit calls missing, stale, extra and astray, and that repair can only make ingest look."""

import json
import weakref
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import pytest

from pipeline.errors import LostTextError
from pipeline.ingest.notices import Notice
from pipeline.ingest.reconcile import Reconciler
from pipeline.operations.audit.audit import Audit, AuditReport, repair, repair_notices
from pipeline.operations.items.differences import Finding
from pipeline.operations.items.dry_run import dry_run
from pipeline.source.documents import ItemKey
from pipeline.source.layouts import Item, Layouts
from pipeline.source.transitions import Transition
from pipeline.stores.inventory import StoredChunk, StoredItem
from pipeline.stores.memory import InMemoryStore

Build = Callable[..., Any]
SOURCE = '["sessions", "acme", "chat:1"]'


class World:
    """A table, an index that ingest wrote, and the rows of it, which a test may spoil."""

    def __init__(
        self, layouts: Layouts, table: Any, reconciler: Reconciler, item: Build, notice: Build
    ) -> None:
        self.layouts, self.table, self.reconciler = layouts, table, reconciler
        self.item, self.notice = item, notice
        self.store: Any = reconciler.store
        self.spoil: Callable[[list[StoredChunk]], list[StoredChunk]] = list
        self.while_settling: Callable[[], None] = lambda: None
        self.removed: list[tuple[str, Sequence[str]]] = []
        self.mended: list[tuple[str, str, Sequence[str]]] = []
        self.number = 0

    # The audit's tables.

    def scan(self, table: str, segment: int, segments: int) -> Iterator[Item]:  # noqa: ARG002  # as the real one
        yield from [] if segment else self.table.items.values()

    def get(self, key: ItemKey) -> Item | None:
        return self.table.items.get(key.source)

    def key_names(self, table: str) -> tuple[str, str]:  # noqa: ARG002  # as the real one
        return "tenant_id", "session_key"

    def key_types(self, table: str) -> tuple[str, str]:  # noqa: ARG002  # as the real one
        return "S", "S"

    # The audit's inventory.

    def rows(self, sources: Sequence[str]) -> Sequence[StoredChunk]:
        chunks = [(row.source, row.chunk) for row in self.store._rows.values() if row.source in sources]
        rows = [
            StoredChunk("acme", source, one.id, one.user_id, one.text, one.members, one.status)
            for source, one in chunks
        ]
        return self.spoil(rows)

    def items(self) -> Iterator[StoredItem]:
        for (tenant_id, source), entry in self.store._ledger.items():
            yield tenant_id, source, entry.key, entry.facts, None

    def remove(self, tenant_id: str, ids: Sequence[str]) -> None:
        self.removed.append((tenant_id, ids))

    def mend(self, tenant_id: str, source: str, ids: Sequence[str]) -> None:
        self.mended.append((tenant_id, source, ids))

    # What happens.

    def save(self, *texts: str, ingest: bool = True, **transition: Any) -> Transition:
        """Save the session; ingest it with its record, or leave it on its way."""
        self.table.put(self.item(*(("user", text) for text in texts)))
        return self._change(ingest=ingest, **transition)

    def delete(self, *, ingest: bool = True) -> Transition:
        self.table.items.pop(SOURCE)
        return self._change(ingest=ingest, event="deleted", reason="deleted", everything=True)

    def _change(self, *, ingest: bool, event: Any = "modified", **fields: Any) -> Transition:
        self.number += 1
        transition = Transition(str(self.number), None, event, **fields)
        if ingest:
            self.run(transition)
        return transition

    def run(self, *transitions: Transition, **fields: Any) -> None:
        notice = self.notice("chat:1", str(self.number), *transitions, **fields)
        assert not self.reconciler.run({SOURCE: notice}).failures

    def name_of(self, text: str) -> str:
        document = self.layouts.parse("sessions", self.item(("user", text)))
        assert document
        return document.entries[0].id

    def audit(self) -> AuditReport:
        inventory: Any = self
        return Audit(self, self.layouts, self.reconciler, inventory, self._settle).run(["sessions"], 2)

    def _settle(self) -> None:
        self.while_settling()

    def kinds(self) -> list[str]:
        return [finding.kind for finding in self.audit().findings]


@pytest.fixture
def world(request: pytest.FixtureRequest, store: InMemoryStore) -> World:
    names = ("layouts", "table", "chunker", "embedder", "session_item", "notice_of")
    layouts, table, chunker, embedder, item, notice = map(request.getfixturevalue, names)
    worker = Reconciler(layouts, table, chunker, embedder, store, lambda _: None)
    return World(layouts, table, worker, item, notice)


def test_an_item_that_is_indexed_as_it_is_shows_nothing(world: World) -> None:
    world.save("one", "two")
    report = world.audit()
    assert (report.items, report.findings, report.unexplained) == (1, [], 0)


def test_nothing_is_written_by_an_audit(world: World) -> None:
    world.save("one")
    world.save("two", ingest=False)
    before = world.store.read("acme", {SOURCE: set()})
    world.audit()
    assert world.store.read("acme", {SOURCE: set()}) == before


def test_a_row_that_is_not_there_is_missing(world: World) -> None:
    world.save("one", "two")
    world.spoil = lambda rows: rows[1:]
    assert world.kinds() == ["missing"]


def test_a_row_with_another_text_is_stale(world: World) -> None:
    world.save("one")
    world.spoil = lambda rows: [replace(row, content="other") for row in rows]
    assert world.kinds() == ["stale"]


def test_repair_deletes_a_row_with_another_text_so_that_ingest_finds_it_missing(world: World) -> None:
    world.save("one")
    world.spoil = lambda rows: [replace(row, content="other") for row in rows]
    report, queue = world.audit(), Queue()
    inventory: Any = world
    repair(report, queue, inventory)
    [finding] = report.findings
    assert world.removed == [("acme", [finding.chunk_id])]
    assert world.mended == [("acme", SOURCE, [finding.chunk_id])]
    assert len(queue.sent) == 1


def test_repair_tells_the_store_which_rows_are_gone_and_of_no_others(world: World) -> None:
    world.save("one", "two")
    world.spoil = lambda rows: [*rows[1:], *(replace(row, tenant_id="zenith") for row in rows)]
    report = world.audit()
    [missing] = [one.chunk_id for one in report.findings if one.kind == "missing"]
    inventory: Any = world
    repair(report, Queue(), inventory)
    assert world.mended == [("acme", SOURCE, [missing])]


def test_a_row_that_is_gone_is_missing_though_the_item_no_longer_has_what_it_said(world: World) -> None:
    world.save("one", "two")
    world.save("two", reason="capped", gone={world.name_of("one"): (1, 0)})
    world.spoil = lambda rows: [row for row in rows if row.status != "kept"]
    assert world.kinds() == ["missing"]


def test_a_kept_message_whose_row_somebody_deleted_is_lost_and_repair_leaves_it_alone(world: World) -> None:
    world.save("one", "two")
    world.save("two", reason="capped", gone={world.name_of("one"): (1, 0)})
    rows = world.store._rows
    for place in [place for place, row in rows.items() if row.chunk.status == "kept"]:
        del rows[place]
    report = world.audit()
    [kept] = [row.id for row in world.store._ledger["acme", SOURCE].messages.values() if row.state == "kept"]
    assert [(one.kind, one.chunk_id) for one in report.findings] == [("lost", kept)]
    assert repair_notices(report, 1.0) == []


def test_an_item_of_which_a_needed_text_is_lost_is_a_finding_and_stops_no_audit(world: World) -> None:
    answer = "no" * 80
    world.table.put(world.item(("user", "one"), ("assistant", answer)))
    world._change(ingest=True)
    world.table.put(world.item(("user", "two")))
    world.store.texts = lambda *_: {}
    assert world.kinds() == ["missing"]
    address = world.layouts.address("sessions", world.item())
    assert address
    with pytest.raises(LostTextError):  # for whoever must be sure of all that there is
        dry_run(world.reconciler, {SOURCE: (address, world.get(address.key))})


def test_repair_deletes_no_row_whose_owner_or_state_alone_is_stale(world: World) -> None:
    world.save("one", "two")
    world.save("new", ingest=False)
    inventory: Any = world
    repair(world.audit(), Queue(), inventory)
    assert world.removed == []


def test_a_row_that_the_ledger_does_not_list_is_extra(world: World) -> None:
    world.save("one")
    world.spoil = lambda rows: [
        *rows,
        *(replace(row, id="00000000-0000-0000-0000-000000000001") for row in rows),
    ]
    report = world.audit()
    assert [one.kind for one in report.findings] == ["extra"]
    inventory: Any = world
    repair(report, Queue(), inventory)
    assert (world.removed, world.mended) == ([], [("acme", SOURCE, [report.findings[0].chunk_id])])


def test_a_row_under_another_tenant_is_astray_and_repair_deletes_it(world: World) -> None:
    world.save("one")
    world.spoil = lambda rows: [*rows, *(replace(row, tenant_id="zenith") for row in rows)]
    report = world.audit()
    assert [(one.kind, one.tenant_id) for one in report.findings] == [("wrong_tenant", "zenith")]
    queue = Queue()
    inventory: Any = world
    assert repair(report, queue, inventory) == 0
    assert (queue.sent, [tenant for tenant, _ in world.removed]) == ([], ["zenith"])


@pytest.mark.parametrize(
    ("texts", "kinds"), [(("one", "two"), ["missing"]), (("new",), ["missing", "stale"])]
)
def test_an_unannounced_change_is_found(world: World, texts: tuple[str, ...], kinds: list[str]) -> None:
    world.save("one")
    world.save(*texts, ingest=False)
    assert world.kinds() == kinds


class CountedItem(dict[str, Any]):
    """An item that can be counted while somebody holds it."""

    __slots__ = ("__weakref__",)


def test_an_audit_holds_a_few_pages_of_items_however_many_differ(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipeline.operations.audit.audit.PAGE", 10)
    items = [{**world.item(("user", "one")), "session_key": {"S": f"chat:{number}"}} for number in range(200)]
    held: list[weakref.ref[CountedItem]] = []
    most = 0

    def counted(item: Item) -> CountedItem:
        nonlocal most
        one = CountedItem(item)
        held.append(weakref.ref(one))
        most = max(most, sum(ref() is not None for ref in held))
        return one

    tables: Any = world
    monkeypatch.setattr(tables, "scan", lambda *_: map(counted, items), raising=False)
    by_key = {item["session_key"]["S"]: item for item in items}
    monkeypatch.setattr(tables, "get", lambda key: counted(by_key[key.range_value]), raising=False)
    inventory: Any = world
    report = Audit(tables, world.layouts, world.reconciler, inventory, lambda: None).run(["sessions"], 1)
    assert {one.kind for one in report.findings} == {"missing"}
    assert len(report.addresses) == len(items)
    assert most <= 3 * 10


def test_a_late_change_is_never_reported(world: World) -> None:
    world.save("one")
    late = world.save("one", "two", ingest=False)
    world.while_settling = lambda: world.run(late)
    assert world.kinds() == []


def test_an_item_that_changes_while_it_is_looked_at_is_not_reported(world: World) -> None:
    world.save("one")
    world.save("one", "two", ingest=False)
    world.while_settling = lambda: (world.save("one", "two", "three", ingest=False), None)[1]
    assert world.kinds() == []


def test_a_kept_message_is_no_difference(world: World) -> None:
    world.save("one", "two")
    world.save("two", reason="capped", gone={world.name_of("one"): (1, 0)})
    assert world.kinds() == []


def test_a_hidden_message_is_counted_and_is_no_finding(world: World) -> None:
    world.save("one", "two")
    world.save("two", ingest=False)
    world.run(force_read=True)
    report = world.audit()
    assert (report.findings, report.unexplained) == ([], 1)


def test_an_item_that_is_gone_and_no_record_said_so_has_vanished(world: World) -> None:
    world.save("one", "two")
    world.delete(ingest=False)
    assert world.kinds() == ["vanished"]


def test_an_item_that_was_deleted_leaves_nothing_to_find(world: World) -> None:
    world.save("one")
    world.delete()
    assert world.kinds() == []


def test_an_item_that_cannot_be_read_is_malformed_and_repair_leaves_it_alone(world: World) -> None:
    world.save("one")
    world.table.items[SOURCE] = {**world.table.items[SOURCE], "messages": {"S": "[broken"}}
    report = world.audit()
    assert [one.kind for one in report.findings] == ["malformed"]
    assert repair_notices(report, 1.0) == []


def test_a_message_of_a_shape_that_is_not_understood_is_told(world: World) -> None:
    world.save("one")
    rows = json.dumps([{"role": "user", "content": "one"}, 7])
    world.table.items[SOURCE] = {**world.table.items[SOURCE], "messages": {"S": rows}}
    assert world.kinds() == ["unreadable"]


class Queue:
    def __init__(self) -> None:
        self.sent: list[Notice] = []

    def send(self, notices: Sequence[Notice]) -> frozenset[str]:
        self.sent += notices
        return frozenset()


def test_repair_only_makes_ingest_look(world: World) -> None:
    """Its notices carry no transition and no position: they can make nothing kept, and nothing forgotten."""
    world.save("one", "two")
    world.save("two", "three", ingest=False)
    report, queue = world.audit(), Queue()
    inventory: Any = world
    repair(report, queue, inventory)
    [notice] = queue.sent
    assert (notice.transitions, notice.position, notice.force_read) == ((), "", True)
    assert not world.reconciler.run({SOURCE: notice}).failures
    assert world.kinds() == []
    assert world.audit().unexplained == 1
    assert "one" not in notice.encode()


@pytest.mark.parametrize(
    ("kind", "looks"),
    [
        ("missing", True),
        ("stale", True),
        ("extra", True),
        ("vanished", True),
        ("wrong_tenant", False),
        ("malformed", False),
        ("unreadable", False),
    ],
)
def test_a_repair_looks_again_where_looking_helps(world: World, kind: Any, *, looks: bool) -> None:
    address = world.notice().address
    report = AuditReport(findings=[Finding(kind, "acme", SOURCE)] * 2, addresses={SOURCE: address})
    assert len(repair_notices(report, 1.0)) == int(looks)


def test_a_dry_run_says_what_ingest_would_do(world: World) -> None:
    world.save("one")
    world.save("one", "two", ingest=False)
    address = world.notice().address
    done = dry_run(world.reconciler, {SOURCE: (address, world.table.items[SOURCE])})
    assert ([len(work.plan.missing) for work in done.works], done.malformed) == ([1], ())
    broken = {**world.table.items[SOURCE], "messages": {"S": "[broken"}}
    done = dry_run(world.reconciler, {SOURCE: (address, broken)})
    assert (done.works, done.malformed) == ((), (SOURCE,))
