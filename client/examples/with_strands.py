"""Strands: a memory store, and tools."""

import os

import boto3

from vector_memory import MemoryClient
from vector_memory.adapters.fresh import FreshSearch
from vector_memory.adapters.tables import ConversationTable
from vector_memory.aws import LambdaTransport, lambda_client

tenant, user = os.environ["TENANT"], "mika"
memory = MemoryClient(
    LambdaTransport(os.environ["QUERY_FUNCTION"], tenant, user, lambda_client(60)), attempts=6
)
table = ConversationTable(boto3.client("dynamodb"), os.environ["SESSIONS_TABLE"], tenant, user)
search = FreshSearch(memory, patience_seconds=90)

import asyncio  # noqa: E402  # after what every example begins with

from vector_memory.adapters.strands import VectorMemoryStore, memory_tools  # noqa: E402  # the same

store = VectorMemoryStore(
    table, search
)  # Agent(plugins=[MemoryManager(stores=[store])], tools=memory_tools(memory))
asyncio.run(store.add("The arm ships on 12 December."))
for entry in asyncio.run(store.search("When does the arm ship?")):
    print(entry.content)
print([tool.tool_name for tool in memory_tools(memory)])
