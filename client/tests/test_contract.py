"""What holds for every adapter: it finds, it never finds another's, it knows what was just written, and it says what is wrong."""

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest
from conftest import ARM, HIDDEN, Person

from vector_memory import BearerTransport, MemoryClient, MemoryUnavailableError
from vector_memory.adapters import langchain, langgraph, llamaindex, openai_agents, strands
from vector_memory.adapters.fresh import FreshSearch

QUESTION = "When does the arm ship?"
NAMES = ["search_memory", "get_context", "related_conversations"]
Ask = Callable[[MemoryClient, str], str]
Forge = Callable[[MemoryClient, dict[str, Any]], str]


def by_langchain(client: MemoryClient, question: str) -> str:
    return str(langchain.VectorMemoryRetriever(client=client).invoke(question))


def by_langchain_async(client: MemoryClient, question: str) -> str:
    return str(asyncio.run(langchain.VectorMemoryRetriever(client=client).ainvoke(question)))


def by_llamaindex(client: MemoryClient, question: str) -> str:
    return str([node.get_content() for node in llamaindex.VectorMemoryRetriever(client).retrieve(question)])


def by_llamaindex_async(client: MemoryClient, question: str) -> str:
    found = asyncio.run(llamaindex.VectorMemoryRetriever(client).aretrieve(question))
    return str([node.get_content() for node in found])


def by_strands_store(client: MemoryClient, question: str) -> str:
    table: Any = None  # a search needs none
    store = strands.VectorMemoryStore(table, FreshSearch(client))
    return str([entry.content for entry in asyncio.run(store.search(question))])


def by_strands_tool(client: MemoryClient, question: str) -> str:
    return forge_strands(client, {"query": question})


def by_openai_tool(client: MemoryClient, question: str) -> str:
    return forge_openai(client, {"query": question})


def forge_strands(client: MemoryClient, arguments: dict[str, Any]) -> str:
    tool = {each.tool_name: each for each in strands.memory_tools(client)}["search_memory"]

    async def run() -> str:
        use: Any = {"toolUseId": "1", "name": "search_memory", "input": arguments}
        return str([event async for event in tool.stream(use, {})])

    return asyncio.run(run())


def forge_openai(client: MemoryClient, arguments: dict[str, Any]) -> str:
    tool = {each.name: each for each in openai_agents.memory_tools(client)}["search_memory"]
    context: Any = None  # the tools do not look at it
    return str(asyncio.run(tool.on_invoke_tool(context, json.dumps(arguments))))


RETRIEVERS: list[Ask] = [
    by_langchain,
    by_langchain_async,
    by_llamaindex,
    by_llamaindex_async,
    by_strands_store,
]
TOOLS: list[Ask] = [by_strands_tool, by_openai_tool]


@pytest.fixture
def away() -> MemoryClient:
    """Nobody listens there."""
    return MemoryClient(BearerTransport("http://127.0.0.1:9", lambda: "token", 1.0), attempts=1)


@pytest.mark.parametrize("ask", [*RETRIEVERS, *TOOLS])
def test_it_finds_what_was_said_and_nothing_of_another_user(mika: Person, ask: Ask) -> None:
    found = ask(mika.client, QUESTION)
    assert ARM in found
    assert HIDDEN not in found
    assert HIDDEN not in ask(mika.client, "What is the secret of ken?")


@pytest.mark.parametrize("forge", [forge_strands, forge_openai])
@pytest.mark.parametrize("name", ["tenant_id", "user_id", "user", "tenant"])
def test_a_model_cannot_name_another_user(mika: Person, forge: Forge, name: str) -> None:
    told = forge(mika.client, {"query": "secret", name: "ken"})
    assert HIDDEN not in told
    assert f"takes no {name}" in told


@pytest.mark.parametrize("ask", RETRIEVERS)
def test_memory_that_is_away_is_an_error_and_not_an_empty_answer(away: MemoryClient, ask: Ask) -> None:
    with pytest.raises(MemoryUnavailableError):
        ask(away, QUESTION)


@pytest.mark.parametrize("ask", TOOLS)
def test_a_model_is_told_that_memory_is_away(away: MemoryClient, ask: Ask) -> None:
    assert "Go on without memory" in ask(away, QUESTION)


def test_the_store_of_langgraph_says_that_memory_is_away(mika: Person, away: MemoryClient) -> None:
    store = langgraph.VectorMemoryStore(mika.table, FreshSearch(away))
    store.put(("away",), "x", {"text": "something"}, index=False)
    with pytest.raises(MemoryUnavailableError):
        store.search(("away",), query=QUESTION)


def by_put(person: Person, text: str) -> str:
    store = langgraph.VectorMemoryStore(person.table, person.search)
    store.put(("fresh",), "lamp", {"text": text})
    return str(store.search(("fresh",), query=text))


def by_history(person: Person, text: str) -> str:
    history = langchain.VectorMemoryChatMessageHistory(person.table, "chat:fresh", person.search)
    history.add_user_message(text)
    return str([one.content for one in person.search.search(text, top_k=5).results])


def by_strands(person: Person, text: str) -> str:
    store = strands.VectorMemoryStore(person.table, person.search)
    asyncio.run(store.add(text))
    return str(asyncio.run(store.search(text)))


@pytest.mark.parametrize("write", [by_put, by_history, by_strands])
def test_a_write_is_found_at_once(mika: Person, write: Callable[[Person, str], str]) -> None:
    text = f"The lamp of {write.__name__} stands behind the zebra."
    assert "stands behind the zebra" in write(mika, text)


@pytest.mark.parametrize("write", [by_put, by_history, by_strands])
def test_nothing_is_written_over_another_users_item(
    mika: Person, write: Callable[[Person, str], str]
) -> None:
    before = Person("ken").table.messages("chat:other")
    write(mika, "The kettle whistles in the harbour.")
    assert Person("ken").table.messages("chat:other") == before
