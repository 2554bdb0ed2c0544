"""What a chunk takes on disk once ingest brought it in, beside what the cost model says; with the model's own exchanges."""

from collections.abc import Mapping

from lab.bench.data import World
from lab.bench.database import Database
from lab.bench.handlers import ITEMS_AN_EVENT, USERS, rate_of, session
from lab.bench.rows import Row
from pipeline.local.postgres import Postgres
from pipeline.operations.costs.estimate import DISK
from pipeline.operations.costs.workload import Workload, demand
from pipeline.source.documents import ItemKey
from pipeline.source.layouts import Item

EXCHANGES_AN_ITEM, TENANTS = 20, 10
ASKED = 0.2
"""Share of an exchange's words that the user says."""
WORD_TOKENS = 1.65
"""A word of the made-up ones has 6.6 characters, its space among them, and four letters are a token."""
LETTERS = str.maketrans("0123456789", "abcdefghij")
"""Digits are more tokens than letters, and nobody speaks in them."""


def disk_rows(server: Postgres, world: World, exchanges: int) -> list[Row]:
    """Let ingest bring exchanges in, and tell kilobytes a chunk, with indexes and ledgers."""
    database = Database(server)
    rate_of(database, world, _items(world, exchanges))
    database.settle()
    tables = kilobytes(database)
    own, model = tables["memories"] + tables["memory_words"], demand(Workload()).row_kilobytes * DISK
    detail = ", ".join(f"{name} {size:.2f}" for name, size in tables.items() if size >= 0.01)  # worth a word
    measured = sum(tables.values())
    return [
        Row("kB on disk a chunk, ledgers and all / the cost model's", measured / model, detail=detail),
        Row(
            "kB on disk a chunk: memories and words alone",
            own,
            detail=f"all {measured:.2f}, the model {model:.2f}",
        ),
    ]


def kilobytes(database: Database) -> Mapping[str, float]:
    """Return what each table takes with its indexes, a chunk, the largest first."""
    rows = database.execute(
        "SELECT relname, pg_total_relation_size(oid) / 1000.0 / (SELECT count(*) FROM memories) FROM pg_class "
        "WHERE relnamespace = current_schema()::regnamespace AND relkind = 'r' ORDER BY 2 DESC"
    )
    return {str(name): float(str(size)) for name, size in rows}


def _items(world: World, exchanges: int) -> dict[ItemKey, Item]:
    count = max(2 * ITEMS_AN_EVENT, exchanges // EXCHANGES_AN_ITEM)
    return dict(_item(world, number) for number in range(count))


def _item(world: World, number: int) -> tuple[ItemKey, Item]:
    words = Workload().exchange_tokens / WORD_TOKENS
    said = [
        {
            "role": role,
            "content": world.text(round(words * share)).translate(LETTERS),
            "timestamp": f"2026-11-22T10:{turn:02}:00Z",
        }
        for turn in range(EXCHANGES_AN_ITEM)
        for role, share in (("user", ASKED), ("assistant", 1 - ASKED))
    ]
    return session(number, f"tenant-{number % TENANTS}", f"user-{number % USERS}", said)
