"""What an embedding costs, in US dollars per million tokens. Pure. Dated; look them up again before you rely on them."""

from collections.abc import Mapping

EMBEDDING_DOLLARS_PER_MILLION_TOKENS: Mapping[str, float] = {
    "text-embedding-3-small": 0.02,  # developers.openai.com/api/docs/models, read through tokenprice.fyi of 2026-07-03
    "text-embedding-3-large": 0.13,  # the same
    "text-embedding-ada-002": 0.10,  # the same
    "wordllama-256": 0.0,
}


def embedding_dollars(model: str, tokens: int) -> float | None:
    """Return what ``tokens`` cost; ``None`` for a model that the list does not know."""
    price = EMBEDDING_DOLLARS_PER_MILLION_TOKENS.get(model)
    return None if price is None else price * tokens / 1_000_000
