"""Rows about searching, under the query role."""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial

from lab.bench.data import TENANT, TIME, World
from lab.bench.database import Database, fill
from lab.bench.rows import Row, interleaved_ms, times_ms
from pipeline.embedding.vectors import Vector
from pipeline.lexical.terms import terms
from pipeline.local.postgres import Postgres
from pipeline.search.memory_search import CANDIDATES
from pipeline.stores.chunks import Chunk
from pipeline.stores.pgvector.store import PgVectorStore
from pipeline.stores.pgvector.strategies import EXACT_ROWS
from pipeline.stores.search_requests import SearchRequest

TOP_K = 10
BUFFER_ROWS = 1_000
Report = Callable[[str], None]


def search_rows(  # noqa: PLR0913  # how much of everything
    server: Postgres, world: World, *, table: int, sizes: Sequence[int], repeats: int, report: Report
) -> list[Row]:
    """Fill a table with a user of each size among others, and measure."""
    database = Database(server)
    report(f"a table of {table} rows")
    curve = [size for size in CROSSOVER_SIZES if size <= table // 6]
    fill(database, memories_of_sizes(world, table, [*sizes, *curve]), lambda _: None)
    auto, exact, bits = (database.store("memory_query", kind) for kind in ("auto", "exact", "bq"))
    rows: list[Row] = []
    for size in sizes:
        report(f"{size} rows a user")
        rows += _of_size(world, auto, exact, size, repeats)
    report("where bq gets quicker than exact")
    rows.append(crossover_row(world, exact, bits, curve, repeats))
    rows += _at_ten_thousand(world, exact, bits, max(size for size in sizes if size <= TEN_THOUSAND), repeats)
    small = Database(server)
    fill(small, memories_of_sizes(world, table // 10, [BUFFER_ROWS]), lambda _: None)
    rows.append(_buffers(world, database, small, table))
    return rows


TEN_THOUSAND = 10_000
CROSSOVER_SIZES = (200, 400, 800, 1_600, 3_200, 5_000, 10_000, 20_000, 50_000)


def memories_of_sizes(world: World, table: int, sizes: Sequence[int]) -> Iterator[tuple[Chunk, Vector]]:
    """Yield rows of all users mixed, one a second as they are said: those of each size, the rest users of about 500."""
    users = [f"size-{size}" for size in set(sizes) for _ in range(size)]
    users += [f"other-{number % max(1, table // 500)}" for number in range(table - len(users))]
    order = world.order(len(users))
    for second, number in enumerate(order):
        user = users[number]
        yield world.chunk(number, user, said_at=TIME + timedelta(seconds=second)), world.vector(user)


def crossover_row(
    world: World, exact: PgVectorStore, bits: PgVectorStore, sizes: Sequence[int], repeats: int
) -> Row:
    """Find from how many rows a user comparing bits first is quicker, for what the query function asks."""
    times = {size: _both_ways(world, exact, bits, size, repeats) for size in sizes}
    crossover = next((size for size, (all_, few) in times.items() if all_ >= few), float("inf"))
    told = ", ".join(
        f"{size} {all_:.1f} / {few:.1f} = {all_ / few:.2f}" for size, (all_, few) in times.items()
    )
    return Row(
        f"rows a user from which bq is quicker (auto: {EXACT_ROWS})",
        crossover,
        detail=f"exact / bq, ms: {told}",
    )


def _both_ways(
    world: World, exact: PgVectorStore, bits: PgVectorStore, size: int, repeats: int
) -> Sequence[float]:
    requests = [_request(world, f"size-{size}", words=True, top_k=CANDIDATES) for _ in range(repeats)]
    searches = [partial(_nth, store, requests) for store in (exact, bits)]
    for search in searches:
        search(0)
    return interleaved_ms(searches, repeats, time.perf_counter)


def _nth(store: PgVectorStore, requests: Sequence[SearchRequest], number: int) -> object:
    return store.search(requests[number]).hits


def _of_size(
    world: World, auto: PgVectorStore, exact: PgVectorStore, size: int, repeats: int
) -> Iterator[Row]:
    user = f"size-{size}"
    for kind, draw in (("friendly", world.friendly), ("off-topic", world.off_topic)):
        requests = [SearchRequest(TENANT, user, draw(user), TOP_K) for _ in range(max(5, repeats // 2))]
        found = sum(len(set(_ids(auto, request)) & set(_ids(exact, request))) for request in requests)
        yield Row(
            f"recall@10 / exact, {size} rows a user, {kind}", found / (TOP_K * len(requests)), least=0.99
        )
    asked = [_request(world, user, words=True) for _ in range(repeats)]
    cold, *warm = times_ms(lambda number: auto.search(asked[number]).hits, repeats, time.perf_counter)
    name = f"search, {size} rows a user, hybrid, {CANDIDATES} candidates, p50 ms"
    yield Row(name, sorted(warm)[len(warm) // 2], detail=f"first {cold:.1f}")


def _ids(store: PgVectorStore, request: SearchRequest) -> list[str]:
    return [hit.id for hit in store.search(request).hits][:TOP_K]


def _request(world: World, user: str, *, words: bool, top_k: int = CANDIDATES) -> SearchRequest:
    asked = terms(world.text(8)) if words else ()
    return SearchRequest(TENANT, user, world.friendly(user), top_k, asked)


def _at_ten_thousand(
    world: World, exact: PgVectorStore, bits: PgVectorStore, size: int, repeats: int
) -> Iterator[Row]:
    user = f"size-{size}"
    requests = [_request(world, user, words=True) for _ in range(repeats)]
    plain = [replace(request, terms=()) for request in requests]
    small = [replace(request, top_k=TOP_K) for request in plain]
    all_, few, hybrid, vectors = interleaved_ms(
        [
            lambda number: exact.search(small[number]).hits,
            lambda number: bits.search(small[number]).hits,
            lambda number: bits.search(requests[number]).hits,
            lambda number: bits.search(plain[number]).hits,
        ],
        repeats,
        time.perf_counter,
    )
    yield Row(
        f"exact / bq, {size} rows a user, top 10 by vectors",
        all_ / few,
        least=2.5 if size == TEN_THOUSAND else None,
        detail=f"{all_:.2f} and {few:.2f} ms",
    )
    yield Row(
        f"hybrid / vector-only, {size} rows a user, {CANDIDATES} candidates",
        hybrid / vectors,
        most=2 if size == TEN_THOUSAND else None,
        detail=f"{hybrid:.2f} and {vectors:.2f} ms",
    )


def _buffers(world: World, large: Database, small: Database, table: int) -> Row:
    asked = [_request(world, f"size-{BUFFER_ROWS}", words=True)] * COUNTED
    of_large, of_small = (touched(database, asked) for database in (large, small))
    name = f"buffers at {BUFFER_ROWS} rows a user: table of {table} / of {table // 10}"
    return Row(
        name, of_large.all / of_small.all, most=1.3, detail=f"{of_large.all:.0f} and {of_small.all:.0f}"
    )


@dataclass(frozen=True, slots=True)
class Buffers:
    """Pages of memories and words, the backends' own count.

    Args:
        read: those of ``heap`` and ``index`` that were not in the server's memory.
    """

    heap: float
    index: float
    read: float

    @property
    def all(self) -> float:
        """Of tables and indexes."""
        return self.heap + self.index


def touched(database: Database, requests: Sequence[SearchRequest]) -> Buffers:
    """Return what a search touches, on average."""
    store = database.store("memory_query")
    store.search(requests[0])
    before = _counts(database)
    for request in requests:
        store.search(request)
    return Buffers(
        *((now - then) / len(requests) for now, then in zip(_counts(database), before, strict=True))
    )


COUNTED = 20
END_OTHERS = """
SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'
"""


def _counts(database: Database) -> Sequence[int]:
    """Return blocks touched so far; a backend tells all of its own when it ends, and some time later otherwise."""
    database.execute(END_OTHERS)
    [row] = database.execute(
        "SELECT sum(heap_blks_hit + heap_blks_read)::int8, sum(idx_blks_hit + idx_blks_read)::int8, "
        "sum(heap_blks_read + idx_blks_read)::int8 "
        "FROM pg_statio_user_tables WHERE relname IN ('memories', 'memory_words')"
    )
    return [int(str(count)) for count in row]
