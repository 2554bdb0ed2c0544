"""What this process asked of embedders, in dollars too."""

from pipeline.container import Container
from pipeline.ingest.measures import Spent


def spent_so_far(container: Container) -> Spent:
    """Return what was asked of the active space's embedder, and of the other one's while there are two."""
    used, others = container.embedding_usage(), container.standby_usage()
    price = container.embedding.dollars_per_million_tokens if used.tokens else 0.0
    dollars = (price or 0.0) * used.tokens / 1_000_000
    return Spent(used.requests + others[0], used.tokens + others[1], dollars + others[2])
