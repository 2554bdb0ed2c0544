"""Tools for function calling: one description, three shapes, no identity among the arguments."""

import json
from datetime import datetime
from types import SimpleNamespace
from typing import Any

import anyio
import jsonschema
import pytest
from mcp.shared.memory import create_connected_server_and_client_session
from support.chunks import planned

from pipeline.handlers import query
from pipeline.stores.chunks import Chunk
from pipeline.stores.memory import InMemoryStore
from vector_memory import VERSION, InvalidRequestError, MemoryClient, Request
from vector_memory.mcp_server import made
from vector_memory.tools import TOOLS, anthropic_tools, call_tool, openai_tools, run_tool

NAMES = ["search_memory", "get_context", "related_conversations"]


class Direct:
    """Asks the real handler as mika of acme."""

    def send(self, request: Request) -> tuple[int, Any]:
        event = {
            "method": request.method,
            "path": request.path,
            "tenant_id": "acme",
            "user_id": "mika",
            "body": dict(request.body or {}),
        }
        context: Any = SimpleNamespace(function_name="query")
        answer = query.handler(event, context)
        return answer["statusCode"], json.loads(answer["body"])


@pytest.fixture
def client(index: InMemoryStore, embedder: Any) -> MemoryClient:
    for number, (tenant, user, text) in enumerate(
        [("acme", "mika", "user: aaaa"), ("acme", "ken", "user: of ken"), ("bravo", "mika", "user: of bravo")]
    ):
        metadata = {"key": f"chat:{number}", "kind": "session", "roles": ["user"], "date": "2026-11-22"}
        chunk = Chunk(f"id-{number}", user, text, (f"m{number}",), "f", None, metadata)
        [vector] = embedder.embed([text])
        index.apply(tenant, [planned(f"s{number}", upserts=[(chunk, vector)])])
    return MemoryClient(Direct(), pause=lambda _: None)


def test_every_shape_names_the_same_tools() -> None:
    assert [tool.name for tool in TOOLS] == NAMES
    assert [tool["function"]["name"] for tool in openai_tools()] == NAMES
    assert [tool["name"] for tool in anthropic_tools()] == NAMES
    for openai, anthropic in zip(openai_tools(), anthropic_tools(), strict=True):
        assert openai["type"] == "function"
        assert openai["function"]["parameters"] == anthropic["input_schema"]
        assert anthropic["input_schema"]["additionalProperties"] is False
        assert not {"tenant_id", "user_id", "tenant", "user"} & anthropic["input_schema"]["properties"].keys()
    json.dumps([openai_tools(), anthropic_tools()])


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("search_memory", {"query": "aaaa", "top_k": 3, "kinds": ["session"]}),
        ("search_memory", '{"query": "aaaa"}'),
        ("get_context", {"query": "aaaa", "max_tokens": 500}),
        ("get_context", {}),
        ("related_conversations", {"messages": ["user: aaaa"]}),
    ],
)
def test_a_tool_reads_the_clients_own_memory(client: MemoryClient, name: str, arguments: Any) -> None:
    answer = call_tool(client, name, arguments)
    assert "aaaa" in answer
    assert "of ken" not in answer
    assert "of bravo" not in answer


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("search_memory", {"query": "a", "tenant_id": "bravo"}),
        ("search_memory", {"query": "a", "user_id": "ken"}),
        ("search_memory", {"query": "a", "transport": None}),
        ("search_memory", {}),
        ("search_memory", "["),
        ("search_memory", "7"),
        ("search_memory", {"query": "a", "top_k": 0}),
        ("forget", {}),
    ],
)
def test_other_arguments_are_refused_with_what_to_do(client: MemoryClient, name: str, arguments: Any) -> None:
    with pytest.raises(InvalidRequestError) as caught:
        call_tool(client, name, arguments)
    assert caught.value.hint


def test_the_mcp_server_serves_the_tools_to_the_sdks_client(client: MemoryClient) -> None:
    async def talk() -> None:
        async with create_connected_server_and_client_session(made(client)) as session:
            listed = (await session.list_tools()).tools
            assert all(tool.outputSchema for tool in listed)
            assert [tool.name for tool in listed] == NAMES
            assert all(tool.annotations and tool.annotations.readOnlyHint for tool in listed)
            good = await session.call_tool("search_memory", {"query": "aaaa"})
            assert not good.isError
            assert "aaaa" in str(good.content)
            assert good.structuredContent
            [memory] = good.structuredContent["memories"]
            assert datetime.fromisoformat(memory["said_at"]).tzinfo
            assert good.structuredContent["stale"] is False
            assert "indexed_until" in good.structuredContent
            for name, arguments in (
                ("get_context", {"query": "aaaa"}),
                ("related_conversations", {"messages": ["aaaa"]}),
            ):
                answer = await session.call_tool(name, arguments)
                assert not answer.isError, answer.content
                assert answer.structuredContent
            for arguments in ({"query": "a", "tenant_id": "bravo"}, {"query": ""}, {}):
                assert (await session.call_tool("search_memory", arguments)).isError
            assert (await session.call_tool("forget_everything", {})).isError

    anyio.run(talk)


def test_the_mcp_server_says_its_own_version(client: MemoryClient) -> None:
    assert made(client).create_initialization_options().server_version == VERSION


@pytest.mark.parametrize("name", NAMES)
def test_a_tools_answer_fits_its_schema(client: MemoryClient, name: str) -> None:
    arguments = {"messages": ["user: aaaa"]} if name == "related_conversations" else {"query": "aaaa"}
    [tool] = [tool for tool in TOOLS if tool.name == name]
    jsonschema.validate(run_tool(client, name, arguments), tool.answer)


@pytest.mark.parametrize("name", ["since", "now"])
def test_a_time_that_is_none_is_refused(client: MemoryClient, name: str) -> None:
    with pytest.raises(InvalidRequestError, match=f"{name} must be a time"):
        run_tool(client, "search_memory", {"query": "a", name: "yesterday"})


@pytest.mark.parametrize(
    "arguments",
    [
        {"since": None, "top_k": None, "kinds": None},
        {"since": "2020-01-01", "time_zone": "Asia/Tokyo"},
        {"now": "2026-11-22T10:00:00", "time_zone": "Asia/Tokyo"},
    ],
)
def test_a_model_may_give_null_and_times_without_an_offset(client: MemoryClient, arguments: Any) -> None:
    assert run_tool(client, "search_memory", {"query": "aaaa", **arguments})["stale"] is False


def test_with_memory_away_the_model_is_told_to_go_on(client: MemoryClient, embedder: Any) -> None:
    from pipeline.errors import EmbeddingUnavailableError  # noqa: PLC0415  # this test alone

    embedder.error = EmbeddingUnavailableError("the embedding API answered 500")

    async def talk() -> None:
        async with create_connected_server_and_client_session(made(client)) as session:
            answer = await session.call_tool("search_memory", {"query": "aaaa"})
            assert answer.isError
            assert "Go on without memory" in str(answer.content)

    anyio.run(talk)
