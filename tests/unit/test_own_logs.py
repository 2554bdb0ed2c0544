"""Questions made of an operator's own conversations, and those that nobody's memory answers."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from support.words import SPACE, WordEmbedder

from lab.evaluation.command import OWN, levels_told, main, tallies_of
from lab.evaluation.logs_reader import documents
from lab.evaluation.measures import Answer, at_level
from lab.evaluation.own_logs import conversations, spread
from lab.evaluation.sets import Conversation, Message, Question, Session
from lab.evaluation.strangers import across, with_strangers
from pipeline.source.documents import Document, Entry, ItemKey
from pipeline.stores.memory import InMemoryStore

TIME = datetime(2026, 11, 1, 9, tzinfo=UTC)
REPLY = "It is in the shed, behind the red bicycle and the ladder."


def document(user: str, key: str, *said: tuple[str, str], kind: Any = "session") -> Document:
    entries = tuple(Entry(f"{number}", role, text, TIME) for number, (role, text) in enumerate(said))
    item = ItemKey("sessions", "tenant_id", "acme", "session_key", key)
    return Document(item, "acme", user, kind, entries)


def test_a_question_is_taken_out_of_a_log_and_its_reply_is_the_evidence() -> None:
    [made] = conversations(
        [
            document(
                "mika",
                "chat:1",
                ("user", "Good morning."),
                ("user", "Where is the spare key?"),
                ("assistant", REPLY),
                ("user", "And how do I open that?"),
                ("assistant", "Turn the key twice, and lift the handle of the door a little."),
            ),
            document("mika", "memory:long_term", ("user", "Where is it kept?"), kind="long_term"),
        ]
    )
    [question] = made.questions
    assert [message.text for message in made.messages][:3] == [
        "Good morning.",
        REPLY,
        "And how do I open that?",
    ]
    assert question.text == "Where is the spare key?"
    assert question.evidence == {made.messages[1].id}


@pytest.mark.parametrize(
    ("asked", "reply"),
    [
        ("Why?", REPLY),
        ("The key is gone.", REPLY),
        ("Where is the spare key?", "In the shed."),
        ("Where is the spare key?", "I could not find anything about a spare key in your notes, sorry."),
        ("where " * 60 + "is it?", REPLY),
        ("", REPLY),
    ],
)
def test_a_question_without_an_answer_in_the_log_is_left_out(asked: str, reply: str) -> None:
    assert conversations([document("mika", "chat:1", ("user", asked), ("assistant", reply))]) == []


def test_users_are_kept_apart_and_nothing_names_them_or_what_they_said() -> None:
    exchange = (("user", "鍵はどこにありますか？"), ("assistant", REPLY))
    made = conversations(
        [document("mika", "chat:secret", *exchange), document("ken", "chat:secret", *exchange)]
    )
    assert [one.name for one in made] == ["user-1", "user-2"]
    named = json.dumps([[one.name, one.questions[0].id, one.sessions[0].key] for one in made])
    assert not any(word in named for word in ("mika", "ken", "secret", "鍵"))
    assert "鍵" not in repr(made[0].questions)


def test_questions_are_spread_over_all_that_was_asked() -> None:
    assert spread(list(range(10)), 5) == [0, 2, 4, 6, 8]
    assert spread([1, 2], 5) == [1, 2]


def asked(name: str, speakers: tuple[str, ...], *questions: str) -> Conversation:
    said = [
        Message(f"{name}{number}", {"role": "user", "name": speaker, "content": "Hello."})
        for number, speaker in enumerate(speakers)
    ]
    return Conversation(
        name, [Session("chat:1", said)], [Question(one, frozenset({f"{name}0"})) for one in questions]
    )


def test_each_memory_is_asked_the_next_ones_questions_with_its_own_names() -> None:
    first, second, alone = with_strangers(
        [
            asked("a", ("Ann", "Bo"), "Does Ann like Bo?"),
            asked("b", ("Cy", "Ann"), "When did Cy meet Ann in Cyprus?"),
            asked("j", ("直子",), "直子さんの犬の名前は何ですか？"),
        ]
    )
    assert [(one.text, bool(one.evidence)) for one in first.questions] == [
        ("Does Ann like Bo?", True),
        ("When did Ann meet Bo in Cyprus?", False),
    ]
    assert [one.text for one in second.questions][1:] == ["Does Cy like Ann?"]
    assert len(alone.questions) == 1


def test_memories_of_several_sets_are_asked_each_others_questions() -> None:
    sets = {
        "one": [asked("a", ("Ann",), "Does Ann ski?"), asked("j", (), "犬の名前は何ですか？")],
        "two": [asked("k", (), "猫はどこにいますか？")],
    }
    found = across(sets)
    texts = {
        name: [[one.text for one in conversation.questions] for conversation in made]
        for name, made in found.items()
    }
    assert texts == {
        "one": [["Does Ann ski?"], ["犬の名前は何ですか？", "猫はどこにいますか？"]],
        "two": [["猫はどこにいますか？", "犬の名前は何ですか？"]],
    }


def test_a_level_says_what_it_loses_and_what_it_refuses() -> None:
    answers = [Answer(frozenset("a"), [], set(), confidence=one / 100) for one in range(40, 60)]
    answers += [Answer(frozenset(), [], set(), confidence=value) for value in (0.3, 0.402, 0.55)]
    found = at_level(answers)
    assert found is not None
    assert (found.level, found.lost, found.refused) == (0.41, 0.05, pytest.approx(2 / 3))
    kept = at_level(answers, 0.0)
    assert kept is not None
    assert (kept.lost, kept.refused, kept.answerable, kept.unanswerable) == (0, 0, 20, 3)
    assert at_level(answers[20:]) is None


def test_a_table_is_read_as_ingest_would_up_to_a_number_of_items(aws: Any) -> None:
    said = [{"role": "user", "content": "Where is the spare key?"}, {"role": "assistant", "content": REPLY}]
    for number in range(3):
        item = {"tenant_id": "acme", "session_key": f"chat:{number}", "messages": json.dumps(said)}
        aws.put({name: {"S": value} for name, value in item.items()})
    assert len(list(documents(["sessions"], [], 10))) == 3
    [made] = conversations(documents(["sessions"], [], 2))
    assert [one.text for one in made.questions] == ["Where is the spare key?"] * 2


THINGS = ("spare key", "blue kettle", "garden hose", "old piano", "rain coat", "tent pegs")


def test_own_conversations_are_evaluated_and_nothing_said_is_in_the_result() -> None:
    chats = [
        document(
            user,
            f"chat:{thing}",
            ("user", f"Where is the {thing} of {user}?"),
            ("assistant", f"The {thing} of {user} is in the shed, behind the ladder and the {thing} box."),
            ("user", f"Thank you for the {thing}."),
        )
        for user, things in (("mika", THINGS[:3]), ("ken", THINGS[3:]))
        for thing in things
    ]
    store = InMemoryStore(SPACE)
    made = with_strangers(conversations(chats))
    ours = tallies_of(made, WordEmbedder(), store, store)["ours"]
    assert (ours.figures().questions, ours.figures().unanswerable) == (6, 6)
    assert ours.figures().any5 == 1.0
    assert ours.levels()["English"].answerable == 6
    lines = list(levels_told(ours, 0.46))
    assert any("MIN_CONFIDENCE that loses 5%, English" in line for line in lines)
    level = next(line for line in lines if "that loses 5% of all, all" in line).split(": ")[1][:5]
    assert f"MIN_CONFIDENCE that loses 5% of all, English: {level}" in "\n".join(lines)
    rows = json.dumps(list(ours.rows(embedder="test", set=OWN)))
    assert not any(word in rows for word in ("mika", "ken", "kettle", "shed", "chat:"))


def test_a_file_without_questions_is_said_to_be_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "chats.jsonl"
    said = json.dumps([{"role": "user", "content": "Hello."}])
    item = {"tenant_id": "acme", "session_key": "chat:1", "messages": said}
    path.write_text(json.dumps({name: {"S": value} for name, value in item.items()}) + "\n")
    assert main(["--from", str(path)]) == 2
    assert "nobody asked anything" in capsys.readouterr().err
