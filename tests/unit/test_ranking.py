"""Candidates become passages in one order, and nothing is told twice."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.embedding.tokens import estimate_tokens
from pipeline.lexical.terms import terms
from pipeline.search.calibration import evidence
from pipeline.search.quotations import SeenText
from pipeline.search.ranking import LONG, SHORT, VECTOR_WEIGHT, Judge, Ranked, ScoringWeights, at_odds, rank
from pipeline.search.windows import WINDOW_TOKENS, chains, parts_of, windows_of
from pipeline.stores.search_requests import Hit

TIME = datetime(2026, 11, 22, tzinfo=UTC)
QUOTE = "The spare key of the office in Osaka lies under the third flower pot on the left."


def hit(name: str, similarity: float, text: str = "", **metadata: Any) -> Hit:
    return Hit(name, text or name, similarity, TIME, metadata)


def chain(*texts: str, key: str = "chat:1", similarity: float = 0.5) -> list[Hit]:
    """Return chunks that follow each other in one session."""
    return [
        Hit(
            f"{key}-{number}",
            f"[2026-11-22]\nuser: {text}",
            similarity,
            TIME + timedelta(minutes=number),
            {
                "key": key,
                "last": f"{number}",
                "after": f"{number - 1}" if number else None,
                "part": 0,
                "roles": ["user"],
            },
        )
        for number, text in enumerate(texts)
    ]


def order(*hits: Hit, query_terms: str = "") -> list[str]:
    return [ranked.hit.id for ranked in rank(hits, terms(query_terms))]


def judge(hits: list[Hit], query_terms: str = "", weights: ScoringWeights | None = None) -> Judge:
    return Judge(evidence(hits, frozenset(terms(query_terms))), weights or ScoringWeights())


def contents(ranked: list[Ranked]) -> list[str]:
    return [one.hit.content for one in ranked]


@pytest.mark.parametrize(("half_life_days", "first"), [(None, "old"), (7, "new"), (3650, "old")])
def test_age_counts_only_if_asked_for(half_life_days: float | None, first: str) -> None:
    old = Hit("old", "a", 0.9, TIME - timedelta(days=14), {"key": "chat:1"})
    new = Hit("new", "b", 0.6, TIME, {"key": "chat:2"})
    lowest = Hit("undated", "c", 0.1, None, {"key": "chat:3"})
    hits = [old, new, lowest]
    weights = ScoringWeights(half_life_days=half_life_days, now=TIME)
    best, *_, last = rank(hits, judge=judge(hits, weights=weights))
    assert (best.hit.id, last.hit.id) == (first, "undated")
    assert 0 <= best.score <= 1


def test_an_age_is_halved_by_each_half_life() -> None:
    weights = ScoringWeights(half_life_days=7, now=TIME)
    ages = [TIME, TIME - timedelta(days=7), TIME - timedelta(days=14), TIME + timedelta(days=1), None]
    assert [weights.of_age(written) for written in ages] == [1, 0.5, 0.25, 1, 1]


def test_nothing_ranks_to_nothing() -> None:
    assert rank([]) == []


def test_without_words_the_vector_decides() -> None:
    assert order(hit("far", 0.1), hit("near", 0.9)) == ["near", "far"]


def test_words_can_outweigh_the_vector() -> None:
    hits = (hit("near", 0.9, "tea"), hit("words", 0.5, "soba noodles"), hit("far", 0.1, "rain"))
    assert order(*hits, query_terms="soba") == ["words", "near", "far"]


def test_a_score_is_the_weighted_sum_of_meaning_and_words() -> None:
    hits = [hit("a", 0.9, "soba tea"), hit("b", 0.5, "soba rice"), hit("c", 0.1, "rain")]
    best, *_ = rank(hits, terms("soba tea"))
    assert best.hit.id == "a"
    assert best.score == pytest.approx(VECTOR_WEIGHT * best.vector + (1 - VECTOR_WEIGHT) * best.lexical)
    assert best.lexical == pytest.approx(1.0, abs=0.01)


def test_words_that_carry_little_of_the_question_do_not_outweigh_its_meaning() -> None:
    others = [hit(f"other{at}", 0.05 + 0.1 * (at % 2), f"nothing {at}") for at in range(60)]
    hits = [hit("near", 0.3, "the answer"), hit("word", 0.1, "soba"), *others]
    assert order(*hits, query_terms="soba")[0] == "word"
    assert order(*hits, query_terms="soba tea zanzibar harbour pilot")[0] == "near"


@pytest.mark.parametrize(("near", "first"), [(0.17, "word"), (0.3, "near")])
def test_a_likeness_among_which_nothing_stands_out_does_not_outweigh_words(near: float, first: str) -> None:
    others = [hit(f"other{at}", 0.05 + 0.1 * (at % 2), f"nothing {at}") for at in range(60)]
    hits = [hit("near", near, "the answer"), hit("word", 0.1, "soba"), *others]
    assert order(*hits, query_terms="soba tea zanzibar harbour pilot")[0] == first


def test_without_words_likeness_decides_though_nothing_stands_out() -> None:
    others = [hit(f"other{at}", 0.05 + 0.1 * (at % 2), f"nothing {at}") for at in range(60)]
    assert order(hit("near", 0.17, "the answer"), *others, query_terms="soba")[0] == "near"


@pytest.mark.parametrize(
    ("weight", "times", "expected"), [(0.4, 1.5, 0.5), (0.4, 1.0, 0.4), (0.0, 3.0, 0.0), (1.0, 0.1, 1.0)]
)
def test_odds_are_multiplied_and_one_side_alone_stays_alone(
    weight: float, times: float, expected: float
) -> None:
    assert at_odds(weight, times) == pytest.approx(expected)


def test_meaning_weighs_more_in_long_chunks() -> None:
    def best_of(tokens: int) -> str:
        near = Hit("near", "the answer", 0.9, TIME, {"key": "near"}, tokens=tokens, counts={})
        word = Hit("word", "soba", 0.44, TIME, {"key": "word"}, tokens=tokens, counts={"soba": 1})
        others = [
            Hit(str(at), f"nothing {at}", 0.3 + at / 300, TIME, {"key": str(at)}, tokens=tokens, counts={})
            for at in range(60)
        ]
        return rank([near, word, *others], ["soba", "tea"])[0].hit.id

    assert (best_of(SHORT), best_of(LONG)) == ("word", "near")


def test_ties_go_by_id_whatever_the_order_of_the_candidates() -> None:
    assert order(hit("b", 0.5, "x"), hit("a", 0.5, "y")) == ["a", "b"]
    assert order(hit("a", 0.5, "y"), hit("b", 0.5, "x")) == ["a", "b"]


def test_rare_words_count_more_than_common_ones() -> None:
    common = [hit(f"c{number}", 0.5, f"office number{number}") for number in range(9)]
    assert order(*common, hit("rare", 0.5, "soba"), query_terms="office soba")[0] == "rare"


def test_chunks_that_stand_together_are_told_together() -> None:
    [passage] = rank(chain("where is the key?", "under the pot", "thanks"), terms("key"))
    assert passage.hit.content == "[2026-11-22]\nuser: where is the key?\nuser: under the pot\nuser: thanks"
    assert passage.chunks == ("chat:1-0", "chat:1-1", "chat:1-2")


def test_a_gap_parts_passages() -> None:
    first, _, third = chain("one key", "two", "three key")
    assert sorted(contents(rank([first, third], terms("key")))) == [
        "[2026-11-22]\nuser: one key",
        "[2026-11-22]\nuser: three key",
    ]


def test_pieces_of_one_message_are_joined_without_a_break() -> None:
    pieces = [
        Hit(f"p{part}", f"[2026-11-22]\n{text}", 0.5, TIME, {"key": "k", "last": "m", "part": part})
        for part, text in enumerate(("user: a long ", "message"))
    ]
    assert contents(rank(pieces)) == ["[2026-11-22]\nuser: a long message"]


def test_a_conversation_that_has_spoken_stands_back_for_one_that_fits_nearly_as_well() -> None:
    said = [("a1", 0.90, "a"), ("a2", 0.85, "a"), ("a3", 0.84, "a"), ("b1", 0.84, "b"), ("c1", 0.30, "c")]
    hits = [hit(name, similarity, f"said {name}", key=key) for name, similarity, key in said]
    found = rank(hits)
    assert [one.hit.id for one in found] == ["a1", "b1", "a2", "a3", "c1"]
    scores = {one.hit.id: one.score for one in found}
    assert scores["a2"] > scores["a3"] == pytest.approx(scores["b1"]), "what else was found takes nothing off"


def test_in_one_conversation_passages_stand_by_their_scores() -> None:
    hits = [hit(f"{number:02}", 0.9 - number / 40, f"said {number}", key="a") for number in range(20)]
    assert [one.hit.id for one in rank(hits)] == [one.id for one in hits]


@given(st.lists(st.integers(1, 400), min_size=1, max_size=30))
def test_no_passage_of_several_chunks_is_larger_than_a_window_and_no_chunk_is_told_twice(
    sizes: list[int],
) -> None:
    hits = chain(*(f"m{number} " + "x" * size for number, size in enumerate(sizes)))
    passages = rank(hits)
    told = [chunk for passage in passages for chunk in passage.chunks]
    assert len(told) == len(set(told))
    for passage in passages:
        assert len(passage.chunks) == 1 or estimate_tokens(passage.hit.content) <= WINDOW_TOKENS + 10
    assert [one.score for one in passages] == sorted((one.score for one in passages), reverse=True)


def test_a_quotation_is_told_once() -> None:
    hits = [hit("original", 0.9, f"user: {QUOTE}", key="a")]
    hits += [
        hit(
            f"copy{number}",
            0.8,
            f"assistant: As you told me on day {number}: 「{QUOTE.upper()}」 Anything else?",
            key=f"b{number}",
        )
        for number in range(6)
    ]
    passages = rank(hits, terms("where is the spare key?"), 5)
    assert sum("flower pot" in one.hit.content.lower() for one in passages) == 1
    assert passages[0].hit.id == "original"


def test_new_text_beside_a_quotation_is_kept() -> None:
    told = SeenText([QUOTE])
    answer = (
        f"assistant: {QUOTE} But the landlord moved it to the letter box in October, so look there first."
    )
    [passage] = rank([hit("new", 0.5, answer)], terms("spare key"), told=told)
    assert "letter box" in passage.hit.content
    assert "flower pot" not in passage.hit.content


def test_a_text_that_differs_by_a_figure_is_no_quotation() -> None:
    said = [
        f"user: The code of the back door of house {number} is {number}{number}{number}."
        for number in range(1, 9)
    ]
    hits = [hit(f"{number}", 0.5, text, key=f"{number}") for number, text in enumerate(said)]
    assert sorted(contents(rank(hits, terms("back door code")))) == sorted(said)
    assert rank(hits, told=SeenText(said)) == []


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("My favourite colour of the kitchen walls is green.", "My favourite colour of the kitchen walls is blue."),
        ("Ken is allergic to peanuts and to shellfish.", "Ken is allergic to peanuts and to soy."),
        ("Maria reads every book about the winter war.", "Joanna reads every book about the winter war."),
        ("来週の会議は金曜日に大阪の支社で行います。", "来週の会議は金曜日に京都の支社で行います。"),
    ],
)  # fmt: skip
def test_a_text_that_has_one_word_in_place_of_another_is_no_quotation(one: str, other: str) -> None:
    hits = [hit("1", 0.9, f"user: {one}", key="1"), hit("2", 0.8, f"user: {other}", key="2")]
    assert sorted(contents(rank(hits, terms(one)))) == sorted(f"user: {text}" for text in (one, other))


def test_short_sentences_are_nobodys_quotation() -> None:
    passages = rank(
        [
            hit("a", 0.9, "user: Thank you so much!", key="a"),
            hit("b", 0.8, "user: Thank you so much!", key="b"),
        ]
    )
    assert len(passages) == 2


def test_a_text_that_the_reader_has_is_left_out() -> None:
    hits = chain("one", "two")
    assert rank(hits, told=SeenText(chunks=[one.id for one in hits])) == []


def test_nothing_that_ranking_works_with_shows_what_was_said() -> None:
    parts = parts_of(chain("Mika: the canary sings", "Ken: canary"), frozenset(terms("canary sings")))
    windows = list(windows_of(chains(parts)))
    made = [parts, windows, judge([]).scored(windows), rank([part.hit for part in parts], terms("canary"))]
    assert len(windows) == 1
    assert "canar" not in repr(made)
