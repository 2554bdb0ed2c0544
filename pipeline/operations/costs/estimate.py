"""What a month costs, part by part and store by store. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from math import ceil, log2

from pipeline.operations.costs.workload import Demand, Workload, demand
from pipeline.prices import EMBEDDING, SUPABASE, SUPABASE_COMPUTE, Region, price_of

HOURS = 730.0
STORES = ("pgvector", "dynamodb", "opensearch classic", "opensearch nextgen")
HOSTINGS = ("pgvector, rds", "pgvector, supabase")
"""``pgvector`` itself stands for Aurora Serverless v2."""

STREAM_GB_SECONDS = 0.5 * 0.03
INGEST_GB_SECONDS = 1.0 * 0.35
"""1 GB; most of it waits for the embedding API (300 ms assumed: not measured against OpenAI)."""
QUERY_GB_SECONDS = 1.0 * 0.25

ACU_GIGABYTES = 2.0
ACU_FLOOR, ACU_MOST = 0.5, 256.0
HOT_SHARE = 0.1
"""Of the rows that searches and writes keep in memory: those of users who are active together. Assumed."""
ACU_PER_INGEST = 1 / 400
"""ACUs a written row a second. From 8,560 rows a second on one core measured, and a wide margin for upkeep."""
ACU_PER_SEARCH = 1 / 100
"""ACUs a search a second: 2 to 6 ms of a core each, measured, and a margin."""

OCU_GIGABYTES, OCU_LEAST = 6.0, 0.5
"""Of indexing and of searching each, since June 2024 (aws.amazon.com/about-aws/whats-new/2024/06)."""
OCU_OF_VECTORS = 0.8
"""Share of an OCU's memory that holds vectors."""
NEXTGEN_COMPRESSION = 32.0
NEXTGEN_STEP = 1.0
NEXTGEN_IDLE_SECONDS = 600.0
"""NextGen lets its compute go after ten idle minutes."""

DISK = 1.8
"""Gigabytes that Postgres takes for one of rows: a row fills a page, and has its words, its indexes and its messages' rows
in the ledger. Measured with the workload's own exchanges at 1,536 dimensions: 13.3 kB a row of 7.4 (`scripts/bench --only
scale`). Memory holds pages, so it is measured so as well."""
SUPABASE_DISK = 8.0
"""Gigabytes in the plan."""
IN_VPC = frozenset({"pgvector", "pgvector, rds"})
EMPTY_RECEIVES = 5 * 3 * 60 * 24 * 30.0
"""Five pollers, each asking every 20 seconds while the queue is empty."""


@dataclass(frozen=True, slots=True)
class Bill:
    """Dollars a month, part by part."""

    store: str
    parts: Mapping[str, float]

    @property
    def total(self) -> float:
        """Return the sum."""
        return sum(self.parts.values())


def bill(store: str, work: Workload, region: Region, model: str, *, vpc: bool = True) -> Bill:
    """Return the bill of one store.

    Args:
        vpc: a database of AWS is reached through a VPC, so that calls of the embedding API need a NAT gateway.
    """
    asked = demand(work)
    parts = _common(asked, region, model)
    match store:
        case "pgvector":
            parts |= _aurora(work, asked, region)
        case "pgvector, rds":
            parts |= _rds(asked, region)
        case "pgvector, supabase":
            parts |= _supabase(asked)
        case "dynamodb":
            parts |= _dynamodb(asked, region)
        case "opensearch classic":
            parts |= _opensearch(asked, region, _classic_ocus(work, asked))
        case _:
            parts |= _opensearch(asked, region, _nextgen_ocus(work, asked))
    if vpc and store in IN_VPC:
        parts["nat"] = _nat(asked, region)
    return Bill(store, parts)


def _common(asked: Demand, region: Region, model: str) -> dict[str, float]:
    seconds = (
        asked.stream_invocations * STREAM_GB_SECONDS
        + asked.ingest_invocations * INGEST_GB_SECONDS
        + asked.questions * QUERY_GB_SECONDS
    )
    requests = asked.stream_invocations + asked.ingest_invocations + asked.questions
    return {
        "lambda": seconds * _aws("lambda GB-second (arm64)", region)
        + requests / 1e6 * _aws("lambda million requests", region),
        "sqs": (asked.queue_requests + EMPTY_RECEIVES) / 1e6 * _aws("sqs million requests", region),
        "dynamodb reads": asked.read_units / 1e6 * _aws("dynamodb million read units", region),
        "embeddings": asked.tokens / 1e6 * EMBEDDING[model].dollars,
    }


def _aurora(work: Workload, asked: Demand, region: Region) -> dict[str, float]:
    return {
        "database": acus(work, asked) * HOURS * _aws("aurora ACU-hour", region),
        "storage": asked.stored_gigabytes * DISK * _aws("aurora GB-month", region),
    }


def _rds(asked: Demand, region: Region) -> dict[str, float]:
    """An instance of the family db.t4g, one zone: as many GB of memory as what is hot."""
    return {
        "database": _memory(asked) * HOURS * _aws("rds GB-hour", region),
        "storage": max(20.0, asked.stored_gigabytes * DISK) * _aws("rds GB-month", region),
    }


def _supabase(asked: Demand) -> dict[str, float]:
    """The Pro plan, reached over the internet; beyond the largest listed size, several of it."""
    largest = max(SUPABASE_COMPUTE)
    memory = _memory(asked)
    compute = SUPABASE_COMPUTE[min(memory, largest)].dollars * max(1.0, memory / largest)
    beyond = max(0.0, asked.stored_gigabytes * DISK - SUPABASE_DISK)
    return {
        "database": SUPABASE["plan month"].dollars + compute - SUPABASE["compute credit"].dollars,
        "storage": beyond * SUPABASE["GB-month"].dollars,
    }


def _memory(asked: Demand) -> int:
    """Return the GB of memory of an instance that holds what is hot: a power of two."""
    needed = int(2 ** ceil(log2(max(1.0, asked.stored_gigabytes * DISK * HOT_SHARE))))
    return max(1, needed)


def _nat(asked: Demand, region: Region) -> float:
    gigabytes = (asked.new_rows + asked.questions) * (asked.row_kilobytes * 1.4) / 1e6
    return HOURS * _aws("nat hour", region) + gigabytes * _aws("nat GB", region)


def acus(work: Workload, asked: Demand) -> float:
    """Return Aurora capacity units: what memory or the rates ask for, whichever is more, never below the floor."""
    memory = asked.stored_gigabytes * DISK * HOT_SHARE / ACU_GIGABYTES
    rates = (
        asked.per_second(asked.new_rows) * ACU_PER_INGEST + asked.per_second(asked.questions) * ACU_PER_SEARCH
    )
    return max(ACU_FLOOR, memory, rates * work.peak / 2)


def _dynamodb(asked: Demand, region: Region) -> dict[str, float]:
    """Client-side search reads all of the user's rows, eventually consistent; writes are transactions (twice)."""
    per_search = asked.rows_per_user * asked.row_kilobytes / 4 / 2
    writes = asked.new_rows * 2 * -(-asked.row_kilobytes // 1) + asked.ingest_invocations * 4
    return {
        "database": writes / 1e6 * _aws("dynamodb million write units", region)
        + asked.questions * per_search / 1e6 * _aws("dynamodb million read units", region),
        "storage": asked.stored_gigabytes * _aws("dynamodb GB-month", region),
    }


def _opensearch(asked: Demand, region: Region, ocus: float) -> dict[str, float]:
    ledger = asked.ingest_invocations * 3 / 1e6 * _aws("dynamodb million write units", region)
    return {
        "database": ocus * HOURS * _aws("opensearch OCU-hour", region) + ledger,
        "storage": asked.stored_gigabytes * 1.2 * _aws("opensearch GB-month", region),
    }


def _classic_ocus(work: Workload, asked: Demand) -> float:
    """Vectors of a Classic collection live in memory; standby replicas are all of it once more."""
    searching = asked.rows * work.dimensions * 4 * 1.1 / 1e9 / (OCU_GIGABYTES * OCU_OF_VECTORS)
    return (1 + work.standby_replicas) * (OCU_LEAST + max(OCU_LEAST, searching))


def _nextgen_ocus(work: Workload, asked: Demand) -> float:
    """Nothing while idle; vectors in memory compressed, and idle only where ten minutes pass without a call."""
    calls = asked.per_second(asked.questions + asked.ingest_invocations)
    awake = min(1.0, calls * NEXTGEN_IDLE_SECONDS)
    memory = (
        asked.rows * work.dimensions * 4 * 1.1 / 1e9 / NEXTGEN_COMPRESSION / (OCU_GIGABYTES * OCU_OF_VECTORS)
    )
    return awake * max(2 * NEXTGEN_STEP, memory)


def crossovers(work: Workload, region: Region, model: str) -> list[tuple[float, str, str]]:
    """Return (users, the cheaper below, the cheaper above) wherever the bills of two stores cross, by users."""
    users = [10 ** (exponent / 20) for exponent in range(40, 181)]  # 100 to a billion
    totals = {
        store: [bill(store, replace(work, users=count), region, model).total for count in users]
        for store in STORES
    }
    found = []
    for one, two in combinations(STORES, 2):
        for number in range(1, len(users)):
            before = totals[one][number - 1] - totals[two][number - 1]
            after = totals[one][number] - totals[two][number]
            if before * after < 0:
                found.append((users[number], *((one, two) if before < 0 else (two, one))))
    return sorted(found)


def bills(work: Workload, region: Region, model: str) -> Sequence[Bill]:
    """Return the bill of every store, and of pgvector wherever it is hosted."""
    return [bill(store, work, region, model) for store in (STORES[0], *HOSTINGS, *STORES[1:])]


def _aws(item: str, region: Region) -> float:
    return price_of(item, region).dollars
