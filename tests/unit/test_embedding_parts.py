from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.words import WordEmbedder

from pipeline.embedding.parts import Refused, all_vectors, embed_each, in_parts
from pipeline.embedding.vectors import Vector
from pipeline.errors import EmbeddingRejectedError, EmbeddingUnavailableError


class OneOfThese(WordEmbedder):
    """Refuses requests with a bad text or with too many, and does not say why."""

    def __init__(self, bad: frozenset[int] = frozenset(), most: int = 99) -> None:
        super().__init__()
        self.bad, self.most = bad, most

    def embed(self, texts: Sequence[str]) -> Sequence[Vector]:
        self.usage.requests += 1
        if len(texts) > self.most or any(int(text) in self.bad for text in texts):
            raise EmbeddingRejectedError("one of these")
        return super().embed(texts)


@given(st.integers(0, 40), st.frozensets(st.integers(0, 39), max_size=5), st.integers(1, 50))
def test_each_text_gets_its_vector_or_its_refusal(count: int, bad: frozenset[int], most: int) -> None:
    texts = [str(number) for number in range(count)]
    found = embed_each(OneOfThese(bad, most), texts)
    plain = WordEmbedder()
    for number, outcome in enumerate(found):
        if number in bad:
            assert outcome == Refused("one of these")
        else:
            assert outcome == plain.embed([texts[number]])[0]
    assert len(found) == count


def test_one_bad_text_among_many_takes_few_requests() -> None:
    made = OneOfThese(frozenset({41}))
    embed_each(made, [str(number) for number in range(64)])
    assert made.usage.requests <= 2 * 13


def test_a_refused_parameter_is_not_sent_again() -> None:
    class Tells(WordEmbedder):
        def embed(self, texts: Sequence[str]) -> Sequence[Vector]:
            return all_vectors(
                [
                    Refused("bad") if text == "x" else one
                    for text, one in zip(texts, super().embed(texts), strict=True)
                ]
            )

    made = Tells()
    found = embed_each(made, ["a", "x", "b"])
    assert found[1] == Refused("bad")
    assert made.usage.requests == 1
    with pytest.raises(EmbeddingRejectedError, match="1 of 3 texts: bad") as caught:
        made.embed(["a", "x", "b"])
    assert caught.value.reasons == {1: "bad"}
    assert caught.value.vectors == {0: found[0], 2: found[2]}


def test_an_outage_in_the_middle_is_no_refusal() -> None:
    def ask(texts: Sequence[str], _: bool) -> Sequence[Vector]:
        if len(texts) > 1:
            raise EmbeddingRejectedError("one of these")
        raise EmbeddingUnavailableError("down")

    with pytest.raises(EmbeddingUnavailableError):
        in_parts(ask, ["a", "b"], 9, 99)


def test_a_size_that_takes_everything_is_known_afterwards() -> None:
    made = OneOfThese(most=10)
    parts = in_parts(lambda texts, _: made.embed(texts), [str(n) for n in range(60)], 99, 9_999)
    assert parts.size == 7
    assert len(parts.size_refusals) == 3


def test_a_refused_text_says_nothing_about_size() -> None:
    made = OneOfThese(frozenset({5}))
    parts = in_parts(lambda texts, _: made.embed(texts), [str(n) for n in range(60)], 99, 9_999)
    assert (parts.size, parts.size_refusals) == (99, ())
