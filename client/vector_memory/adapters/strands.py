"""Strands: a memory store for its ``MemoryManager``, and the tools. Needs the extra ``strands``; the store ``aws`` too."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from typing import Any
from uuid import uuid4

from strands.memory import AddMessagesContext, MemoryEntry, MemoryStore, SearchOptions
from strands.tools.tools import PythonAgentTool
from strands.types.tools import ToolResult, ToolUse

from vector_memory.adapters.fresh import FreshSearch
from vector_memory.adapters.tables import ConversationTable
from vector_memory.client import MemoryClient
from vector_memory.errors import InvalidRequestError, MemoryUnavailableError
from vector_memory.tools import TOOLS, as_text, run_tool

DEFAULT_RESULTS = 5


@dataclass
class VectorMemoryStore(MemoryStore):
    """One user's memory. With ``extraction=True`` the manager hands every message to it.

    Args:
        search_: searches the same user's memory.
        session_key: the conversation that is written to.
    """

    table: ConversationTable
    search_: FreshSearch
    session_key: str = field(default_factory=lambda: f"strands:{uuid4().hex}")
    name: str = "vector-memory"
    description: str | None = "What the user said and was told in earlier conversations."
    max_search_results: int | None = DEFAULT_RESULTS
    writable: bool = True
    extraction: Any = None

    async def search(self, query: str, options: SearchOptions | None = None) -> list[MemoryEntry]:
        """Return what fits best."""
        wanted = (options or {}).get("max_search_results") or self.max_search_results or DEFAULT_RESULTS
        found = await asyncio.to_thread(self.search_.search, query, top_k=wanted)
        return [
            MemoryEntry(
                one.content,
                metadata={"key": one.key, "said_at": one.created_at.isoformat(), "score": one.score},
            )
            for one in found.results
        ]

    async def add(self, content: str, metadata: Mapping[str, Any] | None = None) -> None:  # noqa: ARG002  # Strands' signature
        """Say something that is to be remembered."""
        await self._append([{"role": "user", "content": content}])

    async def add_messages(
        self,
        messages: Sequence[Mapping[str, Any]],
        context: AddMessagesContext | None = None,  # noqa: ARG002  # Strands' signature
    ) -> None:
        """Write messages as Strands has them; the pipeline reads their shape."""
        await self._append([{"role": one["role"], "content": one["content"]} for one in messages])

    async def _append(self, messages: Sequence[Mapping[str, Any]]) -> None:
        stamp = datetime.now(UTC).isoformat()
        said = [{**message, "timestamp": stamp} for message in messages]
        at = await asyncio.to_thread(self.table.append, self.session_key, said)
        self.search_.wrote(self.session_key, at)


def memory_tools(client: MemoryClient) -> list[PythonAgentTool]:
    """Return the tools that read one user's memory."""
    return [
        PythonAgentTool(
            tool.name,
            {
                "name": tool.name,
                "description": tool.description,
                "inputSchema": {"json": dict(tool.parameters)},
            },
            partial(_run, client),
        )
        for tool in TOOLS
    ]


def _run(client: MemoryClient, use: ToolUse, **_: Any) -> ToolResult:  # noqa: ANN401  # what the agent was called with
    try:
        text = as_text(run_tool(client, use["name"], use["input"]))
    except InvalidRequestError as error:
        return _result(use, "error", f"{error}. {error.hint}")
    except MemoryUnavailableError as error:
        return _result(use, "error", f"{error}. Go on without memory, or try again later")
    return _result(use, "success", text)


def _result(use: ToolUse, status: Any, text: str) -> ToolResult:  # noqa: ANN401  # one of two words
    return {"toolUseId": use["toolUseId"], "status": status, "content": [{"text": text}]}
