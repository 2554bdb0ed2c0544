"""Similarities and shared words become evidence that means the same everywhere."""

from collections.abc import Sequence
from datetime import UTC, datetime

import pytest

from pipeline.lexical.terms import terms
from pipeline.search.calibration import FEWEST, Background, background, evidence
from pipeline.search.unrelated import TEXTS, Unrelated
from pipeline.stores.search_requests import Hit

TIME = datetime(2026, 11, 22, tzinfo=UTC)


def hits(*similarities: float, text: str = "rain") -> list[Hit]:
    return [Hit(str(at), text, value, TIME, {}) for at, value in enumerate(similarities)]


def test_a_similarity_counts_by_how_far_it_stands_out_whatever_is_usual_in_the_space() -> None:
    low = evidence(hits(*[0.0, 0.1] * 40, 0.6), frozenset())
    high = evidence(hits(*[0.7, 0.8] * 40, 1.3), frozenset())
    assert low.relevance(0.6, ()) == pytest.approx(high.relevance(1.3, ()))
    assert low.relevance(0.6, ()) > 0.8
    assert low.relevance(0.1, ()) < 0.1


def test_of_few_chunks_unrelated_texts_tell_what_is_usual() -> None:
    alone = evidence(hits(0.6), frozenset())
    filled = evidence(hits(0.6), frozenset(), [0.0, 0.1] * 24)
    assert alone.relevance(0.6, ()) < 0.5 < filled.relevance(0.6, ())


def test_many_chunks_need_no_unrelated_texts() -> None:
    many = hits(*[0.2, 0.3] * FEWEST)
    assert evidence(many, frozenset(), [0.9] * 48) == evidence(many, frozenset())


def test_words_count_by_the_share_of_the_questions_idf_mass_and_unknown_words_are_missed() -> None:
    asked = frozenset(terms("soba tea zanzibar"))
    known = evidence([*hits(0.1, text="soba"), *hits(*[0.1] * 60, text="tea")], asked).term_idf
    soba, tea = (known.share(terms(word)) for word in ("soba", "tea"))
    assert 0 < tea < soba < 0.5
    assert known.share(terms("soba tea")) == pytest.approx(soba + tea)


def test_confidence_is_that_of_the_closest_and_of_the_one_with_most_words() -> None:
    asked = frozenset(terms("soba"))
    found = [Hit("close", "rain", 0.9, TIME, {}), Hit("wordy", "soba", 0.1, TIME, {}), *hits(*[0.1] * 60)]
    known = evidence(found, asked)
    assert known.confidence(found) > max(known.confidence([one]) for one in found)
    assert known.confidence([]) == pytest.approx(0.0)


def test_either_side_alone_may_be_sure_and_both_together_are_surer() -> None:
    asked = frozenset(terms("soba tea zanzibar"))
    known = evidence(hits(*[0.0, 0.1] * 40), asked)
    some, all_of_it = frozenset(terms("soba")), asked
    assert known.relevance(0.05, all_of_it) > 0.7
    assert known.relevance(0.5, ()) > 0.9
    assert known.relevance(0.2, ()) < 0.5 < known.relevance(0.2, some)


def test_a_question_unlike_everything_must_stand_out_of_its_space_too() -> None:
    narrow = hits(*[0.0, 0.02] * 40, 0.25)
    alone = evidence(narrow, frozenset())
    within = evidence(narrow, frozenset(), space=Background(0.1, 0.08))
    assert alone.relevance(0.25, ()) > 0.9
    assert within.relevance(0.25, ()) < 0.3
    wide = hits(*[0.2, 0.5] * 40, 0.9)
    assert evidence(wide, frozenset(), space=Background(0.1, 0.08)).relevance(0.9, ()) == pytest.approx(
        evidence(wide, frozenset()).relevance(0.9, ())
    )


def test_a_space_is_measured_by_texts_of_which_neither_translates_the_other() -> None:
    def embed(texts: Sequence[str]) -> list[list[float]]:
        return [[1.0, 0.0] if at // 2 % 2 else [0.0, 2.0] for at in range(len(texts))]

    space = Unrelated().space(embed)
    pairs = len(TEXTS) // 2
    alike = 2 * (pairs // 2) * (pairs // 2 - 1) / 2 / (pairs * (pairs - 1) / 2)
    assert space.mean == pytest.approx(alike)
    assert 0 < space.spread < 1


def test_nothing_at_all_has_a_background() -> None:
    assert background([]).stands_out(0.0) == 0.0
    assert background([0.5, 0.5]).spread > 0


def test_unrelated_texts_are_embedded_once() -> None:
    asked: list[int] = []

    def embed(texts: object) -> list[list[float]]:
        asked.append(len(list(texts)))  # type: ignore[call-overload]
        return [[1.0, 0.0]] * asked[-1]

    unrelated = Unrelated()
    assert unrelated.similarities([2.0, 0.0], embed) == [1.0] * len(TEXTS)
    assert unrelated.similarities([0.0, 3.0], embed) == [0.0] * len(TEXTS)
    assert unrelated.space(embed).mean == pytest.approx(1.0)
    assert asked == [len(TEXTS)]
