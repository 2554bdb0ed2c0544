"""What OpenSearch promises beyond the contract: the ledger hides at once, and the sweep leaves nothing."""

import json
import os
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import boto3
import pytest
from support.chunks import ITEM, NOBODYS, axis, chunk, found, held, held_ids, messages, planned, row, uid
from support.local_aws import Tables
from support.real_opensearch import engine
from support.words import SPACE

from pipeline.errors import StoreUnavailableError
from pipeline.local.aws import LocalAws
from pipeline.local.opensearch_rules import Refreshes
from pipeline.local.opensearch_server import OpenSearchServer
from pipeline.stores.chunks import ChunkMove
from pipeline.stores.opensearch import collection
from pipeline.stores.opensearch.collection import Collection, connect
from pipeline.stores.opensearch.store import OpenSearchStore
from pipeline.stores.opensearch.sweep import PASS_EVERY
from pipeline.stores.search_requests import Filters, SearchRequest


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


class Slow:
    """An index that shows a write 60 s later, and a ledger that lives in the same time."""

    def __init__(self, client: Any, node: str | None) -> None:
        self.clock = Clock()
        self.server = OpenSearchServer("classic", clock=self.clock, node=node)
        self.tables = Tables(
            client,
            max_ops=20,
            now=lambda: datetime(2026, 11, 22, tzinfo=UTC) + timedelta(seconds=self.clock.now),
        )

    def store(self) -> OpenSearchStore:
        return self.tables.opensearch(self.server, "memories")

    def wait(self, seconds: float = 60) -> None:
        self.clock.now += seconds

    @property
    def texts(self) -> list[str]:
        return sorted(one["content"] for one in self.server.indices["memories"].documents)


@pytest.fixture(params=["memory", "real"])
def slow(local_aws: LocalAws, request: pytest.FixtureRequest) -> Iterator[Slow]:
    made = Slow(local_aws.client("dynamodb"), engine(request, request.param))
    with made.server:
        yield made


def write(store: OpenSearchStore, *numbers: int, text: str = "text", **fields: Any) -> None:
    upserts = [(chunk(number, text), axis(0)) for number in numbers] + fields.pop("upserts", [])
    assert store.apply("acme", [planned(ITEM, held(store), upserts=upserts, **fields)]) == frozenset()


def seen(store: OpenSearchStore) -> list[tuple[str, str]]:
    return [(hit.id, hit.content) for hit in store.search(SearchRequest("acme", "mika", axis(0), 10)).hits]


def test_a_write_is_seen_after_the_refresh_and_a_delete_at_once(slow: Slow) -> None:
    store = slow.store()
    write(store, 1, 2)
    assert seen(store) == []
    assert not store.wait_until_searchable("acme", "mika", 0)
    slow.wait()
    assert store.wait_until_searchable("acme", "mika", 0)
    assert seen(store) == [(uid(1), "text"), (uid(2), "text")]
    write(store, deletes=[uid(1)])
    assert seen(store) == [(uid(2), "text")]


def test_a_chunk_written_again_is_never_seen_as_it_was(slow: Slow) -> None:
    store = slow.store()
    write(store, 1, text="old")
    slow.wait()
    write(store, 1, text="new")
    assert seen(store) == []
    slow.wait()
    assert seen(store) == [(uid(1), "new")]
    assert slow.texts == ["new"]


def test_a_chunk_erased_before_it_is_searchable_never_shows_and_a_sweep_deletes_it(slow: Slow) -> None:
    store = slow.store()
    write(store, 1, text="a secret", messages=[row(1)])
    write(store, deletes=[uid(1)], messages=[row(1, "erased")])
    slow.wait()
    assert seen(store) == []
    assert slow.texts == ["a secret"]  # no search saw it, so its id could not be known
    assert store.sweep().removed == 0  # it could still belong to a worker on its way
    slow.wait(15 * 60)
    assert store.sweep().removed == 1
    assert slow.texts == []
    assert messages(store) == {row(1, "erased")}


def test_a_searchable_chunk_that_is_erased_is_deleted_without_a_sweep(slow: Slow) -> None:
    store = slow.store()
    write(store, 1, text="a secret")
    slow.wait()
    write(store, deletes=[uid(1)])
    assert slow.texts == []


def documents(slow: Slow) -> list[tuple[Any, Any]]:
    return [(one["version"], one["user_id"]) for one in slow.server.indices["memories"].documents]


def everything(store: OpenSearchStore, user: str = "mika") -> set[str]:
    """What searches and listings show a user, right now."""
    hits = store.search(SearchRequest("acme", user, axis(0), 10, ("text",), around=2)).hits
    return {hit.id for hit in hits} | {one.id for one in store.passages("acme", user, Filters(), 10)}


def test_withholding_and_restoring_count_at_once_and_index_nothing(slow: Slow) -> None:
    store = slow.store()
    write(store, 1, 2)
    slow.wait()
    before = documents(slow)
    write(store, moves={uid(1): NOBODYS})
    assert everything(store) == {uid(2)}
    assert store.wait_until_searchable("acme", "mika", 0)
    write(store, moves={uid(1): ChunkMove("mika", "live")})
    assert everything(store) == {uid(1), uid(2)}
    assert store.wait_until_searchable("acme", "mika", 0)
    assert documents(slow) == before
    slow.wait(15 * 60)
    assert store.sweep().removed == 0


def test_a_change_of_user_counts_at_once_and_indexes_nothing(slow: Slow) -> None:
    store = slow.store()
    write(store, 1, 2)
    slow.wait()
    before = documents(slow)
    write(store, moves={uid(1): NOBODYS})
    write(store, moves={uid(1): ChunkMove("ken", "live")})
    assert (everything(store), everything(store, "ken")) == ({uid(2)}, {uid(1)})
    assert store.wait_until_searchable("acme", "ken", 0)
    write(store, moves={uid(1): ChunkMove("mika", "live")})
    assert (everything(store), everything(store, "ken")) == ({uid(1), uid(2)}, set())
    assert documents(slow) == before


def test_a_chunk_that_moves_before_it_is_searchable_is_its_new_users_then(slow: Slow) -> None:
    store = slow.store()
    write(store, 1)
    write(store, moves={uid(1): ChunkMove("ken", "live")})
    assert not store.wait_until_searchable("acme", "ken", 0)
    slow.wait()
    assert store.wait_until_searchable("acme", "ken", 0)
    assert (everything(store), everything(store, "ken")) == (set(), {uid(1)})


def test_a_withheld_chunk_that_goes_takes_its_document_along(slow: Slow) -> None:
    store = slow.store()
    write(store, 1, text="a secret")
    slow.wait()
    write(store, moves={uid(1): NOBODYS})
    write(store, deletes=[uid(1)])
    assert slow.texts == []
    ledger = slow.tables.client.scan(TableName=slow.tables.ledger)["Items"]
    assert "secret" not in str(ledger)


def test_a_worker_that_loses_takes_its_documents_away(slow: Slow) -> None:
    one, two = slow.store(), slow.store()
    write(one, 1)
    stale = planned(ITEM, upserts=[(chunk(2, "late"), axis(0))])
    assert two.apply("acme", [stale]) == {ITEM}
    assert slow.texts == ["text"]


def test_a_worker_that_dies_after_writing_left_nothing_to_see(
    slow: Slow, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = slow.store()
    write(store, 1)

    def dies(*_: Any, **__: Any) -> bool:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(store._ledger, "apply", dies)
        with pytest.raises(KeyboardInterrupt):
            write(store, 2, text="half")
    slow.wait(15 * 60 + 60)
    assert seen(store) == [(uid(1), "text")]
    assert slow.texts == ["half", "text"]
    assert store.sweep().removed == 1
    assert slow.texts == ["text"]
    slow.wait()
    assert store.sweep().removed == 0


def test_a_sweep_that_stops_after_each_page_goes_on_where_it_was(
    slow: Slow, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(collection, "PAGE", 2)
    store = slow.store()
    write(store, *range(1, 6), text="a secret")
    write(store, deletes=[uid(number) for number in range(1, 6)])  # no search saw them yet
    write(store, 6)
    slow.wait(15 * 60 + 60)
    runs = [slow.store().sweep(lambda: 0, PASS_EVERY) for _ in range(4)]
    assert [one.removed for one in runs] == [2, 2, 1, 0]
    assert [one.finished for one in runs] == [False, False, False, True]
    assert slow.texts == ["text"]


def test_many_hidden_hits_do_not_crowd_out_the_listed_ones(slow: Slow) -> None:
    store = slow.store()
    write(store, *range(200), text="old")
    slow.wait()
    slow.server.indices["memories"]._refreshes = Refreshes(slow.clock.now, 10**9)
    write(store, deletes=[uid(number) for number in range(190)])  # hidden, and their deletion not visible
    assert [id_ for id_, _ in seen(store)] == [uid(number) for number in range(190, 200)]


def test_versions_left_behind_do_not_crowd_out_the_score_of_the_one_that_is_listed(slow: Slow) -> None:
    store = slow.store()
    upserts = [(chunk(number, "cobra"), axis(0)) for number in range(2, 12)]
    for attempt in range(40):  # no search sees the earlier ones yet, so nothing can delete them
        write(store, upserts=[(chunk(1, f"rare {attempt}"), axis(1))])
    write(store, upserts=upserts)
    slow.wait()
    asked = SearchRequest("acme", "mika", axis(0), 5, ("rare",))
    hits = {hit.content: hit for hit in store.search(asked).hits}
    assert hits["rare 39"].lexical > 0
    asked = SearchRequest("acme", "mika", axis(1), 1, ("cobra",))
    hits = {hit.content: hit for hit in store.search(asked).hits}
    assert hits.keys() == {"rare 39", "cobra"}


def test_a_memory_whose_index_is_gone_is_an_error_and_not_empty(slow: Slow) -> None:
    store = slow.store()
    assert seen(store) == []  # nothing was ever written: no index, and no error
    write(store, 1)
    slow.wait()
    lost = slow.tables.opensearch(slow.server, "mistyped")
    with pytest.raises(StoreUnavailableError, match="has no such index"):
        seen(lost)
    with pytest.raises(StoreUnavailableError, match="has no such index"):
        lost.passages("acme", "mika", Filters(), 5)


def test_texts_are_there_before_a_search_sees_them(slow: Slow) -> None:
    store = slow.store()
    write(store, 1, text="fresh")
    assert store.texts("acme", ITEM, [uid(1), uid(2)])[uid(1)].content == "fresh"
    write(store, deletes=[uid(1)])
    assert store.texts("acme", ITEM, [uid(1)]) == {}


def test_a_bulk_refused_in_part_writes_nothing_to_the_ledger(
    slow: Slow, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = slow.store()
    write(store, 1)
    index = slow.server.indices["memories"]
    real: Callable[..., Any] = index.bulk

    def bulk(text: str, now: float) -> Any:
        lines = [json.loads(line) for line in text.splitlines()]
        spoilt = [{**one, "nonsense": 1} if one.get("chunk_id") == uid(3) else one for one in lines]
        return real("\n".join(map(json.dumps, spoilt)) + "\n", now)

    with monkeypatch.context() as patch:
        patch.setattr(index, "bulk", bulk)
        with pytest.raises(StoreUnavailableError) as caught:
            write(store, 2, 3, text="a secret")
    assert "secret" not in str(caught.value)
    assert held_ids(store) == [uid(1)]
    slow.wait()
    assert seen(store) == [(uid(1), "text")]


LIVE = os.environ.get("OPENSEARCH_LIVE_ENDPOINT", "")


@pytest.mark.skipif(
    not LIVE, reason="set OPENSEARCH_LIVE_ENDPOINT (and AWS credentials) to run against a collection"
)
def test_a_real_collection(local_aws: LocalAws) -> None:
    """Writes, finds, withholds and deletes in an index of its own, which it deletes; the ledger is local."""
    session = boto3.Session()
    client = connect(LIVE, session.region_name or "us-east-1", session.get_credentials())
    generation = "nextgen" if os.environ.get("OPENSEARCH_LIVE_GENERATION") == "nextgen" else "classic"
    index = f"vector-memory-{uuid4().hex[:8]}"
    tables = Tables(local_aws.client("dynamodb"))
    collection = Collection(client, index, SPACE, generation)  # type: ignore[arg-type]
    store = OpenSearchStore(collection, tables.calls(), tables.books(), SPACE, tables.runtime, map)
    try:
        collection.make()
        deadline = time.monotonic() + 60
        while True:
            try:
                write(store, 1, 2)
                break
            except StoreUnavailableError:
                assert time.monotonic() < deadline
                time.sleep(2)
        assert store.wait_until_searchable("acme", "mika", 180)
        assert found(store, axis(0)) == [uid(1), uid(2)]
        write(store, moves={uid(1): NOBODYS})
        assert found(store, axis(0)) == [uid(2)]
        write(store, deletes=[uid(1), uid(2)])
        assert found(store, axis(0)) == []
    finally:
        client.indices.delete(index=index)
