"""The demo chat's own decisions: how an item is written, and what forgetting a message leaves of it."""

import json
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.local.page.chats import Chat, FullError, digest, has_turn, item_of, new_key, read_chat, without
from pipeline.local.page.people import Person, SessionTokens
from pipeline.settings import DEFAULT_ATTRIBUTE_NAMES
from pipeline.source.documents import EntryHasher
from pipeline.source.layouts import Layouts
from pipeline.source.transitions import TransitionReader

NOW = datetime(2026, 11, 22, 10, tzinfo=UTC)
MIKA = Person("acme", "mika")
EXCLUDED = frozenset({"system", "tool"})


def spoken(role: str, text: str, minute: int = 0) -> dict[str, str]:
    return {"role": role, "content": text, "timestamp": f"2026-11-20T10:{minute:02}:00Z"}


def test_an_item_reads_back_as_it_was_and_keeps_what_it_does_not_know() -> None:
    chat = Chat("web:1", (spoken("user", "hello"),), {"created_at": "2026-01-01T00:00:00Z", "mood": "calm"})
    item = item_of(MIKA, chat, NOW)
    assert item["ttl"] == {"N": str(int(NOW.timestamp()) + 30 * 86400)}
    assert (item["tenant_id"], item["user_id"], item["mood"]) == ({"S": "acme"}, {"S": "mika"}, {"S": "calm"})
    assert item["created_at"] == {"S": "2026-01-01T00:00:00Z"}
    again = read_chat(item)
    assert again
    assert again.messages == chat.messages
    assert item_of(MIKA, again, NOW) == item


def test_a_shared_note_has_no_user() -> None:
    assert "user_id" not in item_of(Person("acme", "acme"), Chat("web:1", (spoken("user", "hello"),)), NOW)


def test_an_item_that_dynamodb_would_refuse_is_refused_before() -> None:
    with pytest.raises(FullError):
        item_of(MIKA, Chat("web:1", (spoken("user", "長" * 140_000),)), NOW)


@pytest.mark.parametrize("messages", ["{", '"text"', "7"])
def test_an_item_that_is_no_conversation_is_left_out(messages: str) -> None:
    item = {"tenant_id": {"S": "acme"}, "session_key": {"S": "x"}, "messages": {"S": messages}}
    assert read_chat(item) is None


def test_a_title_is_how_it_began() -> None:
    assert Chat("k", (spoken("system", "be nice"), spoken("user", "  hello\n you "))).title == "hello you"
    assert len(Chat("k", (spoken("user", "long " * 50),)).title) <= 60
    assert Chat("k", ()).title == "k"


def test_a_turn_is_known_by_its_name() -> None:
    chat = Chat("k", ({**spoken("user", "hello"), "turn": "t1"},))
    assert has_turn(chat, "t1")
    assert not has_turn(chat, "t2")


def test_a_key_says_channel_user_and_time() -> None:
    assert new_key(MIKA, NOW, "ab12") == "web:mika:20261122-100000-ab12"


roles = st.lists(st.sampled_from(["user", "assistant", "system", "tool"]), min_size=1, max_size=8)


@given(roles, st.data())
def test_the_stream_sees_any_removal_as_one_to_forget(chosen: list[str], data: st.DataObject) -> None:
    messages = [spoken(role, f"text {number}", number) for number, role in enumerate(chosen)]
    index = data.draw(st.integers(0, len(messages) - 1))
    left = without(messages, index)
    if left is None:  # the conversation is deleted, and all of it is forgotten
        assert all(one["role"] in EXCLUDED for number, one in enumerate(messages) if number != index)
        return
    assert f"text {index}" not in json.dumps(left)
    assert [one for one in messages if one is not messages[index]] == [
        one for one in left if not one.get("forgotten")
    ]
    if messages[index]["role"] not in EXCLUDED:
        assert _forgotten(messages, left) == {_names(messages)[index]}


def _forgotten(before: object, after: object) -> set[str]:
    reader = TransitionReader("keep", "keep", EXCLUDED)
    old, new = _parsed(before), _parsed(after)
    transition = reader.rewrite(old, new, inserted=False, at=1.0, position="1")
    return set() if transition.keeps else set(transition.gone)


def _names(messages: object) -> list[str]:
    return [entry.id for entry in _parsed(messages).entries]


def _parsed(messages: object) -> object:
    item = {"tenant_id": {"S": "a"}, "session_key": {"S": "k"}, "messages": {"S": json.dumps(messages)}}
    return Layouts(DEFAULT_ATTRIBUTE_NAMES, EntryHasher(b"k" * 16)).parse("t", item)


def test_two_messages_are_told_apart_by_role_text_or_time() -> None:
    names = {
        digest(one)
        for one in (
            spoken("user", "a"),
            spoken("user", "b"),
            spoken("assistant", "a"),
            spoken("user", "a", 1),
        )
    }
    assert len(names) == 4


@given(st.text(), st.text())
def test_a_pass_reads_back_whose_it_is(tenant_id: str, user_id: str) -> None:
    tokens = SessionTokens(b"k" * 32)
    person = Person(
        tenant_id.encode("utf-8", "replace").decode(), user_id.encode("utf-8", "replace").decode()
    )
    assert tokens.read(tokens.sign(person)) == person


def test_a_pass_of_another_key_or_a_changed_one_is_nobodys() -> None:
    tokens = SessionTokens(b"k" * 32)
    given_token = tokens.sign(MIKA)
    assert SessionTokens(b"j" * 32).read(given_token) is None
    other_claim = tokens.sign(Person("acme", "hiro")).partition(".")[0]
    assert tokens.read(f"{other_claim}.{given_token.partition('.')[2]}") is None
    for nonsense in ("", ".", "a.b", "a.b.c", given_token[:-4], given_token.replace(".", "")):
        assert tokens.read(nonsense) is None
