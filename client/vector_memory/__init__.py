"""Memory in the hands of agents: a client, tools for function calling, an MCP server. One user's memory each."""

from vector_memory.answers import (
    Forgetting,
    Found,
    Freshness,
    Memory,
    Notes,
    Related,
    RelatedSession,
    Reminder,
)
from vector_memory.async_client import AsyncMemoryClient
from vector_memory.client import MemoryClient
from vector_memory.errors import (
    InvalidRequestError,
    MemoryUnavailableError,
    SettingsError,
    VectorMemoryError,
)
from vector_memory.transports import BearerTransport, Request, Transport
from vector_memory.version import VERSION

__all__ = [
    "VERSION",
    "AsyncMemoryClient",
    "BearerTransport",
    "Forgetting",
    "Found",
    "Freshness",
    "InvalidRequestError",
    "Memory",
    "MemoryClient",
    "MemoryUnavailableError",
    "Notes",
    "Related",
    "RelatedSession",
    "Reminder",
    "Request",
    "SettingsError",
    "Transport",
    "VectorMemoryError",
]
