"""What a question says about when becomes spans, in the user's zone."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from pipeline.search.question import read_question
from pipeline.search.times import MOST_SPANS, time_spans

TOKYO = ZoneInfo("Asia/Tokyo")
WEDNESDAY = datetime(2026, 11, 25, 14, 30, tzinfo=TOKYO)


@pytest.mark.parametrize(
    ("question", "start", "end"),
    [
        ("what did we do today?", "2026-11-25 00", "2026-11-26 00"),
        ("yesterday evening", "2026-11-24 16", "2026-11-25 00"),
        ("last night", "2026-11-24 18", "2026-11-25 06"),
        ("the day before yesterday", "2026-11-23 00", "2026-11-24 00"),
        ("3 days ago", "2026-11-22 00", "2026-11-23 00"),
        ("two weeks ago", "2026-11-08 00", "2026-11-15 00"),
        ("what we said last week", "2026-11-16 00", "2026-11-23 00"),
        ("last weekend", "2026-11-21 00", "2026-11-23 00"),
        ("this month", "2026-11-01 00", "2026-12-01 00"),
        ("next month", "2026-12-01 00", "2027-01-01 00"),
        ("last year", "2025-01-01 00", "2026-01-01 00"),
        ("last Tuesday", "2026-11-24 00", "2026-11-25 00"),
        ("on Friday", "2026-11-20 00", "2026-11-21 00"),
        ("next Friday", "2026-11-27 00", "2026-11-28 00"),
        ("in October", "2026-10-01 00", "2026-11-01 00"),
        ("in December", "2025-12-01 00", "2026-01-01 00"),
        ("in March 2025", "2025-03-01 00", "2025-04-01 00"),
        ("on the 3rd", "2026-11-03 00", "2026-11-04 00"),
        ("on the 31st", "2026-10-31 00", "2026-11-01 00"),
        ("November 3", "2026-11-03 00", "2026-11-04 00"),
        ("3 November 2025", "2025-11-03 00", "2025-11-04 00"),
        ("2026-11-03", "2026-11-03 00", "2026-11-04 00"),
        ("last summer", "2026-06-01 00", "2026-09-01 00"),
        ("今日は何を話した?", "2026-11-25 00", "2026-11-26 00"),
        ("昨日の夕方", "2026-11-24 15", "2026-11-24 20"),
        ("一昨日", "2026-11-23 00", "2026-11-24 00"),
        ("3日前", "2026-11-22 00", "2026-11-23 00"),
        ("3か月前", "2026-08-01 00", "2026-09-01 00"),
        ("先週の予定", "2026-11-16 00", "2026-11-23 00"),
        ("来週の予定", "2026-11-30 00", "2026-12-07 00"),
        ("先週の火曜日", "2026-11-17 00", "2026-11-18 00"),
        ("先月の会議", "2026-10-01 00", "2026-11-01 00"),
        ("去年の夏", "2025-06-01 00", "2025-09-01 00"),
        ("去年", "2025-01-01 00", "2026-01-01 00"),
        ("10月の旅行", "2026-10-01 00", "2026-11-01 00"),
        ("11月3日", "2026-11-03 00", "2026-11-04 00"),
        ("2025年2月", "2025-02-01 00", "2025-03-01 00"),
        ("3日に何をした?", "2026-11-03 00", "2026-11-04 00"),
    ],
)
def test_an_expression_is_a_span_in_the_users_zone(question: str, start: str, end: str) -> None:
    [span] = time_spans(question, WEDNESDAY)
    assert (f"{span.start:%Y-%m-%d %H}", f"{span.end:%Y-%m-%d %H}") == (start, end)
    assert span.start.tzinfo is TOKYO


@pytest.mark.parametrize(
    "question",
    [
        "May I ask?",
        "the march on the capital",
        "2月30日",
        "13月",
        "5日間",
        "in a second",
        "2026-13-45",
        "0 日",
        "",
    ],
)
def test_text_without_a_date_has_no_span(question: str) -> None:
    assert time_spans(question, WEDNESDAY) == ()


def test_a_list_of_dates_says_nothing_about_when() -> None:
    assert time_spans("、".join(f"11月{day}日" for day in range(1, MOST_SPANS + 2)), WEDNESDAY) == ()


@pytest.mark.parametrize(
    "question",
    [
        "what did we talk about last week?",
        "What happened yesterday?",
        "先週何を話した?",
        "昨日の会話の内容を教えて",
        "last week?",
    ],
)
def test_a_question_may_ask_only_when(question: str) -> None:
    assert read_question(question, WEDNESDAY).asks_only_when


@pytest.mark.parametrize(
    "question",
    [
        "what did we decide about the launch last week?",
        "先月の会議",
        "where is the key?",
        "12 December",
        "12月12日",
    ],
)
def test_a_question_mostly_asks_something_besides(question: str) -> None:
    assert not read_question(question, WEDNESDAY).asks_only_when


def test_relative_words_are_not_looked_for_and_their_days_are() -> None:
    question = read_question("which rug did I buy last week?", datetime(2026, 11, 25, tzinfo=UTC))
    assert "last" not in question.terms
    assert {"rug", "2026-11-16", "2026-11-22"} <= set(question.sought)
    assert "2026-11-16" not in question.about
