"""Rows about scale: a table beside one of a tenth, the same rows a user; and what partitions by tenant would bring."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta

from lab.bench.data import TIME, InstantEmbedder, World
from lab.bench.database import TEXTS, Database, fill
from lab.bench.disk import disk_rows
from lab.bench.filled import (
    ROWS_A_USER,
    TABLES,
    USERS_A_TENANT,
    Filled,
    request_of,
    seconds_of,
    tenant_of,
    wear,
)
from lab.bench.handlers import CONTEXT, OK, TOP_K, WARM_UP, container_of, quiet, serving
from lab.bench.partitions import PARTITIONS, partition_rows
from lab.bench.rows import Row, interleaved_ms, interleaved_times_ms, percentile
from lab.bench.searches import COUNTED, Buffers, touched
from lab.bench.writes import BATCH, Memories, applied
from pipeline.embedding.vectors import Vector
from pipeline.handlers import query
from pipeline.local.postgres import Postgres
from pipeline.stores.chunks import Chunk

TIMES_LARGER, EXCHANGES = 10, 400
ROWS_A_CHECKPOINT = 50_000
"""What is logged between two checkpoints needs disk as well."""
Report = Callable[[str], None]
Both = tuple[Filled, Filled]
"""The larger table, and the smaller one."""


def scale_rows(server: Postgres, world: World, *, rows: int, repeats: int, report: Report) -> list[Row]:
    """Measure tables of ``rows`` and of a tenth, in turns; the smaller one also with partitions and without."""
    texts = [world.text() for _ in range(min(TEXTS, rows))]
    small = _filled(server, world, texts, rows // TIMES_LARGER, step=1, report=report)
    report(f"{PARTITIONS} partitions")
    parted = list(partition_rows(small, world, PARTITIONS, repeats))
    both = _filled(server, world, texts, rows, step=TIMES_LARGER, report=report), small
    report("questions, writing, and vacuum")
    return [
        *disk_rows(server, world, EXCHANGES),
        *_sizes(both),
        *_questions(both, world, repeats),
        _buffers(both, world),
        *_strangers(both[0], world, repeats),
        _ingest(both, world, texts, repeats // 10),
        *_vacuum(both),
        *parted,
    ]


def _filled(  # noqa: PLR0913  # what, and how much of it
    server: Postgres, world: World, texts: Sequence[str], rows: int, *, step: int, report: Report
) -> Filled:
    """Fill a database; what autovacuum would do at a time of its own is done here, and measured later."""
    database = Database(server)
    for table in TABLES:
        database.execute(f"ALTER TABLE {table} SET (autovacuum_enabled = false)")

    def done(count: int) -> None:
        if count % ROWS_A_CHECKPOINT == 0:
            database.execute("CHECKPOINT")
            report(f"{count} of {rows} rows were there after {time.perf_counter() - began:.0f} s; the next")

    began = time.perf_counter()
    fill(database, _memories(world, texts, rows), done, tenant_of)
    return Filled(database, rows, step)


def _memories(world: World, texts: Sequence[str], rows: int) -> Iterator[tuple[Chunk, Vector]]:
    """Yield rows of all users mixed, one a second as they are said."""
    for second, number in enumerate(world.order(rows)):
        yield _memory(world, texts, number, number // ROWS_A_USER, TIME + timedelta(seconds=second))


def _memory(
    world: World, texts: Sequence[str], number: int, user: int, said_at: datetime = TIME
) -> tuple[Chunk, Vector]:
    name = f"user-{user}"
    return world.chunk(number, name, texts[number % len(texts)], said_at), world.vector(name)


def _questions(both: Both, world: World, repeats: int) -> Iterator[Row]:
    """Ask the handler, and the store alone, about users who have asked before: as many in both tables."""
    embedder = InstantEmbedder(world)
    stores = [_searching(filled, filled.somebody, world) for filled in both]
    for filled in both:
        _ask_for_all(filled, world)
    works = [*(_answering(filled, world, embedder) for filled in both), *stores]
    with quiet():
        for number in range(WARM_UP):
            for work in works:
                work(number)
        *answers, of_large, of_small = interleaved_times_ms(works, repeats, time.perf_counter)
    yield _p50("query handler", both, answers)
    yield _p50("store's search", both, (of_large, of_small))


def _p50(what: str, both: Both, times: Sequence[Sequence[float]]) -> Row:
    """Tell the medians, and what a busy machine changes least: the quickest tenths."""
    quickest = "ms; quickest tenth {:.4g} and {:.4g} ms".format(*(percentile(own, 10) for own in times))
    return _beside(f"{what}, p50", both, [percentile(own, 50) for own in times], quickest, most=1.2)


def _ask_for_all(filled: Filled, world: World) -> None:
    store = filled.database.store("memory_query")
    for number in filled.asking:
        store.search(request_of(world, number))


def _answering(filled: Filled, world: World, embedder: InstantEmbedder) -> Callable[[int], None]:
    container = container_of(filled.database.login("memory_query"), embedder)

    def ask(_: int) -> None:
        user = f"user-{filled.somebody(world)}"
        body = {"query": world.text(8), "top_k": TOP_K, "min_confidence": 0}
        with serving(container):
            found = query.handler({"tenant_id": tenant_of(user), "user_id": user, "body": body}, CONTEXT)
        if found["statusCode"] != OK:
            raise RuntimeError("the query handler did not answer")

    return ask


def _searching(filled: Filled, draw: Callable[[World], int], world: World) -> Callable[[int], None]:
    store = filled.database.store("memory_query")

    def ask(_: int) -> None:
        if len(store.search(request_of(world, draw(world))).hits) != ROWS_A_USER:
            raise RuntimeError("the store did not answer")

    return ask


def _buffers(both: Both, world: World) -> Row:
    large, small = (_touched(filled, filled.somebody, world) for filled in both)
    more = f"; of indexes {large.index:.0f} and {small.index:.0f}, not in memory {large.read:.0f} and {small.read:.0f}"
    return _beside("buffers of a search", both, (large.all, small.all), more)


def _touched(filled: Filled, draw: Callable[[World], int], world: World) -> Buffers:
    return touched(filled.database, [request_of(world, draw(world)) for _ in range(COUNTED)])


def _strangers(filled: Filled, world: World, repeats: int) -> Iterator[Row]:
    """Ask about users who have not asked since the server's memory forgot them, in turns with those who have."""
    works = [_searching(filled, draw, world) for draw in (filled.stranger, filled.somebody)]
    for work in works:
        work(0)
    theirs, usual = interleaved_ms(works, repeats, time.perf_counter)
    read = _touched(filled, filled.stranger, world).read
    yield Row(
        f"store's search, p50, {filled.rows} rows: users who have not asked / who have",
        theirs / usual,
        detail=f"{theirs:.4g} and {usual:.4g} ms; buffers not in memory: {read:.0f}",
    )


def _ingest(both: Both, world: World, texts: Sequence[str], batches: int) -> Row:
    """Write new chunks of users who are there, a batch of a tenant at a time."""
    works = [_writing(filled, world, texts, batches + 1) for filled in both]
    for work in works:
        work(-1)  # the first one connects
    times = interleaved_ms(works, batches, time.perf_counter)
    return _beside("store upsert, chunks/s", both, [BATCH / milliseconds * 1000 for milliseconds in times])


def _writing(filled: Filled, world: World, texts: Sequence[str], batches: int) -> Callable[[int], None]:
    store = filled.database.store("memory_ingest")
    made = [_batch(filled, world, texts, number) for number in range(batches)]
    return lambda number: applied(store, *made[number])


def _batch(filled: Filled, world: World, texts: Sequence[str], number: int) -> tuple[Memories, str]:
    """Return new chunks of all users of a tenant, and whose they are."""
    first = number * USERS_A_TENANT % filled.users
    users = [first + place % min(USERS_A_TENANT, filled.users) for place in range(BATCH)]
    start = filled.rows + number * BATCH
    memories = [_memory(world, texts, start + place, user) for place, user in enumerate(users)]
    return memories, tenant_of(f"user-{first}")


def _sizes(both: Both) -> Iterator[Row]:
    """Tell kilobytes a chunk, of all and of each table and index."""
    large, small = (_kilobytes(filled) for filled in both)
    yield _beside("tables and indexes a chunk", both, (sum(large.values()), sum(small.values())), "kB")
    for name in large:
        yield _beside(f"{name} a chunk", both, (large[name], small[name]), "kB")


def _kilobytes(filled: Filled) -> Mapping[str, float]:
    rows = filled.database.execute(
        "SELECT relname, pg_table_size(oid) / 1000.0 / (SELECT count(*) FROM memories) FROM pg_class "
        "WHERE relname LIKE 'memor%' AND relkind IN ('r', 'i') ORDER BY relname"
    )
    return {str(name): float(str(size)) for name, size in rows}


def _vacuum(both: Both) -> Iterator[Row]:
    for filled in both:
        wear(filled.database)
    for table in TABLES:
        seconds = [_vacuumed(filled, table) for filled in both]
        yield _beside(f"VACUUM of {table} after 5% of the rows", both, seconds, "s")


def _vacuumed(filled: Filled, table: str) -> float:
    return seconds_of(lambda: filled.database.execute(f"VACUUM {table}"))


def _beside(
    what: str, both: Both, values: Sequence[float], more: str = "", *, most: float | None = None
) -> Row:
    (large, small), (of_large, of_small) = both, values
    detail = f"{of_large:.4g} and {of_small:.4g} {more}".rstrip().replace(" ;", ";")
    return Row(f"{what}: {large.rows} rows / {small.rows}", of_large / of_small, most=most, detail=detail)
