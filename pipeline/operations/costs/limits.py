"""Which limit of the default deployment binds first. Pure."""

from dataclasses import dataclass

from pipeline.operations.costs.estimate import ACU_MOST, DISK, acus
from pipeline.operations.costs.workload import Workload, demand


@dataclass(frozen=True, slots=True)
class Limit:
    """A limit, and how much of it the busiest moment takes.

    Args:
        raised: how it is raised, if it can be.
    """

    name: str
    demand: float
    limit: float
    raised: str

    @property
    def load(self) -> float:
        """Return the share of the limit that is taken; more than 1 does not go."""
        return self.demand / self.limit


def limits(work: Workload) -> list[Limit]:
    """Return the limits of the default deployment (pgvector), the tightest first."""
    asked = demand(work)

    def at_peak(amount: float) -> float:
        return asked.per_second(amount) * work.peak

    ingest_seconds = 0.35
    found = [
        Limit(
            "ingest functions at once (IngestConcurrency)",
            at_peak(asked.ingest_invocations) * ingest_seconds,
            10,
            "a larger IngestConcurrency; SQS starts 1,000 at most",
        ),
        Limit(
            "Lambda functions at once (account default)",
            at_peak(asked.ingest_invocations) * ingest_seconds
            + at_peak(asked.questions) * 0.25
            + at_peak(asked.stream_invocations) * 0.03,
            1_000,
            "a service quota increase",
        ),
        Limit(
            "embedding requests a minute (OpenAI tier 1, recalled)",
            60 * at_peak(asked.ingest_invocations + asked.questions),
            3_000,
            "a higher tier: 10,000 at tier 5; larger batches",
        ),
        Limit(
            "embedding tokens a minute (OpenAI tier 1, recalled)",
            60 * at_peak(asked.tokens),
            1_000_000,
            "a higher tier: 10 million at tier 5",
        ),
        Limit(
            "writes of one stream shard (1,000 a second for each partition)",
            at_peak(asked.saves) * work.session_kilobytes / _partitions(work),
            1_000,
            "DynamoDB splits partitions by itself; the chat app's own limit",
        ),
        Limit(
            "messages in flight in the queue",
            at_peak(asked.notices) * ingest_seconds,
            120_000,
            "it cannot be",
        ),
        Limit("Aurora capacity units", acus(work, asked), ACU_MOST, "shards by tenant"),
        Limit("database storage (GB)", asked.stored_gigabytes * DISK, 256_000, "shards by tenant"),
    ]
    return sorted(found, key=lambda limit: -limit.load)


def _partitions(work: Workload) -> float:
    """Return how many partitions the sessions table has: one for 10 GB."""
    return max(1.0, work.users * 5 * work.session_kilobytes / 1e6 / 10)
