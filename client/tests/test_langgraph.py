"""The store has LangGraph's own semantics, and an agent remembers across threads."""

import asyncio
from collections.abc import Callable
from typing import Annotated, Any

import pytest
from conftest import Person
from langchain_core.language_models.fake_chat_models import FakeMessagesListChatModel
from langchain_core.messages import AIMessage, ToolCall
from langchain_core.tools import tool
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.prebuilt import InjectedStore, ToolNode, tools_condition
from langgraph.store.base import BaseStore, GetOp, PutOp
from langgraph.store.memory import InMemoryStore

from vector_memory.adapters.langgraph import VectorMemoryStore
from vector_memory.errors import InvalidRequestError

Namespace = tuple[str, ...]
Make = Callable[[], BaseStore]


@pytest.fixture
def store(mika: Person) -> VectorMemoryStore:
    return VectorMemoryStore(mika.table, mika.search)


@pytest.fixture(params=["theirs", "ours"])
def either(request: pytest.FixtureRequest, mika: Person) -> BaseStore:
    """What holds for LangGraph's own store holds for ours."""
    return InMemoryStore() if request.param == "theirs" else VectorMemoryStore(mika.table, mika.search)


def test_a_put_item_is_got_and_a_deleted_one_is_not(either: BaseStore, namespace: Namespace) -> None:
    assert either.get(namespace, "a") is None
    either.put(namespace, "a", {"text": "one", "n": 1, "deep": {"er": [1, None]}})
    first = either.get(namespace, "a")
    assert first
    assert (first.key, first.namespace, first.value["deep"]) == ("a", namespace, {"er": [1, None]})
    either.put(namespace, "a", {"text": "two"})
    second = either.get(namespace, "a")
    assert second
    assert second.value == {"text": "two"}
    assert second.created_at >= first.created_at
    assert second.updated_at >= first.updated_at
    either.delete(namespace, "a")
    either.delete(namespace, "a")
    assert either.get(namespace, "a") is None


def test_a_value_that_is_changed_keeps_when_it_was_made(store: BaseStore, namespace: Namespace) -> None:
    store.put(namespace, "a", {"v": 1}, index=False)
    first = store.get(namespace, "a")
    store.put(namespace, "a", {"v": 2}, index=False)
    second = store.get(namespace, "a")
    assert first
    assert second
    assert second.created_at == first.created_at
    assert second.updated_at > first.updated_at


@pytest.mark.parametrize("value", ["text", ["text"], {"at": object()}, {"raw": b"bytes"}])
def test_a_value_that_json_cannot_hold_is_refused_and_spoils_no_search(
    store: BaseStore, namespace: Namespace, value: Any
) -> None:
    with pytest.raises(InvalidRequestError):
        store.put(namespace, "a", value, index=False)
    assert store.search(namespace, filter={"n": 1}) == []


def test_half_a_character_is_kept_as_it_is(either: BaseStore, namespace: Namespace) -> None:
    either.put(namespace, "a", {"text": "cut \ud83d"}, index=False)
    item = either.get(namespace, "a")
    assert item
    assert item.value == {"text": "cut \ud83d"}


def test_a_blank_query_asks_for_the_newest(store: BaseStore, namespace: Namespace) -> None:
    store.put(namespace, "a", {"v": 1}, index=False)
    assert [item.key for item in store.search(namespace, query=" ")] == ["a"]


def test_keys_and_namespaces_may_hold_anything(either: BaseStore, namespace: Namespace) -> None:
    odd = [(*namespace, "a/b"), (*namespace, "a", "b"), (*namespace, "日本 :%2F")]
    for place in odd:
        for key in (":", "a/b", "鍵"):
            either.put(place, key, {"at": [*place, key]}, index=False)
    for place in odd:
        for key in (":", "a/b", "鍵"):
            item = either.get(place, key)
            assert item
            assert item.value == {"at": [*place, key]}
    assert len(either.search(odd[0], limit=100)) == 3


@pytest.mark.parametrize(
    ("wanted", "keys"),
    [
        ({"n": 2}, {"b"}),
        ({"n": {"$gte": 2}}, {"b", "c"}),
        ({"n": {"$gt": 1, "$lt": 3}}, {"b"}),
        ({"kind": {"$ne": "x"}}, {"c"}),
        ({"kind": "x", "n": {"$lte": 1}}, {"a"}),
    ],
)
def test_filters(either: BaseStore, namespace: Namespace, wanted: dict[str, Any], keys: set[str]) -> None:
    for key, kind, n in (("a", "x", 1), ("b", "x", 2), ("c", "y", 3)):
        either.put(namespace, key, {"kind": kind, "n": n}, index=False)
    assert {item.key for item in either.search(namespace, filter=wanted)} == keys


def test_pages(either: BaseStore, namespace: Namespace) -> None:
    for number in range(5):
        either.put(namespace, str(number), {"n": number}, index=False)
    pages = [either.search(namespace, limit=2, offset=start) for start in (0, 2, 4)]
    assert [len(page) for page in pages] == [2, 2, 1]
    assert {item.key for page in pages for item in page} == set("01234")


def test_namespaces_are_listed(either: BaseStore, namespace: Namespace) -> None:
    for tail in (("a", "x"), ("a", "y"), ("b", "x")):
        either.put((*namespace, *tail), "k", {"v": 1}, index=False)
    under = either.list_namespaces(prefix=namespace)
    assert [place[2:] for place in under] == [("a", "x"), ("a", "y"), ("b", "x")]
    assert either.list_namespaces(prefix=namespace, max_depth=3) == [(*namespace, "a"), (*namespace, "b")]
    assert len(either.list_namespaces(prefix=namespace, suffix=("x",))) == 2
    assert either.list_namespaces(prefix=(*namespace, "*", "y")) == [(*namespace, "a", "y")]
    assert len(either.list_namespaces(prefix=namespace, limit=1, offset=1)) == 1


def test_a_batch_reads_what_was_there_before_it_wrote(either: BaseStore, namespace: Namespace) -> None:
    either.put(namespace, "a", {"v": 1}, index=False)
    ops = [
        PutOp(namespace, "a", {"v": 2}, index=False),
        GetOp(namespace, "a"),
        PutOp(namespace, "a", {"v": 3}, index=False),
    ]
    [_, got, _] = either.batch(ops)
    assert got.value == {"v": 1}  # type: ignore[union-attr]  # an item
    item = asyncio.run(either.aget(namespace, "a"))
    assert item
    assert item.value == {"v": 3}


def test_a_search_by_meaning_finds_within_its_namespace_only(store: BaseStore, namespace: Namespace) -> None:
    other = (*namespace[:1], "elsewhere")
    store.put(namespace, "tea", {"text": "Mika drinks green tea every morning.", "n": 1})
    store.put(other, "tea", {"text": "Mika drinks green tea at night."})
    found = store.search(namespace, query="What tea does Mika drink?")
    assert [item.key for item in found] == ["tea"]
    assert found[0].namespace == namespace
    assert found[0].score is not None
    assert store.search(namespace, query="What tea does Mika drink?", filter={"n": 2}) == []


def test_an_unindexed_item_is_not_searched(store: BaseStore, namespace: Namespace) -> None:
    store.put(
        namespace, "a", {"text": "The violin is in the attic.", "more": "The saddle is red."}, index=["more"]
    )
    store.put(namespace, "b", {"text": "The violin is in the cellar."}, index=False)
    found = store.search(namespace, query="Which colour has the saddle?")
    assert [item.key for item in found] == ["a"]
    assert store.search(namespace, query="Where is the violin?") == []


def test_a_value_that_was_changed_or_deleted_is_not_found_as_it_was(
    store: BaseStore, namespace: Namespace
) -> None:
    store.put(namespace, "a", {"text": "The comet returns in 2031."})
    store.put(namespace, "a", {"text": "The orchid blooms in May."})
    assert (
        store.search(namespace, query="When does the orchid bloom?")[0].value["text"].startswith("The orchid")
    )
    assert store.search(namespace, query="When does the comet return?") == []
    store.delete(namespace, "a")
    assert store.search(namespace, query="When does the orchid bloom?") == []


def test_a_time_to_live_is_refused_as_by_any_store_without_one(
    store: BaseStore, namespace: Namespace
) -> None:
    with pytest.raises(NotImplementedError):
        store.put(namespace, "a", {"v": 1}, ttl=1.0)


def test_too_large_a_value_says_so(store: BaseStore, namespace: Namespace) -> None:
    with pytest.raises(InvalidRequestError, match="1024 bytes"):
        store.put(namespace, "k" * 2_000, {"v": 1}, index=False)


class ScriptedModel(FakeMessagesListChatModel):
    """Says what it was told to say, tool calls included."""

    def bind_tools(self, tools: Any, **_: Any) -> "ScriptedModel":  # noqa: ARG002  # as models do
        return self


@tool
def remember(text: str, store: Annotated[BaseStore, InjectedStore()]) -> str:
    """Remember a fact."""
    store.put(("agent",), text[:20], {"text": text})
    return "noted"


@tool
def recall(query: str, store: Annotated[BaseStore, InjectedStore()]) -> str:
    """Recall facts."""
    return "; ".join(item.value["text"] for item in store.search(("agent",), query=query))


def call(name: str, **arguments: str) -> AIMessage:
    return AIMessage("", tool_calls=[ToolCall(name=name, args=arguments, id=name)])


def test_an_agent_remembers_across_threads(store: BaseStore) -> None:
    script = [
        call("remember", text="Mika's flight to Sapporo leaves on 3 March."),
        AIMessage("I will remember."),
        call("recall", query="When does Mika's flight to Sapporo leave?"),
        AIMessage("On 3 March."),
    ]
    model, tools = ScriptedModel(responses=script), [remember, recall]
    graph = StateGraph(MessagesState)
    graph.add_node("agent", lambda state: {"messages": [model.bind_tools(tools).invoke(state["messages"])]})
    graph.add_node("tools", ToolNode(tools))
    graph.add_edge(START, "agent")
    graph.add_conditional_edges("agent", tools_condition)
    graph.add_edge("tools", "agent")
    agent = graph.compile(checkpointer=InMemorySaver(), store=store)
    threads = [{"configurable": {"thread_id": str(number)}} for number in (1, 2)]
    agent.invoke({"messages": [("user", "My flight to Sapporo leaves on 3 March.")]}, threads[0])  # type: ignore[call-overload]  # the SDK's typed dicts
    told = agent.invoke({"messages": [("user", "When do I fly?")]}, threads[1])  # type: ignore[call-overload]  # the same
    said = [str(message.content) for message in told["messages"]]
    assert "Mika's flight to Sapporo leaves on 3 March." in said
    assert said[-1] == "On 3 March."
