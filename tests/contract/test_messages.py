"""The message ledger: what a store is told of an item and its messages comes back, and what is kept is read by name."""

from dataclasses import replace
from typing import Any

import pytest
from support.chunks import (
    FACTS,
    ITEM,
    NOBODYS,
    OTHER,
    axis,
    chunk,
    chunks,
    held,
    key_of,
    messages,
    mid,
    put,
    row,
    uid,
    waiting,
)

from pipeline.stores.chunks import ChunkMove, ChunkStatus
from pipeline.stores.index_state import IndexDetail
from pipeline.stores.message_rows import ItemEvent, ItemFacts, MessageRow
from pipeline.stores.protocol import Store

FULL = MessageRow(
    id=mid(1),
    name="ミ#%/ 1",
    ordinal=7,
    state="unexplained",
    user_id="ミカ#%25",
    said_at=1_764_000_000.25,
    saved_at=1_764_000_001.0,
    at_tail=True,
    met_at=1_764_000_002.125,
    added="shard/0001",
    seen="shard/0002",
    seen_at=1_764_000_003.5,
    resolved="shard/0003",
    reason="capped",
    hidden_at=1_764_000_004.0625,
)


def test_a_row_comes_back_as_it_was_written(store: Store) -> None:
    put(store, messages=[FULL, row(2)])
    assert messages(store) == {FULL, row(2)}
    other = replace(
        FULL, saved_at=None, said_at=None, hidden_at=None, at_tail=False, user_id="ken", ordinal=0
    )
    put(store, messages=[other])
    assert messages(store) == {other, row(2)}


@pytest.mark.parametrize("state", ["live", "unexplained", "erased"])
def test_every_row_that_is_not_kept_is_read_whatever_is_named(store: Store, state: Any) -> None:
    put(store, messages=[row(1, state)])
    assert messages(store) == messages(store, "n1", "n9") == {row(1, state)}
    assert store.detail("acme", {ITEM: None})[ITEM].kept == ()


def test_a_kept_row_is_read_by_its_name_only(store: Store) -> None:
    kept = [row(1, "kept", "ok"), row(2, "kept", "ok", ordinal=1), row(3, "kept", "no")]
    put(store, messages=[*kept, row(4, "live", "ok", ordinal=2)])

    assert messages(store) == {row(4, "live", "ok", ordinal=2)}
    assert messages(store, "ok") == {kept[0], kept[1], row(4, "live", "ok", ordinal=2)}
    assert set(store.detail("acme", {ITEM: {"ok", "never said"}})[ITEM].kept) == set(kept[:2])
    assert set(store.detail("acme", {ITEM: None})[ITEM].kept) == set(kept)
    assert store.detail("acme", {ITEM: set()})[ITEM].kept == ()


def test_a_row_that_changes_its_state_is_read_as_what_it_is_now(store: Store) -> None:
    put(store, messages=[row(1), row(2, "kept")])
    put(store, messages=[row(1, "kept"), row(2)])
    assert messages(store) == {row(2)}
    assert messages(store, "n1", "n2") == {row(1, "kept"), row(2)}


def test_a_purged_row_is_gone_in_whatever_state_it_was(store: Store) -> None:
    put(store, messages=[row(1), row(2, "kept"), row(3, "erased"), row(4)])
    put(store, purged=[mid(1), mid(2), mid(3), mid(9)])
    assert messages(store, "n1", "n2", "n3") == {row(4)}
    put(store, messages=[row(2)])
    assert messages(store) == {row(2), row(4)}


def test_rows_of_another_item_or_tenant_are_others(store: Store) -> None:
    put(store, messages=[row(1), row(2, "kept")])
    put(store, messages=[row(1, "erased"), row(2)], source=OTHER)
    put(store, messages=[row(1, "unexplained")], tenant="zenith")
    put(store, purged=[mid(1)], source=OTHER)

    assert messages(store, "n2") == {row(1), row(2, "kept")}
    assert messages(store, source=OTHER) == {row(2)}
    assert messages(store, "n2", tenant="zenith") == {row(1, "unexplained")}


EVENTS = (
    ItemEvent("inserted", "s/1", 1_764_000_000.0, None, "ff00"),
    ItemEvent("owner", "s/2", None, "ff00", "ee#%11"),
    ItemEvent("expired", "s/3", 1_764_000_009.0, "ee#%11", None),
    ItemEvent("deleted", "s/4"),
)
FULL_FACTS = ItemFacts(
    position="ミ/1",
    read_at=1_764_000_000.125,
    present=True,
    found="ミ/0",
    user_id="ミカ#%25",
    events=EVENTS,
    hidden_since=1_764_000_001.5,
)


@pytest.mark.parametrize(
    "facts",
    [
        ItemFacts(),
        FULL_FACTS,
        replace(FULL_FACTS, present=False, user_id=None, events=EVENTS[:1], hidden_since=None),
    ],
)
def test_item_facts_come_back_as_they_were_written(store: Store, facts: ItemFacts) -> None:
    put(store, facts=replace(FULL_FACTS, position="p0", read_at=1.0, user_id="ken", events=EVENTS[1:]))
    put(store, facts=facts)
    assert held(store).facts == facts
    assert held(store, OTHER).facts == ItemFacts()


KEPT: ChunkStatus = "kept"


def test_planning_is_told_of_live_and_mixed_chunks_and_of_kept_ones_by_their_messages(store: Store) -> None:
    mixed = replace(chunk(2), members=(mid(2), mid(3)), status="mixed")
    kept = [replace(chunk(number), members=(mid(number), mid(number + 1)), status=KEPT) for number in (4, 6)]
    rows = [row(1), row(2), *(row(number, "kept") for number in range(3, 8))]
    put(store, *((one, axis(0)) for one in (chunk(1), mixed, *kept)), messages=rows)

    assert chunks(store, set()).keys() == {uid(1), uid(2)}
    assert chunks(store, {"n5"}).keys() == {uid(1), uid(2), uid(4)}
    assert chunks(store, {"n3", "n6", "n7"}).keys() == {uid(1), uid(2), uid(6)}
    assert chunks(store, None).keys() == {uid(1), uid(2), uid(4), uid(6)}
    assert {one.status for one in chunks(store).values()} == {"live", "mixed", "kept"}


def test_planning_is_told_of_every_part_of_a_kept_message(store: Store) -> None:
    parts = [replace(chunk(number), members=(mid(1),), status=KEPT) for number in (1, 2, 3)]
    put(store, *((one, axis(0)) for one in parts[:2]), messages=[row(1)])
    put(store, (parts[2], axis(0)), messages=[row(1, "kept")], deletes=[uid(1)])
    assert chunks(store, {"n1"}).keys() == {uid(2), uid(3)}
    assert chunks(store, set()) == {}


def test_a_chunk_whose_messages_are_all_kept_is_told_of_by_name_from_then_on(store: Store) -> None:
    put(store, (chunk(1), axis(0)), (chunk(2), axis(0)), messages=[row(1), row(2)])
    put(store, moves={uid(1): ChunkMove("mika", "kept")}, messages=[row(1, "kept")])
    assert chunks(store, set()).keys() == {uid(2)}
    assert chunks(store, {"n1"}).keys() == {uid(1), uid(2)}
    put(store, moves={uid(1): ChunkMove("mika", "live")}, messages=[row(1)])
    assert chunks(store, set()).keys() == {uid(1), uid(2)}


def test_planning_is_told_of_withheld_chunks_whatever_their_messages_are(store: Store) -> None:
    withheld = replace(chunk(1), status=KEPT, user_id="", members=(mid(1), mid(2)))
    put(store, (withheld, axis(0)), messages=[row(1, "kept"), row(2, "unexplained")])
    assert chunks(store, set()).keys() == {uid(1)}
    put(store, moves={uid(1): ChunkMove("mika", "kept")}, messages=[row(2, "kept")])
    assert chunks(store, set()) == {}
    put(store, moves={uid(1): ChunkMove("", "kept")})
    assert chunks(store, set()).keys() == {uid(1)}


def test_planning_is_told_of_the_kept_messages_of_withheld_chunks_and_of_their_other_chunks(
    store: Store,
) -> None:
    withheld = replace(chunk(1), members=(mid(1), mid(2)), status=KEPT, user_id="")
    parts = [replace(chunk(number), members=(mid(number - 1),), status=KEPT) for number in (2, 3, 4)]
    rows = [row(1, "kept"), row(2, "unexplained"), row(3, "kept")]
    put(store, *((one, axis(0)) for one in (withheld, *parts)), messages=rows)

    detail = store.detail("acme", {ITEM: {"n1"}})[ITEM]
    assert detail.kept == (row(1, "kept"),)
    assert detail == store.detail("acme", {ITEM: set()})[ITEM]
    assert {one.id for one in detail.chunks} == {uid(1), uid(2)}
    assert set(store.detail("acme", {ITEM: None})[ITEM].kept) == {row(1, "kept"), row(3, "kept")}


def test_planning_is_told_of_no_other_items_or_tenants_chunks(store: Store) -> None:
    put(store, (chunk(1), axis(0)), messages=[row(1)])
    put(store, (chunk(2), axis(0)), source=OTHER)
    put(store, (chunk(3), axis(0)), tenant="zenith")
    detail = store.detail("acme", {ITEM: None, OTHER: set()})
    assert {source: [one.id for one in told.chunks] for source, told in detail.items()} == {
        ITEM: [uid(1)],
        OTHER: [uid(2)],
    }
    assert store.detail("nobody", {ITEM: None}) == {ITEM: IndexDetail()}


def test_an_item_is_pending_while_a_chunk_of_it_waits_to_be_embedded(store: Store) -> None:
    assert held(store).pending is False
    put(store, (waiting(chunk(1)), None), (chunk(2), axis(0)))
    assert (held(store).pending, held(store, OTHER).pending) == (True, False)
    put(store, moves={uid(1): NOBODYS})
    assert held(store).pending
    put(store, moves={uid(1): ChunkMove("mika", "kept")})
    assert held(store).pending
    put(store, (chunk(1), axis(0)))
    assert not held(store).pending


def test_a_chunk_that_is_refused_for_good_leaves_nothing_pending(store: Store) -> None:
    put(store, (waiting(chunk(1)), None))
    put(store, (replace(waiting(chunk(1)), fingerprint="f"), None))
    assert not held(store).pending


def test_a_pending_chunk_that_is_deleted_leaves_nothing_pending(store: Store) -> None:
    put(store, (waiting(chunk(1)), None))
    put(store, deletes=[uid(1)])
    assert not held(store).pending


def test_overdue_items_are_those_hidden_since_a_moment_or_longer(store: Store) -> None:
    for number, since in enumerate((5.0, 10.0, 10.5, None)):
        name = f"chat:{number}"
        facts = replace(FACTS, hidden_since=since)
        put(store, source=f'["{name}"]', key=key_of(name), facts=facts, name=name)
    put(
        store,
        source=ITEM,
        key=key_of("chat:0", "zenith"),
        facts=replace(FACTS, hidden_since=1.0),
        tenant="zenith",
    )

    due = {("acme", key_of("chat:0")), ("acme", key_of("chat:1")), ("zenith", key_of("chat:0", "zenith"))}
    assert set(store.overdue(10.0, 100)) == due
    assert len(store.overdue(10.0, 2)) == 2
    assert set(store.overdue(10.0, 2)) < due
    assert list(store.overdue(0.5, 100)) == []


def test_an_item_whose_messages_are_settled_is_not_overdue(store: Store) -> None:
    put(store, key=key_of("chat:1"), facts=replace(FACTS, hidden_since=1.0))
    put(store, facts=replace(FACTS, hidden_since=2.0))
    assert list(store.overdue(1.5, 100)) == []
    assert list(store.overdue(2.0, 100)) == [("acme", key_of("chat:1"))]
    put(store)
    assert list(store.overdue(9.0, 100)) == []
