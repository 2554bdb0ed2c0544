"""What this process asked of embedders, in dollars too."""

from pipeline import bootstrap
from pipeline.ingest.measures import Spent


def spent_so_far() -> Spent:
    """Return what was asked of the active space's embedder, and of the other one's while there are two."""
    requests, tokens = bootstrap.embedding_usage()
    price = bootstrap.embedding().dollars_per_million_tokens if tokens else 0.0
    others = bootstrap.standby_usage()
    dollars = (price or 0.0) * tokens / 1_000_000
    return Spent(requests + others[0], tokens + others[1], dollars + others[2])
