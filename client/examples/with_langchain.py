"""LangChain: a chat history that becomes memory, and a retriever over all of it."""

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

from vector_memory.adapters.langchain import (  # noqa: E402  # after what every example begins with
    VectorMemoryChatMessageHistory,
    VectorMemoryRetriever,
)

history = VectorMemoryChatMessageHistory(table, "chat:langchain", search)
history.add_user_message("When does the arm ship?")
history.add_ai_message("The arm ships on 12 December.")
search.search("arm")  # waits until it is indexed; later conversations need not
for document in VectorMemoryRetriever(client=memory, top_k=3).invoke("When does the arm ship?"):
    print(document.metadata["said_at"], document.page_content)
