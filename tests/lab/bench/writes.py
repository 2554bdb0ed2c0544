"""Rows about writing."""

import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial

import psycopg

from lab.bench.data import SPACE, TENANT, World
from lab.bench.database import COPY_MEMORIES, COPY_WORDS, Database, copy, fill, memory_row, word_rows
from lab.bench.rows import Row
from pipeline.embedding.vectors import Vector
from pipeline.ingest.tenants import EachTenant
from pipeline.local.postgres import Postgres
from pipeline.stores.chunks import Chunk
from pipeline.stores.index_state import PlannedWrite
from pipeline.stores.message_rows import ItemFacts
from pipeline.stores.pgvector.migrations import migrate
from pipeline.stores.pgvector.store import PgVectorStore

BATCH = 100
Memories = Sequence[tuple[Chunk, Vector]]


def write_rows(
    server: Postgres, world: World, *, chunks: int, repeats: int, graph_rows: int
) -> tuple[list[Row], float]:
    """Measure; return the rows, and the store's own chunks a second.

    Args:
        graph_rows: in the table that gets a graph index; the more there are, the longer each insertion looks around.
    """
    ours, ceiling = [], []
    for repeat in range(repeats):
        database = Database(server)
        store = database.store("memory_ingest")
        first = _memories(world, chunks, 1_000_000 * repeat)
        second = _memories(world, chunks, 1_000_000 * repeat + 500_000)
        ceiling.append(_rate(chunks, lambda: _copied(database, first)))  # noqa: B023  # called at once
        ours.append(_rate(chunks, lambda: applied(store, second)))  # noqa: B023  # the same
    upsert, copied = statistics.median(ours), statistics.median(ceiling)
    without_graph, with_graph = _around_graph(server, world, rows=graph_rows, chunks=300, repeats=repeats)
    rows = [
        Row(
            "store upsert / COPY BINARY as owner, same tables and indexes",
            upsert / copied,
            least=0.7,
            detail=f"{upsert:.0f} and {copied:.0f} chunks/s",
        ),
        Row(
            f"store upsert / same with an HNSW index, table of {graph_rows}",
            without_graph / with_graph,
            least=20,
            detail=f"{without_graph:.0f} and {with_graph:.0f} chunks/s",
        ),
        _tenants(server, world, repeats=repeats * 3),
    ]
    return rows, upsert


def _memories(world: World, count: int, start: int) -> Memories:
    vectors = world.vectors("writer", count)
    return [
        (world.chunk(start + number, f"user-{number % 50}"), vector.tolist())
        for number, vector in enumerate(vectors)
    ]


def _rate(count: int, work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return count / (time.perf_counter() - started)


def _copied(database: Database, memories: Memories) -> None:
    with psycopg.connect(database.owner) as owner:
        copy(owner, COPY_MEMORIES, (memory_row(chunk, vector) for chunk, vector in memories))
        copy(owner, COPY_WORDS, (row for chunk, _ in memories for row in word_rows(chunk)))


def applied(store: PgVectorStore, memories: Memories, tenant: str = TENANT) -> None:
    """Write as ingest does, a hundred chunks at a time."""
    for start in range(0, len(memories), BATCH):
        part = memories[start : start + BATCH]
        facts = ItemFacts(position="p", present=True)
        write = PlannedWrite(f"{tenant} {part[0][0].id}", 0, 0, facts, upserts=part)
        if store.apply(tenant, [write]):
            raise RuntimeError("nobody else writes here")


def _applied_apart(store: PgVectorStore, apart: Sequence[tuple[str, Memories]]) -> None:
    """Write for several tenants as ingest does: in one transaction."""
    facts = ItemFacts(position="p", present=True)
    writes = {
        tenant: [PlannedWrite(f"{tenant} {part[0][0].id}", 0, 0, facts, upserts=part)]
        for tenant, part in apart
    }
    if any(outcome != frozenset() for outcome in EachTenant(store).apply(writes).values()):
        raise RuntimeError("nobody else writes here")


def _around_graph(
    server: Postgres, world: World, *, rows: int, chunks: int, repeats: int
) -> tuple[float, float]:
    """Return the store's chunks a second into a table of ``rows``, before and after it gets a graph index."""
    database = Database(server)
    fill(database, _drawn(world, rows), lambda _: None)
    store = database.store("memory_ingest")
    applied(store, _memories(world, 1, 7_000_000))  # the first one connects
    medians = []
    for start in (8_000_000, 9_000_000):
        parts = [_memories(world, chunks, start + chunks * number) for number in range(repeats)]
        medians.append(statistics.median(_rate(chunks, partial(applied, store, part)) for part in parts))
        migrate(database.owner, SPACE, graph=True)
    return medians[0], medians[1]


def _drawn(world: World, count: int) -> Iterator[tuple[Chunk, Vector]]:
    for start in range(0, count, 1000):
        yield from _memories(world, min(1000, count - start), start)


def _tenants(server: Postgres, world: World, *, repeats: int) -> Row:
    store = Database(server).store("memory_ingest")
    one, many = [], []
    for repeat in range(repeats):
        memories = _memories(world, 50, 1000 * repeat)
        apart = [(f"tenant-{number}", [memory]) for number, memory in enumerate(memories)]
        one.append(_rate(50, lambda: applied(store, memories)))  # noqa: B023  # called at once
        many.append(_rate(50, lambda: _applied_apart(store, apart)))  # noqa: B023  # the same
    alone, spread = statistics.median(one), statistics.median(many)
    name = "one chunk from each of 50 tenants / 50 chunks of one tenant"
    return Row(name, spread / alone, least=0.5, detail=f"{spread:.0f} and {alone:.0f} chunks/s")
