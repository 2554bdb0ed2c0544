"""LangGraph: facts that outlive a thread."""

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

from vector_memory.adapters.langgraph import VectorMemoryStore  # noqa: E402  # after what every example begins with

store = VectorMemoryStore(table, search)  # StateGraph(...).compile(store=store) hands it to nodes and tools
store.put(("facts",), "arm", {"text": "The arm ships on 12 December."})
for item in store.search(("facts",), query="When does the arm ship?"):
    print(item.score, item.value["text"])
