"""OpenAI's Agents SDK: the tools. Needs the extra ``openai-agents``."""

import asyncio
from functools import partial
from typing import Any

from agents import FunctionTool

from vector_memory.client import MemoryClient
from vector_memory.errors import InvalidRequestError, MemoryUnavailableError
from vector_memory.tools import TOOLS, call_tool


def memory_tools(client: MemoryClient) -> list[FunctionTool]:
    """Return the tools that read one user's memory; whose it is does not come from the model, nor from the run's context."""
    return [
        FunctionTool(
            name=tool.name,
            description=tool.description,
            params_json_schema=dict(tool.parameters),
            on_invoke_tool=partial(_invoke, client, tool.name),
            strict_json_schema=False,  # which would make every argument required
        )
        for tool in TOOLS
    ]


async def _invoke(client: MemoryClient, name: str, _: Any, arguments: str) -> str:  # noqa: ANN401  # the run's context
    """Return the answer, or for the model what to do."""
    try:
        return await asyncio.to_thread(call_tool, client, name, arguments or "{}")
    except InvalidRequestError as error:
        return f"Error: {error}. {error.hint}"
    except MemoryUnavailableError as error:
        return f"Error: {error}. Go on without memory, or try again later"
