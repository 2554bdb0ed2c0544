"""The tables as one person may see them."""

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from support.chat_tables import chat_tables

from pipeline.local.page.chats import Chat
from pipeline.local.page.people import Person
from pipeline.local.page.tables import Tables

NOW = datetime(2026, 11, 22, 10, tzinfo=UTC)
MIKA, HIRO, EVERYBODY = Person("acme", "mika"), Person("acme", "hiro"), Person("acme", "acme")
NAMESAKE = Person("other", "mika")
TALK = ({"role": "user", "content": "the code is plum"},)


@pytest.fixture
def tables() -> Iterator[Tables]:
    with chat_tables() as made:
        yield made


def save(tables: Tables, person: Person, key: str = "chat:1") -> None:
    tables.change(person, key, NOW, lambda before: before or Chat(key, TALK))


def test_a_chat_is_its_owners_alone(tables: Tables) -> None:
    save(tables, MIKA)
    assert [chat.key for chat in tables.chats(MIKA)] == ["chat:1"]
    for stranger in (HIRO, EVERYBODY, NAMESAKE):
        assert tables.chats(stranger) == []
        assert tables.chat(stranger, "chat:1") is None


@pytest.mark.parametrize("stranger", [HIRO, EVERYBODY])
def test_nobody_else_changes_or_deletes_it(tables: Tables, stranger: Person) -> None:
    save(tables, MIKA)
    for change in (lambda _: None, lambda _: Chat("chat:1", ())):
        with pytest.raises(PermissionError):
            tables.change(stranger, "chat:1", NOW, change)
    assert tables.chat(MIKA, "chat:1")


def test_the_item_is_put_whole_and_deleted_when_nothing_is_left(tables: Tables) -> None:
    save(tables, MIKA)
    more = {"role": "assistant", "content": "noted"}
    tables.change(MIKA, "chat:1", NOW, lambda chat: chat and replace(chat, messages=(*chat.messages, more)))
    [item] = tables.client.scan(TableName="s")["Items"]
    assert json.loads(item["messages"]["S"]) == [*TALK, more]
    tables.change(MIKA, "chat:1", NOW, lambda _: None)
    assert tables.client.scan(TableName="s")["Count"] == 0


def test_notes_of_every_layout_are_read_by_what_the_tenants_people_share(tables: Tables) -> None:
    tables.client.put_item(
        TableName="s",
        Item={"tenant_id": {"S": "acme"}, "session_key": {"S": "memory:long_term"}, "content": {"S": "one"}},
    )
    tables.client.put_item(
        TableName="n",
        Item={"tenant_id": {"S": "acme"}, "sk": {"S": "memory:daily:2026-11-22"}, "content": {"S": "two"}},
    )
    tables.client.put_item(
        TableName="c", Item={"pk": {"S": "MEMORY#acme"}, "sk": {"S": "LONG_TERM"}, "content": {"S": "three"}}
    )
    tables.client.put_item(
        TableName="c", Item={"pk": {"S": "APIKEY#acme"}, "sk": {"S": "x"}, "content": {"S": "never"}}
    )
    keys = ("memory:long_term", "memory:daily:2026-11-22", "LONG_TERM", "x", "")
    assert [tables.note(EVERYBODY, key) for key in keys] == ["one", "two", "three", None, None]
    for stranger in (MIKA, Person("other", "other")):
        assert [tables.note(stranger, key) for key in keys] == [None] * 5
