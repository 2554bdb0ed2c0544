import itertools
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import SettingsError
from pipeline.local.samples import Save, growth, items_of, shipped_items, shipped_questions
from pipeline.source.layouts import Layouts


def line(**strings: str) -> dict[str, Any]:
    return {name: {"S": value} for name, value in strings.items()}


SESSION = line(tenant_id="acme", session_key="chat:1", messages="[]")
NOTE = line(tenant_id="acme", sk="memory:long_term", content="x")
CONFIG = line(pk="MEMORY#mika", sk="LONG_TERM", content="x")


def written(folder: Path, text: str) -> Path:
    path = folder / "items.jsonl"
    path.write_text(text, "utf-8")
    return path


def test_every_shipped_item_is_memory_and_every_question_has_its_answer(layouts: Layouts) -> None:
    documents = [layouts.parse(save.table, save.item) for save in shipped_items()]
    said = {
        (document.tenant_id, document.user_id, document.name): "\n".join(
            entry.text for entry in document.entries
        )
        for document in documents
        if document
    }
    assert len(said) == len(documents)
    assert shipped_questions()
    for question in shipped_questions():
        assert question.contains in said[question.tenant_id, question.user_id, question.key]


def test_lines_of_items_go_to_the_table_that_their_key_names(tmp_path: Path) -> None:
    lines = [json.dumps(SESSION), "", json.dumps({"Item": NOTE}), json.dumps(CONFIG)]
    assert items_of(written(tmp_path, "\n".join(lines))) == [
        Save("sessions", SESSION),
        Save("memory", NOTE),
        Save("config", CONFIG),
    ]


@pytest.mark.parametrize(
    "wrong",
    ["{", "7", "null", '"text"', "{}", '{"tenant_id": "acme"}', '{"tenant_id": {"S": "acme"}}', '{"Item": null}', '{"pk": {"S": "x", "N": "1"}, "sk": {"S": "x"}}'],
)  # fmt: skip
def test_a_line_that_is_no_item_is_named_by_its_number(tmp_path: Path, wrong: str) -> None:
    with pytest.raises(SettingsError, match=r"line 2: not a DynamoDB item"):
        items_of(written(tmp_path, f"{json.dumps(SESSION)}\n{wrong}\n"))


@pytest.mark.parametrize("content", [b"", b"\n \n", b"\xff\xfe"])
def test_a_file_without_items_says_so(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "items.jsonl"
    path.write_bytes(content)
    with pytest.raises(SettingsError, match=r"items\.jsonl"):
        items_of(path)


def test_a_file_that_is_not_there_says_so(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="FileNotFoundError"):
        items_of(tmp_path / "items.jsonl")


def test_locomo_conversations_become_sessions(tmp_path: Path) -> None:
    conversation = {
        "speaker_a": "Ann",
        "speaker_b": "Bob",
        "session_1_date_time": "1:56 pm on 8 May, 2023",
        "session_1": [{"speaker": "Ann", "text": "Hi!"}, {"speaker": "Bob", "text": "Hello."}],
        "session_2_date_time": "2:00 pm on 9 May, 2023",
        "session_3_date_time": "3:00 pm on 10 May, 2023",
        "session_3": [{"speaker": "Bob", "text": "Again."}],
    }
    path = tmp_path / "locomo.json"
    path.write_text(json.dumps([{"sample_id": 7, "conversation": conversation}]), "utf-8")
    saves = items_of(path)
    assert [(save.table, save.item["tenant_id"]["S"], save.item["session_key"]["S"]) for save in saves] == [
        ("sessions", "7", "session_1"),
        ("sessions", "7", "session_3"),
    ]
    assert json.loads(saves[0].item["messages"]["S"]) == [
        {"role": "user", "name": "Ann", "content": "Hi!", "timestamp": "2023-05-08T13:56:00+00:00"},
        {"role": "assistant", "name": "Bob", "content": "Hello.", "timestamp": "2023-05-08T13:57:00+00:00"},
    ]


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ("[", "line 1"), ("[{}]", "element 1 of the list"), ("[7]", "element 1"), ('{\n"Items": [\n}', "line 3"),
        ('[{"sample_id": 1, "conversation": {"session_1_date_time": "today"}}]', "LoCoMo"),
    ],
)  # fmt: skip
def test_json_that_is_nothing_known_is_refused_and_the_place_named(
    tmp_path: Path, text: str, where: str
) -> None:
    path = tmp_path / "mine.json"
    path.write_text(text, "utf-8")
    with pytest.raises(SettingsError, match=where):
        items_of(path)


def session(*roles: str) -> Save:
    messages = [{"role": role, "content": str(number)} for number, role in enumerate(roles)]
    return Save("sessions", {**SESSION, "messages": {"S": json.dumps(messages)}})


def lengths(save: Save) -> list[int]:
    return [len(json.loads(put.item["messages"]["S"])) for put in growth(save)]


def test_a_session_grows_by_exchanges() -> None:
    assert lengths(session("system", "user", "assistant", "user", "user", "tool", "assistant", "user")) == [
        3,
        7,
        8,
    ]


@given(st.lists(st.sampled_from(["user", "assistant", "system", "tool"]), min_size=1))
def test_every_put_of_a_session_extends_the_last_up_to_the_whole(roles: list[str]) -> None:
    whole = session(*roles)
    puts = [json.loads(put.item["messages"]["S"]) for put in growth(whole)]
    assert puts[-1] == json.loads(whole.item["messages"]["S"])
    for shorter, longer in itertools.pairwise(puts):
        assert len(shorter) < len(longer)
        assert longer[: len(shorter)] == shorter


def test_a_daily_log_grows_by_lines() -> None:
    content = "# 2026-11-22\n\n- Q: one\n- Q: two\n  more\n- Q: three\n"
    puts = [put.item["content"]["S"] for put in growth(Save("config", {**CONFIG, "content": {"S": content}}))]
    assert puts == ["# 2026-11-22\n\n- Q: one\n", "# 2026-11-22\n\n- Q: one\n- Q: two\n  more\n", content]


@pytest.mark.parametrize(
    "item", [SESSION, NOTE, line(tenant_id="acme", session_key="chat:1", messages="[broken")]
)
def test_anything_else_is_one_put(item: Any) -> None:
    assert list(growth(Save("sessions", item))) == [Save("sessions", item)]
