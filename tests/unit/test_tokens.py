import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.embedding import tokens
from pipeline.embedding.tokens import estimate_tokens, token_share
from pipeline.settings import Settings

MAX_INPUT_TOKENS = 8_192  # of OpenAI's embedding models


@pytest.mark.parametrize(
    ("text", "tokens"),
    [("", 0), ("a", 1), ("abcd", 1), ("abcde", 2), ("Abcd", 1), ("ABCD", 4), ("山", 2), ("山川", 3), ("é", 1), ("4711", 4)],
)  # fmt: skip
def test_dead_letters_of_words_are_cheap_and_the_rest_is_not(text: str, tokens: int) -> None:
    assert estimate_tokens(text) == tokens


@given(st.text(), st.text())
def test_a_line_is_never_more_than_the_whole(one: str, two: str) -> None:
    one += "\n"
    assert max(estimate_tokens(one), estimate_tokens(two)) <= estimate_tokens(one + two)
    assert estimate_tokens(one + two) <= estimate_tokens(one) + estimate_tokens(two)


@given(st.text(st.characters(codec="ascii")))
def test_ascii_is_counted_by_kinds_and_comes_to_the_same(text: str) -> None:
    whole = sum(tokens._WEIGHTS[letter] for letter in text)
    initials, beside = len(tokens._INITIAL.findall(text)), len(tokens._BESIDE_DIGIT.findall(text))
    assert token_share(text) == whole - 0.75 * initials + 0.5 * beside


@given(st.text())
def test_a_token_is_at_most_four_bytes(text: str) -> None:
    assert len(text.encode()) <= 4 * estimate_tokens(text)


def test_no_chunk_budget_can_outgrow_an_embedding_input() -> None:
    # No real token is less than a byte, so four bytes a token is the worst that can come of an estimate.
    largest = max(number for number in range(1, 10_000) if _allowed(number))
    assert 4 * largest <= MAX_INPUT_TOKENS


def _allowed(max_chunk_tokens: int) -> bool:
    try:
        Settings.from_environment({"MAX_CHUNK_TOKENS": str(max_chunk_tokens)})
    except Exception:  # noqa: BLE001  # whatever the refusal
        return False
    return True
