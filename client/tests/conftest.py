"""The adapters against their frameworks and a running deployment, which whoever runs this names in the environment.

``AWS_ENDPOINT_URL`` and credentials; ``QUERY_FUNCTION``, ``SESSIONS_TABLE`` (the stack's outputs); ``TENANT``, which is the tests' own.
"""

import os
from itertools import count
from typing import Any

import boto3
import pytest

from vector_memory import MemoryClient
from vector_memory.adapters.fresh import FreshSearch
from vector_memory.adapters.tables import ConversationTable
from vector_memory.aws import LambdaTransport, lambda_client

PATIENCE_SECONDS = 90.0
"""A machine that is busy takes a while; on one that is not, none of it is waited."""
ARM = "The arm ships on 12 December."
HIDDEN = "The arm of ken is a secret."

_numbers = count(1)


class Person:
    """What one user has: a client, a table, and a search that knows of what was written."""

    def __init__(self, user: str) -> None:
        tenant, function = os.environ["TENANT"], os.environ["QUERY_FUNCTION"]
        transport = LambdaTransport(function, tenant, user, lambda_client(60))
        self.client = MemoryClient(transport, attempts=6)
        self.search = FreshSearch(self.client, PATIENCE_SECONDS)
        dynamodb: Any = boto3.client("dynamodb")
        self.table = ConversationTable(dynamodb, os.environ["SESSIONS_TABLE"], tenant, user)

    def say(self, key: str, *texts: str) -> None:
        messages = [{"role": "user", "content": text} for text in texts]
        self.search.wrote(key, self.table.append(key, messages))
        self.search.search(texts[0], top_k=1)


@pytest.fixture(scope="session")
def mika() -> Person:
    """Mika's memory; ken of the same tenant has one too, which nobody else may see."""
    made = Person("mika")
    made.say("chat:arm", "When does the arm ship?", ARM)
    Person("ken").say("chat:other", HIDDEN)
    return made


@pytest.fixture
def namespace() -> tuple[str, ...]:
    return ("facts", f"n{next(_numbers)}")
