"""OpenAI's Agents SDK: tools."""

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
import json  # noqa: E402  # the same

from vector_memory.adapters.openai_agents import memory_tools  # noqa: E402  # the same

search.wrote(
    "chat:oa", table.append("chat:oa", [{"role": "user", "content": "The arm ships on 12 December."}])
)
search.search("arm")  # waits until it is indexed; later conversations need not
tools = memory_tools(memory)  # Agent(name="…", tools=tools)
asked = json.dumps({"query": "When does the arm ship?"})
print(asyncio.run(tools[0].on_invoke_tool(None, asked)))
