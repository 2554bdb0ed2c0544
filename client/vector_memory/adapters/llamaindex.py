"""LlamaIndex: a retriever. Needs the extra ``llamaindex``."""

from typing import Any

from llama_index.core.retrievers import BaseRetriever
from llama_index.core.schema import NodeWithScore, QueryBundle, TextNode

from vector_memory.answers import Found, Memory
from vector_memory.async_client import AsyncMemoryClient
from vector_memory.client import MemoryClient


class VectorMemoryRetriever(BaseRetriever):
    """Finds what one user said and was told.

    Args:
        client: of that user.
        top_k: how many nodes.
        options: further arguments of every search, such as ``kinds`` or ``min_confidence``.
    """

    def __init__(self, client: MemoryClient, top_k: int = 5, **options: Any) -> None:  # noqa: ANN401  # the client's
        super().__init__()
        self._client, self._top_k, self._options = client, top_k, options

    def _retrieve(self, query_bundle: QueryBundle) -> list[NodeWithScore]:
        return _nodes(self._client.search(query_bundle.query_str, top_k=self._top_k, **self._options))

    async def _aretrieve(self, query_bundle: QueryBundle) -> list[NodeWithScore]:
        client = AsyncMemoryClient(self._client)
        return _nodes(await client.search(query_bundle.query_str, top_k=self._top_k, **self._options))


def _nodes(found: Found) -> list[NodeWithScore]:
    return [NodeWithScore(node=_node(one), score=one.score) for one in found.results]


def _node(one: Memory) -> TextNode:
    metadata = {"key": one.key, "kind": one.kind, "said_at": one.created_at.isoformat()}
    return TextNode(id_=one.id, text=one.content, metadata=metadata)
