"""The service behind the query function."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pipeline.embedding.vectors import Embedder
from pipeline.stores.protocol import Hit, SearchRequest, Store


@dataclass(frozen=True, slots=True)
class Recall:
    """Searches one user's memory.

    Args:
        embedder: embeds the query, in the store's space.
        store: holds the memory.
    """

    embedder: Embedder
    store: Store

    def search(self, tenant_id: str, user_id: str, query: str, top_k: int) -> Sequence[Hit]:
        """Return the ``top_k`` memories closest to ``query``, closest first.

        Raises:
            EmbeddingUnavailableError: the query could not be embedded.
            StoreUnavailableError: the store is away.
        """
        [vector] = self.embedder.embed([query])
        return self.store.search(SearchRequest(tenant_id, user_id, vector, top_k))


def as_result(hit: Hit) -> dict[str, Any]:
    """Return ``hit`` in the shape the chat app knows (key, content, similarity), with more fields after it."""
    return {
        "key": hit.metadata.get("key", hit.id),
        "content": hit.content,
        "similarity": hit.similarity,
        "id": hit.id,
        "kind": hit.metadata.get("kind"),
        "roles": hit.metadata.get("roles", []),
        "created_at": hit.created_at.isoformat(),
    }
