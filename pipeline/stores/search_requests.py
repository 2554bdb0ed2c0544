"""A question to one user's memory, and the candidates that a store finds. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from pipeline.embedding.vectors import Vector


@dataclass(frozen=True, slots=True)
class Filters:
    """What a hit must be like. An empty set asks for nothing.

    Args:
        kinds: of these kinds of document.
        roles: holding something said by one of these roles.
        keys: from the items of these names (session keys).
        excluded_keys: from none of the items of these names.
        since: said at this moment or later.
        until: said before this moment.
    """

    kinds: frozenset[str] = frozenset()
    roles: frozenset[str] = frozenset()
    keys: frozenset[str] = frozenset()
    excluded_keys: frozenset[str] = frozenset()
    since: datetime | None = None
    until: datetime | None = None

    def admit(self, metadata: Mapping[str, Any], time: datetime) -> bool:
        """Tell whether a chunk is of the kind asked for."""
        key = metadata.get("key")
        return (
            (not self.kinds or metadata.get("kind") in self.kinds)
            and (not self.roles or bool(self.roles.intersection(metadata.get("roles", ()))))
            and (not self.keys or key in self.keys)
            and key not in self.excluded_keys
            and (self.since is None or time >= self.since)
            and (self.until is None or time < self.until)
        )


SEEDS = 24
"""How many candidates of each kind bring along their neighbours."""


@dataclass(frozen=True, slots=True)
class SearchRequest:
    """A question to one user's memory.

    Args:
        vector: of the question, in the store's space.
        terms: of the question, as :func:`pipeline.lexical.terms.terms` makes them; none asks for vectors only.
        top_k: how many candidates of each kind.
        around: how many chunks on either side of the best :data:`SEEDS` candidates of each kind come along, as their
            item tells them. They too meet the filters.
        whole: a memory of at most so many chunks may come whole, where choosing among them takes longer than that.
    """

    tenant_id: str
    user_id: str
    vector: Vector = field(repr=False)
    top_k: int = 5
    terms: tuple[str, ...] = field(default=(), repr=False)
    filters: Filters = Filters()
    around: int = 0
    whole: int = 0


@dataclass(frozen=True, slots=True)
class Hit:
    """A chunk found.

    Args:
        similarity: cosine, from -1 to 1; higher is closer.
        lexical: how well its words fit the question's, 0 if none does; comparable within one answer only.
        counts: how often each of the question's terms occurs in it, up to
            :data:`pipeline.lexical.terms.MOST_COUNTED`; those that do not are left out. ``None``: the store does not
            know.
        tokens: see :func:`pipeline.stores.chunk_text.said_tokens`; ``None``: the store does not know.
    """

    id: str
    content: str = field(repr=False)
    similarity: float
    created_at: datetime
    metadata: Mapping[str, Any] = field(repr=False)
    lexical: float = 0.0
    counts: Mapping[str, int] | None = field(default=None, repr=False)
    tokens: int | None = None


@dataclass(frozen=True, slots=True)
class SearchResult:
    """What a store found, and how.

    Args:
        hits: the union of the closest and of those that share words, closest first, ties by id.
        strategy: ``exact``, ``bq`` or ``hnsw``; ``auto`` where a store that chooses by itself found nothing, and so does
            not say.
    """

    hits: Sequence[Hit] = field(repr=False)
    strategy: str
