"""What agents use, against the deployed function: the examples of README.md and docs/api.md, and a real MCP client."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import anyio
import pytest
from mcp import ClientSession, StdioServerParameters
from mcp.client.stdio import stdio_client
from support.deployed_stack import DeployedStack, until
from support.pages import page

from pipeline.local.stack import Stack

pytestmark = pytest.mark.e2e
PROGRAM = str(Path(sys.prefix) / "bin" / "vector-memory")
API = page("docs/api.md")
EXAMPLES = [*page("README.md").blocks("python"), *API.blocks("python")]
[SERVER] = [read for block in API.blocks("json") if "mcpServers" in (read := json.loads(block))]


def answers(deployed: DeployedStack) -> bool:
    try:
        return deployed.invoke({"method": "GET", "path": "/api/v1/health"})[0] == 200
    except KeyError:  # no status: it ran out of time
        return False


@pytest.fixture(scope="module")
def deployed(stack: Stack) -> DeployedStack:
    made = DeployedStack(stack, "acme")
    said = [
        {"role": "user", "content": "When does the arm ship?", "timestamp": "2026-11-20T10:00:00Z"},
        {
            "role": "assistant",
            "content": "The arm ships on 12 December.",
            "timestamp": "2026-11-20T10:00:05Z",
        },
    ]
    made.save("chat:arm", said, user_id="mika")
    made.save("chat:other", [{"role": "user", "content": "The arm of ken is a secret."}], user_id="ken")
    until(
        lambda: any("12 December" in text for text in made.contents("arm ship", user="mika")),
        "mika's is there",
    )
    until(lambda: made.contents("arm", user="ken") != [], "ken's is there")
    return made


def environment(deployed: DeployedStack) -> dict[str, str]:
    return {
        **{name: value for name, value in os.environ.items() if not name.startswith("AWS_")},
        "AWS_ENDPOINT_URL": deployed.stack.aws.endpoint_url,
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "QUERY_FUNCTION": deployed.stack.outputs["QueryAliasArn"],
    }


def test_there_are_examples() -> None:
    assert len(EXAMPLES) == 4


@pytest.mark.parametrize("example", EXAMPLES, ids=["readme", "invocation", "client", "tools"])
def test_the_pages_examples_run(deployed: DeployedStack, example: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", example],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        env=environment(deployed),
    )
    assert done.returncode == 0, done.stderr
    assert "12 December" in done.stdout
    assert "of ken" not in done.stdout


Talk = Callable[[ClientSession], Any]


def talk(deployed: DeployedStack, conversation: Talk, *options: str) -> None:
    """Start the server as the page's configuration says, and talk to it as an MCP host does."""
    server = SERVER["mcpServers"]["memory"]
    assert server["command"] == "vector-memory"
    given = environment(deployed)
    named = [given["QUERY_FUNCTION"] if word == "QUERY_FUNCTION" else word for word in server["args"]]

    async def run() -> None:
        parameters = StdioServerParameters(command=PROGRAM, args=[*named, *options], env=given)
        with anyio.fail_after(120):
            async with stdio_client(parameters) as (read, write), ClientSession(read, write) as session:
                await session.initialize()
                await conversation(session)

    with ThreadPoolExecutor(
        1
    ) as own_loop:  # a browser of another test may have left this thread's loop running
        own_loop.submit(anyio.run, run).result()


def test_a_real_mcp_client_finds_what_was_saved(deployed: DeployedStack) -> None:
    async def conversation(session: ClientSession) -> None:
        tools = (await session.list_tools()).tools
        assert [tool.name for tool in tools] == ["search_memory", "get_context", "related_conversations"]
        calls: list[tuple[str, dict[str, Any]]] = [
            ("search_memory", {"query": "When does the arm ship?"}),
            ("get_context", {"query": "When does the arm ship?"}),
            ("related_conversations", {"messages": ["When does the arm ship?"]}),
        ]
        for name, arguments in calls:
            answer = await session.call_tool(name, arguments)
            assert not answer.isError, answer.content
            assert "arm" in str(answer.content)
            assert "of ken" not in str(answer.content)
        for forged in ({"user_id": "ken"}, {"tenant_id": "acme", "user": "ken"}):
            answer = await session.call_tool("search_memory", {"query": "arm", **forged})
            assert answer.isError
            assert "of ken" not in str(answer.content)

    talk(deployed, conversation)


def test_a_message_typed_now_is_found_by_an_mcp_client_a_moment_later(deployed: DeployedStack) -> None:
    async def conversation(session: ClientSession) -> None:
        deployed.save(
            "chat:new", [{"role": "user", "content": "The lamp is behind the zebra."}], user_id="mika"
        )
        with anyio.fail_after(60):
            while True:
                answer = await session.call_tool("search_memory", {"query": "lamp behind the zebra"})
                if "behind the zebra" in str(answer.content):
                    return
                await anyio.sleep(0.05)

    talk(deployed, conversation)


def test_without_a_way_or_a_tenant_the_server_says_what_is_missing(deployed: DeployedStack) -> None:
    for words, said in [
        ([], "--function"),
        (["--function", "x"], "--tenant"),
        (["--api", "x", "--url", "y"], "not allowed"),
    ]:
        done = subprocess.run(
            [PROGRAM, "mcp", *words],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
            env=environment(deployed),
        )
        assert done.returncode == 2
        assert said in done.stderr
        assert done.stdout == ""
