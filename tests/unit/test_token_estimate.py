"""The estimate against real tokenizers, which their packages carry: nothing is downloaded.

Measured besides, by hand, against a Unigram model (128,000 pieces) and a byte-level one of 65,000: never below 0.84 of either.
"""

from collections.abc import Callable, Mapping
from functools import cache
from importlib.resources import files

import pytest
from hypothesis import given
from hypothesis import strategies as st
from semantic_text_splitter import TextSplitter
from support.kinds_of_text import kinds
from tokenizers import Tokenizer

from pipeline.embedding.tokens import estimate_tokens, token_share

KINDS = kinds()
WINDOW = 400
MOST_BELOW = 0.8


@cache
def llama() -> Tokenizer:
    path = files("wordllama") / "tokenizers" / "l2_supercat_tokenizer_config.json"
    tokenizer = Tokenizer.from_file(str(path))
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return tokenizer


def by_llama(text: str) -> int:
    return len(llama().encode(text, add_special_tokens=False).ids)


def by_tiktoken(model: str) -> Callable[[str], int]:
    @cache
    def splitter(capacity: int) -> TextSplitter:
        return TextSplitter.from_tiktoken_model(model, capacity, trim=False)

    def tokens(window: str) -> int:
        """Return the least capacity that leaves the text whole."""
        low, high = 1, len(window.encode())
        while low < high:
            middle = (low + high) // 2
            fits = len(splitter(middle).chunks(window)) <= 1
            low, high = (low, middle) if fits else (middle + 1, high)
        return low

    return lambda text: sum(tokens(text[at : at + WINDOW]) for at in range(0, len(text), WINDOW))


TOKENIZERS: Mapping[str, Callable[[str], int]] = {
    "Llama 2": by_llama,
    "cl100k": by_tiktoken("text-embedding-3-small"),
    "o200k": by_tiktoken("gpt-4o"),
}


@pytest.fixture(scope="module")
def ratios() -> Mapping[str, Mapping[str, float]]:
    return {
        kind: {name: token_share(text) / count(text) for name, count in TOKENIZERS.items()}
        for kind, text in KINDS.items()
    }


def test_an_estimate_is_never_below_the_truth_by_more_than_a_fifth(
    ratios: Mapping[str, Mapping[str, float]], capsys: pytest.CaptureFixture[str]
) -> None:
    with capsys.disabled():
        print("\nestimate / truth, the lowest and the highest of", ", ".join(TOKENIZERS))
        for kind, each in ratios.items():
            print(f"  {kind:<18}{min(each.values()):.2f}  {max(each.values()):.2f}")
    assert len(KINDS) >= 12
    assert {kind: each for kind, each in ratios.items() if min(each.values()) < MOST_BELOW} == {}


def test_an_estimate_of_what_is_usually_said_is_near_the_truth(
    ratios: Mapping[str, Mapping[str, float]],
) -> None:
    assert max(*ratios["English chat"].values(), *ratios["Japanese chat"].values()) < 1.4


@pytest.mark.parametrize("kind", KINDS)
def test_shares_of_lines_add_up(kind: str) -> None:
    lines = KINDS[kind].splitlines(keepends=True)
    assert sum(map(token_share, lines)) == pytest.approx(token_share(KINDS[kind]), rel=1e-6)
    assert estimate_tokens(KINDS[kind]) <= sum(map(estimate_tokens, lines))


@given(
    st.text(st.characters(codec="ascii"), max_size=60)
    | st.text(st.sampled_from("aB1 .,\n\x1c"), max_size=30)
    | st.text(st.sampled_from("a1"), max_size=12)
)
def test_plain_text_weighs_the_same_whatever_stands_behind_it(text: str) -> None:
    """ASCII is counted by kinds of characters, everything else letter by letter."""
    letter_by_letter = token_share(f"{text} \u3042") - token_share(" \u3042")
    assert token_share(text) == pytest.approx(letter_by_letter, abs=1e-9)
