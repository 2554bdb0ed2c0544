"""Every shape in which an app is known to save messages: each is read with the right role, text and time.

The shapes are in ``tests/support/shapes.py``.
"""

import json
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from boto3.dynamodb.types import TypeSerializer
from support.shapes import ANSWERED, ASKED, EPOCH, ISO, SHAPES, WHEN

from pipeline.settings import DEFAULT_ATTRIBUTE_NAMES
from pipeline.source.documents import Document, EntryHasher
from pipeline.source.layouts import Layouts
from pipeline.source.messages import read_message, without_thoughts

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
        {"B": "aGVsbG8="},
        {"M": {"role": {"S": "user"}, "content": {"B": "aGVsbG8="}}},
        {"M": {"role": {"S": "user"}, "content": {"BS": ["aGVsbG8="]}}},
        {"M": {"role": {"S": "user"}, "packed": {"B": "aGVsbG8="}}},
        {"M": {"role": {"S": "user"}, "parts": {"L": [{"M": {"type": {"S": "text"}, "text": {"B": "aGVsbG8="}}}]}}},
    ],
)  # fmt: skip
def test_a_message_in_binary_is_counted_and_hides_no_neighbour(message: Any) -> None:
    hello = {"M": {"role": {"S": "user"}, "content": {"S": "hello"}}}
    document = parsed({"L": [message, hello]})
    assert document.unreadable == 1
    assert [entry.text for entry in document.entries] == ["hello"]


def test_a_picture_in_binary_is_not_counted() -> None:
    picture = {"M": {"format": {"S": "png"}, "source": {"M": {"bytes": {"B": "aGVsbG8="}}}}}
    message = {"M": {"role": {"S": "user"}, "content": {"L": [{"M": {"image": picture}}]}}}
    document = parsed({"L": [message]})
    assert (document.unreadable, document.entries) == (0, ())


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


def test_a_users_text_about_thoughts_stays() -> None:
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


def test_messages_by_their_ids_are_messages() -> None:
    tree = {
        "history": {
            "messages": {
                "m1": {"role": "user", "content": "one"},
                "m2": {"role": "assistant", "content": "two"},
            }
        }
    }
    assert [entry.text for entry in parsed({"S": json.dumps(tree)}).entries] == ["one", "two"]


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
