import pytest
from support.kinds_of_text import kinds

from pipeline.embedding.tokens import token_share
from pipeline.ingest.fit_to_model import SLACK, fitting
from pipeline.ingest.splitting import split_markdown

KINDS = kinds()
BUDGET = 128


@pytest.mark.parametrize("kind", KINDS)
def test_no_piece_is_estimated_far_over_the_budget_and_nothing_is_lost(kind: str) -> None:
    text = KINDS[kind][:3_000]
    pieces = fitting(split_markdown)(text, BUDGET)
    assert "".join(pieces) == text
    assert max(map(token_share, pieces)) <= SLACK * BUDGET


def test_a_text_whose_pieces_fit_is_split_as_before() -> None:
    assert fitting(split_markdown)("one two three. " * 100, BUDGET) == split_markdown(
        "one two three. " * 100, BUDGET
    )


@pytest.mark.parametrize("text", ["", " ", "a", "9" * 1_000])
def test_any_text_is_whole_again(text: str) -> None:
    assert "".join(fitting(split_markdown)(text, 64)) == text
