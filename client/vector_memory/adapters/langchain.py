"""LangChain: a retriever, and a chat history in the chat app's table. Needs the extra ``langchain``; the history ``aws`` too."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from langchain_core.callbacks import AsyncCallbackManagerForRetrieverRun, CallbackManagerForRetrieverRun
from langchain_core.chat_history import BaseChatMessageHistory
from langchain_core.documents import Document
from langchain_core.messages import BaseMessage, message_to_dict, messages_from_dict
from langchain_core.retrievers import BaseRetriever
from pydantic import Field

from vector_memory.adapters.fresh import FreshSearch
from vector_memory.adapters.tables import ConversationTable
from vector_memory.answers import Memory
from vector_memory.async_client import AsyncMemoryClient


class VectorMemoryRetriever(BaseRetriever):
    """Finds what one user said and was told.

    Args:
        client: a :class:`vector_memory.client.MemoryClient` of that user.
        top_k: how many documents.
        options: further arguments of every search, such as ``kinds`` or ``min_confidence``.
    """

    client: Any = Field(repr=False)  # a MemoryClient; pydantic would take a dataclass apart
    top_k: int = 5
    options: dict[str, Any] = Field(default_factory=dict)

    def _get_relevant_documents(
        self,
        query: str,
        *,
        run_manager: CallbackManagerForRetrieverRun,  # noqa: ARG002  # LangChain's signature
    ) -> list[Document]:
        found = self.client.search(query, top_k=self.top_k, **self.options)
        return [_document(one) for one in found.results]

    async def _aget_relevant_documents(
        self,
        query: str,
        *,
        run_manager: AsyncCallbackManagerForRetrieverRun,  # noqa: ARG002  # the same
    ) -> list[Document]:
        found = await AsyncMemoryClient(self.client).search(query, top_k=self.top_k, **self.options)
        return [_document(one) for one in found.results]


class VectorMemoryChatMessageHistory(BaseChatMessageHistory):
    """A conversation. Every message that is added becomes memory a moment later.

    Args:
        session_key: of the conversation, the chat app's own.
        search: told of what is written, so that its next search knows of it.
    """

    def __init__(self, table: ConversationTable, session_key: str, search: FreshSearch | None = None) -> None:
        self._table, self._session_key, self._search = table, session_key, search

    @property
    def messages(self) -> list[BaseMessage]:
        """Return the conversation as it is."""
        return messages_from_dict(self._table.messages(self._session_key))

    def add_messages(self, messages: Sequence[BaseMessage]) -> None:
        """Add messages, whoever else adds some."""
        stamp = datetime.now(UTC).isoformat()
        said = [{**message_to_dict(message), "timestamp": stamp} for message in messages]
        at = self._table.append(self._session_key, said)
        if self._search:
            self._search.wrote(self._session_key, at)

    def clear(self) -> None:
        """Empty the conversation. Memory keeps what was said, unless the deployment has ``ON_CLEAR=forget``."""
        self._table.put(self._session_key, [])


def _document(one: Memory) -> Document:
    metadata = {
        "key": one.key,
        "kind": one.kind,
        "roles": list(one.roles),
        "said_at": one.created_at.isoformat(),
        "score": one.score,
        "superseded_by": one.superseded_by,
    }
    return Document(id=one.id, page_content=one.content, metadata=metadata)
