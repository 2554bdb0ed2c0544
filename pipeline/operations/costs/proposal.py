"""The table that this project began with, and what it comes to now. Pure.

The proposal's estimate (github.com/yukihamada/nanobot, docs/vector-memory-proposal.md) is of the database alone, for 10,000
users; it does not say how much they write, nor in which region.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from pipeline.operations.costs.estimate import DISK, HOURS, SUPABASE_DISK, bill
from pipeline.operations.costs.workload import DAYS, Workload, demand
from pipeline.prices import Region, price_of

USERS = 10_000.0
PARTS = ("database", "storage")


@dataclass(frozen=True, slots=True)
class Proposed:
    """A row: what the proposal said a month costs, in dollars, and our store for it."""

    name: str
    store: str
    least: float
    most: float


ROWS = (
    Proposed("PostgreSQL (Supabase), Pro plan", "pgvector, supabase", 25.0, 25.0),
    Proposed("PostgreSQL (RDS), db.t4g.micro", "pgvector, rds", 50.0, 100.0),
    Proposed("OpenSearch Serverless", "opensearch classic", 700.0, 700.0),
    Proposed("client side, on DynamoDB", "dynamodb", 0.0, 0.0),
)


def now(row: Proposed, work: Workload, region: Region, model: str) -> float:
    """Return what a row's database costs with ``work`` and today's prices."""
    parts = bill(row.store, replace(work, users=USERS), region, model).parts
    return sum(parts[part] for part in PARTS)


def differences(work: Workload, region: Region) -> Iterator[str]:
    """Yield why each row comes to something else."""
    asked = demand(replace(work, users=USERS))
    fits = SUPABASE_DISK / DISK / (asked.stored_gigabytes / work.months) * DAYS
    micro = price_of("rds GB-hour", region).dollars * HOURS
    ocu = price_of("opensearch OCU-hour", region).dollars * HOURS
    yield (
        f"Supabase: the plan still costs $25; its 8 GB hold {fits:,.0f} days of this workload, the rest is compute and disk."
    )
    yield f"RDS: a db.t4g.micro alone is ${micro:,.2f}; what is searched often needs more memory than its 1 GB."
    yield (
        f"OpenSearch: $700 were 4 OCUs at $0.24. Since June 2024 a collection begins at 1 OCU (${ocu:,.0f}), 2 with standby "
        "replicas; Classic holds vectors in memory, so the bill grows with them. NextGen (May 2026) scales to zero."
    )
    yield "DynamoDB: on-demand prices were halved in November 2024; nothing is free, each search reads the user's vectors."
