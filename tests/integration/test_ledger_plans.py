"""What a save costs follows what is live, not what is kept: the plans of its reads, and what they look at."""

import json
from collections.abc import Callable, Iterator
from statistics import median
from time import perf_counter
from typing import Any

import psycopg
import pytest
from psycopg.types.json import Jsonb
from support.chunks import FACTS, axis, chunk, planned, row
from support.words import SPACE

from pipeline.stores.pgvector import write_sql
from pipeline.stores.pgvector.connection import SET_TENANT, Connector
from pipeline.stores.pgvector.parameters import named_rows
from pipeline.stores.pgvector.store import PgVectorStore

pytestmark = pytest.mark.integration
FEW, MANY, LIVE = 100, 20_000, 30
SMALL, LARGE = '["sessions", "acme", "small"]', '["sessions", "acme", "large"]'
READS = {
    "messages": write_sql.READ_MESSAGES,
    "waiting": write_sql.READ_WAITING,
    "kept": write_sql.READ_KEPT,
    "chunks": write_sql.READ_CHUNKS,
}
CHUNKS = """
INSERT INTO memories (id, user_id, content, embedding, metadata, source, members, fingerprint, status)
SELECT gen_random_uuid(), 'mika', 'text ' || n, %(vector)s::vector, %(metadata)s, %(source)s, ARRAY[lpad(n::text, 32, '0')], 'f',
       CASE WHEN n <= %(live)s THEN 'live' ELSE 'kept' END
FROM generate_series(1, %(live)s + %(kept)s) n
"""
MESSAGES = """
INSERT INTO message (tenant_id, source, id, name, ordinal, state, user_id, at_tail, met_at, added, seen, seen_at, resolved,
                     reason, chunks)
SELECT 'acme', source, members[1], 'n' || members[1]::int, 0, status, 'mika', false, 0, '', '', 0, '', '', ARRAY[id]
FROM memories WHERE source = %(source)s
"""


@pytest.fixture
def store(database: Callable[..., str]) -> PgVectorStore:
    """Two items with the same live chunks, and few and many kept ones."""
    conninfo = database("memory_ingest")
    store = PgVectorStore(Connector(lambda: conninfo), SPACE)
    with psycopg.connect(database(), autocommit=True, options="-c app.tenant_id=acme") as owner:
        for source, kept in ((SMALL, FEW), (LARGE, MANY)):
            values = {"source": source, "live": LIVE, "kept": kept, "vector": str(list(axis(0)))}
            owner.execute(CHUNKS, {**values, "metadata": Jsonb(chunk(1).metadata)})
            owner.execute(MESSAGES, values)
            assert not store.apply("acme", [planned(source)])
        for table in ("memories", "memory_words", "message", "ledger"):
            owner.execute(f"VACUUM ANALYZE {table}")
    return store


def plan_of(store: PgVectorStore, statement: str, source: str) -> dict[str, Any]:
    """Return the plan of a read of an item with the names of one kept and one live message, carried out."""
    parameters = named_rows({"acme": {source: {f"n{LIVE + 50}", "n1"}}})
    with store._connector.connection() as connection, connection.transaction():
        connection.execute(SET_TENANT, ["acme"])
        text = f"EXPLAIN (ANALYZE, FORMAT JSON) {statement}"
        [(told,)] = connection.execute(text, parameters).fetchall()
    plan: dict[str, Any] = (told if isinstance(told, list) else json.loads(told))[0]["Plan"]
    return plan


def nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for child in plan.get("Plans", ()):
        yield from nodes(child)


def looked_at(plan: dict[str, Any]) -> float:
    """How many rows of tables were looked at, whether they were wanted or not."""
    removed = ("Rows Removed by Filter", "Rows Removed by Index Recheck", "Rows Removed by Join Filter")
    return sum(
        float((node["Actual Rows"] + sum(node.get(name, 0) for name in removed)) * node["Actual Loops"])
        for node in nodes(plan)
        if "Relation Name" in node
    )


@pytest.mark.parametrize("name", READS)
def test_a_save_reads_by_indexes_and_looks_at_no_kept_rows_but_the_named(
    store: PgVectorStore, name: str
) -> None:
    small, large = (plan_of(store, READS[name], source) for source in (SMALL, LARGE))
    scans = {node["Node Type"] for node in nodes(large) if "Relation Name" in node}
    assert scans <= {"Index Scan", "Index Only Scan", "Bitmap Heap Scan"}
    assert looked_at(large) == looked_at(small) <= 3 * LIVE


def save(store: PgVectorStore, source: str, number: int) -> float:
    """Append a message as a reconcile does; return how long it took."""
    started, names = perf_counter(), {source: {f"n{LIVE + 50}", f"new {number}"}}
    state = store.read("acme", names)[source]
    detail = store.detail("acme", names)[source]
    assert len(state.messages) >= LIVE + 1
    assert len(detail.chunks) >= LIVE + 1
    write = planned(
        source,
        state,
        facts=FACTS,
        upserts=[(chunk(10**6 + number + 500 * (source == LARGE)), axis(1))],
        messages=[row(10**6 + number)],
    )
    assert not store.apply("acme", [write])
    return perf_counter() - started


def test_many_kept_chunks_hardly_slow_a_save(
    store: PgVectorStore, capsys: pytest.CaptureFixture[str]
) -> None:
    taken: dict[str, list[float]] = {SMALL: [], LARGE: []}
    for number in range(60):
        for source, times in taken.items():
            times.append(save(store, source, number))
    small, large = (1_000 * median(times[10:]) for times in taken.values())
    with capsys.disabled():
        print(
            f"\na save with {FEW} kept chunks {small:.2f} ms, with {MANY} {large:.2f} ms: {large / small:.2f}"
        )
