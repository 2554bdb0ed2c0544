"""What a fixed weight would have gained is measured over the same candidates as the mix."""

from datetime import UTC, datetime

import pytest

from lab.evaluation.memory import Asked
from lab.evaluation.regret import MinMaxJudge, Regret, ranked, regret_table, regrets
from lab.evaluation.sets import Question
from pipeline.lexical.terms import terms
from pipeline.search import question
from pipeline.search.calibration import evidence
from pipeline.search.ranking import Judge, ScoringWeights
from pipeline.search.trace import Trace
from pipeline.stores.search_requests import Hit

TIME = datetime(2026, 11, 22, tzinfo=UTC)
TEXTS = {
    "close": ("Rain all day long.", 0.9),
    "wordy": ("Zanzibar tea is sold on Friday.", 0.1),
    **{
        f"other-{number}": (f"Nothing of note on day {number}.", 0.1 + number / 1_000) for number in range(60)
    },
}


def trace(text: str) -> Trace:
    hits = [Hit(name, said, similarity, TIME, {"key": name}) for name, (said, similarity) in TEXTS.items()]
    asked = question.read_question(text, TIME)
    return Trace(
        asked, hits, Judge(evidence(hits, frozenset(terms(text))), ScoringWeights(now=TIME)), "exact"
    )


def asked(text: str, *names: str) -> Asked:
    return Asked(Question(text, frozenset(names)), trace(text), {name: frozenset({name}) for name in TEXTS})


@pytest.mark.parametrize(("weight", "first"), [(1.0, "close"), (0.0, "wordy")])
def test_a_fixed_weight_of_one_side_alone_goes_by_that_side(weight: float, first: str) -> None:
    looked = trace("Is tea from Zanzibar sold?")
    judge = MinMaxJudge(looked.judge.evidence, ScoringWeights(weight, now=TIME))
    assert ranked(looked, judge)[0].hit.id == first


def test_the_best_weight_is_chosen_with_the_answers_known() -> None:
    text = "Is tea from Zanzibar sold?"
    found = list(regrets([asked(text, "close"), asked("Nobody knows of snow", "close")]))
    assert {(one.kind, one.measure) for one in found} == {
        (kind, measure) for kind in ("min-max", "evidence") for measure in ("r5", "mrr")
    }
    assert all(one.best == 1.0 for one in found)
    words = list(regrets([asked(text, "wordy")]))
    assert all(one.best == 1.0 and one.weight < 1.0 and one.below >= 0.0 for one in words)


def test_questions_without_an_answer_say_nothing_of_the_mix() -> None:
    text = "Is tea from Zanzibar sold?"
    assert list(regrets([asked(text, "wordy"), asked(text)])) == list(regrets([asked(text, "wordy")]))


def test_the_worst_of_all_cells_stands_last() -> None:
    cells = [
        (
            name,
            [
                Regret(kind, measure, 0.5, 0.5 + below, 0.3)
                for kind in ("min-max", "evidence")
                for measure in ("r5", "mrr")
            ],
        )
        for name, below in (("one", 0.01), ("two", 0.04))
    ]
    table = regret_table(cells)
    assert "| one | min-max | r5 | 0.5000 | 0.5100 | 0.3 | +0.0100 |" in table
    assert table.splitlines()[-4:] == [
        f"| worst | {kind} | {measure} | | | | +0.0400 |"
        for kind in ("min-max", "evidence")
        for measure in ("r5", "mrr")
    ]
