"""LlamaIndex: a retriever."""

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

from vector_memory.adapters.llamaindex import VectorMemoryRetriever  # noqa: E402  # after what every example begins with

search.wrote(
    "chat:li", table.append("chat:li", [{"role": "user", "content": "The arm ships on 12 December."}])
)
search.search("arm")  # waits until it is indexed; later conversations need not
for node in VectorMemoryRetriever(memory, top_k=3).retrieve("When does the arm ship?"):
    print(node.score, node.get_content())
