"""The laboratory is itself tested: each way to break the product must be caught by it."""

import dataclasses
import json
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import pytest
from support.histories import TROUBLEMAKERS

from pipeline.handlers import ingest, stream
from pipeline.ingest import announce, chunking, notices, plan, reconcile
from pipeline.ingest.notices import Notice
from pipeline.ingest.queue import NoticeQueue, Refused
from pipeline.ingest.reconcile import Reconciler
from pipeline.lab.histories import History
from pipeline.lab.laboratory import Laboratory, history_of
from pipeline.lab.weather import CALM
from pipeline.source import changes, transitions
from pipeline.source.documents import Document, ItemKey
from pipeline.source.table import SourceTable
from pipeline.source.transitions import ForgetFact
from pipeline.stores.pgvector import queries
from pipeline.stores.pgvector import store as pgvector_store
from pipeline.stores.protocol import Markers

pytestmark = pytest.mark.integration
MOST_HISTORIES = 600
KNOWN = tuple(TROUBLEMAKERS.values())
Mutation = Callable[[pytest.MonkeyPatch], None]


def no_revision_check(patch: pytest.MonkeyPatch) -> None:
    mutated = queries.MOVE_LEDGER.replace("l.revision = w.revision", "true").replace(
        "WHERE revision = 0", "WHERE NOT EXISTS (SELECT FROM ledger o WHERE o.source = wanted.source)"
    )
    assert mutated.count("true") == 2
    patch.setattr(queries, "MOVE_LEDGER", mutated)


def an_empty_plan_skips_the_commit(patch: pytest.MonkeyPatch) -> None:
    real = Reconciler._apply

    def apply(self: Any, tenant_id: str, works: Sequence[Any], *rest: Any) -> Any:
        busy = [work for work in works if work.plan.missing or work.plan.lost or work.plan.deletes]
        return real(self, tenant_id, busy, *rest) if busy else frozenset()

    patch.setattr(Reconciler, "_apply", apply)


def no_facts_of_a_rewrite(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(announce, "modification", lambda *_, **__: ())


def no_facts_of_a_removal(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(announce, "deletion", lambda **_: ())


def facts_apply_without_sequence(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(ForgetFact, "covers", lambda self, entry, _: self.entries is None or entry in self.entries)


def what_is_lost_counts_as_seen_now(patch: pytest.MonkeyPatch) -> None:
    real = plan.make_plan

    def make(held: Any, document: Any, position: str, *rest: Any) -> Any:
        return real(
            dataclasses.replace(held, position=max(held.position, position)), document, position, *rest
        )

    patch.setattr(reconcile, "make_plan", make)


def the_stream_reports_no_failures(patch: pytest.MonkeyPatch) -> None:
    real = announce.announce

    def announce_and_forget(*arguments: Any) -> Refused:
        real(*arguments)
        return Refused()

    patch.setattr(stream, "announce", announce_and_forget)


def a_failed_notice_is_acknowledged(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(ingest, "_settle", lambda *_: True)


def chunk_ids_are_random(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(chunking, "_chunk_id", lambda *_: str(uuid.uuid4()))


def a_delete_is_ignored_once_the_item_exists_again(patch: pytest.MonkeyPatch) -> None:
    real = plan.make_plan

    def make(held: Any, document: Any, position: str, facts: Any, *rest: Any) -> Any:
        kept = [fact for fact in facts if document is None or fact.entries is not None]
        return real(held, document, position, kept, *rest)

    patch.setattr(reconcile, "make_plan", make)


def the_ledger_is_read_after_the_item(patch: pytest.MonkeyPatch) -> None:
    real = Reconciler._prepare

    def prepare(self: Reconciler, tenant_id: str, given: Sequence[Notice], report: Any) -> Any:
        items = {notice.address.key: self.source.get(notice.address.key) for notice in given}
        return real(dataclasses.replace(self, source=items), tenant_id, given, report)  # type: ignore[arg-type]

    patch.setattr(Reconciler, "_prepare", prepare)


def the_item_is_read_inconsistently(patch: pytest.MonkeyPatch) -> None:
    def get(self: Any, key: ItemKey) -> Any:
        return self._client.get_item(TableName=key.table, Key=key.to_dynamodb()).get("Item")

    patch.setattr(SourceTable, "get", get)


def the_tenant_is_dropped_from_an_items_name(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(ItemKey, "source", property(lambda self: json.dumps([self.table, self.range_value])))


def all_items_go_to_the_first_tenant(patch: pytest.MonkeyPatch) -> None:
    def first(values: Any) -> dict[str, list[Any]]:
        found = list(values)
        tenant = getattr(found[0], "tenant_id", None) or found[0].address.tenant_id if found else ""
        return {tenant: found} if found else {}

    patch.setattr(reconcile, "_by_tenant", first)
    patch.setattr(reconcile, "_grouped", first)


def a_put_off_notice_loses_its_facts(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(
        Notice, "put_off", lambda self: dataclasses.replace(self, facts=(), attempts=self.attempts + 1)
    )


def coalescing_drops_facts(patch: pytest.MonkeyPatch) -> None:
    real = notices._merge

    def merge(one: Notice, two: Notice) -> Notice:
        newest = max(one, two, key=lambda notice: notice.position)
        return dataclasses.replace(real(one, two), facts=newest.facts)

    patch.setattr(notices, "_merge", merge)


def a_late_fact_is_skipped(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(
        reconcile, "reflects", lambda held, position, *_: bool(position) and held.position >= position
    )


def what_fell_off_is_not_kept(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(plan, "_lost", lambda *_: {})


def a_cap_counts_as_a_removal(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(transitions, "fell_off_the_front", lambda *_: False)


def an_edit_counts_as_a_cap(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(transitions, "fell_off_the_front", lambda *_: True)


def an_expiry_counts_as_a_delete(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(announce, "deletion", lambda *, at, **_: (ForgetFact(at),))


def kept_messages_are_indexed_again(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(plan, "_members", lambda _: frozenset())


def a_note_keeps_what_it_no_longer_says(patch: pytest.MonkeyPatch) -> None:
    real = transitions.modification

    def modification(old: Any, new: Any, **options: Any) -> Any:
        return () if getattr(old, "kind", "session") != "session" else real(old, new, **options)

    patch.setattr(announce, "modification", modification)


def numbers_are_compared_without_padding(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(changes, "position", lambda label, number: f"{label}/{number}")


def a_put_off_notice_is_not_sent(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(NoticeQueue, "put_off", lambda *_: None)


def deletes_are_not_written(patch: pytest.MonkeyPatch) -> None:
    real = pgvector_store._write

    def write(connection: Any, tenant_id: str, changes: Sequence[Any], place: Any) -> None:
        real(connection, tenant_id, [dataclasses.replace(change, deletes=()) for change in changes], place)

    patch.setattr(pgvector_store, "_write", write)


def excluded_roles_are_indexed(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(chunking.Chunker, "eligible", lambda _, document: document.entries)


def a_marker_is_not_checked_in_the_transaction(patch: pytest.MonkeyPatch) -> None:
    mutated = queries.MOVE_LEDGER.replace("w.epoch = (SELECT epoch FROM gate)", "true").replace(
        "epoch = (SELECT epoch FROM gate)", "true"
    )
    assert mutated.count("true") == 2
    patch.setattr(queries, "MOVE_LEDGER", mutated)


def a_marker_is_not_looked_up(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Reconciler, "_markers", lambda *_: Markers())


def a_marker_covers_only_what_says_when(patch: pytest.MonkeyPatch) -> None:
    real = Markers.banned

    def banned(self: Markers, document: Document, *_: Any) -> frozenset[str]:
        return real(self, document, datetime.max.replace(tzinfo=UTC), None)

    patch.setattr(Markers, "banned", banned)


def a_creation_is_not_told(patch: pytest.MonkeyPatch) -> None:
    real = announce.Announcer.notice

    def notice(*arguments: Any) -> Notice | None:
        made = real(*arguments)
        return dataclasses.replace(made, created_at=None) if made else None

    patch.setattr(announce.Announcer, "notice", notice)


def a_late_creation_is_skipped(patch: pytest.MonkeyPatch) -> None:
    real = plan.reflects
    patch.setattr(reconcile, "reflects", lambda held, position, facts, _: real(held, position, facts))


def an_unreadable_item_is_let_go(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(ingest, "_bury", lambda *_: True)


def an_unreadable_item_counts_as_gone(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Reconciler, "_parse", lambda *_: None)


def a_stream_made_anew_begins_before_the_old_one(patch: pytest.MonkeyPatch) -> None:
    real = transitions.position
    patch.setattr(changes, "position", lambda _, number: real("", number))


def what_stays_goes_with_what_is_forgotten(patch: pytest.MonkeyPatch) -> None:
    real = plan._withdrawn
    patch.setattr(plan, "_withdrawn", lambda *given: dict.fromkeys(real(*given), frozenset()))


def a_stub_counts_as_embedded(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(plan, "is_stub", lambda _: False)


MUTATIONS: Mapping[str, Mutation] = {
    mutation.__name__: mutation
    for mutation in (
        no_revision_check,
        an_empty_plan_skips_the_commit,
        no_facts_of_a_rewrite,
        no_facts_of_a_removal,
        facts_apply_without_sequence,
        what_is_lost_counts_as_seen_now,
        the_stream_reports_no_failures,
        a_failed_notice_is_acknowledged,
        chunk_ids_are_random,
        a_delete_is_ignored_once_the_item_exists_again,
        the_ledger_is_read_after_the_item,
        the_item_is_read_inconsistently,
        the_tenant_is_dropped_from_an_items_name,
        all_items_go_to_the_first_tenant,
        a_put_off_notice_loses_its_facts,
        a_put_off_notice_is_not_sent,
        coalescing_drops_facts,
        a_late_fact_is_skipped,
        what_fell_off_is_not_kept,
        a_cap_counts_as_a_removal,
        an_edit_counts_as_a_cap,
        an_expiry_counts_as_a_delete,
        kept_messages_are_indexed_again,
        a_note_keeps_what_it_no_longer_says,
        numbers_are_compared_without_padding,
        deletes_are_not_written,
        excluded_roles_are_indexed,
        a_marker_is_not_checked_in_the_transaction,
        a_marker_is_not_looked_up,
        a_marker_covers_only_what_says_when,
        a_creation_is_not_told,
        a_late_creation_is_skipped,
        an_unreadable_item_is_let_go,
        an_unreadable_item_counts_as_gone,
        a_stream_made_anew_begins_before_the_old_one,
        what_stays_goes_with_what_is_forgotten,
        a_stub_counts_as_embedded,
    )
}


MERE_WASTE = frozenset({"chunk_ids_are_random"})
"""What only costs money: in calm weather nothing may be embedded that the index holds."""

_EXPIRED_MEANWHILE = (
    "a message removed, and the item expired before the rest of its exchange was embedded anew"
)
HINTS: Mapping[str, str] = {
    "facts_apply_without_sequence": "a removal undone, and what came back capped",
    "a_put_off_notice_loses_its_facts": "a note edited, and expired before anybody looked",
    "coalescing_drops_facts": "a note edited, and expired before anybody looked",
    "an_empty_plan_skips_the_commit": "a removal undone, and what came back capped",
    "the_tenant_is_dropped_from_an_items_name": "orders to forget while what they cover is being embedded",
    "the_stream_reports_no_failures": "orders to forget while what they cover is being embedded",
    "a_marker_is_not_checked_in_the_transaction": "orders to forget while what they cover is being embedded",
    "a_creation_is_not_told": "an item made after the order to forget it, and changed at once",
    "a_late_creation_is_skipped": "an item made after the order to forget it, and changed at once",
    "kept_messages_are_indexed_again": "the question of an exchange capped, and its answer not",
    "what_stays_goes_with_what_is_forgotten": _EXPIRED_MEANWHILE,
    "a_stub_counts_as_embedded": _EXPIRED_MEANWHILE,
}
"""Histories that catch a mutation soon; without one, or in vain, random ones are tried."""


def tries(name: str) -> Iterator[tuple[History, str]]:
    """Yield histories and their seeds: 60 of what is known to catch the mutation, then random ones and all that is known."""
    if name in HINTS:
        yield from ((TROUBLEMAKERS[HINTS[name]], f"{name} {number}") for number in range(60))
    for number in range(MOST_HISTORIES):
        seed = f"mutation {number}"
        yield (KNOWN[number // 4 % len(KNOWN)] if number % 4 == 3 else history_of(seed)), seed


def wasted(lab: Laboratory, history: History, seed: str) -> list[str]:
    return ["embedded_again"] * bool(lab.run(history, seed, CALM).counts["embedded_again"])


@pytest.mark.parametrize("name", MUTATIONS)
def test_a_broken_product_is_caught(lab: Laboratory, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    MUTATIONS[name](monkeypatch)
    for number, (history, seed) in enumerate(tries(name), start=1):
        found = sorted(lab.run(history, seed).findings())
        found += wasted(lab, history, seed) if name in MERE_WASTE else []
        if found:
            print(f"{name}: caught by history {number}: {found}")
            return
    pytest.fail(f"{name} was not caught by any history")


@pytest.mark.parametrize("title", TROUBLEMAKERS)
def test_an_unbroken_product_is_not(lab: Laboratory, title: str) -> None:
    found = [lab.run(TROUBLEMAKERS[title], f"{name} 0").findings() for name in HINTS]
    assert [each for each in found if each] == []
    assert wasted(lab, TROUBLEMAKERS[title], title) == []
