"""Writing under a revision: what was read must still stand, and then all of it happens."""

from dataclasses import replace
from datetime import timedelta

import pytest
from support.chunks import ITEM, OTHER, TIME, StoreMaker, axis, chunk, forget, found, held_ids, put, uid

from pipeline.stores.protocol import Change, Held, HeldChunk, SearchRequest, Store, StoredText


def test_an_unknown_item_is_held_at_revision_zero(store: Store) -> None:
    assert store.read("acme", [ITEM, OTHER]) == {ITEM: Held(), OTHER: Held()}


def test_what_was_applied_is_held_and_found(store: Store) -> None:
    put(store, (chunk(1, "お茶を 😀"), axis(0)))

    held = store.read("acme", [ITEM])[ITEM]
    assert held.chunks == (HeldChunk(uid(1), ("m1",), "f", {}),)
    assert held.position == "p1"
    [hit] = store.search(SearchRequest("acme", "mika", axis(0), 5))
    assert (hit.id, hit.content, hit.created_at) == (uid(1), "お茶を 😀", TIME)
    assert hit.similarity == pytest.approx(1.0)
    assert hit.metadata["key"] == "chat:1"


def test_every_apply_moves_to_a_new_revision_even_with_nothing_to_write(store: Store) -> None:
    put(store, (chunk(1), axis(0)))
    first = store.read("acme", [ITEM])[ITEM].revision
    put(store)
    assert store.read("acme", [ITEM])[ITEM].revision > first > 0


def test_a_moved_revision_is_a_conflict_and_writes_nothing(store: Store) -> None:
    put(store, (chunk(1), axis(0)))
    stale = Change(ITEM, 0, "p2", present=True, upserts=[(chunk(2), axis(1))], deletes=[uid(1)])

    assert store.apply("acme", [stale]) == {ITEM}
    assert found(store, axis(0)) == [uid(1)]
    assert store.read("acme", [ITEM])[ITEM].position == "p1"


def test_one_conflict_does_not_hold_up_the_other_items(store: Store) -> None:
    put(store, (chunk(1), axis(0)))
    stale = Change(ITEM, 0, "p2", present=True, upserts=[(chunk(2), axis(1))])
    fresh = Change(OTHER, 0, "p2", present=True, upserts=[(chunk(3), axis(2))])

    assert store.apply("acme", [stale, fresh]) == {ITEM}
    assert sorted(found(store, axis(0))) == [uid(1), uid(3)]


def test_an_upsert_replaces_text_vector_user_and_fingerprint(store: Store) -> None:
    put(store, (chunk(1, "old"), axis(0)))
    put(store, (chunk(1, "new", "ken", "g"), axis(1)))

    assert found(store, axis(0)) == []
    [hit] = store.search(SearchRequest("acme", "ken", axis(1), 5))
    assert hit.content == "new"
    assert store.read("acme", [ITEM])[ITEM].chunks[0].fingerprint == "g"


def test_lost_members_are_kept_until_the_chunk_is_written_again(store: Store) -> None:
    put(store, (chunk(1), axis(0)))
    put(store, lost={uid(1): {"m1": "p1"}})
    assert store.read("acme", [ITEM])[ITEM].chunks[0].lost == {"m1": "p1"}
    put(store, (chunk(1), axis(0)))
    assert store.read("acme", [ITEM])[ITEM].chunks[0].lost == {}


def test_lost_members_of_a_chunk_written_in_the_same_change_are_kept(store: Store) -> None:
    put(store, (chunk(1), axis(0)), lost={uid(1): {"m1": "p0"}})
    assert store.read("acme", [ITEM])[ITEM].chunks[0].lost == {"m1": "p0"}


def test_deleted_chunks_are_gone(store: Store) -> None:
    put(store, (chunk(1), axis(0)), (chunk(2), axis(1)))
    put(store, deletes=[uid(1)])
    assert found(store, axis(0)) == [uid(2)]


def test_the_latest_creation_of_an_item_is_remembered(store: Store) -> None:
    put(store, created_at=TIME)
    put(store, created_at=TIME - timedelta(days=1))
    put(store)
    assert store.read("acme", [ITEM])[ITEM].created_at == TIME


def test_a_chunks_text_and_spans_can_be_read_back(store: Store) -> None:
    whole = replace(chunk(1, "[2026]\nuser: a\nassistant: b"), members=("m1", "m2"), spans=(7, 12))
    put(store, (whole, axis(0)))
    assert store.read("acme", [ITEM])[ITEM].chunks[0].spans == (7, 12)
    assert store.texts("acme", ITEM, [uid(1), uid(2)]) == {
        uid(1): StoredText(whole.text, "mika", TIME, whole.metadata)
    }
    assert store.texts("zenith", ITEM, [uid(1)]) == {}


def test_the_same_change_under_a_new_revision_writes_the_same_again(stores: StoreMaker) -> None:
    store = stores()
    put(store, (chunk(1, "tea"), axis(0)), (chunk(2, "rice"), axis(1)))
    first = store.search(SearchRequest("acme", "mika", axis(0), 10))
    put(store, (chunk(1, "tea"), axis(0)), (chunk(2, "rice"), axis(1)), deletes=[uid(9)])

    assert store.search(SearchRequest("acme", "mika", axis(0), 10)) == first
    assert held_ids(store) == [uid(1), uid(2)]


def test_of_two_writers_who_read_the_same_one_wins(stores: StoreMaker) -> None:
    one, two = stores(), stores()
    put(one, (chunk(1), axis(0)))
    revision = two.read("acme", [ITEM])[ITEM].revision
    assert one.apply("acme", [Change(ITEM, revision, "p2", present=True, deletes=[uid(1)])]) == frozenset()
    late = Change(ITEM, revision, "p3", present=True, upserts=[(chunk(2), axis(1))])

    assert two.apply("acme", [late]) == {ITEM}
    assert held_ids(one) == held_ids(two) == []
    assert two.read("acme", [ITEM])[ITEM].position == "p2"


def test_another_process_finds_what_one_wrote_and_not_what_it_deleted(stores: StoreMaker) -> None:
    one, two = stores(), stores()
    put(one, (chunk(1), axis(0)), (chunk(2), axis(1)))
    assert found(two, axis(0)) == [uid(1), uid(2)]
    put(one, deletes=[uid(1)])
    assert found(two, axis(0)) == [uid(2)]
    put(one, (chunk(2, "new"), axis(0)), (chunk(3), axis(0)))
    assert [hit.content for hit in two.search(SearchRequest("acme", "mika", axis(0), 10))] == ["new", "text"]


def test_a_chunk_in_a_change_that_deletes_it_too_stays(store: Store) -> None:
    put(store, (chunk(1, "old"), axis(0)))
    put(store, (chunk(1, "new"), axis(0)), deletes=[uid(1), uid(1)])
    assert held_ids(store) == [uid(1)]


def test_a_chunk_that_goes_to_another_user_leaves_the_first(store: Store) -> None:
    put(store, (chunk(1), axis(0)), (chunk(2), axis(0)))
    put(store, (chunk(1, user_id="ken"), axis(0)))

    assert (found(store, axis(0)), found(store, axis(0), user="ken")) == ([uid(2)], [uid(1)])
    assert forget(store, user_id="ken").deleted == 1
    assert held_ids(store) == [uid(2)]


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

    [hit] = store.search(SearchRequest("テナント#1", "ミカ#%25", axis(0), 5))
    assert (hit.content, hit.metadata, hit.created_at) == (text, metadata, odd.created_at)


def test_a_large_change_is_written_whole(store: Store) -> None:
    put(store, *((chunk(number), axis(number % 16)) for number in range(1, 131)))
    assert held_ids(store) == [uid(number) for number in range(1, 131)]
    assert len(found(store, axis(0), top_k=300)) == 130

    put(
        store,
        (chunk(1, "new"), axis(0)),
        deletes=[uid(number) for number in range(2, 120)],
        lost={uid(120): {"m120": "p1"}},
    )
    assert held_ids(store) == [uid(1), *(uid(number) for number in range(120, 131))]
    assert len(found(store, axis(0), top_k=300)) == 12
    assert {part.id: part.lost for part in store.read("acme", [ITEM])[ITEM].chunks}[uid(120)] == {
        "m120": "p1"
    }


def test_many_items_are_read_and_written_at_once(store: Store) -> None:
    sources = [f'["sessions", "acme", "chat:{number}"]' for number in range(40)]
    changes = [
        Change(source, 0, "p1", present=True, upserts=[(chunk(number), axis(0))])
        for number, source in enumerate(sources)
    ]
    assert store.apply("acme", changes) == frozenset()
    held = store.read("acme", sources)
    assert [held[source].chunks[0].id for source in sources] == [uid(number) for number in range(40)]
