"""Sets of questions, and measures."""

import json
from pathlib import Path
from typing import Any

import pytest

from lab.evaluation.command import FOLDER, JAPANESE
from lab.evaluation.comparing import MEASURES, chance, compared
from lab.evaluation.measures import Answer, figures, share_read
from lab.evaluation.sets import read_set
from pipeline.errors import SettingsError


def test_the_set_is_what_it_says() -> None:
    [conversation] = read_set(JAPANESE)
    assert len(conversation.messages) >= 200
    assert len(conversation.questions) >= 60
    assert len({message.id for message in conversation.messages}) == len(conversation.messages)


def test_the_hard_set_of_agents_chats_is_what_it_says() -> None:
    read = read_set(FOLDER / "agents_hard.jsonl")
    asked = [question for one in read for question in one.questions]
    assert sum(len(one.sessions) for one in read) >= 40
    assert [sum(bool(question.evidence) for question in one.questions) >= 60 for one in read] == [True, True]
    assert sum(bool(question.before) for question in asked) >= 30
    assert all(bool(question.says) == bool(question.evidence) for question in asked)
    messages = [message for one in read for message in one.messages]
    assert len({message.id for message in messages}) == len(messages)


def test_of_long_evidence_what_answers_is_measured_alone(tmp_path: Path) -> None:
    message = {"id": "1", "role": "assistant", "content": "Much else. It ships on Friday. More."}
    asked = {"question": "When?", "evidence": ["1"], "says": ["It ships on Friday."]}
    path = tmp_path / "set.jsonl"
    rows = [{"session": "s", "messages": [message]}, asked, {"question": "What?", "evidence": ["1"]}]
    path.write_text("\n".join(map(json.dumps, rows)))
    [read] = read_set(path)
    assert [read.answer(one) for one in read.questions] == ["It ships on Friday.", message["content"]]
    path.write_text("\n".join(map(json.dumps, [rows[0], {**asked, "says": ["It ships on Monday."]}])))
    with pytest.raises(SettingsError, match="none of its evidence"):
        read_set(path)


def test_measures_are_means_over_questions() -> None:
    answers = [
        Answer(frozenset("ab"), [{"x"}, {"a"}], {"a", "b"}),
        Answer(frozenset("c"), [{"c"}], set()),
    ]
    found = figures(answers, 30, 20)
    assert (found.r1, found.r5, found.r10, found.mrr, found.any5) == (0.5, 0.75, 0.75, 0.75, 1.0)
    assert (found.b1k, found.embed_factor, found.questions) == (0.5, 1.5, 2)
    assert (found.newer_first, found.refused, found.roc) == (None, None, None)


def test_unanswerable_questions_are_measured_by_what_is_refused_at_five_percent_lost() -> None:
    sure = [Answer(frozenset("a"), [{"a"}], set(), confidence=0.5 + one / 100) for one in range(20)]
    none = [Answer(frozenset(), [], set(), confidence=value) for value in (0.1, 0.505, 0.6, 0.9)]
    found = figures([*sure, *none], 0, 1)
    assert (found.questions, found.unanswerable, found.refused) == (20, 4, 0.5)
    assert found.roc == pytest.approx((20 + 19 + 9.5 + 0) / 80)


def test_an_update_counts_if_the_new_statement_stands_first() -> None:
    first = Answer(frozenset("n"), [{"n"}, {"o"}], set(), before=frozenset("o"))
    last = Answer(frozenset("n"), [{"o"}, {"n"}], set(), before=frozenset("o"))
    alone = Answer(frozenset("n"), [{"n"}], set(), before=frozenset("o"))
    assert figures([first, last, alone], 0, 1).newer_first == pytest.approx(2 / 3)


def test_the_share_of_text_read_goes_by_sentences() -> None:
    assert share_read("One two. Three four five!", "Threefourfive") == pytest.approx(13 / 19)


def test_a_paired_test_tells_noise_from_a_difference() -> None:
    assert chance([0.1, -0.1, 0.1, -0.1]) > 0.5
    assert chance([0.1] * 30) < 0.01


def test_two_runs_are_compared_by_the_questions_they_share() -> None:
    def row(question: str, value: float) -> dict[str, Any]:
        measures = dict.fromkeys(MEASURES, value)
        names = {"embedder": "offline", "set": "s", "system": "ours", "question": question}
        return {**names, "answerable": True, "measures": measures}

    found = compared([row("a", 0.0), row("b", 1.0)], [row("a", 1.0)])
    assert "| r5 | 0.0000 | 1.0000 | +1.0000 |" in found
    assert "1 questions in both" in found


def test_a_locomo_file_is_read_without_adversarial_questions_and_malformed_evidence(tmp_path: Path) -> None:
    turn = {"speaker": "Ann", "dia_id": "D1:1", "text": "hello"}
    conversation = {
        "speaker_a": "Ann",
        "speaker_b": "Bob",
        "session_1": [turn],
        "session_1_date_time": "1:56 pm on 8 May, 2023",
    }
    asked = [
        {"question": "who?", "evidence": ["D1:1", "D"], "category": 4},
        {"question": "no answer?", "evidence": ["D1:1"], "category": 5},
        {"question": "malformed?", "evidence": ["D"], "category": 1},
    ]
    path = tmp_path / "locomo.json"
    path.write_text(json.dumps([{"sample_id": "s", "conversation": conversation, "qa": asked}]))
    [read] = read_set(path)
    assert [(one.text, one.evidence) for one in read.questions] == [("who?", {"D1:1"})]
    assert read.messages[0].said["timestamp"] == "2023-05-08T13:56:00+00:00"


@pytest.mark.parametrize("text", ["", "[]", "[1]", "{}", "not json", '{"question": "?", "evidence": ["x"]}'])
def test_an_unknown_question_set_is_an_error(tmp_path: Path, text: str) -> None:
    path = tmp_path / "set.jsonl"
    path.write_text(text)
    with pytest.raises(SettingsError, match=r"set\.jsonl"):
        read_set(path)
