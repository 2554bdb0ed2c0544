"""Writing under a revision: what was read must still stand, and then all of it happens."""

from dataclasses import replace
from datetime import timedelta

import pytest
from support.chunks import (
    FACTS,
    ITEM,
    NOBODYS,
    OTHER,
    TIME,
    StoreMaker,
    axis,
    chunk,
    chunks,
    found,
    held,
    held_ids,
    messages,
    mid,
    planned,
    put,
    request,
    row,
    uid,
)

from pipeline.stores.chunks import HeldChunk, StoredText
from pipeline.stores.index_state import IndexDetail, IndexState
from pipeline.stores.protocol import Store
from pipeline.stores.search_requests import SearchRequest


def test_an_unknown_item_is_held_at_revision_zero(store: Store) -> None:
    assert store.read("acme", {ITEM: set(), OTHER: {"n1"}}) == {ITEM: IndexState(), OTHER: IndexState()}
    assert store.detail("acme", {ITEM: None, OTHER: {"n1"}}) == {ITEM: IndexDetail(), OTHER: IndexDetail()}


def test_an_applied_write_is_held_and_found(store: Store) -> None:
    put(store, (chunk(1, "お茶を 😀"), axis(0)))

    assert chunks(store) == {uid(1): HeldChunk(uid(1), (mid(1),), "f", "mika")}
    assert held(store).facts == FACTS
    [hit] = store.search(SearchRequest("acme", "mika", axis(0), 5)).hits
    assert (hit.id, hit.content, hit.created_at) == (uid(1), "お茶を 😀", TIME)
    assert hit.similarity == pytest.approx(1.0)
    assert hit.metadata["key"] == "chat:1"


def test_every_apply_moves_to_a_new_revision_even_with_nothing_to_write(store: Store) -> None:
    put(store, (chunk(1), axis(0)))
    first = held(store).revision
    put(store)
    assert held(store).revision > first > 0


def test_a_moved_revision_is_a_conflict_and_writes_nothing(store: Store) -> None:
    put(store, (chunk(1), axis(0)), messages=[row(1)])
    stale = planned(
        ITEM,
        facts=replace(FACTS, position="p2"),
        messages=[row(1, "unexplained"), row(2)],
        upserts=[(chunk(2), axis(1))],
        moves={uid(1): NOBODYS},
    )

    assert store.apply("acme", [stale, planned(OTHER, purged=[mid(1)], deletes=[uid(9)])]) == {ITEM}
    assert store.apply("acme", [planned(ITEM, purged=[mid(1)], deletes=[uid(1)])]) == {ITEM}
    assert found(store, axis(0)) == [uid(1)]
    assert messages(store) == {row(1)}
    assert held(store).facts == FACTS
    assert chunks(store) == {uid(1): HeldChunk(uid(1), (mid(1),), "f", "mika")}


def test_a_moved_epoch_is_a_conflict_and_writes_nothing(store: Store) -> None:
    put(store, (chunk(1), axis(0)), messages=[row(1)])
    before = held(store)
    store.mark(request(user_id="ken"))
    late = planned(
        ITEM,
        before,
        facts=replace(FACTS, position="p2"),
        messages=[row(1, "kept")],
        moves={uid(1): NOBODYS},
        upserts=[(chunk(2), axis(0))],
    )
    new = planned(OTHER, upserts=[(chunk(3), axis(0))])

    assert store.apply("acme", [late, new]) == {ITEM, OTHER}
    assert found(store, axis(0)) == [uid(1)]
    assert messages(store) == {row(1)}
    assert held(store).facts == FACTS
    put(store, (chunk(2), axis(0)))


def test_one_conflict_does_not_hold_up_the_other_items(store: Store) -> None:
    put(store, (chunk(1), axis(0)))
    stale = planned(ITEM, upserts=[(chunk(2), axis(1))])
    fresh = planned(OTHER, upserts=[(chunk(3), axis(2))])

    assert store.apply("acme", [stale, fresh]) == {ITEM}
    assert sorted(found(store, axis(0))) == [uid(1), uid(3)]


def test_an_upsert_replaces_text_vector_user_fingerprint_and_status(store: Store) -> None:
    put(store, (chunk(1, "old"), axis(0)), messages=[row(1)])
    put(store, (replace(chunk(1, "new", "ken", "g"), status="mixed"), axis(1)))

    assert found(store, axis(0)) == []
    [hit] = store.search(SearchRequest("acme", "ken", axis(1), 5)).hits
    assert hit.content == "new"
    assert chunks(store) == {uid(1): HeldChunk(uid(1), (mid(1),), "g", "ken", "mixed")}


def test_deleted_chunks_are_gone(store: Store) -> None:
    put(store, (chunk(1), axis(0)), (chunk(2), axis(1)))
    put(store, deletes=[uid(1)])
    assert found(store, axis(0)) == [uid(2)]


def test_a_chunks_text_and_spans_can_be_read_back(store: Store) -> None:
    whole = replace(chunk(1, "[2026]\nuser: a\nassistant: b"), members=(mid(1), mid(2)), line_lengths=(7, 12))
    put(store, (whole, axis(0)))
    assert chunks(store)[uid(1)].line_lengths == (7, 12)
    assert store.texts("acme", ITEM, [uid(1), uid(2)]) == {
        uid(1): StoredText(whole.text, "mika", TIME, whole.metadata)
    }
    assert store.texts("zenith", ITEM, [uid(1)]) == {}
    assert store.texts("acme", OTHER, [uid(1)]) == {}


def test_the_same_write_under_a_new_revision_writes_the_same_again(store: Store) -> None:
    rows = [row(1), row(2)]
    put(store, (chunk(1, "tea"), axis(0)), (chunk(2, "rice"), axis(1)), messages=rows)
    first = store.search(SearchRequest("acme", "mika", axis(0), 10)).hits
    put(store, (chunk(1, "tea"), axis(0)), (chunk(2, "rice"), axis(1)), messages=rows, deletes=[uid(9)])

    assert store.search(SearchRequest("acme", "mika", axis(0), 10)).hits == first
    assert held_ids(store) == [uid(1), uid(2)]
    assert messages(store) == set(rows)


def test_of_two_writers_who_read_the_same_one_wins(stores: StoreMaker) -> None:
    one, two = stores(), stores()
    put(one, (chunk(1), axis(0)), messages=[row(1)])
    state = held(two)
    won = planned(ITEM, state, facts=replace(FACTS, position="p2"), deletes=[uid(1)], purged=[mid(1)])
    assert one.apply("acme", [won]) == frozenset()
    late = planned(
        ITEM,
        state,
        facts=replace(FACTS, position="p3"),
        upserts=[(chunk(2), axis(1))],
        messages=[row(2)],
    )

    assert two.apply("acme", [late]) == {ITEM}
    assert held_ids(one) == held_ids(two) == []
    assert messages(one) == messages(two) == set()
    assert held(two).facts.position == "p2"


def test_another_process_finds_what_one_wrote_and_not_what_it_deleted(stores: StoreMaker) -> None:
    one, two = stores(), stores()
    put(one, (chunk(1), axis(0)), (chunk(2), axis(1)))
    assert found(two, axis(0)) == [uid(1), uid(2)]
    put(one, deletes=[uid(1)])
    assert found(two, axis(0)) == [uid(2)]
    put(one, (chunk(2, "new"), axis(0)), (chunk(3), axis(0)))
    assert [hit.content for hit in two.search(SearchRequest("acme", "mika", axis(0), 10)).hits] == [
        "new",
        "text",
    ]


def test_a_chunk_in_a_write_that_deletes_it_too_stays(store: Store) -> None:
    put(store, (chunk(1, "old"), axis(0)))
    put(store, (chunk(1, "new"), axis(0)), deletes=[uid(1), uid(1)])
    assert held_ids(store) == [uid(1)]


def test_a_chunk_written_for_another_user_leaves_the_first(store: Store) -> None:
    put(store, (chunk(1), axis(0)), (chunk(2), axis(0)))
    put(store, (chunk(1, user_id="ken"), axis(0)))

    assert (found(store, axis(0)), found(store, axis(0), user="ken")) == ([uid(2)], [uid(1)])
    assert held_ids(store) == [uid(1), uid(2)]


def test_everything_that_can_be_written_comes_back_as_it_was(store: Store) -> None:
    text = "😀 e\u0301 ㍿ \u202e' \" \\ %s {} \t\n" + "長い" * 2_000
    metadata = {
        "key": "chat#%/鍵",
        "kind": "daily",
        "roles": ["user"],
        "date": None,
        "part": 3,
        "deep": {"a": [1]},
    }
    odd = replace(
        chunk(1, text), user_id="ミカ#%25", metadata=metadata, created_at=TIME + timedelta(microseconds=7)
    )
    put(store, (odd, axis(0)), source='["t", "#%", "\\u9375"]', tenant="テナント#1")

    [hit] = store.search(SearchRequest("テナント#1", "ミカ#%25", axis(0), 5)).hits
    assert (hit.content, hit.metadata, hit.created_at) == (text, metadata, odd.created_at)


def test_a_large_write_is_written_whole(store: Store) -> None:
    numbers = range(1, 131)
    put(
        store,
        *((chunk(number), axis(number % 16)) for number in numbers),
        messages=[row(number) for number in range(1, 401)],
    )
    assert held_ids(store) == [uid(number) for number in numbers]
    assert len(found(store, axis(0), top_k=300)) == 130
    assert messages(store) == {row(number) for number in range(1, 401)}

    put(
        store,
        (chunk(1, "new"), axis(0)),
        deletes=[uid(number) for number in range(2, 70)],
        moves={uid(number): NOBODYS for number in range(70, 120)},
        messages=[row(number, "unexplained", hidden_at=3.0) for number in range(70, 300)],
        purged=[mid(number) for number in range(2, 70)] + [mid(number) for number in range(300, 400)],
    )
    assert held_ids(store) == [uid(1), *(uid(number) for number in range(70, 131))]
    assert len(found(store, axis(0), top_k=300)) == 12
    assert messages(store) == {
        row(1),
        row(400),
        *(row(number, "unexplained", hidden_at=3.0) for number in range(70, 300)),
    }


def test_many_items_are_read_and_written_at_once(store: Store) -> None:
    sources = [f'["sessions", "acme", "chat:{number}"]' for number in range(40)]
    writes = [
        planned(source, upserts=[(chunk(number), axis(0))], messages=[row(number), row(number + 100, "kept")])
        for number, source in enumerate(sources)
    ]
    assert store.apply("acme", writes) == frozenset()
    names = {source: {f"n{number + 100}"} for number, source in enumerate(sources) if number % 2}
    states = store.read("acme", {source: names.get(source, set()) for source in sources})
    assert [set(states[source].messages) for source in sources] == [
        {row(number), row(number + 100, "kept")} if number % 2 else {row(number)} for number in range(40)
    ]
    details = store.detail("acme", dict.fromkeys(sources))
    assert [[one.id for one in details[source].chunks] for source in sources] == [
        [uid(number)] for number in range(40)
    ]
    assert [details[source].kept for source in sources] == [(row(n + 100, "kept"),) for n in range(40)]


def test_writes_of_one_call_do_not_mix_up_their_items(store: Store) -> None:
    one = planned(ITEM, messages=[row(1)], facts=replace(FACTS, position="one"))
    other = planned(OTHER, messages=[row(1, "unexplained")], facts=replace(FACTS, position="other"))
    assert store.apply("acme", [one, other]) == frozenset()
    assert store.apply("acme", [planned(OTHER, held(store, OTHER), purged=[mid(1)])]) == frozenset()
    assert (messages(store), messages(store, source=OTHER)) == ({row(1)}, set())
