"""What every store promises, asked of each of them in the same words."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from support.words import SPACE

from pipeline.embedding.vectors import Vector, float32
from pipeline.lexical.terms import terms
from pipeline.source.documents import ItemKey
from pipeline.stores.forgetting import ForgetRequest, Forgotten
from pipeline.stores.memory import InMemoryStore
from pipeline.stores.pgvector.connection import Connector
from pipeline.stores.pgvector.migrations import migrate
from pipeline.stores.pgvector.store import PgVectorStore
from pipeline.stores.protocol import Change, Chunk, Filters, Held, HeldChunk, SearchRequest, Store, StoredText

TIME = datetime(2026, 11, 22, 9, 30, tzinfo=UTC)
ITEM = '["sessions", "acme", "chat:1"]'
OTHER = '["sessions", "acme", "chat:2"]'


@pytest.fixture(params=["memory", "pgvector", "pgvector exact", "pgvector bq", "pgvector hnsw"])
def store(request: pytest.FixtureRequest) -> Store:
    if request.param == "memory":
        return InMemoryStore(SPACE)
    database: Callable[..., str] = request.getfixturevalue("database")
    conninfo = database("memory_ingest")
    _, _, strategy = request.param.partition(" ")
    if strategy == "hnsw":
        migrate(database(), SPACE, graph=True)
    return PgVectorStore(Connector(lambda: conninfo), SPACE, strategy or "auto")


def uid(number: int) -> str:
    return str(UUID(int=number))


def chunk(number: int, text: str = "text", user_id: str = "mika", fingerprint: str = "f") -> Chunk:
    return Chunk(
        uid(number), user_id, text, (f"m{number}",), fingerprint, TIME, {"key": "chat:1", "kind": "session"}
    )


def axis(index: int, value: float = 1.0) -> Vector:
    return float32([value if position == index else 0.0 for position in range(SPACE.dimensions)])


def put(
    store: Store, *chunks: tuple[Chunk, Vector], source: str = ITEM, tenant: str = "acme", **fields: object
) -> None:
    held = store.read(tenant, [source])[source]
    known = {
        "expected_revision": held.revision,
        "expected_epoch": held.epoch,
        "position": "p1",
        "present": True,
    }
    change = Change(source, upserts=chunks, **{**known, **fields})  # type: ignore[arg-type]
    assert store.apply(tenant, [change]) == frozenset()


def found(
    store: Store, vector: Vector, tenant: str = "acme", user: str = "mika", top_k: int = 10
) -> list[str]:
    return [hit.id for hit in store.search(SearchRequest(tenant, user, vector, top_k))]


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


def test_deleted_chunks_are_gone(store: Store) -> None:
    put(store, (chunk(1), axis(0)), (chunk(2), axis(1)))
    put(store, deletes=[uid(1)])
    assert found(store, axis(0)) == [uid(2)]


def test_a_tenant_sees_nothing_of_another_even_under_equal_names(store: Store) -> None:
    put(store, (chunk(1, "ours"), axis(0)), tenant="acme")
    put(store, (chunk(1, "theirs"), axis(0)), tenant="zenith")

    assert [hit.content for hit in store.search(SearchRequest("acme", "mika", axis(0), 5))] == ["ours"]
    put(store, deletes=[uid(1)], tenant="zenith")
    assert found(store, axis(0)) == [uid(1)]


def test_a_user_sees_nothing_of_another(store: Store) -> None:
    put(store, (chunk(1, user_id="mika"), axis(0)), (chunk(2, user_id="ken"), axis(0)))
    assert found(store, axis(0), user="ken") == [uid(2)]


def test_hits_come_closest_first_and_ties_by_id(store: Store) -> None:
    near = float32([1.0, 0.5, *[0.0] * (SPACE.dimensions - 2)])
    put(store, (chunk(3), axis(0)), (chunk(2), axis(0)), (chunk(1), near), (chunk(4), axis(1)))
    assert found(store, axis(0)) == [uid(2), uid(3), uid(1), uid(4)]


def test_similarity_is_the_cosine(store: Store) -> None:
    put(store, (chunk(1), float32([3.0, 4.0, *[0.0] * (SPACE.dimensions - 2)])))
    [hit] = store.search(SearchRequest("acme", "mika", axis(0, 7.0), 5))
    assert hit.similarity == pytest.approx(0.6)


def test_top_k_limits_the_hits(store: Store) -> None:
    put(store, *((chunk(number), axis(0)) for number in range(1, 9)))
    assert len(found(store, axis(0), top_k=3)) == 3


def test_an_empty_memory_answers_with_nothing(store: Store) -> None:
    assert found(store, axis(0)) == []


def test_a_leased_item_is_not_leased_again_until_it_is_applied_or_released(store: Store) -> None:
    leased = store.lease("acme", {ITEM: 0}, 60)
    assert store.lease("acme", leased, 60) == {}
    store.release("acme", leased)
    again = store.lease("acme", leased, 60)
    assert again == leased
    assert store.apply("acme", [Change(ITEM, again[ITEM], "p1", present=True)]) == frozenset()
    revision = store.read("acme", [ITEM])[ITEM].revision
    assert store.lease("acme", {ITEM: revision}, 60) == {ITEM: revision}


def test_a_lease_ends_by_itself(store: Store) -> None:
    leased = store.lease("acme", {ITEM: 0}, 0)
    assert store.lease("acme", leased, 60) == leased


def test_a_lease_of_a_moved_revision_is_not_given(store: Store) -> None:
    put(store, (chunk(1), axis(0)))
    assert store.lease("acme", {ITEM: 0, OTHER: 0}, 60).keys() == {OTHER}


def test_forgetting_a_user_deletes_all_of_that_user_and_of_nobody_else(store: Store) -> None:
    put(store, (chunk(1, user_id="mika"), axis(0)), (chunk(2, user_id="ken"), axis(0)))
    put(store, (chunk(3, user_id="mika"), axis(0)), tenant="zenith")
    assert forget(store, user_id="mika").deleted == 1
    assert found(store, axis(0)) == []
    assert found(store, axis(0), user="ken") == [uid(2)]
    assert found(store, axis(0), tenant="zenith") == [uid(3)]


def test_forgetting_a_session_deletes_that_session_only(store: Store) -> None:
    other = replace(chunk(2), metadata={"key": "chat:2", "kind": "session"})
    put(store, (chunk(1), axis(0)))
    put(store, (other, axis(0)), source=OTHER)
    assert forget(store, session_key="chat:1").deleted == 1
    assert found(store, axis(0)) == [uid(2)]


def forget(store: Store, request_id: str = "r1", asked_at: datetime = TIME, **whom: str) -> Forgotten:
    return store.forget(ForgetRequest(request_id, "acme", asked_at, **whom))


def test_forgetting_one_users_session_leaves_anothers_of_that_name_alone(store: Store) -> None:
    put(store, (chunk(1, user_id="mika"), axis(0)), (chunk(2, user_id="ken"), axis(0)))
    assert forget(store, user_id="mika", session_key="chat:1").deleted == 1
    assert found(store, axis(0), user="ken") == [uid(2)]
    assert list(store.markers("acme", {"mika"}, {"chat:1"}).times.values()) == [TIME]
    assert store.markers("acme", {"ken"}, {"chat:1"}).times == {}
    assert store.markers("acme", {"mika"}, {"chat:2"}).times == {}


def test_a_marker_says_the_moment_of_asking(store: Store) -> None:
    forget(store, user_id="mika")
    markers = store.markers("acme", {"mika", "ken"}, {"chat:1"})
    assert markers.times == {("user", "mika"): TIME}
    assert store.markers("zenith", {"mika"}, set()).times == {}


def test_a_marker_never_moves_back_and_a_later_wish_moves_it_on(store: Store) -> None:
    later = TIME + timedelta(days=1)
    for number, at in enumerate([TIME, later, TIME]):
        forget(store, f"r{number}", at, session_key="chat:1")
    assert store.markers("acme", set(), {"chat:1"}).times == {("session", "chat:1"): later}


def test_a_wish_delivered_twice_is_carried_out_once(store: Store) -> None:
    put(store, (chunk(1), axis(0)))
    first = forget(store, user_id="mika")
    put(store, (chunk(2), axis(0)), source=OTHER)
    assert forget(store, user_id="mika") == first
    assert found(store, axis(0)) == [uid(2)]


def test_what_became_of_a_wish_can_be_asked_within_its_tenant(store: Store) -> None:
    assert store.forgotten("acme", "r1") is None
    done = forget(store, user_id="mika", session_key="chat:1")
    assert store.forgotten("acme", "r1") == done
    assert (done.request.user_id, done.request.session_key, done.request.asked_at) == ("mika", "chat:1", TIME)
    assert store.forgotten("zenith", "r1") is None


def test_a_wish_names_the_items_that_were_indexed_after_it(store: Store) -> None:
    key = ItemKey("sessions", "tenant_id", "acme", "session_key", "chat:1")
    put(store, (chunk(1), axis(0)), key=key)
    put(store, (chunk(2, user_id="ken"), axis(0)), source=OTHER)
    assert forget(store, "old", TIME, user_id="mika").again == (key,)
    assert forget(store, "old", TIME, user_id="mika").again == (key,)
    assert forget(store, "new", datetime.now(UTC) + timedelta(hours=1), user_id="ken").again == ()


def test_freshness_is_what_the_app_says_of_the_version_indexed(store: Store) -> None:
    assert store.indexed_until("acme", "mika", "chat:1") is None
    put(store, name="chat:1", user_id="mika", updated_at=TIME, saved_at=TIME + timedelta(hours=1))
    assert store.indexed_until("acme", "mika", "chat:1") == TIME
    put(store, name="chat:1", user_id="mika", updated_at=TIME + timedelta(1), reflected=False)
    assert store.indexed_until("acme", "mika", "chat:1") == TIME
    put(store, name="chat:1", user_id="mika", saved_at=TIME + timedelta(2))
    assert store.indexed_until("acme", "mika", "chat:1") == TIME + timedelta(2)


def test_freshness_of_an_item_that_is_gone_is_when_it_went(store: Store) -> None:
    put(store, name="chat:1", user_id="mika", updated_at=TIME)
    put(store, present=False, saved_at=TIME + timedelta(1))
    assert store.indexed_until("acme", "mika", "chat:1") == TIME + timedelta(1)


def test_freshness_is_asked_by_session_or_of_all_of_one_users_memory(store: Store) -> None:
    long = "chat:" + "x" * 1_000
    put(store, name="chat:1", user_id="mika", updated_at=TIME)
    put(store, source=OTHER, name=long, user_id="mika", updated_at=TIME + timedelta(1))
    assert store.indexed_until("acme", "mika", "chat:1") == TIME
    assert store.indexed_until("acme", "mika", long) == TIME + timedelta(1)
    assert store.indexed_until("acme", "mika", None) == TIME + timedelta(1)
    assert store.indexed_until("acme", "ken", None) is None
    assert store.indexed_until("zenith", "mika", None) is None


def test_a_store_that_can_be_asked_says_so(store: Store) -> None:
    store.check()


def test_what_was_read_before_a_marker_conflicts_even_for_an_item_never_seen(store: Store) -> None:
    before = store.read("acme", [ITEM])[ITEM]
    forget(store, user_id="mika")
    change = Change(
        ITEM, before.revision, "p1", present=True, expected_epoch=before.epoch, upserts=[(chunk(1), axis(0))]
    )
    assert store.apply("acme", [change]) == {ITEM}
    assert found(store, axis(0)) == []
    put(store, (chunk(1), axis(0)))


def test_the_latest_creation_of_an_item_is_remembered(store: Store) -> None:
    put(store, created_at=TIME)
    put(store, created_at=TIME - timedelta(days=1))
    put(store)
    assert store.read("acme", [ITEM])[ITEM].created_at == TIME


def test_a_chunks_text_and_spans_can_be_read_back(store: Store) -> None:
    whole = replace(chunk(1, "[2026]\nuser: a\nassistant: b"), members=("m1", "m2"), spans=(7, 12))
    put(store, (whole, axis(0)))
    assert store.read("acme", [ITEM])[ITEM].chunks[0].spans == (7, 12)
    assert store.texts("acme", [uid(1), uid(2)]) == {
        uid(1): StoredText(whole.text, "mika", TIME, whole.metadata)
    }
    assert store.texts("zenith", [uid(1)]) == {}


def test_lost_members_of_a_chunk_written_in_the_same_change_are_kept(store: Store) -> None:
    put(store, (chunk(1), axis(0)), lost={uid(1): {"m1": "p0"}})
    assert store.read("acme", [ITEM])[ITEM].chunks[0].lost == {"m1": "p0"}


def ask(
    store: Store, vector: Vector, words: str, top_k: int = 1, filters: Filters | None = None
) -> list[str]:
    request = SearchRequest("acme", "mika", vector, top_k, terms(words), filters or Filters())
    return [hit.id for hit in store.search(request)]


def test_words_find_what_the_vector_does_not(store: Store) -> None:
    put(store, (chunk(1, "all quiet"), axis(0)), (chunk(2, "ORA-00942 田中さん"), axis(1)))

    assert ask(store, axis(0), "quiet") == [uid(1)]
    assert ask(store, axis(0), "田中") == [uid(1), uid(2)]
    assert ask(store, axis(0), "ora-00942") == [uid(1), uid(2)]
    assert ask(store, axis(0), "!!! ''") == [uid(1)]


def test_a_hit_has_both_scores_whichever_list_found_it(store: Store) -> None:
    put(store, (chunk(1, "tea"), axis(0)), (chunk(2, "tea coffee"), axis(1)))

    request = SearchRequest("acme", "mika", axis(0), 1, terms("tea coffee"))
    first, second = store.search(request)
    assert (first.id, second.id) == (uid(1), uid(2))
    assert 0 < first.lexical < second.lexical
    assert second.similarity == pytest.approx(0.0)


FILTERS = {
    "kinds": Filters(kinds=frozenset({"daily"})),
    "roles": Filters(roles=frozenset({"assistant"})),
    "keys": Filters(keys=frozenset({"chat:2"})),
    "excluded keys": Filters(excluded_keys=frozenset({"chat:1"})),
    "since": Filters(since=TIME + timedelta(hours=1)),
}


@pytest.mark.parametrize("filters", FILTERS.values(), ids=list(FILTERS))
def test_filters_apply_before_the_lists_are_cut(store: Store, filters: Filters) -> None:
    metadata = {"key": "chat:2", "kind": "daily", "roles": ["assistant", "user"]}
    wanted = replace(chunk(2, "tea"), metadata=metadata, created_at=TIME + timedelta(hours=1))
    put(store, (chunk(1, "tea"), axis(0)), (wanted, axis(1)))

    assert ask(store, axis(0), "tea", filters=filters) == [uid(2)]


def test_until_leaves_its_own_moment_out(store: Store) -> None:
    put(store, (chunk(1, "tea"), axis(0)))

    assert ask(store, axis(0), "tea", filters=Filters(until=TIME)) == []
    assert ask(store, axis(0), "tea", filters=Filters(until=TIME + timedelta(seconds=1))) == [uid(1)]


def read_back(store: Store, filters: Filters | None = None, **options: Any) -> list[str]:
    passages = store.passages("acme", "mika", filters or Filters(), options.pop("limit", 10), **options)
    return [passage.id for passage in passages]


def dated(number: int, days: int, key: str = "chat:1", kind: str = "session") -> Chunk:
    metadata = {"key": key, "kind": kind, "roles": ["user"]}
    return replace(chunk(number), created_at=TIME + timedelta(days=days), metadata=metadata)


def test_passages_come_newest_first_or_oldest_first_and_ties_by_id(store: Store) -> None:
    put(store, *((dated(number, days), axis(0)) for number, days in ((1, 0), (3, 5), (2, 5))))
    put(store, (chunk(9, user_id="ken"), axis(0)))
    put(store, (chunk(8), axis(0)), tenant="zenith")

    assert read_back(store) == [uid(2), uid(3), uid(1)]
    assert read_back(store, oldest_first=True) == [uid(1), uid(2), uid(3)]
    assert read_back(store, limit=1) == [uid(2)]


def test_passages_honour_the_filters(store: Store) -> None:
    put(store, (dated(1, 0), axis(0)), (dated(2, 1, "memory:long_term", "long_term"), axis(0)))

    assert read_back(store, Filters(kinds=frozenset({"long_term"}))) == [uid(2)]
    assert read_back(store, Filters(keys=frozenset({"chat:1"}))) == [uid(1)]
    assert read_back(store, Filters(excluded_keys=frozenset({"chat:1"}))) == [uid(2)]
    assert read_back(store, Filters(since=TIME + timedelta(hours=1))) == [uid(2)]


def test_a_passage_says_whether_only_memory_has_it(store: Store) -> None:
    put(store, (chunk(1, "お茶を 😀"), axis(0)), (chunk(2), axis(0)), lost={uid(2): {"m2": "p0"}})

    passages = store.passages("acme", "mika", Filters(), 10)
    assert [(passage.content, passage.retained) for passage in passages] == [
        ("お茶を 😀", False),
        ("text", True),
    ]
    assert passages[0].metadata["key"] == "chat:1"
    assert passages[0].created_at == TIME


def placed(number: int, minutes: int, key: str = "chat:1") -> Chunk:
    metadata = {"key": key, "kind": "session", "roles": ["user"], "place": number, "part": 0}
    return replace(chunk(number), created_at=TIME + timedelta(minutes=minutes), metadata=metadata)


def along(store: Store, around: int, **fields: Any) -> list[str]:
    request = SearchRequest("acme", "mika", axis(0), 1, around=around, **fields)
    return [hit.id for hit in store.search(request)]


def test_what_stands_beside_a_candidate_comes_along(store: Store) -> None:
    rows = [(placed(number, number), axis(0 if number == 5 else 1)) for number in range(1, 10)]
    put(store, *rows)
    put(store, (placed(20, 5, "chat:2"), axis(1)), source=OTHER)

    assert along(store, 0) == [uid(5)]
    assert along(store, 1) == [uid(5), uid(4), uid(6)]
    assert along(store, 2) == [uid(5), uid(3), uid(4), uid(6), uid(7)]
    late = Filters(since=TIME + timedelta(minutes=5))
    assert along(store, 2, filters=late) == [uid(5), uid(6), uid(7)]


def test_of_chunks_of_one_moment_the_nearest_places_come_along(store: Store) -> None:
    put(store, *((placed(number, 0), axis(0 if number == 5 else 1)) for number in (9, 1, 5, 4, 6, 2)))

    assert {uid(4), uid(5), uid(6)} <= set(along(store, 2))
    assert uid(1) not in along(store, 1)
