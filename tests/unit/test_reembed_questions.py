import pytest

from pipeline.errors import SettingsError
from pipeline.operations.reembed.reembed import Question, question_of, questions_in
from pipeline.stores.pgvector.space_progress import Sample

LINES = """
{"tenant_id": "acme", "user_id": "mika", "query": "when does it ship?"}

{"tenant_id": "acme", "query": "請求書は?"}
"""


def test_questions_are_lines_and_the_user_is_the_tenants_own_where_none_is_named() -> None:
    assert questions_in(LINES) == [
        Question("acme", "mika", "when does it ship?"),
        Question("acme", "acme", "請求書は?"),
    ]


def test_a_question_may_hold_what_other_programs_take_for_the_end_of_a_line() -> None:
    (found,) = questions_in('{"tenant_id": "acme", "query": "one\u2028two\x85three"}\r\n')
    assert found.text == "one\u2028two\x85three"


@pytest.mark.parametrize(
    "line",
    [
        "canary",
        "[]",
        "[" * 100_000,
        "7",
        '{"tenant_id": "acme"}',
        '{"query": "canary"}',
        '{"tenant_id": "acme", "query": " "}',
        '{"tenant_id": "acme", "query": 7}',
        '{"tenant_id": "acme", "user_id": null, "query": "canary"}',
    ],
)
def test_a_line_that_is_none_is_named_and_not_quoted(line: str) -> None:
    with pytest.raises(SettingsError, match="line 3") as caught:
        questions_in(f'{{"tenant_id": "a", "query": "q"}}\n\n{line}')
    assert "canary" not in str(caught.value)


def test_a_stored_text_is_asked_for_by_its_beginning_and_is_no_answer_to_itself() -> None:
    asked = question_of(Sample("acme", "mika", "chunk-1", "tea " * 100, {}))
    assert (asked.tenant_id, asked.user_id, asked.without) == ("acme", "mika", "chunk-1")
    assert len(asked.text) == 200
