"""The service behind the query function."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pipeline.embedding.vectors import Embedder
from pipeline.lexical.terms import terms
from pipeline.search.ranking import Ranked, rank
from pipeline.stores.protocol import Filters, SearchRequest, Store

CANDIDATES = 50
"""Fewest of each kind that are ranked against each other."""
EVERYTHING = Filters()


@dataclass(frozen=True, slots=True)
class Recall:
    """Searches one user's memory.

    Args:
        embedder: embeds the query, in the store's space.
        store: holds the memory.
    """

    embedder: Embedder
    store: Store

    def search(
        self, tenant_id: str, user_id: str, query: str, top_k: int, filters: Filters = EVERYTHING
    ) -> Sequence[Ranked]:
        """Return the ``top_k`` memories that fit ``query`` best, by meaning and by words, best first.

        Raises:
            EmbeddingUnavailableError: the query could not be embedded.
            StoreUnavailableError: the store is away.
        """
        [vector] = self.embedder.embed([query])
        candidates = max(CANDIDATES, top_k)
        request = SearchRequest(tenant_id, user_id, vector, candidates, terms(query), filters)
        return rank(self.store.search(request))[:top_k]


def as_result(ranked: Ranked) -> dict[str, Any]:
    """Return a hit in the shape the chat app knows (key, content, similarity), with more fields after it."""
    hit = ranked.hit
    return {
        "key": hit.metadata.get("key", hit.id),
        "content": hit.content,
        "similarity": hit.similarity,
        "score": ranked.score,
        "why": {"vector": ranked.vector, "lexical": ranked.lexical},
        "id": hit.id,
        "kind": hit.metadata.get("kind"),
        "roles": hit.metadata.get("roles", []),
        "created_at": hit.created_at.isoformat(),
    }
