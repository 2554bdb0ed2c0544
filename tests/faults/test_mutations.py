"""The laboratory is itself tested: each way to break the product must be caught by it."""

import dataclasses
import json
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import pytest
from support.histories import TROUBLEMAKERS, said_once

from lab.fault_profile import NO_FAULTS, FaultProfile
from lab.histories import History
from lab.laboratory import Laboratory, history_of
from pipeline.handlers import ingest, stream
from pipeline.ingest import (
    announce,
    chunking,
    embedding_work,
    forget_executor,
    item_snapshots,
    notices,
    plan,
    planner,
    writer,
)
from pipeline.ingest.item_snapshots import SnapshotReader
from pipeline.ingest.notices import Notice
from pipeline.ingest.ownership import Cover, Ownership
from pipeline.ingest.planner import Planner
from pipeline.ingest.queue import NoticeQueue, Refused
from pipeline.ingest.writer import Writer
from pipeline.source import stream_records, transitions
from pipeline.source.documents import ItemKey
from pipeline.source.table import SourceTable
from pipeline.source.transitions import Transition, TransitionReader
from pipeline.stores.chunks import ChunkMove
from pipeline.stores.forget_requests import Markers
from pipeline.stores.pgvector import write_sql, writing
from pipeline.stores.pgvector.store import PgVectorStore

pytestmark = pytest.mark.integration
MOST_HISTORIES = 600
KNOWN = tuple(TROUBLEMAKERS.values())
Mutation = Callable[[pytest.MonkeyPatch], None]


def no_revision_check(patch: pytest.MonkeyPatch) -> None:
    mutated = write_sql.MOVE_LEDGER.replace("l.revision = w.revision", "true").replace(
        "WHERE revision = 0", "WHERE NOT EXISTS (SELECT FROM ledger o WHERE o.source = open.source)"
    )
    assert mutated.count("true") == 2
    patch.setattr(write_sql, "MOVE_LEDGER", mutated)


def no_epoch_check(patch: pytest.MonkeyPatch) -> None:
    mutated = write_sql.MOVE_LEDGER.replace("w.epoch = g.epoch", "true")
    assert mutated.count("true") == 1
    patch.setattr(write_sql, "MOVE_LEDGER", mutated)


def an_empty_plan_skips_the_commit(patch: pytest.MonkeyPatch) -> None:
    real = Writer._apply

    def apply(self: Any, works: Sequence[Any], *rest: Any) -> Any:
        busy = [work for work in works if work.plan.missing or work.plan.moves or work.plan.deletes]
        return real(self, busy, *rest) if busy else set()

    patch.setattr(Writer, "_apply", apply)


def a_rewrite_does_not_tell_what_went(patch: pytest.MonkeyPatch) -> None:
    real = TransitionReader.rewrite
    patch.setattr(
        TransitionReader,
        "rewrite",
        lambda *given, **options: dataclasses.replace(
            real(*given, **options), reason="", gone={}, everything=False
        ),
    )


def a_rewrite_does_not_tell_what_came(patch: pytest.MonkeyPatch) -> None:
    real = TransitionReader.rewrite
    patch.setattr(
        TransitionReader,
        "rewrite",
        lambda *given, **options: dataclasses.replace(real(*given, **options), added={}, added_at_tail={}),
    )


def a_removal_is_not_told(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(
        TransitionReader,
        "removal",
        lambda _, __, *, at, position, **___: Transition(position, at, "modified"),
    )


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


def the_item_is_read_inconsistently(patch: pytest.MonkeyPatch) -> None:
    def get(self: Any, key: ItemKey) -> Any:
        return self._client.get_item(TableName=key.table, Key=key.to_dynamodb()).get("Item")

    patch.setattr(SourceTable, "get", get)


def the_tenant_is_dropped_from_an_items_name(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(ItemKey, "source", property(lambda self: json.dumps([self.table, self.range_value])))


def all_items_go_to_the_first_tenant(patch: pytest.MonkeyPatch) -> None:
    def first(values: Any) -> dict[str, list[Any]]:
        found = list(values)
        return {found[0].tenant_id: found} if found else {}

    for module in (planner, writer):
        patch.setattr(module, "by_tenant", first)


def a_retried_notice_loses_its_transitions(patch: pytest.MonkeyPatch) -> None:
    real = Notice.retried
    patch.setattr(
        Notice,
        "retried",
        lambda *given, **options: dataclasses.replace(real(*given, **options), transitions=()),
    )


def a_delayed_notice_is_not_sent(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(NoticeQueue, "retry_later", lambda *_, **__: None)


def coalescing_drops_transitions(patch: pytest.MonkeyPatch) -> None:
    real = notices._merge

    def merge(one: Notice, two: Notice) -> Notice:
        newest = max(one, two, key=lambda notice: notice.position)
        return dataclasses.replace(real(one, two), transitions=newest.transitions)

    patch.setattr(notices, "_merge", merge)


def a_late_transition_is_skipped(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(item_snapshots, "would_change", lambda *_: False)


def a_cap_counts_as_a_removal(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(transitions, "fell_off_the_front", lambda *_: False)


def an_edit_counts_as_a_cap(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(transitions, "fell_off_the_front", lambda *_: True)


def an_expiry_counts_as_a_delete(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(
        TransitionReader,
        "removal",
        lambda _, __, *, at, position, **___: Transition(position, at, "deleted", "deleted", everything=True),
    )


def kept_messages_are_indexed_again(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(plan._Sorted, "covered", property(lambda _: frozenset()))


def a_note_keeps_what_it_no_longer_says(patch: pytest.MonkeyPatch) -> None:
    real = TransitionReader.rewrite

    def rewrite(self: Any, old: Any, new: Any, **options: Any) -> Any:
        made = real(self, old, new, **options)
        note = getattr(old, "kind", "session") != "session"
        return dataclasses.replace(made, reason="capped") if note and made.gone else made

    patch.setattr(TransitionReader, "rewrite", rewrite)


def numbers_are_compared_without_padding(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(stream_records, "position", lambda label, number: f"{label}/{number}")


def a_stream_made_anew_begins_before_the_old_one(patch: pytest.MonkeyPatch) -> None:
    real = transitions.position
    patch.setattr(stream_records, "position", lambda _, number: real("", number))


def deletes_are_not_written(patch: pytest.MonkeyPatch) -> None:
    real = writing.write

    def write(connection: Any, given: Sequence[Any], *rest: Any) -> None:
        real(connection, [(tenant, dataclasses.replace(one, deletes=())) for tenant, one in given], *rest)

    patch.setattr(writing, "write", write)


def moves_are_not_written(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(writing, "_move", lambda *_: None)


def excluded_roles_are_indexed(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(chunking.Chunker, "eligible", lambda _, document: document.entries)


def a_marker_is_not_looked_up(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Planner, "_markers", lambda *_: Markers())


def a_request_only_sets_its_marker(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(PgVectorStore, "items_of", lambda *_: [])


def a_request_covers_what_came_after_it(patch: pytest.MonkeyPatch) -> None:
    real = Ownership.cover

    def cover(*given: Any) -> Cover:
        later = [None if time is None else time + 10**9 for time in real(*given)]
        return Cover(*later)

    patch.setattr(Ownership, "cover", cover)


def a_summary_outlives_its_log(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(forget_executor, "_of_summary", lambda _: ())


def an_unreadable_item_is_let_go(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(ingest, "_dead_letter", lambda *_: True)


def an_unreadable_item_counts_as_gone(patch: pytest.MonkeyPatch) -> None:
    real = SnapshotReader._reading

    def reading(*given: Any) -> Any:
        made = real(*given)
        return dataclasses.replace(made, known="absent") if made.known == "unreadable" else made

    patch.setattr(SnapshotReader, "_reading", reading)


def what_cannot_be_read_is_kept(patch: pytest.MonkeyPatch) -> None:
    real = plan._Members.__init__

    def init(self: Any, settled: Any) -> None:
        real(self, settled)
        self._live = frozenset()

    patch.setattr(plan._Members, "__init__", init)


def one_refused_text_takes_its_neighbours_along(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(embedding_work, "embed_each", lambda embedder, texts: list(embedder.embed(texts)))


def a_chunk_of_another_owner_stays_where_it_is(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(plan, "_moved", lambda held, move: held.status != move.status)


def a_withheld_chunk_stays_with_its_user(patch: pytest.MonkeyPatch) -> None:
    real = plan._Sorted.moves

    def moves(self: Any) -> Any:
        own = {chunk.id: ChunkMove(chunk.user_id, "live") for chunk in self.withheld}
        return {**real(self), **own}

    patch.setattr(plan._Sorted, "moves", moves)


MUTATIONS: Mapping[str, Mutation] = {
    mutation.__name__: mutation
    for mutation in (
        no_revision_check,
        no_epoch_check,
        an_empty_plan_skips_the_commit,
        a_rewrite_does_not_tell_what_went,
        a_rewrite_does_not_tell_what_came,
        a_removal_is_not_told,
        the_stream_reports_no_failures,
        a_failed_notice_is_acknowledged,
        chunk_ids_are_random,
        the_item_is_read_inconsistently,
        the_tenant_is_dropped_from_an_items_name,
        all_items_go_to_the_first_tenant,
        a_retried_notice_loses_its_transitions,
        a_delayed_notice_is_not_sent,
        coalescing_drops_transitions,
        a_late_transition_is_skipped,
        a_cap_counts_as_a_removal,
        an_edit_counts_as_a_cap,
        an_expiry_counts_as_a_delete,
        kept_messages_are_indexed_again,
        a_note_keeps_what_it_no_longer_says,
        numbers_are_compared_without_padding,
        a_stream_made_anew_begins_before_the_old_one,
        deletes_are_not_written,
        moves_are_not_written,
        excluded_roles_are_indexed,
        a_marker_is_not_looked_up,
        a_request_only_sets_its_marker,
        a_request_covers_what_came_after_it,
        a_summary_outlives_its_log,
        an_unreadable_item_is_let_go,
        an_unreadable_item_counts_as_gone,
        what_cannot_be_read_is_kept,
        one_refused_text_takes_its_neighbours_along,
        a_chunk_of_another_owner_stays_where_it_is,
        a_withheld_chunk_stays_with_its_user,
    )
}


MERE_WASTE = frozenset({"chunk_ids_are_random"})
"""What only costs money: without faults nothing may be embedded that the index holds."""

HINTS: Mapping[str, str] = {
    "a_failed_notice_is_acknowledged": "an item that nobody can read at last",
    "a_stream_made_anew_begins_before_the_old_one": "said again and again",
    "a_retried_notice_loses_its_transitions": "a note edited, and expired before anybody looked",
    "coalescing_drops_transitions": "a note edited, and expired before anybody looked",
    "an_empty_plan_skips_the_commit": "a removal undone, and what came back capped",
    "the_tenant_is_dropped_from_an_items_name": "orders to forget while what they cover is being embedded",
    "the_stream_reports_no_failures": "orders to forget while what they cover is being embedded",
    "no_epoch_check": "orders to forget while what they cover is being embedded",
    "a_rewrite_does_not_tell_what_came": "said after the order to forget what was said before",
    "a_request_covers_what_came_after_it": "said after the order to forget what was said before",
    "a_summary_outlives_its_log": "a day's log and its summary",
    "an_unreadable_item_is_let_go": "an item that nobody can read at last",
    "an_unreadable_item_counts_as_gone": "an item that nobody can read at last",
    "one_refused_text_takes_its_neighbours_along": "a refused text among others",
    "a_withheld_chunk_stays_with_its_user": "an edit of which the record is lost",
    "a_chunk_of_another_owner_stays_where_it_is": "a conversation that is given to another user",
    "kept_messages_are_indexed_again": "the question of an exchange capped, and its answer not",
}
"""Histories that catch a mutation soon; without one, or in vain, random ones are tried."""


WEATHERS: Mapping[str, FaultProfile] = {
    "a_stream_made_anew_begins_before_the_old_one": FaultProfile(remake=0.5)
}
"""What the hinted history of a mutation needs, where that is rare."""


def tries(name: str) -> Iterator[tuple[History, str, FaultProfile | None]]:
    """Yield histories, their seeds and faults: 60 of what is known to catch the mutation, then random ones and all that is known."""
    if name in HINTS:
        hinted, profile = TROUBLEMAKERS[HINTS[name]], WEATHERS.get(name)
        yield from ((hinted, f"{name} {number}", profile) for number in range(60))
    for number in range(MOST_HISTORIES):
        seed = f"mutation {number}"
        yield (KNOWN[number // 4 % len(KNOWN)] if number % 4 == 3 else history_of(seed)), seed, None


def wasted(lab: Laboratory, history: History, seed: str) -> list[str]:
    return ["embedded_again"] * bool(lab.run(said_once(history), seed, NO_FAULTS).counts["embedded_again"])


@pytest.mark.parametrize("name", MUTATIONS)
def test_a_broken_product_is_caught(lab: Laboratory, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    MUTATIONS[name](monkeypatch)
    for number, (history, seed, profile) in enumerate(tries(name), start=1):
        found = sorted(lab.run(history, seed, profile).findings())
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
