"""What DynamoDB alone promises beyond the contract: a format others read, transactions that outgrow one, caches."""

import json
import math
import os
import struct
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import numpy as np
import psycopg
import pytest
from psycopg.conninfo import make_conninfo
from support.chunks import (
    FACTS,
    ITEM,
    NOBODYS,
    TIME,
    ask,
    axis,
    chunk,
    chunks,
    found,
    held,
    held_ids,
    key_of,
    messages,
    mid,
    planned,
    put,
    request,
    row,
    uid,
    waiting,
)
from support.local_aws import Tables
from support.words import SPACE

from pipeline.embedding.vectors import EmbeddingSpace, float32
from pipeline.errors import MalformedItemError, StoreUnavailableError
from pipeline.local.aws import LocalAws
from pipeline.stores.chunks import ChunkMove
from pipeline.stores.index_state import IndexState, PlannedWrite
from pipeline.stores.pgvector.connection import Connector
from pipeline.stores.pgvector.migrations import migrate
from pipeline.stores.pgvector.store import PgVectorStore
from pipeline.stores.protocol import Store
from pipeline.stores.search_requests import Filters, SearchRequest

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
    for one in rows:
        raw = one["embedding"]["B"]
        vector = struct.unpack(f"<{len(raw) // 4}f", raw)
        assert int(one["timestamp"]["N"]) > 0
        dot = sum(a * b for a, b in zip(vector, question, strict=True))
        length = math.sqrt(sum(a * a for a in vector)) * math.sqrt(sum(b * b for b in question))
        scored.append((one["content"]["S"], dot / length))
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
        ours = reader.search(SearchRequest("mika", "mika", question, 10)).hits
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
    late = {"timestamp": {"N": "1795339801"}, "session_key": {"S": "b"}}
    tables.client.put_item(TableName=tables.vectors, Item={**item, **late})
    assert store.mark(request(user_id="mika", tenant="mika", asked_at=TIME + timedelta(seconds=1))) == 4
    theirs = {"a", "b", "z", "memory:long_term", "memory:daily:2026-11-22"}
    assert theirs & set(found(tables.store(), axis(0), "mika", top_k=200)) == {"b"}


def put_as_the_chat_app(tables: Tables) -> None:
    item = {
        "tenant_id": {"S": "MEMORY#mika"},
        "session_key": {"S": "memory:long_term"},
        "content": {"S": "likes cobras"},
        "embedding": {"B": struct.pack("<16f", *axis(0))},
        "timestamp": {"N": "1795339800"},
    }
    tables.client.put_item(TableName=tables.vectors, Item=item)


def test_rows_the_chat_app_wrote_are_forgotten_by_a_reader_that_has_them_already(tables: Tables) -> None:
    put(tables.store(), (chunk(1, user_id="mika"), axis(1)), tenant="mika")
    put_as_the_chat_app(tables)
    reader = tables.store()
    assert found(reader, axis(0), "mika") == ["memory:long_term", uid(1)]
    asked = request(user_id="mika", tenant="mika", asked_at=TIME + timedelta(seconds=1))
    assert tables.store().mark(asked) == 1
    assert found(reader, axis(0), "mika") == [uid(1)]


@pytest.mark.parametrize("step", [timedelta(minutes=5), timedelta(hours=-1)], ids=["later", "clock set back"])
def test_a_row_that_the_chat_app_writes_is_found_by_a_warm_reader_once_its_cache_is_old(
    watched: Watched, step: timedelta
) -> None:
    now = [TIME]
    tables = Tables(watched, now=lambda: now[0])
    put(tables.store(), (chunk(1, user_id="mika"), axis(1)), tenant="mika")
    reader = tables.store()
    assert found(reader, axis(0), "mika") == [uid(1)]
    put_as_the_chat_app(tables)
    read = watched.calls["query"]
    assert found(reader, axis(0), "mika") == [uid(1)]
    assert watched.calls["query"] == read  # what is warm reads one row only
    now[0] += step
    assert found(reader, axis(0), "mika") == ["memory:long_term", uid(1)]


@pytest.mark.parametrize("dimensions", [256, 1536])
def test_the_top_ten_are_pgvectors_and_numpys(local_aws: LocalAws, postgres: Any, dimensions: int) -> None:
    space = EmbeddingSpace("random", dimensions)
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


def _another_database(postgres: Any, name: str, space: EmbeddingSpace) -> str:
    with psycopg.connect(postgres.conninfo(), autocommit=True) as owner:
        owner.execute(f"CREATE DATABASE {name} TEMPLATE template0")
    conninfo = make_conninfo(postgres.conninfo(), dbname=name)
    migrate(conninfo, space)
    return conninfo


def test_the_chat_apps_own_search_reads_neither_what_is_withheld_nor_what_has_no_vector(
    local_aws: LocalAws,
) -> None:
    tables = Tables(local_aws.client("dynamodb"))
    store = tables.store()

    def theirs() -> set[str]:
        client = local_aws.client("dynamodb")
        return {text for text, _ in chat_apps_own_search(client, tables.vectors, "mika", list(axis(0)), 10)}

    shown, hidden = (chunk(1, "shown"), axis(0)), (chunk(2, "hidden"), axis(0))
    put(store, shown, hidden, (waiting(chunk(3, "waits")), None), tenant="mika")
    put(store, moves={uid(2): NOBODYS}, tenant="mika")
    assert theirs() == {"shown"}
    put(store, moves={uid(2): ChunkMove("mika", "live")}, tenant="mika")
    assert theirs() == {"shown", "hidden"}
    put(store, moves={uid(1): ChunkMove("ken", "live")}, tenant="mika")
    assert theirs() == {"hidden"}


def large_write(state: IndexState) -> PlannedWrite:
    return planned(
        ITEM,
        state,
        facts=replace(FACTS, position="p2"),
        upserts=[(chunk(number), axis(0)) for number in range(1, 41)],
        messages=[row(number) for number in range(1, 41)],
        deletes=[uid(99)],
        purged=[mid(99)],
    )


def dies_at(watched: Watched, transaction: int) -> None:
    """Let the worker die before that transaction from now on."""
    last = watched.calls["transact_write_items"] + transaction

    def dies(name: str, _: Any) -> None:
        if name == "transact_write_items" and watched.calls[name] == last:
            raise Killed

    watched.before = dies


def test_a_worker_that_dies_between_transactions_leaves_a_memory_that_says_so(
    tables: Tables, watched: Watched
) -> None:
    store = tables.store()
    put(store, (chunk(99), axis(0)), messages=[row(99)])
    before = held(store)
    dies_at(watched, 4)
    with pytest.raises(Killed):
        store.apply("acme", [large_write(before)])
    watched.before = lambda *_: None

    half = held_ids(tables.store())
    assert 0 < len(half) < 40
    assert uid(99) in half  # what goes, goes last: what is kept of it must be there before
    with pytest.raises(StoreUnavailableError, match="being written"):
        found(tables.store(), axis(0))
    with pytest.raises(StoreUnavailableError, match="being written"):
        tables.store().passages("acme", "mika", Filters(), 5)
    left = held(store)
    assert (left.facts, left.revision > before.revision, left.in_progress) == (FACTS, True, True)

    assert tables.store().apply("acme", [large_write(left)]) == frozenset()
    assert held_ids(store) == [uid(number) for number in range(1, 41)]
    assert messages(store) == {row(number) for number in range(1, 41)}
    assert len(found(tables.store(), axis(0), top_k=100)) == 40
    assert (held(store).facts.position, held(store).in_progress) == ("p2", False)


@pytest.mark.parametrize("dies_before", range(2, 9))
def test_a_clear_that_is_cut_short_anywhere_is_finished_by_the_next_worker(
    tables: Tables, watched: Watched, dies_before: int
) -> None:
    """Messages and chunks leave what every reconcile reads for where only their names find them."""
    numbers = range(1, 9)
    store = tables.store()
    put(store, *((chunk(one), axis(0)) for one in numbers), messages=[row(one) for one in numbers])

    def clear(state: IndexState) -> PlannedWrite:
        kept = {uid(one): ChunkMove("mika", "kept") for one in numbers}
        return planned(ITEM, state, moves=kept, messages=[row(one, "kept") for one in numbers])

    dies_at(watched, dies_before)
    with pytest.raises(Killed):
        store.apply("acme", [clear(held(store))])
    watched.before = lambda *_: None

    other = tables.store()
    assert other.apply("acme", [clear(held(other))]) == frozenset()
    assert (messages(other), chunks(other, set())) == (set(), {})
    assert messages(other, "n3") == {row(3, "kept")}
    assert chunks(other, {"n3"}).keys() == {uid(3)}
    assert chunks(other).keys() == {uid(one) for one in numbers}
    assert len(found(other, axis(0), top_k=20)) == 8


def test_a_successor_locks_the_slow_worker_out(tables: Tables, watched: Watched) -> None:
    slow, quick = tables.store(), tables.store(tables.client._client)

    def overtakes(name: str, _: Any) -> None:
        if name == "transact_write_items" and watched.calls[name] == 3:
            watched.before = lambda *_: None
            here = held_ids(quick)
            assert here
            gone = [one.id for one in messages(quick)]
            put(quick, (chunk(500), axis(0)), messages=[row(500)], deletes=here, purged=gone)

    watched.before = overtakes
    assert slow.apply("acme", [large_write(held(slow))]) == {ITEM}
    assert held_ids(quick) == [uid(500)]
    assert messages(quick) == {row(500)}
    assert found(quick, axis(0), top_k=100) == [uid(500)]
    assert held(quick).facts.position == "p1"


def test_a_request_to_forget_locks_out_a_worker_that_is_half_way(tables: Tables, watched: Watched) -> None:
    slow, other = tables.store(), tables.store(tables.client._client)

    def forgets(name: str, _: Any) -> None:
        if name == "transact_write_items" and watched.calls[name] == 3:
            watched.before = lambda *_: None
            other.mark(request(user_id="mika"))

    watched.before = forgets
    write = replace(large_write(held(slow)), key=key_of("chat:1"), name="chat:1")
    assert slow.apply("acme", [write]) == {ITEM}
    assert held(other).in_progress
    assert other.items_of(request(user_id="mika")) == [key_of("chat:1")]
    assert other.items_of(request(session_key="chat:1")) == [key_of("chat:1")]


def test_a_save_reads_none_of_twenty_times_as_many_kept_rows(tables: Tables, watched: Watched) -> None:
    store = Tables(watched, vectors=tables.vectors, ledger=tables.ledger).store()
    kept = range(100, 500)
    put(
        store,
        *((replace(chunk(one), status="kept"), axis(0)) for one in kept),
        *((chunk(one), axis(0)) for one in range(20)),
        messages=[*(row(one, "kept") for one in kept), *(row(one) for one in range(20))],
    )
    read = Counter[str]()
    real = watched._client

    class Weighed:
        def __getattr__(self, name: str) -> Any:
            def call(**asked: Any) -> Any:
                answer = getattr(real, name)(**asked)
                read.update(rows=len(answer.get("Items", ())))
                read.update(rows=sum(map(len, answer.get("Responses", {}).values())))
                return answer

            return call

    other = tables.store(Weighed())
    state = held(other, ITEM, "acme", "n3", "n150")
    detail = other.detail("acme", {ITEM: {"n150", "new"}})[ITEM]
    assert len(state.messages) == 21
    assert ([one.id for one in detail.kept], len(detail.chunks)) == ([mid(150)], 21)
    assert read["rows"] < 60


def test_a_memory_is_read_once_until_it_changes(tables: Tables, watched: Watched) -> None:
    writer, reader = tables.store(tables.client._client), tables.store()
    put(writer, (chunk(1), axis(0)))
    for _ in range(3):
        assert found(reader, axis(0)) == [uid(1)]
    assert watched.calls["query"] == 2  # those with a vector, and those without
    put(writer, (chunk(2, user_id="ken"), axis(0)), source="another user's")
    assert found(reader, axis(0)) == [uid(1)]
    assert watched.calls["query"] == 2
    put(writer, (chunk(3), axis(0)), source="another item")
    assert found(reader, axis(0)) == [uid(1), uid(3)]
    assert watched.calls["query"] == 4


class Late:
    """Shows the answers of some calls without one of their rows, as DynamoDB may show half of a transaction.

    Args:
        hides: tells by its key whether a row is seen late.
        times: so many answers lack it.
    """

    def __init__(self, real: Any, hides: Callable[[str], bool], times: int = 2) -> None:
        self._real, self._hides, self._times = real, hides, times
        self.hidden: list[str] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)

    def query(self, **asked: Any) -> Any:
        page = self._real.query(**asked)
        return {**page, "Items": self._without(page["Items"])}

    def batch_get_item(self, **asked: Any) -> Any:
        answer = self._real.batch_get_item(**asked)
        shown = {table: self._without(rows) for table, rows in answer["Responses"].items()}
        return {**answer, "Responses": shown}

    def _without(self, rows: list[Any]) -> list[Any]:
        late = [one for one in rows if self._hides((one.get("sk") or one["session_key"])["S"])]
        if not late or len(self.hidden) == self._times:
            return rows
        self.hidden.append(str(late[0]))
        return [one for one in rows if one is not late[0]]


def test_rows_that_do_not_add_up_are_read_again(tables: Tables, watched: Watched) -> None:
    put(tables.store(), (chunk(1, "tea"), axis(0)), (chunk(2, "tea"), axis(0)), messages=[row(1), row(2)])

    def late(prefix: str) -> tuple[Store, Late]:
        client = Late(watched._client, lambda key: key.startswith(prefix))
        return tables.store(client), client

    store, client = late("chunk#")
    assert held_ids(store) == [uid(1), uid(2)]
    assert len(client.hidden) == 2
    store, client = late("message#")
    assert messages(store) == {row(1), row(2)}
    assert len(client.hidden) == 2
    store, client = late("memory:")
    assert ask(store, axis(0), "tea", top_k=5) == [uid(1), uid(2)]
    assert len(client.hidden) == 2


@pytest.mark.parametrize("prefix", ["kept#", "named#", "closed#", "holder#"])
def test_a_kept_item_that_was_partly_read_is_read_again(
    tables: Tables, watched: Watched, prefix: str
) -> None:
    put(tables.store(), (chunk(1), axis(0)), messages=[row(1)])
    moves = {uid(1): ChunkMove("mika", "kept")}
    whole = Tables(watched, vectors=tables.vectors, ledger=tables.ledger).store()
    put(whole, moves=moves, messages=[row(1, "kept")])

    client = Late(watched._client, lambda key: key.startswith(prefix))
    assert chunks(tables.store(client), {"n1"}).keys() == {uid(1)}
    assert len(client.hidden) == 2
    if prefix in {"kept#", "named#"}:
        client = Late(watched._client, lambda key: key.startswith(prefix))
        assert messages(tables.store(client), "n1") == {row(1, "kept")}


def test_a_vector_row_that_is_seen_late_moves_whole(tables: Tables, watched: Watched) -> None:
    put(tables.store(), (chunk(1, "tea"), axis(0)))
    client = Late(watched._client, lambda key: key.startswith("memory:"))
    put(tables.store(client), moves={uid(1): NOBODYS})
    put(tables.store(), moves={uid(1): ChunkMove("ken", "live")})
    assert len(client.hidden) == 2
    assert found(tables.store(), axis(0), user="ken") == [uid(1)]


def test_no_message_row_holds_text_and_nothing_erased_does(tables: Tables) -> None:
    store = tables.store()
    put(store, (chunk(1, "a secret"), axis(0)), messages=[row(1)])
    ledger = tables.client.scan(TableName=tables.ledger)["Items"]
    assert "secret" not in json.dumps(ledger)
    put(store, deletes=[uid(1)], messages=[row(1, "erased")])
    assert tables.client.scan(TableName=tables.vectors)["Items"] == []
    assert messages(store) == {row(1, "erased")}


def test_pages_of_a_megabyte_are_all_read(local_aws: LocalAws) -> None:
    space = EmbeddingSpace("wide", 1536)
    tables = Tables(local_aws.client("dynamodb"), space)
    watched = Watched(tables.client)
    random = np.random.default_rng(3)
    vectors = random.standard_normal((450, 1536)).astype(np.float32)
    put(tables.store(), *((chunk(number), float32(vector)) for number, vector in enumerate(vectors)))
    hits = tables.store(watched).search(SearchRequest("acme", "mika", vectors[449].tolist(), 500)).hits
    assert len(hits) == 450
    assert hits[0].id == uid(449)
    assert watched.calls["query"] > 16  # sixteen ranges, one of which has all the ids of this test


def test_a_chunk_that_no_item_holds_is_the_items_fault_and_quotes_nothing(tables: Tables) -> None:
    store = tables.store()
    text = "a secret " * 60_000
    with pytest.raises(MalformedItemError, match="400 KB") as caught:
        store.apply("acme", [planned(ITEM, upserts=[(chunk(1, text), axis(0))])])
    assert "secret" not in str(caught.value)
    assert held_ids(store) == []


def test_an_index_of_another_space_is_refused(tables: Tables, local_aws: LocalAws) -> None:
    put(tables.store(), (chunk(1), axis(0)))
    other = Tables(
        local_aws.client("dynamodb"),
        EmbeddingSpace("other", 16),
        vectors=tables.vectors,
        ledger=tables.ledger,
    )
    with pytest.raises(StoreUnavailableError, match="test-words in 16 dimensions"):
        held(other.store())
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
