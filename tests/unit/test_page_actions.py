"""What the page's server does, over real tables of a mocked AWS; memory is a list of hits."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from unittest.mock import create_autospec

import pytest
from support.chat_tables import chat_tables

from pipeline.local.page.actions import Actions, AskedWronglyError
from pipeline.local.page.commands import CommandFailedError
from pipeline.local.page.indexing_progress import IndexingProgress
from pipeline.local.page.memory import Memory, MemoryAwayError
from pipeline.local.page.people import Person
from pipeline.local.page.progress_watcher import ProgressWatcher

MIKA, HIRO = Person("acme", "mika"), Person("acme", "hiro")
OLD = {
    "key": "slack:1",
    "content": "[2026-01-01]\nuser: plum",
    "similarity": 0.9,
    "kind": "session",
    "id": "1",
}


@pytest.fixture
def progresses() -> list[IndexingProgress]:
    return []


@pytest.fixture
def memory() -> Any:
    memory = create_autospec(Memory, instance=True)
    memory.search.return_value = []
    return memory


@pytest.fixture
def actions(memory: Any, progresses: list[IndexingProgress]) -> Iterator[Actions]:
    def begin(_: Person, progress: IndexingProgress, change: Callable[[], Any]) -> Any:
        progresses.append(progress)
        return change()

    watch = create_autospec(ProgressWatcher, instance=True)
    watch.begin.side_effect = begin
    with chat_tables() as tables:
        yield Actions(tables, memory, watch, clock=lambda: datetime(2026, 11, 22, 10, tzinfo=UTC))


def turn(**changes: Any) -> dict[str, Any]:
    return {"text": "the code is plum", "turn": "t1", "language": "en", **changes}


def test_a_turn_begins_a_conversation_and_the_next_goes_on_with_it(actions: Actions) -> None:
    begun = actions.turn(MIKA, turn())["chat"]
    went_on = actions.turn(MIKA, turn(turn="t2", text="and pear", key=begun["key"]))["chat"]
    assert begun["key"] == went_on["key"] == "web:mika:20261122-100000-t1"
    assert [one["role"] for one in went_on["messages"]] == ["user", "assistant"] * 2
    assert [one["title"] for one in actions.chats(MIKA, {})["chats"]] == ["the code is plum"]


def test_a_turn_sent_twice_is_saved_once(actions: Actions, progresses: list[IndexingProgress]) -> None:
    begun = actions.turn(MIKA, turn())["chat"]
    again = actions.turn(MIKA, turn(key=begun["key"]))["chat"]
    assert again == begun
    assert len(progresses) == 1


def test_a_recalled_context_is_shown_and_not_saved(actions: Actions, memory: Any) -> None:
    memory.search.return_value = [OLD]
    answer = actions.turn(MIKA, turn(text="which code?"))
    assert [one["text"] for one in answer["recalled"]] == ["user: plum"]
    assert "plum" not in str(answer["chat"])


def test_a_turn_is_saved_while_memory_is_away(actions: Actions, memory: Any) -> None:
    memory.search.side_effect = MemoryAwayError
    [said, answered] = actions.turn(MIKA, turn())["chat"]["messages"]
    assert said["content"] == "the code is plum"
    assert "saved all the same" in answered["content"]


@pytest.mark.parametrize(
    ("action", "asked", "code"),
    [
        ("turn", turn(text=" "), "incomplete"),
        ("turn", turn(text=None), "incomplete"),
        ("turn", turn(turn=7), "incomplete"),
        ("turn", turn(text="x" * 200_001), "too_long"),
        ("turn", turn(key="memory:long_term"), "no_chat"),
        ("turn", turn(key=["slack:1"]), "incomplete"),
        ("chat", {"key": "nowhere"}, "no_chat"),
        ("chat", {}, "incomplete"),
        ("note", {"key": "memory:long_term"}, "no_note"),
        ("forget", {"key": "nowhere"}, "no_chat"),
        ("search", {"query": ""}, "incomplete"),
    ],
)
def test_an_impossible_action_answers_with_a_code(
    actions: Actions, action: str, asked: dict[str, Any], code: str
) -> None:
    with pytest.raises(AskedWronglyError) as raised:
        getattr(actions, action)(MIKA, asked)
    assert raised.value.code == code


def test_a_full_conversation_takes_no_more(actions: Actions) -> None:
    key = actions.turn(MIKA, turn(text="x" * 199_000))["chat"]["key"]
    with pytest.raises(AskedWronglyError) as raised:
        actions.turn(MIKA, turn(turn="t2", text="x" * 199_000, key=key))
    assert raised.value.code == "full"


def test_forgetting_is_for_the_owner_and_follows_the_text(
    actions: Actions, progresses: list[IndexingProgress]
) -> None:
    chat = actions.turn(MIKA, turn())["chat"]
    [said, answered] = chat["messages"]
    for wrong in (HIRO, Person("other", "mika")):
        with pytest.raises(AskedWronglyError):
            actions.forget(wrong, {"key": chat["key"]})
    with pytest.raises(AskedWronglyError):
        actions.forget(MIKA, {"key": chat["key"], "message": "another"})
    left = actions.forget(MIKA, {"key": chat["key"], "message": answered["id"]})["chat"]
    assert [one["id"] for one in left["messages"]] == [said["id"]]
    assert (progresses[-1].kind, progresses[-1].text) == ("forget", answered["content"])
    assert actions.forget(MIKA, {"key": chat["key"]}) == {"chat": None, "progress": progresses[-1].id}
    assert actions.chats(MIKA, {})["chats"] == []


def test_forgetting_one_of_two_equal_messages_says_that_the_other_is_left(
    actions: Actions, progresses: list[IndexingProgress]
) -> None:
    key = actions.turn(MIKA, turn())["chat"]["key"]
    twice = actions.turn(MIKA, turn(turn="t2", key=key))["chat"]["messages"]
    equal = [one["id"] for one in twice if one["content"] == "the code is plum"]
    assert len(equal) == 2
    actions.forget(MIKA, {"key": key, "message": equal[0]})
    assert progresses[-1].said_elsewhere
    actions.forget(MIKA, {"key": key, "message": equal[1]})
    assert not progresses[-1].said_elsewhere


def test_related_asks_with_what_is_typed_and_about_what_is_open(actions: Actions, memory: Any) -> None:
    memory.related.return_value = [
        {"key": "slack:1", "title": "t", "date": "2026-01-01", "snippet": "plum", "score": 1.0, "why": {}}
    ]
    assert [one["key"] for one in actions.related(MIKA, {"key": "k", "text": " typing "})["related"]] == [
        "slack:1"
    ]
    assert memory.related.call_args.args == (MIKA, "typing", "k", 5)
    memory.related.reset_mock()
    assert actions.related(HIRO, {"key": None, "text": " "}) == {"related": []}
    assert not memory.related.called


def test_dead_letters_are_sent_again_for_the_persons_own_tenant_and_one_cause(actions: Actions) -> None:
    asked: list[tuple[Person, str]] = []

    def redriven(person: Person, cause: str) -> dict[str, int]:
        asked.append((person, cause))
        return {"sent": 2, "left": 1}

    able = replace(actions, redrive_letters=redriven)
    assert able.redrive(MIKA, {"cause": "crashed", "tenant_id": "other"}) == {"sent": 2, "left": 1}
    assert asked == [(MIKA, "crashed")]
    with pytest.raises(AskedWronglyError, match="incomplete"):
        able.redrive(MIKA, {"tenant": "acme"})
    assert len(asked) == 1


def test_a_queue_that_gives_no_dead_letters_is_told(actions: Actions) -> None:
    def fails(*_: Any) -> Any:
        raise CommandFailedError

    with pytest.raises(AskedWronglyError, match="queue_away") as caught:
        replace(actions, redrive_letters=fails).redrive(MIKA, {"cause": "crashed"})
    assert caught.value.status == 503
