"""The client for asyncio. Each request runs in a thread, so there is one implementation, and any transport will do."""

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from functools import wraps
from typing import Any, Concatenate, ParamSpec, TypeVar

from vector_memory.client import MemoryClient

Parameters = ParamSpec("Parameters")
Answer = TypeVar("Answer")


def _in_thread(
    method: Callable[Concatenate[MemoryClient, Parameters], Answer],
) -> Callable[Concatenate["AsyncMemoryClient", Parameters], Coroutine[Any, Any, Answer]]:
    @wraps(method)
    async def run(
        self: "AsyncMemoryClient", /, *arguments: Parameters.args, **options: Parameters.kwargs
    ) -> Answer:
        return await asyncio.to_thread(method, self.client, *arguments, **options)

    return run


@dataclass(frozen=True, slots=True)
class AsyncMemoryClient:
    """Asks memory on behalf of one user, without holding up the event loop.

    Methods are those of :class:`vector_memory.client.MemoryClient`, and raise what those raise. A task that is cancelled is
    let go at once; the request that it made goes on in its thread until it is answered or its time is up.

    Args:
        client: does the asking.
    """

    client: MemoryClient

    search = _in_thread(MemoryClient.search)
    context = _in_thread(MemoryClient.context)
    related = _in_thread(MemoryClient.related)
    notes = _in_thread(MemoryClient.notes)
    forget = _in_thread(MemoryClient.forget)
    forgetting = _in_thread(MemoryClient.forgetting)
