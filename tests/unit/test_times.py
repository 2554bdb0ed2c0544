"""What a question says about when becomes spans, in the user's zone."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from pipeline.search.question import read_question
from pipeline.search.times import MOST_SPANS, time_spans, without

TOKYO = ZoneInfo("Asia/Tokyo")
WEDNESDAY = datetime(2026, 11, 25, 14, 30, tzinfo=TOKYO)


def spans(question: str, now: datetime = WEDNESDAY) -> list[tuple[str, str]]:
    """Return what is said of when, to the hour."""
    return [(f"{one.start:%Y-%m-%d %H}", f"{one.end:%Y-%m-%d %H}") for one in time_spans(question, now)]


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
    ("question", "start", "end"),
    [
        ("a fortnight ago", "2026-11-08 00", "2026-11-15 00"),
        ("twenty-one days ago", "2026-11-04 00", "2026-11-05 00"),
        ("a couple of days ago", "2026-11-23 00", "2026-11-24 00"),
        ("a few days ago", "2026-11-19 00", "2026-11-24 00"),
        ("half a year ago", "2026-05-01 00", "2026-06-01 00"),
        ("a year and a half ago", "2025-05-01 00", "2025-06-01 00"),
        ("a week ago today", "2026-11-18 00", "2026-11-19 00"),
        ("two nights ago", "2026-11-23 18", "2026-11-24 06"),
        ("2 hours ago", "2026-11-25 11", "2026-11-25 13"),
        ("a week from now", "2026-11-29 00", "2026-12-06 00"),
        ("the last three days", "2026-11-22 00", "2026-11-26 00"),
        ("over the past week", "2026-11-18 00", "2026-11-26 00"),
        ("the week before last", "2026-11-09 00", "2026-11-16 00"),
        ("the month after next", "2027-01-01 00", "2027-02-01 00"),
        ("the Friday before last", "2026-11-13 00", "2026-11-14 00"),
        ("last quarter", "2026-07-01 00", "2026-10-01 00"),
        ("Q3 2025", "2025-07-01 00", "2025-10-01 00"),
        ("over the weekend", "2026-11-21 00", "2026-11-23 00"),
        ("Friday last week", "2026-11-20 00", "2026-11-21 00"),
        ("last week on Tuesday", "2026-11-17 00", "2026-11-18 00"),
        ("on Monday morning", "2026-11-23 04", "2026-11-23 12"),
        ("on the evening of the 3rd", "2026-11-03 16", "2026-11-04 00"),
        ("the 3rd of last month", "2026-10-03 00", "2026-10-04 00"),
        ("on the 15th of October 2025", "2025-10-15 00", "2025-10-16 00"),
        ("October the third", "2026-10-03 00", "2026-10-04 00"),
        ("October last year", "2025-10-01 00", "2025-11-01 00"),
        ("in March of last year", "2025-03-01 00", "2025-04-01 00"),
        ("this December", "2026-12-01 00", "2027-01-01 00"),
        ("in the summer", "2026-06-01 00", "2026-09-01 00"),
        ("the summer of 2025", "2025-06-01 00", "2025-09-01 00"),
        ("in 2025", "2025-01-01 00", "2026-01-01 00"),
        ("at Christmas", "2025-12-25 00", "2025-12-26 00"),
        ("Christmas 2024", "2024-12-25 00", "2024-12-26 00"),
        ("February 29", "2024-02-29 00", "2024-03-01 00"),
        ("2025/10/03", "2025-10-03 00", "2025-10-04 00"),
        ("2025-10", "2025-10-01 00", "2025-11-01 00"),
        ("this time last year", "2025-11-10 00", "2025-12-11 00"),
        ("early October", "2026-10-01 00", "2026-10-11 00"),
        ("the end of last month", "2026-10-27 00", "2026-11-01 00"),
        ("the last week of October", "2026-10-24 00", "2026-11-01 00"),
        ("２０２６-１１-０３", "2026-11-03 00", "2026-11-04 00"),
    ],
)
def test_english_says_when_in_many_ways(question: str, start: str, end: str) -> None:
    assert spans(question) == [(start, end)]


@pytest.mark.parametrize(
    ("question", "start", "end"),
    [
        ("３日前", "2026-11-22 00", "2026-11-23 00"),
        ("3 日前", "2026-11-22 00", "2026-11-23 00"),
        ("十五日前", "2026-11-10 00", "2026-11-11 00"),
        ("10日ほど前", "2026-11-15 00", "2026-11-16 00"),
        ("二三日前", "2026-11-22 00", "2026-11-24 00"),
        ("2、3日前", "2026-11-22 00", "2026-11-24 00"),
        ("数日前", "2026-11-19 00", "2026-11-24 00"),
        ("1ヵ月前", "2026-10-01 00", "2026-11-01 00"),
        ("ひと月前", "2026-10-01 00", "2026-11-01 00"),
        ("半年前", "2026-05-01 00", "2026-06-01 00"),
        ("1年半前", "2025-05-01 00", "2025-06-01 00"),
        ("二年前の夏", "2024-06-01 00", "2024-09-01 00"),
        ("2時間前", "2026-11-25 11", "2026-11-25 13"),
        ("3日後", "2026-11-28 00", "2026-11-29 00"),
        ("この一週間", "2026-11-18 00", "2026-11-26 00"),
        ("過去3日", "2026-11-22 00", "2026-11-26 00"),
        ("さきおととい", "2026-11-22 00", "2026-11-23 00"),
        ("一昨日の夜", "2026-11-23 17", "2026-11-24 06"),
        ("先々週の金曜", "2026-11-13 00", "2026-11-14 00"),
        ("月曜日の朝", "2026-11-23 04", "2026-11-23 12"),
        ("再来月", "2027-01-01 00", "2027-02-01 00"),
        ("再来年", "2028-01-01 00", "2029-01-01 00"),
        ("先月の20日", "2026-10-20 00", "2026-10-21 00"),
        ("先月末", "2026-10-27 00", "2026-11-01 00"),
        ("10月上旬", "2026-10-01 00", "2026-10-11 00"),
        ("去年の10月3日", "2025-10-03 00", "2025-10-04 00"),
        ("去年の今頃", "2025-11-10 00", "2025-12-11 00"),
        ("2025年の夏", "2025-06-01 00", "2025-09-01 00"),
        ("2025年", "2025-01-01 00", "2026-01-01 00"),
        ("令和7年", "2025-01-01 00", "2026-01-01 00"),
        ("令和元年五月", "2019-05-01 00", "2019-06-01 00"),
        ("平成31年4月30日", "2019-04-30 00", "2019-05-01 00"),
        ("Ｒ７.１０.３", "2025-10-03 00", "2025-10-04 00"),
        ("十一月三日", "2026-11-03 00", "2026-11-04 00"),
        ("元旦", "2026-01-01 00", "2026-01-02 00"),
        ("去年のクリスマス", "2025-12-25 00", "2025-12-26 00"),
        ("年末年始", "2025-12-28 00", "2026-01-05 00"),
        ("10/3に", "2026-10-03 00", "2026-10-04 00"),
    ],
)
def test_japanese_says_when_in_many_ways(question: str, start: str, end: str) -> None:
    assert spans(question) == [(start, end)]


@pytest.mark.parametrize(
    ("question", "start", "end"),
    [
        ("between March and May", "2026-03-01 00", "2026-06-01 00"),
        ("between March and May 2025", "2025-03-01 00", "2025-06-01 00"),
        ("from November to February", "2025-11-01 00", "2026-03-01 00"),
        ("from March 3 to March 9", "2026-03-03 00", "2026-03-10 00"),
        ("between the 3rd and the 9th of October", "2026-10-03 00", "2026-10-10 00"),
        ("Monday to Wednesday", "2026-11-16 00", "2026-11-19 00"),
        ("from 2023 to 2025", "2023-01-01 00", "2026-01-01 00"),
        ("3月から5月まで", "2026-03-01 00", "2026-06-01 00"),
        ("10月3日〜9日", "2026-10-03 00", "2026-10-10 00"),
        ("先週から今週にかけて", "2026-11-16 00", "2026-11-30 00"),
        ("since yesterday", "2026-11-24 00", "2026-11-26 00"),
        ("after March", "2026-04-01 00", "2026-11-26 00"),
        ("before October", "1970-01-01 00", "2026-10-01 00"),
        ("until last week", "1970-01-01 00", "2026-11-23 00"),
        ("10月以降", "2026-10-01 00", "2026-11-26 00"),
        ("昨日から", "2026-11-24 00", "2026-11-26 00"),
        ("10月まで", "1970-01-01 00", "2026-11-01 00"),
        ("Nov 1-10", "2026-11-01 00", "2026-11-11 00"),
        ("October 3 to 9, 2025", "2025-10-03 00", "2025-10-10 00"),
        ("1-10 November 2025", "2025-11-01 00", "2025-11-11 00"),
        ("October 3-4pm", "2026-10-03 00", "2026-10-04 00"),
    ],
)
def test_ends_and_bounds_make_one_span(question: str, start: str, end: str) -> None:
    assert spans(question) == [(start, end)]


@pytest.mark.parametrize(
    ("now", "question", "start", "end"),
    [
        ("2027-01-10", "this winter", "2026-12-01 00", "2027-03-01 00"),
        ("2027-01-10", "last winter", "2025-12-01 00", "2026-03-01 00"),
        ("2028-02-29", "1年前", "2027-01-01 00", "2028-01-01 00"),
        ("2028-02-29", "this time last year", "2027-02-13 00", "2027-03-16 00"),
        ("2026-03-31", "last month", "2026-02-01 00", "2026-03-01 00"),
        ("2026-03-31", "the past month", "2026-02-28 00", "2026-04-01 00"),
        ("2026-11-22", "last weekend", "2026-11-14 00", "2026-11-16 00"),
        ("2026-01-01", "昨日", "2025-12-31 00", "2026-01-01 00"),
        ("2026-11-28", "last November", "2025-11-01 00", "2025-12-01 00"),
        ("2026-11-28", "last October", "2026-10-01 00", "2026-11-01 00"),
        ("2027-03-31", "今年度", "2026-04-01 00", "2027-04-01 00"),
        ("2027-04-01", "今年度", "2027-04-01 00", "2028-04-01 00"),
        ("2026-11-28", "2025年度の予算", "2025-04-01 00", "2026-04-01 00"),
        ("2026-11-28", "次の土曜日", "2026-12-05 00", "2026-12-06 00"),
        ("2026-11-28", "土曜の予定", "2026-11-28 00", "2026-11-29 00"),
    ],
)
def test_edges_of_the_calendar_are_kept(now: str, question: str, start: str, end: str) -> None:
    assert spans(question, datetime.fromisoformat(now).replace(tzinfo=TOKYO)) == [(start, end)]


@pytest.mark.parametrize(
    ("question", "start", "end"),
    [
        ("What will we do on Friday?", "2026-11-27 00", "2026-11-28 00"),
        ("What is planned for Friday?", "2026-11-27 00", "2026-11-28 00"),
        ("What are my plans for December?", "2026-12-01 00", "2027-01-01 00"),
        ("What's due in two weeks?", "2026-12-06 00", "2026-12-13 00"),
        ("What will happen on the 3rd?", "2026-12-03 00", "2026-12-04 00"),
        ("Where will we go in the summer?", "2027-06-01 00", "2027-09-01 00"),
        ("土曜日の予定は?", "2026-11-28 00", "2026-11-29 00"),
        ("今度の火曜は何がある?", "2026-12-01 00", "2026-12-02 00"),
        ("12月の予定を教えて", "2026-12-01 00", "2027-01-01 00"),
        ("3日の締切", "2026-12-03 00", "2026-12-04 00"),
    ],
)
def test_a_question_of_plans_looks_ahead(question: str, start: str, end: str) -> None:
    assert spans(question) == [(start, end)]


@pytest.mark.parametrize(
    ("question", "start", "end"),
    [
        ("What did we do on Friday?", "2026-11-20 00", "2026-11-21 00"),
        ("Which plans did we talk about on Friday?", "2026-11-20 00", "2026-11-21 00"),
        ("What plans were made in December?", "2025-12-01 00", "2026-01-01 00"),
        ("土曜の予定はどうなった?", "2026-11-21 00", "2026-11-22 00"),
        ("土曜に話した予定は何?", "2026-11-21 00", "2026-11-22 00"),
        ("What did we say the other day?", "2026-11-11 00", "2026-11-25 00"),
        ("先日の電話", "2026-11-11 00", "2026-11-25 00"),
    ],
)
def test_a_question_of_the_past_looks_back(question: str, start: str, end: str) -> None:
    assert spans(question) == [(start, end)]


def test_a_day_on_which_clocks_change_is_a_whole_day() -> None:
    new_york = ZoneInfo("America/New_York")
    [span] = time_spans("yesterday", datetime(2026, 3, 9, 0, 30, tzinfo=new_york))
    assert span.start.astimezone(UTC).isoformat() == "2026-03-08T05:00:00+00:00"
    assert span.end.astimezone(UTC).isoformat() == "2026-03-09T04:00:00+00:00"


@pytest.mark.parametrize(
    "question",
    [
        "on the second floor", "fall in love", "by Friday", "今日子さん", "明日香さん", "三日坊主", "10日以内", "3か月前後", "毎週月曜",
        "半分前払い", "3日に1回", "第一月曜日", "二日酔い", "百年の孤独", "a second ago", "the Christmas tree", "クリスマスツリー", "on the Sunday", "How did I learn it in two weeks?", "この間に何があった",
        "How tall is the Christmas tree?", "クリスマスツリーの高さは?", "夏休みの旅行先はどこ？",
    ],
)  # fmt: skip
def test_text_that_only_looks_like_a_time_has_no_span(question: str) -> None:
    assert spans(question) == []


def test_an_expression_before_a_date_is_no_bound() -> None:
    assert spans("the weekend before April 10, 2023") == [("2023-04-10 00", "2023-04-11 00")]


def test_a_span_is_taken_out_of_a_question_with_the_words_that_bound_it() -> None:
    for question in ("between March and May", "before last week", "３月から５月"):
        assert without(question, time_spans(question, WEDNESDAY)).strip() == ""


@pytest.mark.parametrize("now", ["0001-01-01", "9999-12-31"])
def test_the_ends_of_the_calendar_have_no_spans_beyond_them(now: str) -> None:
    question = "yesterday, next year, 999 years ago, 先々週, 3日後"
    time_spans(question, datetime.fromisoformat(now).replace(tzinfo=TOKYO))


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
