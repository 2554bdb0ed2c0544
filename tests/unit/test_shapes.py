"""Every shape in which an app is known to save messages: each is read with the right role, text and time.

To add an app: add its message here, then the name it uses to a row of ``pipeline/source/shapes.py``.
"""

import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

import pytest
from boto3.dynamodb.types import TypeSerializer

from pipeline.settings import DEFAULT_ATTRIBUTE_NAMES
from pipeline.source.documents import Document, EntryHasher
from pipeline.source.layouts import Layouts
from pipeline.source.messages import read_message, without_thoughts

ASKED, ANSWERED = "The boat trip to Naoshima is on the 14th, pier 3.", "Noted: Naoshima, the 14th, pier 3."
ISO = "2026-11-01T10:00:00Z"
EPOCH = 1_793_527_200
WHEN = datetime(2026, 11, 1, 10, tzinfo=UTC)

SHAPES: Mapping[str, list[Any]] = {
    "OpenAI chat": [
        {"role": "developer", "content": "Be brief."},
        {"role": "user", "content": [{"type": "text", "text": ASKED}, {"type": "image_url", "image_url": {"url": "https://x"}}], "timestamp": ISO},
        {"role": "assistant", "content": None, "tool_calls": [{"id": "1", "type": "function", "function": {"name": "f", "arguments": "{}"}}]},
        {"role": "tool", "tool_call_id": "1", "content": '{"pier": 3}'},
        {"role": "assistant", "content": ANSWERED, "reasoning_content": "Let me think."},
    ],
    "OpenAI responses": [
        {"type": "message", "role": "user", "content": [{"type": "input_text", "text": ASKED}], "created_at": EPOCH},
        {"type": "reasoning", "id": "rs_1", "summary": [{"type": "summary_text", "text": "Let me think."}]},
        {"type": "function_call", "call_id": "1", "name": "f", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "1", "output": "Pier 3"},
        {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": ANSWERED, "annotations": []}]},
    ],
    "OpenAI threads": [
        {"object": "thread.message", "created_at": EPOCH, "role": "user",
         "content": [{"type": "text", "text": {"value": ASKED, "annotations": []}}]},
        {"object": "thread.message", "created_at": EPOCH, "role": "assistant",
         "content": [{"type": "text", "text": {"value": ANSWERED, "annotations": []}}]},
    ],
    "OpenAI realtime": [
        {"type": "message", "role": "user", "content": [{"type": "input_audio", "transcript": ASKED}], "created_at": EPOCH},
        {"type": "message", "role": "assistant", "content": [{"type": "output_audio", "transcript": ANSWERED}]},
    ],
    "Anthropic": [
        {"role": "user", "content": [{"type": "text", "text": ASKED}, {"type": "image", "source": {"type": "base64", "data": "x"}}], "created_at": ISO},
        {"role": "assistant", "content": [{"type": "thinking", "thinking": "Let me think.", "signature": "s"},
                                          {"type": "tool_use", "id": "1", "name": "f", "input": {"text": "no"}}]},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "1", "content": [{"type": "text", "text": "Pier 3"}]}]},
        {"role": "assistant", "content": [{"type": "text", "text": ANSWERED}]},
    ],
    "Gemini": [
        {"role": "user", "parts": [{"text": ASKED}, {"inlineData": {"mimeType": "image/png", "data": "x"}}], "createTime": ISO},
        {"role": "model", "parts": [{"text": "Let me think.", "thought": True}, {"functionCall": {"name": "f", "args": {}}}]},
        {"role": "function", "parts": [{"functionResponse": {"name": "f", "response": {"pier": 3}}}]},
        {"role": "model", "parts": [{"text": ANSWERED}]},
    ],
    "Bedrock Converse": [
        {"role": "user", "content": [{"text": ASKED}, {"document": {"name": "d", "source": {}}}], "timestamp": EPOCH * 1000},
        {"role": "assistant", "content": [{"reasoningContent": {"reasoningText": {"text": "Let me think."}}},
                                          {"toolUse": {"toolUseId": "1", "name": "f", "input": {}}}]},
        {"role": "user", "content": [{"toolResult": {"toolUseId": "1", "content": [{"text": "Pier 3"}]}}]},
        {"role": "assistant", "content": [{"text": ANSWERED}, {"cachePoint": {"type": "default"}}]},
    ],
    "AI SDK 4": [
        {"id": "1", "role": "user", "content": ASKED, "createdAt": ISO, "experimental_attachments": [{"url": "data:,x"}]},
        {"id": "2", "role": "assistant", "content": "", "toolInvocations": [{"state": "result", "toolName": "f", "result": "no"}]},
        {"id": "3", "role": "assistant", "content": ANSWERED, "parts": [{"type": "text", "text": ANSWERED}], "createdAt": ISO},
    ],
    "AI SDK 5": [
        {"id": "1", "role": "user", "parts": [{"type": "text", "text": ASKED}, {"type": "file", "mediaType": "image/png", "url": "x"}],
         "metadata": {"createdAt": EPOCH * 1000}},
        {"id": "2", "role": "assistant", "parts": [
            {"type": "step-start"}, {"type": "reasoning", "text": "Let me think."},
            {"type": "tool-getPier", "state": "output-available", "output": {"text": "no"}},
            {"type": "source-url", "url": "https://x"}, {"type": "data-pier", "data": {"text": "no"}},
            {"type": "text", "text": ANSWERED, "state": "done"}]},
    ],
    "LangChain dicts": [
        {"type": "system", "data": {"content": "Be brief.", "type": "system"}},
        {"type": "human", "data": {"content": ASKED, "additional_kwargs": {"timestamp": ISO}, "type": "human", "name": None, "id": None}},
        {"type": "ai", "data": {"content": "", "tool_calls": [{"name": "f", "args": {}, "id": "1"}], "type": "ai"}},
        {"type": "tool", "data": {"content": "Pier 3", "tool_call_id": "1", "type": "tool"}},
        {"type": "AIMessageChunk", "data": {"content": ANSWERED, "type": "AIMessageChunk"}},
    ],
    "LangChain constructor": [
        {"lc": 1, "type": "constructor", "id": ["langchain", "schema", "messages", "HumanMessage"],
         "kwargs": {"content": ASKED, "additional_kwargs": {"created_at": ISO}}},
        {"lc": 1, "type": "constructor", "id": ["langchain_core", "messages", "AIMessage"],
         "kwargs": {"content": [{"type": "text", "text": ANSWERED}], "response_metadata": {}}},
    ],
    "LangChain model dump": [
        {"content": ASKED, "additional_kwargs": {}, "response_metadata": {"created": EPOCH}, "type": "human", "name": None, "id": "1"},
        {"content": ANSWERED, "type": "ai", "tool_calls": [], "invalid_tool_calls": [], "usage_metadata": None},
    ],
    "LlamaIndex": [
        {"role": "user", "additional_kwargs": {"created_at": ISO}, "blocks": [{"block_type": "text", "text": ASKED}, {"block_type": "image", "url": "x"}]},
        {"role": "assistant", "additional_kwargs": {}, "blocks": [{"block_type": "thinking", "content": "Let me think."},
                                                                  {"block_type": "text", "text": ANSWERED}]},
    ],
    "Mastra 2": [
        {"id": "1", "role": "user", "createdAt": ISO, "threadId": "t", "resourceId": "r", "type": "v2",
         "content": {"format": 2, "parts": [{"type": "text", "text": ASKED}], "content": ASKED}},
        {"id": "2", "role": "assistant", "createdAt": ISO, "threadId": "t",
         "content": json.dumps({"format": 2, "parts": [{"type": "tool-invocation", "toolInvocation": {"state": "result", "result": "no"}},
                                                       {"type": "text", "text": ANSWERED}]})},
    ],
    "Spring AI": [
        {"messageType": "SYSTEM", "text": "Be brief."},
        {"messageType": "USER", "text": ASKED, "metadata": {"messageType": "USER", "timestamp": ISO}, "media": []},
        {"messageType": "ASSISTANT", "text": "", "toolCalls": [{"id": "1", "name": "f", "arguments": "{}"}]},
        {"messageType": "TOOL", "responses": [{"id": "1", "name": "f", "responseData": "Pier 3"}]},
        {"messageType": "ASSISTANT", "text": ANSWERED},
    ],
    "Slack": [
        {"type": "message", "subtype": "channel_join", "user": "U1", "text": "<@U1> has joined the channel", "ts": f"{EPOCH - 9}.000000"},
        {"type": "message", "user": "U1", "text": ASKED, "ts": f"{EPOCH}.000000", "team": "T1", "client_msg_id": "c",
         "blocks": [{"type": "rich_text", "elements": []}]},
        {"type": "message", "subtype": "bot_message", "bot_id": "B1", "text": ANSWERED, "ts": f"{EPOCH + 5}.000200"},
    ],
    "Strands": [
        {"message": {"role": "user", "content": [{"text": ASKED}]}, "message_id": 0, "created_at": ISO},
        {"message": {"role": "assistant", "content": [{"toolUse": {"toolUseId": "1", "name": "f", "input": {}}}]}, "message_id": 1},
        {"message": {"role": "assistant", "content": [{"text": ANSWERED}]}, "message_id": 2, "created_at": ISO},
    ],
    "ChatGPT export": [
        None,
        {"id": "0", "author": {"role": "system"}, "content": {"content_type": "text", "parts": [""]},
         "metadata": {"is_visually_hidden_from_conversation": True}},
        {"id": "1", "author": {"role": "user", "name": None, "metadata": {}}, "create_time": EPOCH + 0.0, "recipient": "all",
         "content": {"content_type": "multimodal_text", "parts": [{"content_type": "image_asset_pointer", "asset_pointer": "x"}, ASKED]}},
        {"id": "2", "author": {"role": "assistant"}, "recipient": "browser", "content": {"content_type": "code", "text": "search()"}},
        {"id": "3", "author": {"role": "tool", "name": "browser"}, "content": {"content_type": "tether_quote", "text": "Pier 3"}},
        {"id": "4", "author": {"role": "assistant"}, "content": {"content_type": "thoughts", "thoughts": [{"content": "Let me think."}]}},
        {"id": "5", "author": {"role": "assistant"}, "recipient": "all", "content": {"content_type": "text", "parts": [ANSWERED]}},
    ],
    "Claude export": [
        {"uuid": "1", "text": ASKED, "content": [{"type": "text", "text": ASKED, "citations": []}], "sender": "human", "created_at": ISO,
         "updated_at": ISO, "attachments": [], "files": []},
        {"uuid": "2", "text": ANSWERED, "content": [{"type": "thinking", "thinking": "Let me think."}, {"type": "text", "text": ANSWERED}],
         "sender": "assistant", "created_at": ISO, "attachments": [], "files": []},
    ],
    "content as an object": [
        {"role": "user", "content": {"type": "text", "text": ASKED}, "date": ISO},
        {"role": "ASSISTANT", "content": {"text": ANSWERED}},
    ],
    "Pydantic AI": [
        {"kind": "request", "parts": [{"part_kind": "user-prompt", "content": ASKED, "timestamp": ISO}]},
        {"kind": "response", "parts": [{"part_kind": "thinking", "content": "Let me think."},
                                       {"part_kind": "tool-call", "tool_name": "f", "args": "{}"}], "timestamp": ISO},
        {"kind": "request", "parts": [{"part_kind": "tool-return", "tool_name": "f", "content": "Pier 3"}]},
        {"kind": "response", "parts": [{"part_kind": "text", "content": ANSWERED}], "timestamp": ISO},
    ],
    "Agent Development Kit": [
        {"author": "user", "content": {"role": "user", "parts": [{"text": ASKED}]}, "timestamp": EPOCH + 0.5, "invocation_id": "e"},
        {"author": "boat_agent", "content": {"role": "model", "parts": [{"text": ANSWERED}]}, "timestamp": EPOCH + 1.5},
    ],
    "AgentCore Memory": [
        {"eventTimestamp": ISO, "timestamp": ISO, "conversational": {"content": {"text": ASKED}, "role": "USER"}},
        {"conversational": {"content": {"text": ANSWERED}, "role": "ASSISTANT"}},
    ],
    "Semantic Kernel": [
        {"Role": {"Label": "user"}, "Items": [{"$type": "TextContent", "Text": ASKED}], "Metadata": {"CreatedAt": ISO}},
        {"Role": {"Label": "assistant"}, "Items": [{"$type": "FunctionCallContent", "Name": "f"}, {"$type": "TextContent", "Text": ANSWERED}]},
    ],
    "Haystack": [
        {"role": "user", "meta": {"created_at": ISO}, "name": None, "content": [{"text": ASKED}]},
        {"_role": "assistant", "_content": [{"reasoning": {"reasoning_text": "Let me think."}}, {"text": ANSWERED}], "_meta": {}},
    ],
    "Cohere": [{"role": "USER", "message": ASKED, "timestamp": ISO}, {"role": "CHATBOT", "message": ANSWERED}],
    "ShareGPT": [{"from": "human", "value": ASKED, "timestamp": ISO}, {"from": "gpt", "value": ANSWERED}],
    "AutoGen": [
        {"source": "user", "content": ASKED, "type": "TextMessage", "models_usage": None, "created_at": ISO},
        {"source": "assistant", "content": ANSWERED, "type": "TextMessage"},
    ],
    "Chainlit": [
        {"id": "1", "type": "user_message", "output": ASKED, "createdAt": ISO, "name": "mika"},
        {"id": "2", "type": "assistant_message", "output": ANSWERED, "createdAt": ISO},
    ],
    "WhatsApp and LINE": [
        {"type": "message", "message": {"type": "text", "id": "1", "text": ASKED}, "source": {"type": "user", "userId": "U1"}, "timestamp": EPOCH * 1000},
        {"from": "bot", "type": "text", "text": {"body": ANSWERED}, "timestamp": str(EPOCH)},
    ],
    "LibreChat": [
        {"messageId": "1", "sender": "User", "text": ASKED, "isCreatedByUser": True, "createdAt": {"$date": ISO}},
        {"messageId": "2", "sender": "GPT-4o", "text": ANSWERED, "isCreatedByUser": False, "createdAt": {"$date": ISO}},
    ],
    "Discord": [
        {"id": "1", "type": 0, "author": {"id": "7", "username": "mika"}, "content": ASKED, "timestamp": "2026-11-01T10:00:00.000000+00:00"},
        {"id": "2", "type": 0, "author": {"id": "8", "username": "helper", "bot": True}, "content": ANSWERED},
    ],
}  # fmt: skip

SAVED: Mapping[str, Callable[[list[Any]], Any]] = {
    "a JSON string": lambda messages: {"S": json.dumps(messages, ensure_ascii=False)},
    "a native list": lambda messages: TypeSerializer().serialize(
        json.loads(json.dumps(messages), parse_float=str)
    ),
    "a list of JSON strings": lambda messages: {"L": [{"S": json.dumps(each)} for each in messages]},
    "an object around the list": lambda messages: {"S": json.dumps({"messages": messages})},
}


def parsed(messages: Any, **attributes: Any) -> Document:
    layouts = Layouts(DEFAULT_ATTRIBUTE_NAMES, EntryHasher(b"a key of tests only"))
    item = {"tenant_id": {"S": "acme"}, "session_key": {"S": "chat:1"}, "messages": messages, **attributes}
    document = layouts.parse("sessions", item)
    assert document
    return document


@pytest.mark.parametrize("saved", SAVED)
@pytest.mark.parametrize("shape", SHAPES)
def test_a_known_shape_is_read_with_role_text_and_time(shape: str, saved: str) -> None:
    document = parsed(SAVED[saved](SHAPES[shape]))
    spoken = [entry for entry in document.entries if entry.role not in {"system", "tool"}]
    assert [(entry.role, entry.text) for entry in spoken] == [("user", ASKED), ("assistant", ANSWERED)]
    assert spoken[0].time
    assert abs((spoken[0].time - WHEN).total_seconds()) < 1
    assert document.unreadable == 0


def test_there_are_at_least_twenty_shapes() -> None:
    assert len(SHAPES) >= 20


@pytest.mark.parametrize(
    "message",
    [
        {"who": "user", "said": ASKED},
        {"role": "user", "speech": {"words": [ASKED]}},
        {"role": "user", "content": {"answer": ASKED}},
        {"role": "assistant", "parts": [{"type": "hologram", "beam": ASKED}]},
        {"role": "user", "content": True},
        ASKED,
        [ASKED, ANSWERED],
        7,
    ],
)
def test_an_unknown_shape_is_counted_and_hides_no_neighbour(message: Any) -> None:
    document = parsed({"S": json.dumps([message, {"role": "user", "content": "hello"}])})
    assert document.unreadable == 1
    assert [entry.text for entry in document.entries] == ["hello"]


@pytest.mark.parametrize(
    "message",
    [
        None, {}, {"role": "user"}, {"role": "user", "content": ""}, {"role": "assistant", "content": []},
        {"id": "1", "role": "assistant", "createdAt": ISO, "metadata": {"a": "b"}},
        {"role": "tool", "content": {"temperature": 12}},
        {"role": "assistant", "content": [{"type": "image", "url": "x"}]},
        {"type": "web_search_call", "id": "1", "status": "completed", "action": {"query": "boats"}},
    ],
)  # fmt: skip
def test_a_message_that_says_nothing_is_not_counted(message: Any) -> None:
    document = parsed({"S": json.dumps([message])})
    assert (document.unreadable, document.entries) == (0, ())


@pytest.mark.parametrize(
    ("given", "role"),
    [
        ("USER", "user"), ("Human", "user"), ("AI", "assistant"), ("model", "assistant"), ("Bot", "assistant"),
        ("Developer", "system"), ("SYSTEM", "system"), ("function", "tool"), ("Tool", "tool"), ("MessageRole.USER", "user"),
        ("Narrator ", "narrator"),
    ],
)  # fmt: skip
def test_roles_are_folded_whatever_their_case(given: str, role: str) -> None:
    assert read_message({"role": given, "content": "hi"}).role == role


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("<think>The user means the boat.</think>\n\nThe 14th.", "The 14th."),
        ("<thinking>\nlong\n\nthought\n</thinking>The 14th.", "The 14th."),
        ("The user means the boat.\n</think>\n\nThe 14th.", "The 14th."),
        ("<think>cut off in the middle of", ""),
        ("First.\n<think>hm</think>\nThen.", "First.\n\nThen."),
        ("The tag `<think>` opens a thought.", "The tag `<think>` opens a thought."),
        ("I think so.", "I think so."),
    ],
)
def test_an_answer_is_read_without_what_was_thought_aloud(text: str, left: str) -> None:
    assert without_thoughts(text) == left
    assert read_message({"role": "assistant", "content": text}).text == left


def test_what_a_user_writes_about_thoughts_stays() -> None:
    text = "<think>is what my model prints</think>"
    assert read_message({"role": "user", "content": text}).text == text


@pytest.mark.parametrize(
    "text",
    [
        '{"type": "text", "note": "pasted by a user"}',
        '[{"type": "config", "note": "pasted by a user"}]',
        '{"role": "admin", "content": "pasted by a user"}',
        "[1, 2, 3]",
    ],
)
def test_json_that_a_user_pasted_stays_what_it_is(text: str) -> None:
    assert read_message({"role": "user", "content": text}).text == text


def test_a_chatgpt_conversation_is_read_along_the_branch_that_was_kept() -> None:
    def node(name: str, parent: str | None, role: str, text: str) -> dict[str, Any]:
        message = {"author": {"role": role}, "content": {"content_type": "text", "parts": [text]}}
        return {"id": name, "parent": parent, "children": [], "message": message}

    tree = {
        "root": {"id": "root", "parent": None, "message": None},
        "a": node("a", "root", "user", "one"),
        "b": node("b", "a", "assistant", "a first answer"),
        "c": node("c", "a", "assistant", "a second answer"),
    }
    document = parsed({"S": json.dumps({"title": "t", "mapping": tree, "current_node": "c"})})
    assert [entry.text for entry in document.entries] == ["one", "a second answer"]


def test_messages_rewritten_in_another_shape_are_the_same_entries() -> None:
    plain = parsed({"S": json.dumps([{"role": "user", "content": "two", "timestamp": ISO}])})
    parts = parsed(
        {"S": json.dumps([{"role": "USER", "parts": [{"type": "text", "text": "two"}], "createdAt": EPOCH}])}
    )
    assert plain.entries == parts.entries


def test_the_messages_attribute_may_have_one_of_several_names() -> None:
    names = {**DEFAULT_ATTRIBUTE_NAMES, "messages": "messages, History, turns"}
    item = {
        "tenant_id": {"S": "acme"},
        "session_key": {"S": "chat:1"},
        "History": {"L": [{"M": {"type": {"S": "human"}, "data": {"M": {"content": {"S": ASKED}}}}}]},
    }
    document = Layouts(names, EntryHasher(b"k")).parse("sessions", item)
    assert document
    assert [(entry.role, entry.text) for entry in document.entries] == [("user", ASKED)]
