"""Sets of questions, and measures."""

import json
from pathlib import Path

import pytest

from pipeline.errors import SettingsError
from pipeline.lab.evaluation.command import JAPANESE
from pipeline.lab.evaluation.measures import Answer, figures
from pipeline.lab.evaluation.sets import read_set


def test_the_set_is_what_it_says() -> None:
    [conversation] = read_set(JAPANESE)
    assert len(conversation.messages) >= 200
    assert len(conversation.questions) >= 60
    assert len({message.id for message in conversation.messages}) == len(conversation.messages)


def test_measures_are_means_over_questions() -> None:
    answers = [
        Answer(frozenset("ab"), [{"x"}, {"a"}], {"a", "b"}),
        Answer(frozenset("c"), [{"c"}], set()),
    ]
    assert figures(answers, 30, 20).as_json() == {
        "r5": 0.75,
        "r10": 0.75,
        "mrr": 0.75,
        "b1k": 0.5,
        "embed_factor": 1.5,
        "questions": 2,
    }


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
def test_what_is_no_set_says_so(tmp_path: Path, text: str) -> None:
    path = tmp_path / "set.jsonl"
    path.write_text(text)
    with pytest.raises(SettingsError, match=r"set\.jsonl"):
        read_set(path)
