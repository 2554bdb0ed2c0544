import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.lexical.irregular import BASE_OF
from pipeline.lexical.stop_words import STOP_WORDS
from pipeline.lexical.terms import MAX_TERM_CHARACTERS, counts, terms

EXAMPLES = {
    "Conversations, and what they're about": ("convers",),
    "What are Caroline's plans?": ("carolin", "plan"),
    "ORA-00942": ("ora-00942", "ora", "00942"),
    "t4g.micro": ("t4g.micro", "t4g", "micro"),
    "report_v2.pdf": ("report_v2.pdf", "report", "v2", "pdf"),
    "v1.2.3": ("v1.2.3", "v1", "2", "3"),
    "see https://example.com/a": ("see", "https://example.com/a", "https", "exampl", "com"),
    "C++ or C#": ("c++", "c#"),
    "田中さん": ("田", "中", "田中", "中さ", "田中さん"),
    "サーバー": ("サー", "ーバ", "バー", "サーバー"),
    "ｻｰﾊﾞｰ ＡＢＣ": ("サー", "ーバ", "バー", "サーバー", "abc"),
    "これはとても": (),
    "23,870円": ("23870", "円"),
    "3階": ("3", "3階", "階"),
    "2026-11-22": ("novemb", "11月", "22", "22日", "2026", "2026-11-22"),
    "2026年11月22日": ("novemb", "11月", "22", "22日", "2026", "2026-11-22"),
    "11月": ("novemb", "11月"),
    "13月": ("13月", "13"),
    "may I?": ("may",),
    "who are you?": (),
    "The children went and bought bread": ("child", "go", "buy", "bread"),
    "Don won, and won't say so; it isn’t his": ("don", "win", "say"),
}


@pytest.mark.parametrize("text", EXAMPLES)
def test_terms(text: str) -> None:
    assert terms(text) == EXAMPLES[text]


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ("the meeting in November", "[2026-11-22]\nuser: the meeting"),
        ("11月の会議", "[2026-11-22]\nuser: 会議"),
        ("running conversations", "he ran a conversation and runs"),
        ("Where did she go, and which men did she meet?", "I went there and met a man"),
        ("サーバー", "ｻｰﾊﾞｰが落ちた"),
        ("ora-00942", "エラーはORA-00942です"),
        ("山本部長", "山本部長から電話"),
    ],
)
def test_a_question_meets_what_was_said(asked: str, said: str) -> None:
    assert len(set(terms(asked)) & set(terms(said))) >= 2


def test_each_irregular_form_has_one_base_that_is_searched_for() -> None:
    assert not BASE_OF.keys() & set(BASE_OF.values())
    assert not STOP_WORDS & {*BASE_OF, *BASE_OF.values()}
    assert [
        form for form, base in BASE_OF.items() if terms(form) != terms(base) or len(terms(form)) != 1
    ] == []


HOSTILE = st.text() | st.lists(
    st.sampled_from(
        [
            *"aZ9.-_/:@#+,年月日 \x00\ud800\U0010ffff",
            "田",
            "さん",
            "あ",
            "ー",
            "ア",
            "１",
            "e\u0301",
            "👨\u200d👩",
            "\u202e",
            "|&!'\\",
            "İ",
            "ß",
        ]
    ),
    max_size=200,
).map("".join)


@given(HOSTILE)
def test_any_text_has_terms_that_are_bounded_and_the_same_every_time(text: str) -> None:
    found = terms(text)
    assert found == terms(text)
    assert all(0 < len(term) <= MAX_TERM_CHARACTERS for term in found)
    assert len(found) <= 6 * len(unicodedata.normalize("NFKC", text).casefold())
    assert sum(counts(text).values()) == len(found)


@given(HOSTILE)
def test_width_case_and_encoding_make_no_difference(text: str) -> None:
    assert terms(text) == terms(unicodedata.normalize("NFD", text))
    assert set(terms(text)) == set(terms(unicodedata.normalize("NFKC", text)))


@pytest.mark.parametrize("unit", ["a", "あ", "田", "1,000", "a-", "2026-11-22", "ア", "=.", "👨\u200d"])
def test_a_megabyte_of_anything_is_cut_into_terms(unit: str) -> None:
    text = unit * (1_000_000 // len(unit))
    assert len(terms(text)) <= 6 * len(text)
