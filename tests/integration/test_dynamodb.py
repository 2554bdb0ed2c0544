"""What DynamoDB alone promises beyond the contract: a format others read, transactions that outgrow one, caches."""

import math
import os
import struct
from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np
import psycopg
import pytest
from psycopg.conninfo import make_conninfo
from support.chunks import ITEM, ask, axis, chunk, forget, found, held_ids, put, uid
from support.local_aws import Tables
from support.words import SPACE

from pipeline.embedding.vectors import Space, float32
from pipeline.errors import MalformedItemError, StoreUnavailableError
from pipeline.local.aws import LocalAws
from pipeline.stores.pgvector.connection import Connector
from pipeline.stores.pgvector.migrations import migrate
from pipeline.stores.pgvector.store import PgVectorStore
from pipeline.stores.protocol import Change, Filters, SearchRequest

QUESTIONS = 250 if os.environ.get("CI") else 25
"""Of each of two widths."""


class Watched:
    """Counts a client's calls, and may do something before one."""

    def __init__(self, client: Any) -> None:
        self._client = client
        self.calls: Counter[str] = Counter()
        self.before: Callable[[str, dict[str, Any]], None] = lambda *_: None

    def __getattr__(self, name: str) -> Callable[..., Any]:
        def call(**request: Any) -> Any:
            self.calls[name] += 1
            self.before(name, request)
            return getattr(self._client, name)(**request)

        return call


class Killed(BaseException):
    """The worker's process ends here."""


@pytest.fixture
def watched(local_aws: LocalAws) -> Watched:
    return Watched(local_aws.client("dynamodb"))


@pytest.fixture
def tables(watched: Watched) -> Tables:
    return Tables(watched, max_ops=12)


def chat_apps_own_search(
    client: Any, table: str, user: str, question: list[float], top_k: int
) -> list[tuple[str, float]]:
    """The chat app's search, written from its description alone: read the partition, unpack, cosine, sort."""
    rows: list[Any] = []
    for page in client.get_paginator("query").paginate(
        TableName=table,
        KeyConditionExpression="tenant_id = :t",
        ExpressionAttributeValues={":t": {"S": f"MEMORY#{user}"}},
    ):
        rows += page["Items"]
    scored = []
    for row in rows:
        raw = row["embedding"]["B"]
        vector = struct.unpack(f"<{len(raw) // 4}f", raw)
        assert int(row["timestamp"]["N"]) > 0
        dot = sum(a * b for a, b in zip(vector, question, strict=True))
        length = math.sqrt(sum(a * a for a in vector)) * math.sqrt(sum(b * b for b in question))
        scored.append((row["content"]["S"], dot / length))
    return sorted(scored, key=lambda one: -one[1])[:top_k]


def test_the_chat_apps_own_search_finds_the_same_in_the_same_order(local_aws: LocalAws) -> None:
    tables = Tables(local_aws.client("dynamodb"))
    random = np.random.default_rng(7)
    vectors = random.standard_normal((300, SPACE.dimensions)).astype(np.float32)
    put(
        tables.store(),
        *(
            (chunk(number, f"text {number}", "mika"), float32(vector))
            for number, vector in enumerate(vectors)
        ),
        tenant="mika",
    )
    reader = tables.store()
    for _ in range(5):
        question = random.standard_normal(SPACE.dimensions).astype(np.float32).tolist()
        theirs = chat_apps_own_search(local_aws.client("dynamodb"), tables.vectors, "mika", question, 10)
        ours = reader.search(SearchRequest("mika", "mika", question, 10))
        assert [hit.content for hit in ours] == [content for content, _ in theirs]
        assert [hit.similarity for hit in ours] == pytest.approx(
            [similarity for _, similarity in theirs], abs=1e-9
        )


def test_rows_the_chat_app_wrote_are_found_too_and_go_with_their_user(tables: Tables) -> None:
    store = tables.store()
    put(store, *((chunk(number, user_id="mika"), axis(1)) for number in range(120)), tenant="mika")
    for key in ("memory:long_term", "memory:daily:2026-11-22", "a", "z"):
        item = {
            "tenant_id": {"S": "MEMORY#mika"},
            "session_key": {"S": key},
            "content": {"S": "likes cobras"},
        }
        item |= {"embedding": {"B": struct.pack("<16f", *axis(0))}, "timestamp": {"N": "1795339800"}}  # type: ignore[dict-item]
        tables.client.put_item(TableName=tables.vectors, Item=item)

    reader = tables.store()
    assert sorted(found(reader, axis(0), "mika", top_k=4)) == [
        "a",
        "memory:daily:2026-11-22",
        "memory:long_term",
        "z",
    ]
    assert forget(store, user_id="mika", tenant="mika").deleted == 124
    assert found(tables.store(), axis(0), "mika") == []


@pytest.mark.parametrize("dimensions", [256, 1536])
def test_the_top_ten_are_pgvectors_and_numpys(local_aws: LocalAws, postgres: Any, dimensions: int) -> None:
    space = Space("random", dimensions)
    random = np.random.default_rng(dimensions)
    vectors = random.standard_normal((400, dimensions)).astype(np.float32)
    chunks = [(chunk(number), float32(vector)) for number, vector in enumerate(vectors)]
    dynamodb = Tables(local_aws.client("dynamodb"), space).store()
    put(dynamodb, *chunks)
    conninfo = _another_database(postgres, f"random_{dimensions}", space)
    pgvector = PgVectorStore(Connector(lambda: conninfo), space)
    put(pgvector, *chunks)
    exact = vectors.astype(np.float64)
    exact /= np.linalg.norm(exact, axis=1, keepdims=True)
    ties = 0
    for _ in range(QUESTIONS):
        question = random.standard_normal(dimensions).astype(np.float32)
        cosines = exact @ (question.astype(np.float64) / np.linalg.norm(question.astype(np.float64)))
        best = np.argsort(-cosines, kind="stable")[:10]
        ours = found(dynamodb, question.tolist())
        assert ours == [uid(int(place)) for place in best]
        theirs = found(pgvector, question.tolist())
        if theirs != ours:  # pgvector adds up in float32
            ties += 1
            places = [int(id_.replace("-", ""), 16) for id_ in theirs]
            assert cosines[places] == pytest.approx(cosines[best], abs=1e-6)
    print(
        f"{dimensions} dimensions: {QUESTIONS} of {QUESTIONS} as NumPy float64; pgvector's order differed within 1e-6 in {ties}"
    )


def _another_database(postgres: Any, name: str, space: Space) -> str:
    with psycopg.connect(postgres.conninfo(), autocommit=True) as owner:
        owner.execute(f"CREATE DATABASE {name} TEMPLATE template0")
    conninfo = make_conninfo(postgres.conninfo(), dbname=name)
    migrate(conninfo, space)
    return conninfo


def large_change(revision: int = 0) -> Change:
    return Change(
        ITEM,
        revision,
        "p2",
        present=True,
        upserts=[(chunk(number), axis(0)) for number in range(1, 41)],
        deletes=[uid(99)],
    )


def test_a_worker_that_dies_between_transactions_leaves_a_memory_that_says_so(
    tables: Tables, watched: Watched
) -> None:
    store = tables.store()
    put(store, (chunk(99), axis(0)))
    revision = store.read("acme", [ITEM])[ITEM].revision

    def dies(name: str, _: Any) -> None:
        if name == "transact_write_items" and watched.calls[name] == start + 4:
            raise Killed

    start, watched.before = watched.calls["transact_write_items"], dies
    with pytest.raises(Killed):
        store.apply("acme", [large_change(revision)])
    watched.before = lambda *_: None

    half = held_ids(tables.store())
    assert 0 < len(half) < 40
    assert uid(99) in half  # what goes, goes last: what is kept of it must be there before
    with pytest.raises(StoreUnavailableError, match="being written"):
        found(tables.store(), axis(0))
    with pytest.raises(StoreUnavailableError, match="being written"):
        tables.store().passages("acme", "mika", Filters(), 5)
    held = store.read("acme", [ITEM])[ITEM]
    assert (held.position, held.revision > revision, held.half) == ("p1", True, True)

    assert tables.store().apply("acme", [large_change(held.revision)]) == frozenset()
    assert held_ids(store) == [uid(number) for number in range(1, 41)]
    assert len(found(tables.store(), axis(0), top_k=100)) == 40
    assert store.read("acme", [ITEM])[ITEM].position == "p2"


def test_a_successor_locks_the_slow_worker_out(tables: Tables, watched: Watched) -> None:
    slow, quick = tables.store(), tables.store(tables.client._client)

    def overtakes(name: str, _: Any) -> None:
        if name == "transact_write_items" and watched.calls[name] == 3:
            watched.before = lambda *_: None
            held = quick.read("acme", [ITEM])[ITEM]
            here = [part.id for part in held.chunks]
            assert here
            change = Change(
                ITEM, held.revision, "p3", present=True, upserts=[(chunk(500), axis(0))], deletes=here
            )
            assert quick.apply("acme", [change]) == frozenset()

    watched.before = overtakes
    assert slow.apply("acme", [large_change()]) == {ITEM}
    assert held_ids(quick) == [uid(500)]
    assert found(quick, axis(0), top_k=100) == [uid(500)]
    assert quick.read("acme", [ITEM])[ITEM].position == "p3"


def test_a_wish_to_forget_locks_out_a_worker_that_is_half_way(tables: Tables, watched: Watched) -> None:
    slow, other = tables.store(), tables.store(tables.client._client)

    def forgets(name: str, _: Any) -> None:
        if name == "transact_write_items" and watched.calls[name] == 3:
            watched.before = lambda *_: None
            assert forget(other, user_id="mika").deleted > 0

    watched.before = forgets
    assert slow.apply("acme", [large_change()]) == {ITEM}
    assert held_ids(other) == []


def test_a_memory_is_read_once_until_it_changes(tables: Tables, watched: Watched) -> None:
    writer, reader = tables.store(tables.client._client), tables.store()
    put(writer, (chunk(1), axis(0)))
    for _ in range(3):
        assert found(reader, axis(0)) == [uid(1)]
    assert watched.calls["query"] == 1
    put(writer, (chunk(2, user_id="ken"), axis(0)), source="another user's")
    assert found(reader, axis(0)) == [uid(1)]
    assert watched.calls["query"] == 1
    put(writer, (chunk(3), axis(0)), source="another item")
    assert found(reader, axis(0)) == [uid(1), uid(3)]
    assert watched.calls["query"] == 2


def test_rows_that_do_not_add_up_are_read_again(tables: Tables, watched: Watched) -> None:
    """DynamoDB may show one row of a transaction before another; here it does."""
    put(tables.store(), (chunk(1, "tea"), axis(0)), (chunk(2, "tea"), axis(0)))
    real, hidden = watched._client, []

    class Late:
        def __getattr__(self, name: str) -> Any:
            return getattr(real, name)

        def query(self, **request: Any) -> Any:
            page = real.query(**request)
            if len(hidden) < 2:
                hidden.append(page["Items"].pop())
            return page

    store = tables.store(Late())
    assert held_ids(store) == [uid(1), uid(2)]
    assert len(hidden) == 2
    hidden.clear()
    assert ask(store, axis(0), "tea", top_k=5) == [uid(1), uid(2)]
    assert len(hidden) == 2


def test_pages_of_a_megabyte_are_all_read(local_aws: LocalAws) -> None:
    space = Space("wide", 1536)
    tables = Tables(local_aws.client("dynamodb"), space)
    watched = Watched(tables.client)
    random = np.random.default_rng(3)
    vectors = random.standard_normal((450, 1536)).astype(np.float32)
    put(tables.store(), *((chunk(number), float32(vector)) for number, vector in enumerate(vectors)))
    hits = tables.store(watched).search(SearchRequest("acme", "mika", vectors[449].tolist(), 500))
    assert len(hits) == 450
    assert hits[0].id == uid(449)
    assert watched.calls["query"] > 16  # sixteen ranges, one of which has all the ids of this test


def test_a_chunk_that_no_item_holds_is_the_items_fault_and_quotes_nothing(tables: Tables) -> None:
    store = tables.store()
    text = "a secret " * 60_000
    with pytest.raises(MalformedItemError, match="400 KB") as caught:
        store.apply("acme", [Change(ITEM, 0, "p1", present=True, upserts=[(chunk(1, text), axis(0))])])
    assert "secret" not in str(caught.value)
    assert held_ids(store) == []


def test_an_index_of_another_space_is_refused(tables: Tables, local_aws: LocalAws) -> None:
    put(tables.store(), (chunk(1), axis(0)))
    other = Tables(
        local_aws.client("dynamodb"), Space("other", 16), vectors=tables.vectors, ledger=tables.ledger
    )
    with pytest.raises(StoreUnavailableError, match="test-words in 16 dimensions"):
        other.store().read("acme", [ITEM])
    with pytest.raises(StoreUnavailableError, match="use new tables"):
        found(other.store(), axis(0))
    with pytest.raises(StoreUnavailableError, match="deploy the stack"):
        Tables(local_aws.client("dynamodb"), vectors="nowhere", ledger="nowhere").store().check()


def test_a_reader_makes_no_row(tables: Tables, watched: Watched) -> None:
    store = tables.store()
    assert found(store, axis(0)) == []
    assert store.indexed_until("acme", "mika", None) is None
    assert {name for name in watched.calls if name != "create_table"} <= {
        "get_item",
        "query",
        "batch_get_item",
    }
