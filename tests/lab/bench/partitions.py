"""Rows about hash partitions by tenant: copies of a table, with them and without. The product has none."""

import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial

import psycopg
from psycopg.conninfo import make_conninfo

from lab.bench.data import World
from lab.bench.database import Database
from lab.bench.filled import ROWS_A_USER, TABLES, Filled, request_of, seconds_of, wear
from lab.bench.rows import Row, interleaved_ms
from pipeline.stores.pgvector import write_sql
from pipeline.stores.pgvector.parameters import question

PARTITIONS, CONNECTIONS = 16, 7
PARTED, WHOLE = "parted", "whole"
_COLUMNS = """tenant_id, id, user_id, content, embedding, created_at, metadata, source, members, fingerprint, line_lengths,
tokens"""
_BOTH = """
CREATE SCHEMA {schema};
CREATE TABLE {schema}.memories (LIKE public.memories INCLUDING ALL) {by_tenant};
CREATE TABLE {schema}.memory_words (LIKE public.memory_words INCLUDING ALL) {by_tenant};
"""
_PART = """
CREATE TABLE parted.{table}_{part} PARTITION OF parted.{table} FOR VALUES WITH (MODULUS {parts}, REMAINDER {part});
"""
_IN_LINE = "ALTER TABLE {table} SET (toast_tuple_target = 8160)"
_LOAD = f"""
INSERT INTO {{schema}}.memories ({_COLUMNS}) SELECT {_COLUMNS} FROM public.memories;
INSERT INTO {{schema}}.memory_words SELECT * FROM public.memory_words;
"""  # constants
_OPEN = """
SELECT public.protect_tenants('{schema}.memories'), public.protect_tenants('{schema}.memory_words');
GRANT USAGE ON SCHEMA {schema} TO memory_query;
GRANT SELECT ON {schema}.memories, {schema}.memory_words TO memory_query;
"""


def partition_rows(filled: Filled, world: World, partitions: int, repeats: int) -> Iterator[Row]:
    """Measure both copies, by the product's own search function, under the query role and row-level security."""
    database, name = filled.database, f"{partitions} partitions by tenant / none, {filled.rows} rows"
    _make_parted(database, partitions)
    _make_whole(database)
    loads = [filled.rows / _loaded(database, schema) for schema in (PARTED, WHOLE)]
    yield _of_both(f"{name}: INSERT of a table's rows, rows/s", loads)
    firsts, works = zip(*[_connected(filled, world) for _ in range(CONNECTIONS)], strict=True)
    first = [statistics.median(times) for times in zip(*firsts, strict=True)]
    yield _of_both(f"{name}: first search of a connection, which plans", first, "ms")
    again = interleaved_ms(works[-1], repeats, time.perf_counter)
    yield _of_both(f"{name}: store's search, p50", again, "ms")
    yield from _vacuum(database, name)
    database.execute(f"DROP SCHEMA {PARTED}, {WHOLE} CASCADE")


def _connected(filled: Filled, world: World) -> tuple[list[float], list[Callable[[int], None]]]:
    """Connect to both; return how long the first search took, in milliseconds, and what searches again."""
    works = [_asking(filled, world, schema) for schema in (PARTED, WHOLE)]
    return [seconds_of(partial(work, 0)) * 1000 for work in works], works


def _make_parted(database: Database, partitions: int) -> None:
    database.execute(_BOTH.format(schema=PARTED, by_tenant="PARTITION BY HASH (tenant_id)"))
    for part in range(partitions):
        for table in TABLES:
            database.execute(_PART.format(table=table, part=part, parts=partitions))
        database.execute(_IN_LINE.format(table=f"{PARTED}.memories_{part}"))


def _make_whole(database: Database) -> None:
    database.execute(_BOTH.format(schema=WHOLE, by_tenant=""))
    database.execute(_IN_LINE.format(table=f"{WHOLE}.memories"))


def _loaded(database: Database, schema: str) -> float:
    """Copy the rows, and let the query role read them; return the seconds that the copy took."""
    seconds = seconds_of(lambda: database.execute(_LOAD.format(schema=schema)))
    database.execute(_OPEN.format(schema=schema))
    database.execute("CHECKPOINT")
    for table in TABLES:
        database.execute(f"VACUUM ANALYZE {schema}.{table}")
    return seconds


def _asking(filled: Filled, world: World, schema: str) -> Callable[[int], None]:
    """Return what calls the search function on a connection of its own, which finds the tables of ``schema`` first."""
    login = filled.database.login("memory_query")
    connection = psycopg.connect(
        make_conninfo(login, options=f"-c search_path={schema},public"), autocommit=True
    )

    def ask(_: int) -> None:
        parameters = question(request_of(world, filled.somebody(world)), "auto")
        [columns] = connection.execute(write_sql.SEARCH.encode(), parameters, binary=True).fetchall()
        if len(columns[0]) != ROWS_A_USER:
            raise RuntimeError("the search function did not answer")

    return ask


def _vacuum(database: Database, name: str) -> Iterator[Row]:
    """Vacuum a partition, the others, and the table without any."""
    for schema in (PARTED, WHOLE):
        wear(database, schema)
    tables = (f"{PARTED}.memories_0", f"{PARTED}.memories", f"{WHOLE}.memories")
    one, others, whole = (seconds_of(partial(database.execute, f"VACUUM {table}")) for table in tables)
    yield _of_both(f"{name}: VACUUM of memories after 5% of the rows", (one + others, whole), "s")
    yield _of_both(f"{name}: VACUUM of one partition / of all without", (one, whole), "s")


def _of_both(name: str, values: Sequence[float], unit: str = "") -> Row:
    with_, without = values
    return Row(name, with_ / without, detail=f"{with_:.4g} and {without:.4g} {unit}".rstrip())
