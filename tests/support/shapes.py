"""Messages of every app that is known, as the app saves them: a question, its answer, and what stands between.

To add an app: add its messages here, then the names it uses to the rows of ``pipeline/source/shapes.py``.
"""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

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
    "Zep": [
        {"role": "Mika", "role_type": "user", "content": ASKED, "created_at": ISO},
        {"role": "helper", "role_type": "assistant", "content": ANSWERED},
    ],
    "Rasa": [
        {"event": "user", "text": ASKED, "timestamp": float(EPOCH), "parse_data": {"intent": {}}},
        {"event": "bot", "text": ANSWERED, "timestamp": EPOCH + 1.0},
    ],
    "Dify": [{"id": "1", "query": ASKED, "answer": ANSWERED, "created_at": EPOCH, "inputs": {}}],
    "A2A": [
        {"kind": "message", "messageId": "1", "role": "ROLE_USER", "parts": [{"kind": "text", "text": ASKED}], "metadata": {"timestamp": ISO}},
        {"kind": "message", "messageId": "2", "role": "ROLE_AGENT", "parts": [{"kind": "text", "text": ANSWERED}]},
    ],
    "Letta": [
        {"id": "1", "message_type": "user_message", "content": ASKED, "date": ISO},
        {"id": "2", "message_type": "reasoning_message", "reasoning": "Let me think.", "date": ISO},
        {"id": "3", "message_type": "assistant_message", "content": ANSWERED, "date": ISO},
    ],
    "Slack's rich text": [
        {"type": "message", "user": "U1", "text": "", "ts": f"{EPOCH}.000200", "blocks": [
            {"type": "rich_text", "elements": [{"type": "rich_text_section", "elements": [{"type": "text", "text": ASKED}]}]}]},
        {"type": "message", "subtype": "bot_message", "bot_id": "B1", "text": ANSWERED, "ts": f"{EPOCH + 1}.000200"},
    ],
    "DiscordChatExporter": [
        {"id": "1", "type": "Default", "timestamp": "2026-11-01T10:00:00+00:00", "content": ASKED, "author": {"name": "mika", "isBot": False}},
        {"id": "2", "type": "Reply", "content": ANSWERED, "author": {"name": "helper", "isBot": True}},
    ],
    "Discord": [
        {"id": "1", "type": 0, "author": {"id": "7", "username": "mika"}, "content": ASKED, "timestamp": "2026-11-01T10:00:00.000000+00:00"},
        {"id": "2", "type": 0, "author": {"id": "8", "username": "helper", "bot": True}, "content": ANSWERED},
    ],
}  # fmt: skip
